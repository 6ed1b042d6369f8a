//! The root of a region's map: the list of its pages.
//!
//! ```text
//! 0   4  magic "R1MR"            per page:  chunk id of the page 32
//! 4   4  packs (p)               per page:  index into the pack table u16
//! 8   8  region length in bytes  per page:  offset of its record u32
//! 16  4  pages (n)               per page:  stored length u32
//! 20  4  zero                    per page:  plain length u32
//! 24     pack table: p × 32
//! ```

use super::{MAX_PAGES, PAGE_SPAN};
use crate::bytes::Fields;
use crate::record::MAX_META;
use crate::{ChunkId, Error, Locator, PackId, Result};

const MAGIC: &[u8] = b"R1MR";
/// Pack table indices are 16 bits wide.
const MAX_PACKS: usize = 1 << 16;

/// Where the pages of a region of `len` bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Root {
    pub(crate) len: u64,
    pub(crate) pages: Vec<Locator>,
}

impl Root {
    /// The root's plain bytes.
    ///
    /// # Errors
    /// [`Error::TooLarge`] for more pages or packs than a root can hold.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut packs: Vec<PackId> = self.pages.iter().map(|l| l.pack).collect();
        packs.sort_unstable();
        packs.dedup();
        if self.pages.len() as u64 > MAX_PAGES || packs.len() > MAX_PACKS {
            return Err(Error::TooLarge {
                what: "the number of pages of a map",
                value: self.pages.len() as u64,
                cap: MAX_PAGES,
            });
        }
        let mut out = Vec::with_capacity(24 + packs.len() * 32 + self.pages.len() * 46);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&(packs.len() as u32).to_le_bytes());
        out.extend_from_slice(&self.len.to_le_bytes());
        out.extend_from_slice(&(self.pages.len() as u32).to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        packs
            .iter()
            .for_each(|p| out.extend_from_slice(p.as_bytes()));
        for page in &self.pages {
            out.extend_from_slice(page.chunk.as_bytes());
        }
        for page in &self.pages {
            // The table is sorted and holds every page's pack.
            let ordinal = packs.binary_search(&page.pack).unwrap_or_default();
            out.extend_from_slice(&(ordinal as u16).to_le_bytes());
        }
        self.pages
            .iter()
            .for_each(|p| out.extend_from_slice(&p.offset.to_le_bytes()));
        self.pages
            .iter()
            .for_each(|p| out.extend_from_slice(&p.stored_len.to_le_bytes()));
        self.pages
            .iter()
            .for_each(|p| out.extend_from_slice(&p.raw_len.to_le_bytes()));
        Ok(out)
    }

    /// Parses and checks the root of a region of `len` bytes.
    ///
    /// # Errors
    /// [`Error::Damaged`].
    pub(crate) fn parse(object: &str, bytes: &[u8], len: u64) -> Result<Self> {
        let mut fields = Fields::new(object, 0, bytes);
        fields.magic(MAGIC, "a map root")?;
        let packs = fields.count("packs in a map root", MAX_PACKS)?;
        let (found_len, pages) = (fields.u64()?, u64::from(fields.u32()?));
        if found_len != len || pages != len.div_ceil(PAGE_SPAN) || pages > MAX_PAGES {
            return Err(Error::damaged(
                object,
                8,
                format!("{} pages for {len} bytes", len.div_ceil(PAGE_SPAN)),
                format!("{pages} for {found_len}"),
            ));
        }
        let pages = pages as usize;
        fields.magic(&[0; 4], "four zeros")?;
        let mut pack_table = Vec::new();
        for _ in 0..packs {
            pack_table.push(PackId::from_bytes(fields.array()?));
        }
        let mut ids = Fields::new(object, fields.position(), fields.take(pages * 32)?);
        let mut pack_of = Fields::new(object, fields.position(), fields.take(pages * 2)?);
        let mut offsets = Fields::new(object, fields.position(), fields.take(pages * 4)?);
        let mut stored = Fields::new(object, fields.position(), fields.take(pages * 4)?);
        let mut raw = Fields::new(object, fields.position(), fields.take(pages * 4)?);
        fields.end()?;
        let mut out = Vec::with_capacity(pages);
        for _ in 0..pages {
            let position = pack_of.position();
            let ordinal = usize::from(pack_of.u16()?);
            let pack = *pack_table.get(ordinal).ok_or_else(|| {
                Error::damaged(
                    object,
                    position,
                    format!("one of {packs} packs"),
                    format!("pack {ordinal}"),
                )
            })?;
            let locator = Locator {
                chunk: ChunkId::from_bytes(ids.array()?),
                pack,
                offset: offsets.u32()?,
                stored_len: stored.u32()?,
                raw_len: raw.u32()?,
            };
            if let Err(found) = locator.check(MAX_META) {
                return Err(Error::damaged(object, position, "a possible page", found));
            }
            out.push(locator);
        }
        Ok(Self { len, pages: out })
    }
}
