//! The stick's data partition takes all of the stick, when it is started the
//! first time.
//!
//! Each step leaves a working stick when the power goes: the table's backup is
//! written before its first copy, and the kernel enlarges the filesystem
//! through its journal. What an interruption left undone is done the next time.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::Context;
use disk::{Extent, ReadAt, SectorSize, Window, WriteRole, grow_last, human_bytes, read_table};
use fsmap::FsKind;
use sys::block::{Caching, Sharing};
use sys::mount::{Access, Trust};

use super::volumes::{Device, LABEL, ensure_known};
use crate::event::Event;
use crate::inventory::{self, Disk, Use};

/// Where it is mounted meanwhile.
const FOLDER: &str = "/run/rescue/grow";
/// What `imagebuilder usb` calls its partition. One that somebody made beside an
/// ISO on a stick keeps its size, whatever its label.
const NAME: &str = "RESCUE data";
/// Less than this is not worth the trouble, in bytes.
const GAIN: u64 = 1 << 20;

/// Enlarges the data partition of the stick this was started from, if it was.
/// What is to be told of it; what goes wrong stops nothing.
pub(super) fn medium() -> Option<Event> {
    for disk in inventory::disks().unwrap_or_default() {
        if !disk.uses.contains(&Use::Medium) || disk.read_only {
            continue;
        }
        let told = match grow(&disk) {
            Ok(None) => continue,
            Ok(Some(size)) => Event::Note {
                text: format!("the stick's data partition has {} now", human_bytes(size)),
            },
            Err(error) => Event::Warning {
                text: format!("the stick's data partition stays as small as it is: {error:#}"),
            },
        };
        return Some(told);
    }
    None
}

/// Its new size in bytes, if it has one.
fn grow(disk: &Disk) -> anyhow::Result<Option<u64>> {
    let sector = disk.sectors()?;
    let file = sys::block::open(
        &disk.path,
        sys::block::Access::Write,
        Sharing::Shared,
        Caching::Cached,
    )
    .with_context(|| format!("opening {}", disk.path.display()))?;
    let device = Device::of(file).context("it has no size")?;
    let Some((number, place)) = data_partition(&device, sector)? else {
        return Ok(None);
    };
    let place = enlarge_partition(&device, sector, number)?.unwrap_or(place);
    let (blocks, block) = ext4_size(&device, place)?;
    if blocks.saturating_mul(block).saturating_add(GAIN) > place.len {
        return Ok(None);
    }
    enlarge_filesystem(&partition(&disk.path, number), place.len / block)?;
    Ok(Some(place.len))
}

/// Number and place of the last partition, if it is ours. (On an ISO that was
/// written to a stick the last one is another.)
fn data_partition(device: &Device, sector: SectorSize) -> anyhow::Result<Option<(u32, Extent)>> {
    let table = read_table(device, sector).context("reading its table")?;
    let last = table.partitions.iter().max_by_key(|p| p.extent().start);
    let Some(last) = last.filter(|p| p.name.as_deref() == Some(NAME)) else {
        return Ok(None);
    };
    let place = last.extent();
    let window = Window::new(device, place.start, place.len).context("a partition beyond it")?;
    let ours = fsmap::identify(&window)
        .is_ok_and(|id| id.kind == FsKind::Ext4 && id.label.as_deref() == Some(LABEL));
    Ok(ours.then_some((last.number, place)))
}

fn enlarge_partition(
    device: &Device,
    sector: SectorSize,
    number: u32,
) -> anyhow::Result<Option<Extent>> {
    let Some(growth) = grow_last(device, sector)?.filter(|g| g.partition == number) else {
        return Ok(None);
    };
    let mut before = None;
    for write in &growth.writes {
        // The backup is on the stick before its first copy changes.
        if before == Some(WriteRole::BackupGpt) && write.role != WriteRole::BackupGpt {
            device.file().sync_all().context("writing its table")?;
        }
        before = Some(write.role);
        device
            .file()
            .write_all_at(&write.bytes, write.offset)
            .context("writing its table")?;
    }
    device.file().sync_all().context("writing its table")?;
    let (start, end) = (growth.extent.start, growth.extent.end());
    sys::block::resize_partition(device.file(), number, start..end)
        .context("telling the kernel of the larger partition")?;
    Ok(Some(growth.extent))
}

/// Blocks, and bytes of a block, by the superblock
/// (`Documentation/filesystems/ext4/super.rst`).
fn ext4_size(device: &dyn ReadAt, place: Extent) -> anyhow::Result<(u64, u64)> {
    let mut bytes = [0; 1024];
    device
        .read_exact_at(&mut bytes, place.start.saturating_add(1024))
        .context("reading its superblock")?;
    superblock_size(&bytes).context("its superblock makes no sense")
}

fn superblock_size(bytes: &[u8; 1024]) -> Option<(u64, u64)> {
    let field = |at: usize| {
        let bytes = bytes.get(at..at.checked_add(4)?)?;
        bytes.try_into().ok().map(u32::from_le_bytes)
    };
    let wide = field(0x60)? & 0x80 != 0;
    let high = if wide { field(0x150)? } else { 0 };
    let blocks = u64::from(field(0x4)?) | (u64::from(high) << 32);
    let block = 1024_u64
        .checked_shl(field(0x18)?)
        .filter(|b| *b <= 65_536)?;
    (block >= 1024).then_some((blocks, block))
}

fn enlarge_filesystem(partition: &Path, blocks: u64) -> anyhow::Result<()> {
    let folder = Path::new(FOLDER);
    ensure_known("ext4")?;
    fs::create_dir_all(folder).with_context(|| format!("creating {FOLDER}"))?;
    let (access, trust) = (Access::ReadWrite, Trust::Foreign);
    sys::mount::mount(partition, folder, "ext4", access, trust, None)
        .with_context(|| format!("mounting {}", partition.display()))?;
    let resized = File::open(folder).and_then(|open| sys::block::resize_ext4(&open, blocks));
    let unmounted = sys::mount::unmount(folder);
    resized.with_context(|| format!("enlarging the file system on {}", partition.display()))?;
    unmounted.with_context(|| format!("unmounting {}", partition.display()))
}

/// "/dev/sdb" and 3 as "/dev/sdb3"; a name that ends with a digit gets a "p".
fn partition(disk: &Path, number: u32) -> std::path::PathBuf {
    let name = disk.to_string_lossy();
    let p = if name.ends_with(|c: char| c.is_ascii_digit()) {
        "p"
    } else {
        ""
    };
    format!("{name}{p}{number}").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_named_as_the_kernel_does() {
        assert_eq!(partition(Path::new("/dev/sdb"), 3), Path::new("/dev/sdb3"));
        assert_eq!(
            partition(Path::new("/dev/mmcblk0"), 3),
            Path::new("/dev/mmcblk0p3")
        );
    }

    #[test]
    fn a_superblock_tells_its_size() {
        let mut bytes = [0; 1024];
        bytes[4..8].copy_from_slice(&16384_u32.to_le_bytes());
        bytes[0x18] = 2;
        assert_eq!(superblock_size(&bytes), Some((16384, 4096)));
        bytes[0x150] = 1;
        assert_eq!(
            superblock_size(&bytes),
            Some((16384, 4096)),
            "not a 64-bit one"
        );
        bytes[0x60] = 0x80;
        assert_eq!(superblock_size(&bytes), Some((16384 + (1 << 32), 4096)));
        bytes[0x18] = 200;
        assert_eq!(superblock_size(&bytes), None);
    }
}
