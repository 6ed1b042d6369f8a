//! The entries `.` and `..` of folders that fatfs made.
//!
//! fatfs 0.3.6 writes long names for them too, so that they are not the first two
//! entries of their folder, where they have to be (Microsoft's FAT specification 1.03,
//! "FAT Directory Structure"; fsck.fat says so). They change places with those names,
//! which become unused entries. And `..` names the root by cluster 0.

use std::io::{Error, ErrorKind, Result};

use disk::{ReadAt, WriteAt};

/// Bytes of an entry.
const ENTRY: usize = 32;
const ATTRIBUTES: usize = 11;
const FOLDER: u8 = 0x10;
const LONG_NAME: u8 = 0x0F;
/// First byte of an unused entry.
const UNUSED: u8 = 0xE5;
/// Clusters from here on are none: the end of a chain.
const END: u32 = 0x0FFF_FFF8;

type Entry = [u8; ENTRY];

/// Where things are on a FAT32.
struct Places {
    table: u64,
    data: u64,
    cluster: u64,
    clusters: u32,
}

/// Puts them where they have to be, in all folders of the FAT32 on `volume`.
pub(super) fn tidy<V: ReadAt + WriteAt>(volume: &V) -> Result<()> {
    let (places, root) = Places::read(volume)?;
    let mut folders = vec![(root, root)];
    // (Each folder has a cluster.)
    for _ in 0..places.clusters {
        let Some((folder, parent)) = folders.pop() else {
            return Ok(());
        };
        if folder != root {
            swap(volume, places.at(folder)?, parent == root)?;
        }
        places.subfolders(volume, folder, &mut folders)?;
    }
    Err(damaged())
}

fn damaged() -> Error {
    Error::new(ErrorKind::InvalidData, "the new FAT32 is damaged")
}

/// The first four entries of a folder.
fn swap<V: ReadAt + WriteAt>(volume: &V, at: u64, in_root: bool) -> Result<()> {
    let mut bytes = [0; 4 * ENTRY];
    volume.read_exact_at(&mut bytes, at)?;
    let (&[first, dot, second, mut dots], _) = bytes.as_chunks::<ENTRY>() else {
        return Err(damaged());
    };
    let is_long = |entry: Entry| entry.get(ATTRIBUTES) == Some(&LONG_NAME);
    let fits = is_long(first) && is_long(second);
    if !fits || !dot.starts_with(b".          ") || !dots.starts_with(b"..         ") {
        return Ok(());
    }
    if in_root {
        // The root is told by zero there.
        for at in [20, 21, 26, 27] {
            dots[at] = 0;
        }
    }
    let unused = |entry: Entry| {
        let mut entry = entry;
        entry[0] = UNUSED;
        entry
    };
    let new = [dot, dots, unused(first), unused(second)];
    volume.write_all_at(new.as_flattened(), at)
}

impl Places {
    /// From the boot sector; and the first cluster of the root.
    fn read(volume: &impl ReadAt) -> Result<(Self, u32)> {
        let mut boot = [0; 512];
        volume.read_exact_at(&mut boot, 0)?;
        let byte = |at: usize| boot.get(at).copied().unwrap_or(0);
        let short = |at| u64::from(byte(at)) | u64::from(byte(at + 1)) << 8;
        let long = |at| short(at) | short(at + 2) << 16;
        let (sector, fats) = (short(0x0B), u64::from(byte(0x10)));
        let cluster = sector * u64::from(byte(0x0D));
        let table = short(0x0E) * sector;
        let data = table.saturating_add(fats.saturating_mul(long(0x24) * sector));
        let size = volume.size().saturating_sub(data);
        let clusters = size.checked_div(cluster).ok_or_else(damaged)?;
        let narrow = |number: u64| u32::try_from(number).map_err(|_| damaged());
        let places = Self {
            table,
            data,
            cluster,
            clusters: narrow(clusters)?,
        };
        Ok((places, narrow(long(0x2C))?))
    }

    /// Where a cluster is; they are counted from two.
    fn at(&self, cluster: u32) -> Result<u64> {
        let index = cluster.checked_sub(2).filter(|i| *i < self.clusters);
        let index = u64::from(index.ok_or_else(damaged)?);
        Ok(self.data.saturating_add(index.saturating_mul(self.cluster)))
    }

    /// Adds the first clusters of the folders in `folder`.
    fn subfolders(
        &self,
        volume: &impl ReadAt,
        folder: u32,
        all: &mut Vec<(u32, u32)>,
    ) -> Result<()> {
        let mut cluster = folder;
        let mut bytes = vec![0; usize::try_from(self.cluster).unwrap_or(0)];
        for _ in 0..self.clusters {
            volume.read_exact_at(&mut bytes, self.at(cluster)?)?;
            for entry in bytes.as_chunks::<ENTRY>().0 {
                let [name, ..] = *entry;
                if name == 0 {
                    return Ok(());
                }
                let is_folder = entry.get(ATTRIBUTES) == Some(&FOLDER);
                if is_folder && ![UNUSED, b'.'].contains(&name) {
                    let [.., h0, h1, _, _, _, _, l0, l1, _, _, _, _] = *entry;
                    all.push((u32::from_le_bytes([l0, l1, h0, h1]), folder));
                }
            }
            let mut next = [0; 4];
            let at = self.table.saturating_add(u64::from(cluster) * 4);
            volume.read_exact_at(&mut next, at)?;
            cluster = u32::from_le_bytes(next) & 0x0FFF_FFFF;
            if cluster >= END {
                return Ok(());
            }
        }
        Err(damaged())
    }
}
