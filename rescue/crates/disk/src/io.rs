//! Positioned reads and writes: the only way libraries here touch data.

use std::fs::File;
use std::io::{Error, ErrorKind, Result};
use std::os::unix::fs::FileExt;
use std::sync::{Arc, RwLock};

/// Something that can be read at any byte offset, from any thread.
pub trait ReadAt: Send + Sync {
    /// Fills `buf` from `offset`.
    ///
    /// # Errors
    /// `UnexpectedEof` when the range is not wholly inside; else the device's
    /// own error.
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> Result<()>;

    /// Size in bytes.
    fn size(&self) -> u64;
}

/// Something that can be written at any byte offset, from any thread.
pub trait WriteAt: ReadAt {
    /// Writes all of `buf` at `offset`.
    ///
    /// # Errors
    /// `InvalidInput` when the range is not wholly inside; else the device's
    /// own error.
    fn write_all_at(&self, buf: &[u8], offset: u64) -> Result<()>;

    /// Returns once everything written is on stable storage.
    ///
    /// # Errors
    /// The device's own error.
    fn flush(&self) -> Result<()>;
}

impl<T: ReadAt + ?Sized> ReadAt for &T {
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> Result<()> {
        (**self).read_exact_at(buf, offset)
    }
    fn size(&self) -> u64 {
        (**self).size()
    }
}

impl<T: ReadAt + ?Sized> ReadAt for Arc<T> {
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> Result<()> {
        (**self).read_exact_at(buf, offset)
    }
    fn size(&self) -> u64 {
        (**self).size()
    }
}

/// A regular file. (For a block device `metadata().len()` is 0: wrap it in a
/// type that asks the kernel for the size.)
impl ReadAt for File {
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> Result<()> {
        FileExt::read_exact_at(self, buf, offset)
    }
    fn size(&self) -> u64 {
        self.metadata().map_or(0, |m| m.len())
    }
}

/// A part of a larger disk, as if it were a disk of its own: a partition.
#[derive(Debug, Clone, Copy)]
pub struct Window<R> {
    inner: R,
    start: u64,
    len: u64,
}

impl<R: ReadAt> Window<R> {
    /// `len` bytes of `inner` from `start`; `None` when they are not inside.
    pub fn new(inner: R, start: u64, len: u64) -> Option<Self> {
        let fits = start.checked_add(len)? <= inner.size();
        fits.then_some(Self { inner, start, len })
    }
}

fn inside(offset: u64, want: usize, len: u64) -> Option<u64> {
    let end = offset.checked_add(u64::try_from(want).ok()?)?;
    (end <= len).then_some(end)
}

fn outside(kind: ErrorKind, offset: u64, want: usize, len: u64) -> Error {
    Error::new(
        kind,
        format!("{want} bytes at {offset} are not inside {len} bytes"),
    )
}

impl<R: ReadAt> ReadAt for Window<R> {
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> Result<()> {
        if inside(offset, buf.len(), self.len).is_none() {
            return Err(outside(
                ErrorKind::UnexpectedEof,
                offset,
                buf.len(),
                self.len,
            ));
        }
        self.inner.read_exact_at(buf, self.start + offset)
    }
    fn size(&self) -> u64 {
        self.len
    }
}

impl<W: WriteAt> WriteAt for Window<W> {
    fn write_all_at(&self, buf: &[u8], offset: u64) -> Result<()> {
        if inside(offset, buf.len(), self.len).is_none() {
            return Err(outside(
                ErrorKind::InvalidInput,
                offset,
                buf.len(),
                self.len,
            ));
        }
        self.inner.write_all_at(buf, self.start + offset)
    }
    fn flush(&self) -> Result<()> {
        self.inner.flush()
    }
}

impl<T: WriteAt + ?Sized> WriteAt for &T {
    fn write_all_at(&self, buf: &[u8], offset: u64) -> Result<()> {
        (**self).write_all_at(buf, offset)
    }
    fn flush(&self) -> Result<()> {
        (**self).flush()
    }
}

/// A disk in memory, for tests and for planning table writes.
#[derive(Debug, Default)]
pub struct MemDisk {
    bytes: RwLock<Vec<u8>>,
}

impl MemDisk {
    /// A disk holding `bytes`.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self {
            bytes: RwLock::new(bytes),
        }
    }

    /// `len` zero bytes.
    #[must_use]
    pub fn zeroed(len: usize) -> Self {
        Self::new(vec![0; len])
    }

    /// The bytes as they are now.
    #[must_use]
    pub fn snapshot(&self) -> Vec<u8> {
        self.bytes
            .read()
            .map_or_else(|p| p.into_inner().clone(), |b| b.clone())
    }
}

impl ReadAt for MemDisk {
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> Result<()> {
        let bytes = self
            .bytes
            .read()
            .map_err(|_| Error::other("a writer panicked"))?;
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let source = start
            .checked_add(buf.len())
            .and_then(|end| bytes.get(start..end))
            .ok_or_else(|| {
                outside(
                    ErrorKind::UnexpectedEof,
                    offset,
                    buf.len(),
                    bytes.len() as u64,
                )
            })?;
        buf.copy_from_slice(source);
        Ok(())
    }
    fn size(&self) -> u64 {
        self.bytes.read().map_or(0, |b| b.len() as u64)
    }
}

impl WriteAt for MemDisk {
    fn write_all_at(&self, buf: &[u8], offset: u64) -> Result<()> {
        let mut bytes = self
            .bytes
            .write()
            .map_err(|_| Error::other("a writer panicked"))?;
        let len = bytes.len() as u64;
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        start
            .checked_add(buf.len())
            .and_then(|end| bytes.get_mut(start..end))
            .ok_or_else(|| outside(ErrorKind::InvalidInput, offset, buf.len(), len))?
            .copy_from_slice(buf);
        Ok(())
    }
    fn flush(&self) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_cannot_reach_outside() {
        let disk = MemDisk::zeroed(100);
        let part = Window::new(&disk, 10, 20).unwrap();
        part.write_all_at(&[7; 20], 0).unwrap();
        assert!(part.write_all_at(&[7], 20).is_err());
        assert!(part.read_exact_at(&mut [0; 2], 19).is_err());
        assert!(part.read_exact_at(&mut [0], u64::MAX).is_err());
        assert!(Window::new(&disk, 90, 11).is_none());
        let all = disk.snapshot();
        assert_eq!(all.iter().filter(|b| **b == 7).count(), 20);
        assert_eq!((all[9], all[10], all[29], all[30]), (0, 7, 7, 0));
    }
}
