//! What Windows keeps on partitions in ways that an image of one disk, or this version,
//! does not do justice: told at capture and, as notes of the image, ever after.

use image::RegionKind;

use super::source::SourceRegion;

/// Types of partitions, GPT's and MBR's, of Logical Disk Manager (`winioctl.h` and
/// `ntdddisk.h`: `PARTITION_LDM`, `PARTITION_LDM_…_GUID`).
const DYNAMIC: [&str; 3] = [
    "5808c8aa-7e8f-42e0-85d2-e1e90434cfb3",
    "af9b60a0-1431-4f62-bc68-3311714a69ad",
    "0x42",
];
/// The same of Storage Spaces (`PARTITION_SPACES`, `PARTITION_SPACES_GUID`).
const SPACES: [&str; 2] = ["e75caf8f-f680-4cee-afa3-b001e56efc2d", "0xe7"];

/// Sentences on a disk of these parts; each says what it is about.
pub(super) fn notes(regions: &[SourceRegion]) -> Vec<String> {
    let mut notes = Vec::new();
    for (types, text) in [
        (
            &DYNAMIC[..],
            "a dynamic disk: its volumes may reach over other disks, and its database knows all of \
             them. Capture and restore them together; Windows may call them \"foreign\" until they \
             are imported (diskmgmt.msc).",
        ),
        (
            &SPACES[..],
            "a storage pool (Storage Spaces): its volumes lie on all disks of the pool, \
             and this one alone is of no use for them. Capture and restore all of them, and not \
             into a machine that the old ones are still in.",
        ),
    ] {
        let of_these = |region: &&SourceRegion| {
            let partition = match &region.kind {
                RegionKind::Partition(partition) => partition,
                RegionKind::Gap => return false,
            };
            types.contains(&partition.type_id.as_str())
        };
        if let Some(first) = regions.iter().find(of_these) {
            notes.push(format!("{} is of {text}", title(first)));
        }
    }
    let refs = regions.iter().filter(|region| {
        let kind = region.fs.as_ref().map(|fs| fs.kind.as_str());
        kind == Some("refs")
    });
    notes.extend(refs.map(|region| {
        format!(
            "{} is ReFS, which is captured and restored whole, as it is: no Windows is looked for \
             on it, and one that starts from it is not adapted to other hardware.",
            title(region)
        )
    }));
    notes
}

fn title(region: &SourceRegion) -> String {
    match &region.kind {
        RegionKind::Partition(partition) => format!("Partition {}", partition.number),
        RegionKind::Gap => "The whole disk".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{Consistency, Filesystem, PartitionInfo};

    fn region(number: u32, type_id: &str, kind: &str) -> SourceRegion {
        SourceRegion {
            kind: RegionKind::Partition(PartitionInfo {
                number,
                type_id: type_id.to_owned(),
                type_name: String::new(),
                name: None,
                uuid: None,
                bootable: false,
                logical: false,
            }),
            start: 0,
            len: 4096,
            free: Vec::new(),
            fs: Some(Filesystem {
                kind: kind.to_owned(),
                label: None,
                uuid: None,
                block_size: 0,
                consistency: Consistency::Raw,
                notes: Vec::new(),
            }),
        }
    }

    #[test]
    fn each_is_told_once_and_ordinary_ones_are_not() {
        let basic = "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7";
        let plain = [region(1, basic, "ntfs"), region(2, "0x7", "ntfs")];
        assert_eq!(notes(&plain), Vec::<String>::new());
        for (kind, fs, told) in [
            (DYNAMIC[0], "unknown", "of a dynamic disk"),
            (DYNAMIC[1], "ntfs", "of a dynamic disk"),
            (DYNAMIC[2], "ntfs", "of a dynamic disk"),
            (SPACES[0], "unknown", "of a storage pool"),
            (SPACES[1], "unknown", "of a storage pool"),
            (basic, "refs", "ReFS"),
        ] {
            let found = notes(&[region(1, basic, "ntfs"), region(3, kind, fs)]);
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].starts_with("Partition 3 is"), "{found:?}");
            assert!(found[0].contains(told), "{found:?}");
        }
        let both = [
            region(1, DYNAMIC[0], "unknown"),
            region(2, DYNAMIC[1], "ntfs"),
        ];
        assert_eq!(notes(&both).len(), 1);
    }
}
