//! MFT records: fix-ups, attributes, run lists. Pure.

use crate::bytes::{byte, has, le16, le32, le64, slice};
use crate::error::{Stop, raw};

/// Fix-ups protect every 512 bytes, whatever the sector size.
const STRIDE: usize = 512;

pub(crate) const ATTRIBUTE_LIST: u32 = 0x20;
pub(crate) const VOLUME_NAME: u32 = 0x60;
pub(crate) const VOLUME_INFORMATION: u32 = 0x70;
pub(crate) const DATA: u32 = 0x80;
pub(crate) const INDEX_ROOT: u32 = 0x90;
pub(crate) const INDEX_ALLOCATION: u32 = 0xA0;
pub(crate) const BITMAP: u32 = 0xB0;
pub(crate) const REPARSE_POINT: u32 = 0xC0;
const END: u32 = 0xFFFF_FFFF;

const IN_USE: u16 = 0x1;
/// Compressed (0xFF) or encrypted: not readable run by run.
const TRANSFORMED: u16 = 0x40FF;
/// Compressed with LZNT1.
const COMPRESSED: u16 = 0x0001;
/// The most clusters that are compressed together, as a power of two. (Windows: 4.)
const UNIT_MOST: u8 = 6;

/// `len` clusters of an attribute from its cluster `vcn` on; `lcn` is where
/// they lie, or nowhere when sparse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) vcn: u64,
    pub(crate) lcn: Option<u64>,
    pub(crate) len: u64,
}

/// Where an attribute's value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Resident(Vec<u8>),
    Runs {
        runs: Vec<Run>,
        /// Bytes written so far; what follows reads as zero.
        initialized: u64,
        /// Bytes in all.
        size: u64,
    },
    Packed(Packed),
}

/// A value that NTFS compressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Packed {
    pub(crate) runs: Vec<Run>,
    /// As in [`Value::Runs`].
    pub(crate) initialized: u64,
    pub(crate) size: u64,
    /// Clusters that are compressed together.
    pub(crate) unit: u64,
}

/// Undoes the fix-ups of a record or page that starts with `magic`: the last
/// two bytes of each stride were replaced by a number and kept in an array.
pub(crate) fn fix_up(record: &mut [u8], magic: &[u8; 4]) -> Result<(), Stop> {
    if !has(record, 0, magic) {
        return raw(format!(
            "an NTFS structure starts with {:02x?}: expected {magic:02x?}",
            record.get(..4).unwrap_or_default()
        ));
    }
    let (at, count) = (usize::from(le16(record, 4)?), usize::from(le16(record, 6)?));
    let strides = record.len() / STRIDE;
    if count != strides + 1 {
        return raw(format!(
            "an NTFS structure of {strides} sectors has {count} fix-ups"
        ));
    }
    let array = slice(record, at, count * 2)?.to_vec();
    let (number, saved) = array.split_at(2);
    for (stride, saved) in record.chunks_exact_mut(STRIDE).zip(saved.chunks_exact(2)) {
        let Some(end) = stride.get_mut(STRIDE - 2..) else {
            continue;
        };
        if end != number {
            return raw("an NTFS structure was only half written");
        }
        end.copy_from_slice(saved);
    }
    Ok(())
}

/// One attribute of a record.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attribute<'a> {
    bytes: &'a [u8],
    pub(crate) kind: u32,
}

/// The attributes of a record whose fix-ups are undone.
pub(crate) fn attributes(record: &[u8]) -> Result<Vec<Attribute<'_>>, Stop> {
    if le16(record, 0x16)? & IN_USE == 0 {
        return raw("an MFT record that must exist is not in use");
    }
    let mut out = Vec::new();
    let mut at = usize::from(le16(record, 0x14)?);
    loop {
        let kind = le32(record, at)?;
        if kind == END {
            return Ok(out);
        }
        let len = usize::try_from(le32(record, at + 4)?).unwrap_or(usize::MAX);
        if len < 0x18 {
            return raw(format!("an attribute of {len} bytes: expected at least 24"));
        }
        let bytes = slice(record, at, len)?;
        out.push(Attribute { bytes, kind });
        at += len;
    }
}

impl Attribute<'_> {
    /// Whether the attribute's name is `name` (ASCII; empty for none).
    pub(crate) fn is_named(&self, name: &str) -> bool {
        let Ok(len) = byte(self.bytes, 9) else {
            return false;
        };
        let found = le16(self.bytes, 0x0A)
            .and_then(|at| slice(self.bytes, usize::from(at), usize::from(len) * 2));
        found.is_ok_and(|found| is_utf16(found, name))
    }

    pub(crate) fn start_vcn(&self) -> Result<u64, Stop> {
        if byte(self.bytes, 8)? == 0 {
            return Ok(0);
        }
        le64(self.bytes, 0x10)
    }

    /// The value, on a volume of `clusters` clusters.
    pub(crate) fn value(&self, clusters: u64) -> Result<Value, Stop> {
        let b = self.bytes;
        if byte(b, 8)? == 0 {
            let len = usize::try_from(le32(b, 0x10)?).unwrap_or(usize::MAX);
            let value = slice(b, usize::from(le16(b, 0x14)?), len)?;
            return Ok(Value::Resident(value.to_vec()));
        }
        let (flags, unit) = (le16(b, 0x0C)? & TRANSFORMED, byte(b, 0x22)?);
        let packed = flags == COMPRESSED && (1..=UNIT_MOST).contains(&unit);
        if flags != 0 && !packed {
            return raw(
                "what has to be read is compressed or encrypted in a way that is not read here",
            );
        }
        let at = usize::from(le16(b, 0x20)?);
        let list = slice(b, at, b.len().saturating_sub(at))?;
        let start = le64(b, 0x10)?;
        // Only the part that starts at 0 knows the sizes.
        let (size, initialized) = match start {
            0 => (le64(b, 0x30)?, le64(b, 0x38)?),
            _ => (0, 0),
        };
        let runs = runs(list, start, clusters)?;
        Ok(match packed {
            true => Value::Packed(Packed {
                runs,
                initialized,
                size,
                unit: 1 << unit,
            }),
            false => Value::Runs {
                runs,
                initialized,
                size,
            },
        })
    }
}

/// Whether `utf16` (little-endian) spells `text`, which is ASCII; case counts
/// for nothing.
pub(crate) fn is_utf16(utf16: &[u8], text: &str) -> bool {
    utf16.len() == text.len() * 2
        && utf16.chunks_exact(2).zip(text.bytes()).all(|(unit, b)| {
            unit.last() == Some(&0) && unit.first().is_some_and(|u| u.eq_ignore_ascii_case(&b))
        })
}

/// Decodes a run list: for each run a byte with the lengths of the two numbers
/// that follow, the run's length and its distance from the one before.
fn runs(mut list: &[u8], mut vcn: u64, clusters: u64) -> Result<Vec<Run>, Stop> {
    let mut out = Vec::new();
    let mut lcn = 0_i64;
    loop {
        let head = byte(list, 0)?;
        if head == 0 {
            return Ok(out);
        }
        let (len_size, lcn_size) = (usize::from(head & 0xF), usize::from(head >> 4));
        let len = signed(slice(list, 1, len_size)?);
        let step = signed(slice(list, 1 + len_size, lcn_size)?);
        list = list.get(1 + len_size + lcn_size..).unwrap_or_default();
        let (Some(len), Some(step)) = (len, step) else {
            return raw("a run list has a number of more than 8 bytes");
        };
        let len = u64::try_from(len).unwrap_or(0);
        lcn = lcn.saturating_add(step);
        let start = u64::try_from(lcn).unwrap_or(u64::MAX);
        let fits = start.checked_add(len).is_some_and(|end| end <= clusters);
        let sparse = lcn_size == 0;
        if len == 0 || !(fits || sparse && len <= clusters) {
            return raw(format!(
                "a run of {len} clusters at {lcn}: the volume has {clusters}"
            ));
        }
        out.push(Run {
            vcn,
            lcn: (!sparse).then_some(start),
            len,
        });
        vcn = vcn.saturating_add(len);
    }
}

/// A little-endian two's complement number of up to 8 bytes.
fn signed(bytes: &[u8]) -> Option<i64> {
    let negative = bytes.last().is_some_and(|b| b & 0x80 != 0);
    let mut wide = [if negative { 0xFF } else { 0 }; 8];
    wide.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(i64::from_le_bytes(wide))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the Linux-NTFS documentation, with a step back.
    #[test]
    fn run_lists_step_forwards_and_backwards() {
        let list = [
            0x11, 0x30, 0x60, 0x21, 0x10, 0x00, 0x01, 0x11, 0x20, 0xE0, 0,
        ];
        let run = |vcn, lcn, len| Run {
            vcn,
            lcn: Some(lcn),
            len,
        };
        let expected = [
            run(0, 0x60, 0x30),
            run(0x30, 0x160, 0x10),
            run(0x40, 0x140, 0x20),
        ];
        assert_eq!(runs(&list, 0, 0x1000).unwrap(), expected);
        assert!(runs(&list, 0, 0x16F).is_err(), "past the end of the volume");
        assert!(runs(&list[..10], 0, 0x1000).is_err(), "no end");
        assert!(
            runs(&[0x11, 0x30, 0x80, 0], 0, 0x1000).is_err(),
            "before the start"
        );
    }

    #[test]
    fn a_torn_record_is_noticed() {
        let mut record = vec![0; 1024];
        record[..8].copy_from_slice(b"FILE\x30\0\x03\0");
        record[0x30..0x36].copy_from_slice(&[7, 0, 0xAA, 0xBB, 0xCC, 0xDD]);
        for end in [510, 1022] {
            record[end] = 7;
        }
        let mut fixed = record.clone();
        fix_up(&mut fixed, b"FILE").unwrap();
        assert_eq!((fixed[510], fixed[511]), (0xAA, 0xBB));
        assert_eq!((fixed[1022], fixed[1023]), (0xCC, 0xDD));
        record[1022] = 6;
        assert!(fix_up(&mut record, b"FILE").is_err());
    }

    #[test]
    fn names_compare_without_case() {
        assert!(is_utf16(b"$\0I\x003\x000\0", "$i30"));
        assert!(!is_utf16(b"$\0I\x003\x001\0", "$I30"));
        assert!(!is_utf16(b"$\0", "$I"));
        assert!(is_utf16(b"", ""));
    }
}
