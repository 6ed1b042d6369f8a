//! GUIDs for a disk and partitions that had none.
//!
//! They are derived from the signature in the MBR, the size of the disk and the places
//! of its partitions: what told the disk apart before. So every restore of an image of
//! that disk gives the same, an interrupted one that goes on, too, and a disk that was
//! restored is known for what it is ([`disk_guid`]).

use disk::Table;
use image::DiskImage;
use uuid::Uuid;

const CONTEXT: &str = "rescue 2026-11-26 GUIDs of a GPT made of an MBR";

/// The GUID of the partition at byte `place`, or of the disk.
pub(super) fn guid(table: &Table, place: Option<u64>) -> Uuid {
    derived(table.disk_id.as_deref(), table.disk_size, place)
}

/// The GUID that the disk of an image gets where it is converted.
pub(crate) fn disk_guid(disk: &DiskImage) -> Uuid {
    derived(disk.disk_id.as_deref(), disk.size, None)
}

fn derived(disk_id: Option<&str>, size: u64, place: Option<u64>) -> Uuid {
    let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
    hasher.update(disk_id.unwrap_or_default().as_bytes());
    hasher.update(&size.to_le_bytes());
    hasher.update(&place.unwrap_or(u64::MAX).to_le_bytes());
    let mut bytes = [0; 16];
    hasher.finalize_xof().fill(&mut bytes);
    // Version 8: made in a way of one's own (RFC 9562).
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_disk_has_the_same_guids_and_another_has_others() {
        let of = |id, size, place| derived(Some(id), size, place);
        let disk = of("36234da4", 1 << 30, None);
        assert_eq!(disk, of("36234da4", 1 << 30, None));
        assert_eq!(disk.get_version_num(), 8);
        let others = [
            of("36234da5", 1 << 30, None),
            of("36234da4", 1 << 31, None),
            of("36234da4", 1 << 30, Some(1 << 20)),
            of("36234da4", 1 << 30, Some(2 << 20)),
        ];
        for (at, other) in others.iter().enumerate() {
            assert_ne!(*other, disk);
            assert!(!others[at + 1..].contains(other));
        }
    }
}
