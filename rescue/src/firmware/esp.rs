//! The content of a new EFI system partition: a FAT32 with files.

use disk::{Extent, SectorSize};
use uuid::Uuid;

use crate::adapt::Patch;
use crate::adapt::fat::{self, FatError};
use crate::adapt::volume::NewFile;

const MIB: u64 = 1 << 20;
/// What fills no cluster, folders, and what an administrator or an update adds.
const SPARE: u64 = 8 * MIB;

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
/// volume's number is of `guid`.
pub(super) fn build<'f>(
    extent: Extent,
    sector: SectorSize,
    guid: Uuid,
    files: impl Iterator<Item = &'f NewFile>,
) -> Result<EspImage, FatError> {
    let (serial, ..) = guid.as_fields();
    let new = fat::New {
        len: extent.len,
        sector,
        start: extent.start,
        serial,
    };
    let pieces = fat::make(new, files)?.into_iter();
    let moved = |patch: Patch| Some((patch.at.checked_add(extent.start)?, patch.after));
    Ok(EspImage {
        extent,
        pieces: pieces.filter_map(moved).collect(),
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;
    use std::process::Command;

    use super::*;

    fn files() -> Vec<NewFile> {
        let file = |path: &str, len: usize| {
            let bytes = (0..len).map(|n| (n % 251) as u8).collect();
            NewFile::made(path.to_owned(), bytes)
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
            // BPB_HiddSec.
            disk::ReadAt::read_exact_at(file.as_file(), &mut boot, 0x1C).unwrap();
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
        let file = NewFile::made("EFI/too-large".to_owned(), vec![1; 40 << 20]);
        let guid = Uuid::nil();
        let error = build(extent, SectorSize::B512, guid, [file].iter()).unwrap_err();
        assert!(error.to_string().contains("EFI/too-large"), "{error}");
        assert!(least(40 << 20, SectorSize::B512) > 45 << 20);
    }
}
