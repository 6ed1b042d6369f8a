//! Whether a disk already carries what would be restored: the guard against
//! wiping a machine that was restored, ran, and started into its plan again.
//!
//! A machine that ran has changed its disk, perhaps its partitions too
//! (growpart, systemd-repart). So only identities are compared: the table's id;
//! where the image's has none, the UUIDs of its filesystems; where it has none
//! of these either, its first data. A disk whose restore is unfinished carries
//! nothing yet.

use std::io;

use disk::{ReadAt, Window};
use image::{DiskImage, EntryKind, Repository};

use super::journal::Journal;
use super::refusal::PlanError;
use super::withheld::head_of;
use crate::firmware;
use crate::inventory::{Contents, Disk, contents};

/// How much of the image's first data is compared, in bytes.
const SAMPLE: u64 = 4096;

/// Whether a disk carries a copy of an image's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carried {
    /// It does, perhaps changed since.
    Yes,
    /// It does not.
    No,
    /// The image has nothing by which to tell, and the disk is not blank.
    Unknown,
}

/// Whether `target` already carries a restored or original copy of `disk`.
///
/// # Errors
/// When the target cannot be read, or the image where its data decide.
pub fn already_carries(
    repository: &Repository,
    disk: &DiskImage,
    target: &Disk,
) -> Result<Carried, PlanError> {
    let unreadable = |source| PlanError::Target {
        target: target.path.display().to_string(),
        source,
    };
    let device = target.open().map_err(unreadable)?;
    let found = contents(&device, disk.sector_size);
    let unfinished = Journal::find(&device).map_err(unreadable)?.is_some();
    let head = read_head(&device).map_err(unreadable)?;
    if unfinished || head.iter().all(|byte| *byte == 0) {
        return Ok(Carried::No);
    }
    if let Some(carried) = by_table(&found, &head, disk) {
        return Ok(carried);
    }
    if let Some(carried) = by_uuids(&device, &found, disk) {
        return Ok(carried);
    }
    by_data(repository, disk, &device)
}

fn read_head(device: &dyn ReadAt) -> io::Result<Vec<u8>> {
    let len = head_of(device.size()).len;
    let mut head = vec![0; usize::try_from(len).map_err(io::Error::other)?];
    device.read_exact_at(&mut head, 0)?;
    Ok(head)
}

/// `None` when the image's table has no id.
fn by_table(found: &Contents, head: &[u8], disk: &DiskImage) -> Option<Carried> {
    let wanted = disk.disk_id.as_deref().filter(|id| is_id(id))?;
    let kind = match found.table {
        disk::TableKind::Gpt => image::TableKind::Gpt,
        disk::TableKind::Mbr => image::TableKind::Mbr,
        disk::TableKind::None => return Some(Carried::No),
    };
    // A restore writes sector 0 last: a GPT without it is an unfinished one.
    let complete = head.get(510..512) == Some(&[0x55, 0xaa]);
    let same = kind == disk.table && found.disk_id.as_deref() == Some(wanted);
    Some(verdict((same || is_converted(found, disk)) && complete))
}

/// Whether the disk is the image's with a GPT in place of its MBR, for UEFI.
fn is_converted(found: &Contents, disk: &DiskImage) -> bool {
    let kinds = (found.table, disk.table) == (disk::TableKind::Gpt, image::TableKind::Mbr);
    let id = firmware::disk_guid(disk).to_string();
    kinds && found.disk_id.as_deref() == Some(&*id)
}

/// `None` when no filesystem of the image has a UUID.
fn by_uuids(device: &dyn ReadAt, found: &Contents, disk: &DiskImage) -> Option<Carried> {
    let regions = disk.regions.iter();
    let wanted = regions.filter_map(|region| {
        let uuid = region.fs.as_ref()?.uuid.as_deref();
        Some((region, uuid.filter(|id| is_id(id))?))
    });
    let wanted: Vec<_> = wanted.collect();
    if wanted.is_empty() {
        return None;
    }
    let parts = found.partitions.iter().filter_map(|p| p.signature.as_ref());
    let there: Vec<&str> = parts
        .chain(&found.whole)
        .filter_map(|signature| signature.uuid.as_deref())
        .collect();
    // Also where the image says, whatever became of the table.
    let in_place = |start, len, uuid: &str| {
        let window = Window::new(device, start, len);
        let found = window.and_then(|window| fsmap::identify(&window).ok());
        found.is_some_and(|found| found.uuid.as_deref() == Some(uuid))
    };
    let same = wanted
        .iter()
        .any(|(region, uuid)| there.contains(uuid) || in_place(region.start, region.len, uuid));
    Some(verdict(same))
}

/// A machine that ran may have changed even its first data: that they differ
/// proves nothing.
fn by_data(
    repository: &Repository,
    disk: &DiskImage,
    device: &dyn ReadAt,
) -> Result<Carried, PlanError> {
    for region in &disk.regions {
        for entry in repository.map(region)?.entries() {
            let entry = entry?;
            if !matches!(entry.kind, EntryKind::Data(_)) {
                continue;
            }
            let len = usize::try_from(entry.len.min(SAMPLE)).unwrap_or_default();
            let at = region.start.saturating_add(entry.start);
            let (mut wanted, mut there) = (vec![0; len], vec![0; len]);
            let image = repository.read_at(disk)?;
            let read = image.read_exact_at(&mut wanted, at);
            read.map_err(PlanError::reading)?;
            let same = device.read_exact_at(&mut there, at).is_ok() && wanted == there;
            return Ok(if same { Carried::Yes } else { Carried::Unknown });
        }
    }
    Ok(Carried::Unknown)
}

const fn verdict(same: bool) -> Carried {
    if same { Carried::Yes } else { Carried::No }
}

/// An id of zeros only is none.
fn is_id(id: &str) -> bool {
    id.chars().any(|c| !matches!(c, '0' | '-'))
}
