//! Names of objects in the store, and reading single records.

use store::Store;

use crate::record::{MAX_META, decode_record};
use crate::{Decoder, Error, Locator, PackId, Result};

/// Folder of packs that hold data.
pub(crate) const DATA_PACKS: &str = "packs/";
/// Folder of packs that hold map pages and roots.
pub(crate) const META_PACKS: &str = "meta/";

/// What the chunks of a pack are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PackKind {
    /// Disk contents.
    Data,
    /// Map pages and roots.
    Meta,
}

impl PackKind {
    pub(crate) const fn folder(self) -> &'static str {
        match self {
            Self::Data => DATA_PACKS,
            Self::Meta => META_PACKS,
        }
    }
}

/// The name of a pack in the store: "packs/ab/abcd….pack".
#[must_use]
pub fn pack_name(kind: PackKind, id: &PackId) -> String {
    let hex = id.to_string();
    format!("{}{:02x}/{hex}.pack", kind.folder(), id.as_bytes()[0])
}

/// The id in a pack's name; `None` when it is no pack's.
pub(crate) fn pack_of_name(kind: PackKind, name: &str) -> Option<PackId> {
    let (folder, file) = name.strip_prefix(kind.folder())?.split_once('/')?;
    let hex = file.strip_suffix(".pack")?;
    (hex.get(..2)? == folder).then_some(())?;
    hex.parse().ok()
}

/// The plain bytes of one chunk, of at most `max_raw`.
pub(crate) fn read_chunk(
    store: &dyn Store,
    kind: PackKind,
    locator: &Locator,
    max_raw: usize,
    decoder: &mut Decoder,
) -> Result<Vec<u8>> {
    let name = pack_name(kind, &locator.pack);
    locator
        .check(max_raw)
        .map_err(|found| Error::damaged(&name, u64::from(locator.offset), "a record", found))?;
    let mut record = vec![0; locator.record_len()];
    store
        .read_range(&name, u64::from(locator.offset), &mut record)
        .map_err(Error::required)?;
    let mut plain = vec![0; locator.raw_len as usize];
    decode_record(locator, &record, decoder, &mut plain)?;
    Ok(plain)
}

/// The plain bytes of a map page or root.
pub(crate) fn read_meta(
    store: &dyn Store,
    locator: &Locator,
    decoder: &mut Decoder,
) -> Result<Vec<u8>> {
    read_chunk(store, PackKind::Meta, locator, MAX_META, decoder)
}
