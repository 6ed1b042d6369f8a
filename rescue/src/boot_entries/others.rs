//! The other disks of the machine. When one is a copy of the restored disk, an entry
//! of the firmware may be that one's.

use disk::ReadAt;
use efi::HardDrive;

use super::on_disk;
use crate::inventory::Disk;

/// The partitions of `disks` that are not `target`. A disk that cannot be read has none.
pub(super) fn partitions(disks: &[Disk], target: &Disk) -> Vec<HardDrive> {
    let others = disks.iter().filter(|disk| !is_same(disk, target));
    let partitions = others.filter_map(|disk| {
        let device = disk.open().ok()?;
        let table = disk::read_table(&device as &dyn ReadAt, disk.sectors().ok()?).ok()?;
        let partitions = table.partitions.iter();
        let places = partitions.filter_map(|partition| on_disk::place(partition, &table));
        Some(places.collect::<Vec<_>>())
    });
    partitions.flatten().collect()
}

/// Whether they are one disk, perhaps reached in two ways.
fn is_same(one: &Disk, other: &Disk) -> bool {
    let wwn = one.wwn.is_some() && one.wwn == other.wwn;
    wwn || one.path == other.path || one.name == other.name
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::Machine;
    use disk::SectorSize;
    use efi::Signature;

    #[test]
    fn only_what_is_on_another_disk_counts() {
        let folder = tempfile::tempdir().unwrap();
        let disk = |name: &str, wwn: Option<&str>| {
            let path = folder.path().join(name);
            let mut bytes = vec![0; 4 << 20];
            bytes[440..444].copy_from_slice(&[0xCD, 0xAB, 0x34, 0x12]);
            bytes[450] = 0xEF;
            bytes[454..458].copy_from_slice(&2048_u32.to_le_bytes());
            bytes[458..462].copy_from_slice(&1024_u32.to_le_bytes());
            bytes[510..512].copy_from_slice(&[0x55, 0xAA]);
            std::fs::write(&path, bytes).unwrap();
            let disk = Machine::host().disk_at(&path, SectorSize::B512).unwrap();
            Disk {
                wwn: wwn.map(str::to_owned),
                ..disk
            }
        };
        let target = disk("target", Some("naa.5"));
        let itself = [target.clone(), disk("other-path", Some("naa.5"))];
        assert_eq!(partitions(&itself, &target), []);
        let gone = Disk {
            path: folder.path().join("gone"),
            name: "gone".to_owned(),
            ..disk("there", None)
        };
        let found = partitions(&[target.clone(), disk("copy", None), gone], &target);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].number, found[0].start), (1, 2048));
        assert_eq!(found[0].signature, Signature::Mbr(0x1234_abcd));
    }
}
