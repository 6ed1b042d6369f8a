//! Folders: the index `$I30` of a record. All of its blocks are gone through
//! instead of descending in the tree.

use super::record::{BITMAP, INDEX_ALLOCATION, INDEX_ROOT, Value, fix_up};
use super::volume::Volume;
use crate::bytes::{byte, le16, le32, le64, slice};
use crate::error::{Stop, raw};

/// The name of a folder's index.
const NAME: &str = "$I30";
/// An index is not read beyond this, in bytes.
const CAP: u64 = 64 << 20;
/// The name space of the short names that DOS sees.
const DOS: u8 = 2;

/// One name in a folder.
pub(crate) struct Entry<'a> {
    /// The record, and in the upper 16 bits how often it was reused.
    pub(crate) reference: u64,
    /// UTF-16, little-endian.
    pub(crate) name: &'a [u8],
    space: u8,
}

impl Entry<'_> {
    /// Whether it is a second, short name.
    pub(crate) fn is_dos(&self) -> bool {
        self.space == DOS
    }
}

/// Shows `see` the names in the folder `number` until it says that it has seen
/// enough.
pub(crate) fn each(
    volume: &Volume<'_>,
    number: u64,
    mut see: impl FnMut(&Entry<'_>) -> bool,
) -> Result<(), Stop> {
    let Some(Value::Resident(root)) = volume.value(number, INDEX_ROOT, NAME)? else {
        return raw(format!("record {number} is a folder without an index"));
    };
    if in_node(&root, 0x10, &mut see)? {
        return Ok(());
    }
    let block = u64::from(le32(&root, 8)?);
    let Some(value) = volume.value(number, INDEX_ALLOCATION, NAME)? else {
        return Ok(());
    };
    let Value::Runs { initialized, .. } = value else {
        return raw(format!("the index of folder {number} is resident"));
    };
    if !(512..=65536).contains(&block) || !block.is_power_of_two() || initialized > CAP {
        return raw(format!(
            "folder {number} has {initialized} bytes of index in blocks of {block}"
        ));
    }
    let used = used(volume, number)?;
    for index in 0..initialized / block {
        if !used.is_set(index) {
            continue;
        }
        let mut bytes = volume.read("folder", &value, index * block, block)?;
        fix_up(&mut bytes, b"INDX")?;
        if in_node(&bytes, 0x18, &mut see)? {
            return Ok(());
        }
    }
    Ok(())
}

/// Which blocks of an index are in use, a bit each; what is in the others is old.
struct Used(Vec<u8>);

impl Used {
    fn is_set(&self, index: u64) -> bool {
        let byte = usize::try_from(index / 8)
            .ok()
            .and_then(|at| self.0.get(at));
        byte.is_some_and(|byte| byte >> (index % 8) & 1 == 1)
    }
}

fn used(volume: &Volume<'_>, number: u64) -> Result<Used, Stop> {
    match volume.value(number, BITMAP, NAME)? {
        Some(Value::Resident(bits)) => Ok(Used(bits)),
        Some(value @ Value::Runs { initialized, .. }) if initialized <= CAP / 512 / 8 => {
            volume.read("folder", &value, 0, initialized).map(Used)
        }
        _ => raw(format!("the index of folder {number} has no bitmap")),
    }
}

/// The names of the node whose header is at `header`; whether `see` has seen enough.
fn in_node(
    bytes: &[u8],
    header: usize,
    see: &mut impl FnMut(&Entry<'_>) -> bool,
) -> Result<bool, Stop> {
    const LAST: u16 = 0x2;
    let first = usize::try_from(le32(bytes, header)?).unwrap_or(usize::MAX);
    let mut at = header.saturating_add(first);
    loop {
        let len = usize::from(le16(bytes, at.saturating_add(8))?);
        let entry = slice(bytes, at, len)?;
        if len < 0x10 {
            return raw(format!(
                "an index entry of {len} bytes: expected at least 16"
            ));
        }
        if le16(entry, 0x0C)? & LAST != 0 {
            return Ok(false);
        }
        // (The key is the contents of a `$FILE_NAME`.)
        let units = usize::from(byte(entry, 0x10 + 0x40)?);
        let shown = Entry {
            reference: le64(entry, 0)?,
            name: slice(entry, 0x10 + 0x42, units * 2)?,
            space: byte(entry, 0x10 + 0x41)?,
        };
        if see(&shown) {
            return Ok(true);
        }
        at += len;
    }
}
