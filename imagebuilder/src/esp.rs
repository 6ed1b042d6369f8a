//! The EFI system partition: a small FAT image with the signed boot chain.

use std::io::{Cursor, Write};

use anyhow::{Context, Result};
use disk::human_bytes;
use fatfs::{FatType, FileSystem, FormatVolumeOptions, FsOptions};

/// Files of the ESP, by path.
pub(crate) type Files<'a> = [(String, &'a [u8])];

const MIB: usize = 1 << 20;
/// For the tables (a tenth of a MiB at 40 MiB), clusters that are not full, and a
/// plan that somebody puts there.
const SPARE: usize = 768 << 10;

/// A FAT16 image holding `files`. The same files give the same bytes: the
/// volume id is `serial`, and fatfs without a clock writes a constant time.
pub(crate) fn image(files: &Files<'_>, serial: u32) -> Result<Vec<u8>> {
    let content: usize = files.iter().map(|(_, bytes)| bytes.len()).sum();
    // Tables and folders stay far below one MiB; a FAT16 needs 4085 clusters,
    // which at 512 bytes each is 2 MiB.
    let size = content
        .saturating_add(SPARE)
        .next_multiple_of(MIB)
        .max(4 * MIB);
    let mut bytes = vec![0; size];
    let options = FormatVolumeOptions::new()
        .fat_type(FatType::Fat16)
        .bytes_per_cluster(if size <= 24 * MIB { 512 } else { 2048 })
        .volume_id(serial)
        .volume_label(*b"RESCUE_EFI ");
    fatfs::format_volume(Cursor::new(&mut bytes[..]), options)
        .with_context(|| format!("formatting the ESP, {}", human_bytes(size as u64)))?;
    let disk = Cursor::new(&mut bytes[..]);
    let fs = FileSystem::new(disk, FsOptions::new()).context("opening the ESP")?;
    for (path, data) in files {
        add(&fs, path, data).with_context(|| format!("writing {path} to the ESP"))?;
    }
    fs.unmount().context("closing the ESP")?;
    Ok(bytes)
}

fn add(fs: &FileSystem<Cursor<&mut [u8]>>, path: &str, data: &[u8]) -> std::io::Result<()> {
    let root = fs.root_dir();
    for (at, _) in path.match_indices('/') {
        root.create_dir(path.get(..at).unwrap_or_default())?;
    }
    let mut file = root.create_file(path)?;
    file.write_all(data)?;
    file.flush()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn files_are_there_and_two_images_are_one() {
        let big = vec![7; 3 * MIB];
        let files: &Files<'_> = &[
            ("EFI/BOOT/BOOTX64.EFI".to_owned(), &big),
            ("boot/grub/grub.cfg".to_owned(), b"x"),
        ];
        let mut bytes = image(files, 0x1234_5678).unwrap();
        assert_eq!(bytes, image(files, 0x1234_5678).unwrap());
        let fs = FileSystem::new(Cursor::new(&mut bytes[..]), FsOptions::new()).unwrap();
        assert_eq!(
            (fs.fat_type(), fs.volume_id()),
            (FatType::Fat16, 0x1234_5678)
        );
        let mut read = Vec::new();
        let mut file = fs.root_dir().open_file("EFI/BOOT/BOOTX64.EFI").unwrap();
        file.read_to_end(&mut read).unwrap();
        assert_eq!(read, big);
    }
}
