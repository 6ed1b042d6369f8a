//! The content of a new EFI system partition: a FAT32 with files, made in memory.

mod dots;

use std::collections::BTreeSet;
use std::io::{self, Error, ErrorKind, Read, Seek, SeekFrom, Write};
use std::sync::Arc;

use disk::{Extent, ReadAt, SectorSize, WriteAt};
use fatfs::{FatType, FileSystem, FormatVolumeOptions, FsOptions};
use uuid::Uuid;

use super::EspFile;
use crate::adapt::volume::Overlay;

const MIB: u64 = 1 << 20;
/// What fills no cluster, folders, and what an administrator or an update adds.
const SPARE: u64 = 8 * MIB;
/// Bytes of changes that are kept in memory at most.
const MOST: usize = 512 << 20;
/// From this many bytes on a cluster has 4096; below it is a sector, so that a small
/// partition has as many as a FAT32 needs.
const LARGE: u64 = 300 * MIB;
/// In a boot sector, and in its copy in sector 6: the sectors before the partition
/// (Microsoft's FAT specification 1.03, `BPB_HiddSec`).
const HIDDEN_SECTORS: u64 = 0x1C;
const BOOT_SECTORS: [u64; 2] = [0, 6];

/// An ESP as it is written.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct EspImage {
    /// Where it is on the disk, in bytes.
    pub(crate) extent: Extent,
    /// What is not zero, by its place on the disk, in order.
    pub(crate) pieces: Vec<(u64, Vec<u8>)>,
}

impl EspImage {
    /// Bytes that are not zero, roughly: those of the blocks that have any.
    pub(crate) fn bytes(&self) -> u64 {
        self.pieces
            .iter()
            .map(|(_, bytes)| bytes.len() as u64)
            .sum()
    }
}

/// Where and how much, not what.
impl std::fmt::Debug for EspImage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EspImage({:?}, {} bytes)", self.extent, self.bytes())
    }
}

/// A FAT32 has at least 65525 clusters (Microsoft's FAT specification 1.03), and none
/// is smaller than a sector.
const fn least_fat32(sector: SectorSize) -> u64 {
    match sector {
        SectorSize::B512 => 34 * MIB,
        SectorSize::B4096 => 264 * MIB,
    }
}

/// Bytes that an ESP with `content` bytes of files has at least.
pub(super) fn least(content: u64, sector: SectorSize) -> u64 {
    let needed = content.saturating_add(content / 8).saturating_add(SPARE);
    needed.next_multiple_of(MIB).max(least_fat32(sector))
}

/// Bytes of a new one: what Windows makes, or more where that is too little.
pub(super) fn usual(least: u64, sector: SectorSize) -> u64 {
    least.max(match sector {
        SectorSize::B512 => 100 * MIB,
        SectorSize::B4096 => 300 * MIB,
    })
}

/// Makes one at `extent` of a disk, with `files`. The same gives the same bytes: the
/// volume's number is of `guid`, and fatfs without a clock writes a constant time.
pub(super) fn build<'f>(
    extent: Extent,
    sector: SectorSize,
    guid: Uuid,
    files: impl Iterator<Item = &'f EspFile>,
) -> io::Result<EspImage> {
    let volume = Overlay::new(Arc::new(Zeros(extent.len)), MOST);
    format(&volume, extent, sector, guid)?;
    let fs = FileSystem::new(Cursor::over(&volume), FsOptions::new())?;
    let mut folders = BTreeSet::new();
    for file in files {
        add(&fs, file, &mut folders)
            .map_err(|e| Error::new(e.kind(), format!("{}: {e}", file.path)))?;
    }
    // Counts what is free, and keeps that.
    fs.stats()?;
    fs.unmount()?;
    dots::tidy(&volume)?;
    let pieces = volume.into_patches(&[])?.into_iter();
    let moved = |(at, bytes): (u64, Vec<u8>)| Some((at.checked_add(extent.start)?, bytes));
    let pieces = pieces.map(|patch| (patch.at, patch.after));
    Ok(EspImage {
        extent,
        pieces: pieces.filter_map(moved).collect(),
    })
}

fn format(volume: &Overlay, extent: Extent, sector: SectorSize, guid: Uuid) -> io::Result<()> {
    let bytes = sector.bytes();
    let cluster = if extent.len < LARGE { bytes } else { 4096 };
    let narrow = |number: u64| u32::try_from(number).map_err(Error::other);
    let (serial, ..) = guid.as_fields();
    let options = FormatVolumeOptions::new()
        .fat_type(FatType::Fat32)
        .bytes_per_sector(u16::try_from(bytes).map_err(Error::other)?)
        .bytes_per_cluster(narrow(cluster)?)
        .total_sectors(narrow(extent.len / bytes)?)
        .volume_id(serial)
        .volume_label(*b"SYSTEM     ");
    fatfs::format_volume(Cursor::over(volume), options)?;
    let hidden = narrow(extent.start / bytes)?.to_le_bytes();
    BOOT_SECTORS.iter().try_for_each(|number| {
        let at = number.saturating_mul(bytes).saturating_add(HIDDEN_SECTORS);
        volume.write_all_at(&hidden, at)
    })
}

fn add(
    fs: &FileSystem<Cursor<'_>>,
    file: &EspFile,
    folders: &mut BTreeSet<String>,
) -> io::Result<()> {
    let root = fs.root_dir();
    for (at, _) in file.path.match_indices('/') {
        let folder = file.path.get(..at).unwrap_or_default();
        if folders.insert(folder.to_lowercase()) {
            root.create_dir(folder)?;
        }
    }
    let mut to = root.create_file(&file.path)?;
    to.truncate()?;
    to.write_all(&file.bytes)?;
    to.flush()
}

/// A volume on which nothing is yet.
struct Zeros(u64);

impl ReadAt for Zeros {
    fn read_exact_at(&self, buf: &mut [u8], _: u64) -> io::Result<()> {
        buf.fill(0);
        Ok(())
    }

    fn size(&self) -> u64 {
        self.0
    }
}

/// A volume as fatfs wants it.
struct Cursor<'v> {
    volume: &'v Overlay,
    at: u64,
}

impl<'v> Cursor<'v> {
    const fn over(volume: &'v Overlay) -> Self {
        Self { volume, at: 0 }
    }

    /// How many of `len` bytes are left from here.
    fn left(&self, len: usize) -> usize {
        let left = self.volume.size().saturating_sub(self.at);
        usize::try_from(left).unwrap_or(usize::MAX).min(len)
    }

    const fn advance(&mut self, len: usize) {
        self.at = self.at.saturating_add(len as u64);
    }
}

impl Read for Cursor<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let len = self.left(buf.len());
        let part = buf.get_mut(..len).unwrap_or_default();
        self.volume.read_exact_at(part, self.at)?;
        self.advance(len);
        Ok(len)
    }
}

impl Write for Cursor<'_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let len = self.left(buf.len());
        let part = buf.get(..len).unwrap_or_default();
        self.volume.write_all_at(part, self.at)?;
        self.advance(len);
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Cursor<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.volume.size().checked_add_signed(by),
        };
        self.at = at.ok_or(ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;
    use std::process::Command;

    use super::*;

    fn files() -> Vec<EspFile> {
        let file = |path: &str, len: usize| EspFile {
            path: path.to_owned(),
            bytes: (0..len).map(|n| (n % 251) as u8).collect(),
        };
        vec![
            file("EFI/Microsoft/Boot/bootmgfw.efi", 1_500_000),
            file("EFI/Microsoft/Boot/en-US/bootmgfw.efi.mui", 70_001),
            file("EFI/Microsoft/Boot/Fonts/wgl4_boot.ttf", 0),
            file("efi/boot/bootx64.efi", 1_500_000),
        ]
    }

    fn on_disk(image: &EspImage) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(image.extent.len).unwrap();
        for (at, bytes) in &image.pieces {
            let at = at - image.extent.start;
            FileExt::write_all_at(file.as_file(), bytes, at).unwrap();
        }
        file
    }

    fn run(package: &str, program: &str, words: &[&str]) -> Vec<u8> {
        let mut command = Command::new(program);
        command.env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin");
        let output = command.args(words).output();
        let output = output.unwrap_or_else(|e| panic!("{program}: {e}: install {package}"));
        assert!(output.status.success(), "{program} {words:?}: {output:?}");
        output.stdout
    }

    #[test]
    fn fsck_and_mtools_find_a_fat32_with_the_files() {
        let (small, large) = (34 * MIB, 300 * MIB);
        for (sector, len) in [
            (SectorSize::B512, small),
            (SectorSize::B512, large),
            (SectorSize::B4096, 264 * MIB),
            (SectorSize::B4096, large),
        ] {
            let extent = Extent {
                start: 7 * MIB,
                len,
            };
            let guid = Uuid::from_u128(0x5048_4f4e << 96);
            let image = build(extent, sector, guid, files().iter()).unwrap();
            let again = build(extent, sector, guid, files().iter()).unwrap();
            assert!(image == again, "other bytes");
            let file = on_disk(&image);
            let path = file.path().to_str().unwrap();
            let said = run("dosfstools", "fsck.fat", &["-n", "-v", path]);
            let said = String::from_utf8_lossy(&said).into_owned();
            // Files and folders.
            for words in ["32 bit entries", "11 files,"] {
                assert!(said.contains(words), "{words}: {said}");
            }
            for file in files() {
                let from = format!("::{}", file.path);
                let found = run("mtools", "mtype", &["-i", path, &from]);
                assert!(found == file.bytes, "{}", file.path);
            }
            let mut boot = [0; 4];
            let at = HIDDEN_SECTORS;
            ReadAt::read_exact_at(file.as_file(), &mut boot, at).unwrap();
            assert_eq!(
                u64::from(u32::from_le_bytes(boot)),
                7 * MIB / sector.bytes()
            );
        }
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let extent = Extent {
            start: MIB,
            len: 34 * MIB,
        };
        let file = EspFile {
            path: "EFI/too-large".to_owned(),
            bytes: vec![1; 40 << 20],
        };
        let guid = Uuid::nil();
        let error = build(extent, SectorSize::B512, guid, [file].iter()).unwrap_err();
        assert!(error.to_string().contains("EFI/too-large"), "{error}");
        assert!(least(40 << 20, SectorSize::B512) > 45 << 20);
    }
}
