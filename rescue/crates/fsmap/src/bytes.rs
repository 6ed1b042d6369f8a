//! Fields of on-disk structures, and bounded reads of the device.

use disk::ReadAt;

use crate::error::{Error, Stop};

/// No structure read in one piece is larger than this, in bytes.
const READ_CAP: u64 = 4 << 20;

fn field<const N: usize>(buf: &[u8], at: usize) -> Result<[u8; N], Stop> {
    at.checked_add(N)
        .and_then(|end| buf.get(at..end))
        .and_then(|b| <[u8; N]>::try_from(b).ok())
        .ok_or_else(|| {
            Stop::Raw(format!(
                "a structure of {} bytes ends before its field of {N} bytes at {at}",
                buf.len()
            ))
        })
}

pub(crate) fn array<const N: usize>(buf: &[u8], at: usize) -> Result<[u8; N], Stop> {
    field(buf, at)
}

pub(crate) fn le16(buf: &[u8], at: usize) -> Result<u16, Stop> {
    field(buf, at).map(u16::from_le_bytes)
}

pub(crate) fn le32(buf: &[u8], at: usize) -> Result<u32, Stop> {
    field(buf, at).map(u32::from_le_bytes)
}

pub(crate) fn le64(buf: &[u8], at: usize) -> Result<u64, Stop> {
    field(buf, at).map(u64::from_le_bytes)
}

pub(crate) fn be32(buf: &[u8], at: usize) -> Result<u32, Stop> {
    field(buf, at).map(u32::from_be_bytes)
}

pub(crate) fn be64(buf: &[u8], at: usize) -> Result<u64, Stop> {
    field(buf, at).map(u64::from_be_bytes)
}

pub(crate) fn byte(buf: &[u8], at: usize) -> Result<u8, Stop> {
    field::<1>(buf, at).map(|[b]| b)
}

/// `buf[at..at + len]`, or the reason it is not there.
pub(crate) fn slice(buf: &[u8], at: usize, len: usize) -> Result<&[u8], Stop> {
    at.checked_add(len)
        .and_then(|end| buf.get(at..end))
        .ok_or_else(|| {
            Stop::Raw(format!(
                "a structure of {} bytes ends before its part of {len} bytes at {at}",
                buf.len()
            ))
        })
}

/// Whether `magic` stands at `at`.
pub(crate) fn has(buf: &[u8], at: usize, magic: &[u8]) -> bool {
    slice(buf, at, magic.len()).is_ok_and(|found| found == magic)
}

/// A product of two lengths or positions, or the reason it is absurd.
pub(crate) fn times(a: u64, b: u64) -> Result<u64, Stop> {
    a.checked_mul(b)
        .ok_or_else(|| Stop::Raw(format!("{a} times {b} is no position on any disk")))
}

/// A sum of two lengths or positions, or the reason it is absurd.
pub(crate) fn plus(a: u64, b: u64) -> Result<u64, Stop> {
    a.checked_add(b)
        .ok_or_else(|| Stop::Raw(format!("{a} plus {b} is no position on any disk")))
}

/// The partition, read only where it exists.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    dev: &'a dyn ReadAt,
}

impl<'a> Source<'a> {
    pub(crate) fn new(dev: &'a dyn ReadAt) -> Self {
        Self { dev }
    }

    /// Size of the partition in bytes.
    pub(crate) fn size(self) -> u64 {
        self.dev.size()
    }

    /// `len` bytes at byte `offset`. A place outside the partition is a reason
    /// to capture everything; a device that fails is an error.
    pub(crate) fn read(self, what: &'static str, offset: u64, len: u64) -> Result<Vec<u8>, Stop> {
        let outside = || {
            Stop::Raw(format!(
                "{what}: {len} bytes at byte {offset} are not inside the partition of {} bytes",
                self.size()
            ))
        };
        let end = offset.checked_add(len).ok_or_else(outside)?;
        if end > self.size() || len > READ_CAP {
            return Err(outside());
        }
        let mut buf = vec![0; usize::try_from(len).map_err(|_| outside())?];
        self.dev
            .read_exact_at(&mut buf, offset)
            .map_err(|source| Error {
                what,
                offset,
                len,
                source,
            })?;
        Ok(buf)
    }
}
