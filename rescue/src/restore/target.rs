//! The disk that is written: a block device or a raw file, past the page
//! cache where that is possible.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use disk::{Extent, ReadAt, WriteAt};
use sys::block::{Access, Caching, Sharing};

use super::pool::{ALIGN, AlignedBuf};
use crate::inventory::{Disk, DiskKind, NodeId};

/// What the engine needs of a target beyond reading and writing. Tests put
/// failures in between.
pub(crate) trait Target: WriteAt {
    /// Makes `extent` read back as zeros.
    fn zero(&self, extent: Extent) -> io::Result<()>;
    /// Tells the device that it holds nothing; what it reads as is undefined.
    fn discard(&self, extent: Extent) -> io::Result<()>;
    /// Makes the next reads come from the disk itself.
    fn drop_cache(&self) -> io::Result<()>;
    /// Makes the kernel see the new partition table.
    fn reread_table(&self) -> io::Result<()>;
}

/// A [`Target`] that exists.
#[derive(Debug)]
pub(crate) struct OpenTarget {
    /// Through the page cache; for a device the exclusive opening.
    cached: File,
    /// Past it, with the alignment it asks for.
    direct: Option<(File, u64)>,
    kind: DiskKind,
    size: u64,
}

impl OpenTarget {
    /// Opens `disk` for writing and shuts out others: by `O_EXCL` on a device,
    /// by a lock on a raw file. Requests of whole `sector`s will be direct if
    /// the target can.
    ///
    /// # Errors
    /// `ResourceBusy` or `WouldBlock` when someone else has it.
    pub(crate) fn open(disk: &Disk, sector: u64) -> io::Result<Self> {
        let sharing = match disk.kind {
            DiskKind::Device => Sharing::Exclusive,
            DiskKind::RawFile => Sharing::Shared,
        };
        let cached = sys::block::open(&disk.path, Access::Write, sharing, Caching::Cached)?;
        if disk.kind == DiskKind::RawFile {
            cached.try_lock()?;
        }
        let size = match disk.kind {
            DiskKind::Device => sys::block::size(&cached)?,
            DiskKind::RawFile => cached.metadata()?.len(),
        };
        let direct = open_direct(&cached, sector, size);
        Ok(Self {
            cached,
            direct,
            kind: disk.kind,
            size,
        })
    }

    /// What was opened.
    ///
    /// # Errors
    /// The kernel's.
    pub(super) fn node(&self) -> io::Result<NodeId> {
        NodeId::of(&self.cached)
    }

    fn direct_for(&self, buf: &[u8], offset: u64) -> Option<&File> {
        let (file, align) = self.direct.as_ref()?;
        let aligned = |n: u64| n.is_multiple_of(*align);
        let fits = aligned(offset) && aligned(buf.len() as u64);
        // Memory is aligned for the strictest device, whatever this one asks.
        (fits && buf.as_ptr().align_offset(ALIGN) == 0).then_some(file)
    }

    fn write_zeros(&self, extent: Extent) -> io::Result<()> {
        let zeros = AlignedBuf::zeroed(1 << 20);
        let mut at = extent.start;
        while at < extent.end() {
            let len = extent.end().saturating_sub(at).min(1 << 20);
            let part = usize::try_from(len).map_err(io::Error::other)?;
            self.write_all_at(zeros.bytes().get(..part).unwrap_or_default(), at)?;
            at = at.saturating_add(len);
        }
        Ok(())
    }
}

/// A second opening past the page cache, if the target can do that.
///
/// Requests that are not aligned go through the page cache. That is safe next
/// to direct ones as long as no page holds parts of both: so either every
/// request is aligned (`sector` divides them all), or the alignment is a page.
fn open_direct(cached: &File, sector: u64, size: u64) -> Option<(File, u64)> {
    let file = open_again(cached, Caching::Direct).ok()?;
    let candidates = [sector, ALIGN as u64];
    let usable = |align: &u64| {
        let whole = size.is_multiple_of(*align) || *align == ALIGN as u64;
        whole && size >= 2 * *align && can_read(&file, *align)
    };
    let align = candidates.into_iter().find(usable)?;
    Some((file, align))
}

/// Not by its path: that may lead elsewhere by now.
fn open_again(file: &File, caching: Caching) -> io::Result<File> {
    let path = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
    sys::block::open(&path, Access::Write, Sharing::Shared, caching)
}

/// Whether direct requests of `align` bytes at a multiple of it are taken.
fn can_read(file: &File, align: u64) -> bool {
    let mut buf = AlignedBuf::zeroed(ALIGN);
    let len = usize::try_from(align).unwrap_or(ALIGN);
    buf.bytes_mut()
        .get_mut(..len)
        .is_some_and(|part| FileExt::read_exact_at(file, part, align).is_ok())
}

impl ReadAt for OpenTarget {
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let file = self.direct_for(buf, offset).unwrap_or(&self.cached);
        FileExt::read_exact_at(file, buf, offset)
    }
    fn size(&self) -> u64 {
        self.size
    }
}

impl WriteAt for OpenTarget {
    fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        let end = offset.checked_add(buf.len() as u64);
        if end.is_none_or(|end| end > self.size) {
            // A raw file would grow.
            return Err(ErrorKind::InvalidInput.into());
        }
        let file = self.direct_for(buf, offset).unwrap_or(&self.cached);
        FileExt::write_all_at(file, buf, offset)
    }
    fn flush(&self) -> io::Result<()> {
        self.cached.sync_data()
    }
}

impl Target for OpenTarget {
    fn zero(&self, extent: Extent) -> io::Result<()> {
        let range = extent.start..extent.end();
        let fast = match self.kind {
            DiskKind::Device => sys::block::zero_out(&self.cached, range),
            DiskKind::RawFile => sys::block::punch_hole(&self.cached, range),
        };
        fast.or_else(|_| self.write_zeros(extent))
    }

    fn discard(&self, extent: Extent) -> io::Result<()> {
        match self.kind {
            DiskKind::Device => sys::block::discard(&self.cached, extent.start..extent.end()),
            DiskKind::RawFile => Ok(()),
        }
    }

    fn drop_cache(&self) -> io::Result<()> {
        self.cached.sync_data()?;
        match self.kind {
            DiskKind::Device => sys::block::drop_buffers(&self.cached),
            DiskKind::RawFile => sys::block::drop_cache(&self.cached),
        }
    }

    fn reread_table(&self) -> io::Result<()> {
        match self.kind {
            DiskKind::Device => sys::block::reread_table(&self.cached),
            DiskKind::RawFile => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(size: u64) -> (tempfile::NamedTempFile, Disk) {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(size).unwrap();
        let disk = crate::inventory::disk_at(file.path()).unwrap();
        (file, disk)
    }

    #[test]
    fn a_second_opener_is_shut_out() {
        let (_file, disk) = raw(1 << 20);
        let first = OpenTarget::open(&disk, 512).unwrap();
        let error = OpenTarget::open(&disk, 512).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        drop(first);
        OpenTarget::open(&disk, 512).unwrap();
    }

    #[test]
    fn both_openings_are_of_one_file_whatever_becomes_of_its_path() {
        let (file, disk) = raw(1 << 20);
        let target = OpenTarget::open(&disk, 512).unwrap();
        let other = raw(1 << 20).0;
        std::fs::rename(other.path(), file.path()).unwrap();
        // Not every folder for temporary files knows direct requests.
        let again = open_again(&target.cached, Caching::Cached).unwrap();
        assert_eq!(NodeId::of(&again).unwrap(), target.node().unwrap());
    }

    #[test]
    fn aligned_and_unaligned_writes_both_arrive() {
        let (file, disk) = raw(1 << 20);
        let target = OpenTarget::open(&disk, 512).unwrap();
        let mut buf = AlignedBuf::zeroed(8192);
        buf.bytes_mut().fill(5);
        target.write_all_at(buf.bytes(), 4096).unwrap();
        target.write_all_at(&[6; 100], 12_288).unwrap();
        target
            .zero(Extent {
                start: 4096,
                len: 4096,
            })
            .unwrap();
        target.flush().unwrap();
        let all = std::fs::read(file.path()).unwrap();
        assert!(all[4096..8192].iter().all(|b| *b == 0));
        assert!(all[8192..12_288].iter().all(|b| *b == 5));
        assert!(all[12_288..12_388].iter().all(|b| *b == 6));
        let mut back = AlignedBuf::zeroed(4096);
        target.read_exact_at(back.bytes_mut(), 12_288).unwrap();
        assert_eq!(back.bytes()[..101], [&[6; 100][..], &[0]].concat());
    }

    #[test]
    fn a_raw_file_never_grows() {
        let (file, disk) = raw(4096);
        let target = OpenTarget::open(&disk, 512).unwrap();
        assert!(target.write_all_at(&[1; 4096], 1).is_err());
        assert!(target.write_all_at(&[1], u64::MAX).is_err());
        assert_eq!(std::fs::metadata(file.path()).unwrap().len(), 4096);
    }
}
