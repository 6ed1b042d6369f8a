//! A machine made of files: two disks, LVM over one, a stick, a loop device.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::*;

struct Fake {
    dir: tempfile::TempDir,
}

impl Fake {
    fn new() -> Self {
        let fake = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        fake.file("proc/self/mountinfo", "");
        fake.file("proc/swaps", "Filename Type Size Used Priority\n");
        fs::create_dir_all(fake.root().join("sys/class/block")).unwrap();
        fs::create_dir_all(fake.root().join("dev")).unwrap();
        fake
    }

    fn root(&self) -> &Path {
        self.dir.path()
    }

    fn file(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// A block device at `place` under /sys/devices, with its class link.
    fn device(&self, place: &str, number: &str, sectors: u64) -> String {
        let dir = format!("sys/devices/{place}");
        let name = Path::new(place).file_name().unwrap().to_str().unwrap();
        self.file(&format!("{dir}/dev"), format!("{number}\n"));
        self.file(&format!("{dir}/size"), format!("{sectors}\n"));
        let link = self.root().join("sys/class/block").join(name);
        symlink(self.root().join(&dir), link).unwrap();
        dir
    }

    fn machine(&self) -> Machine {
        Machine::at(self.root())
    }
}

/// sda (SATA) with sda1 and sda2; sda2 under an LVM volume dm-0.
fn with_lvm() -> Fake {
    let fake = Fake::new();
    let sda = fake.device("pci0/ata1/host0/target0/block/sda", "8:0", 2048);
    fake.file(&format!("{sda}/device/model"), "DISK A \n");
    fake.file(&format!("{sda}/device/vendor"), "ATA     \n");
    fake.file(&format!("{sda}/device/vpd_pg80"), b"\0\x80\0\x08  SN1234");
    fake.file(&format!("{sda}/device/wwid"), "naa.5000c500a1b2c3d4\n");
    fake.file(&format!("{sda}/queue/logical_block_size"), "512\n");
    fake.file(&format!("{sda}/queue/physical_block_size"), "4096\n");
    fake.file(&format!("{sda}/queue/rotational"), "1\n");
    for (n, number) in [(1, "8:1"), (2, "8:2")] {
        let part = fake.device(
            &format!("pci0/ata1/host0/target0/block/sda/sda{n}"),
            number,
            9,
        );
        fake.file(&format!("{part}/partition"), format!("{n}\n"));
    }
    let dm = fake.device("virtual/block/dm-0", "253:0", 9);
    fake.file(&format!("{dm}/dm/name"), "vg-root\n");
    fake.file(&format!("{dm}/slaves/sda2"), "");
    fake
}

#[test]
fn identity_comes_from_the_disk() {
    let fake = with_lvm();
    let disks = fake.machine().disks().unwrap();
    assert_eq!(disks.len(), 1, "partitions and volumes are no disks");
    let sda = &disks[0];
    assert_eq!(sda.path, fake.root().join("dev/sda"));
    assert_eq!(sda.size, 1 << 20);
    assert_eq!((sda.sector_size, sda.physical_sector), (512, 4096));
    assert_eq!(sda.model.as_deref(), Some("DISK A"));
    assert_eq!(sda.serial.as_deref(), Some("SN1234"));
    assert_eq!(sda.wwn.as_deref(), Some("naa.5000c500a1b2c3d4"));
    assert_eq!(sda.bus, Bus::Sata);
    assert!(sda.rotational && !sda.removable && !sda.read_only);
}

#[test]
fn a_volume_mounted_over_a_partition_holds_the_disk() {
    let fake = with_lvm();
    fake.file(
        "proc/self/mountinfo",
        "1 1 253:0 / /srv rw - xfs /dev/mapper/vg-root rw\n\
         2 1 8:1 / /boot rw - ext4 /dev/sda1 rw\n\
         3 1 0:30 / /proc rw - proc proc rw\n",
    );
    fake.file(
        "proc/swaps",
        "Filename Type Size Used Priority\n/dev/sda1 partition 1 0 -2\n",
    );
    let uses = &fake.machine().disks().unwrap()[0].uses;
    let said: Vec<String> = uses.iter().map(ToString::to_string).collect();
    assert!(
        said.contains(&"sda1 is mounted at /boot".to_owned()),
        "{said:?}"
    );
    assert!(
        said.contains(&"sda1 is used as swap".to_owned()),
        "{said:?}"
    );
    let held = "sda2 is held by vg-root (dm-0)".to_owned();
    assert!(said.contains(&held), "{said:?}");
    assert!(
        said.contains(&"dm-0 is mounted at /srv".to_owned()),
        "{said:?}"
    );
    assert_eq!(said.len(), 4, "{said:?}");
}

#[test]
fn btrfs_hides_its_device_number_but_not_its_source() {
    let fake = with_lvm();
    let line = "1 1 0:55 /@ /data rw - btrfs /dev/sda1 rw\n";
    fake.file("proc/self/mountinfo", line);
    let uses = &fake.machine().disks().unwrap()[0].uses;
    let mounted = Use::Mounted {
        device: "sda1".to_owned(),
        at: PathBuf::from("/data"),
    };
    assert!(uses.contains(&mounted), "{uses:?}");
}

#[test]
fn the_repository_is_found_through_volume_and_partition() {
    let fake = with_lvm();
    let repo = fake.root().join("repo");
    fs::create_dir(&repo).unwrap();
    // The folder's real device number is this host's: force the path's mount.
    let at = fs::canonicalize(&repo).unwrap();
    let line = format!(
        "1 1 253:0 / {} rw - xfs /dev/mapper/vg-root rw\n",
        at.display()
    );
    fake.file("proc/self/mountinfo", line);
    let mut disks = fake.machine().disks().unwrap();
    fake.machine().mark_repository(&mut disks, &repo).unwrap();
    assert!(
        disks[0].uses.contains(&Use::Repository),
        "{:?}",
        disks[0].uses
    );
}

#[test]
fn a_repository_on_a_file_on_a_disk_protects_that_disk() {
    let fake = with_lvm();
    let looped = fake.device("virtual/block/loop0", "7:0", 9);
    fake.file(&format!("{looped}/loop/backing_file"), "/boot/repo.img\n");
    let repo = fs::canonicalize(fake.root()).unwrap().join("repo");
    fs::create_dir(&repo).unwrap();
    let lines = format!(
        "1 1 8:1 / /boot rw - ext4 /dev/sda1 rw\n2 1 7:0 / {} rw - ext4 /dev/loop0 rw\n",
        repo.display()
    );
    fake.file("proc/self/mountinfo", lines);
    assert_eq!(fake.machine().disks_under(&repo).unwrap(), ["sda"]);
}

#[test]
fn a_raw_file_under_a_loop_device_is_held() {
    let fake = with_lvm();
    let image = fake.root().join("disk.img");
    fs::write(&image, vec![0; 4096]).unwrap();
    let image = fs::canonicalize(&image).unwrap();
    let free = fake.machine().disk_at(&image, disk::SectorSize::B4096);
    let free = free.unwrap();
    assert_eq!((free.size, free.sector_size), (4096, 4096));
    assert_eq!((free.kind, free.uses.len()), (DiskKind::RawFile, 0));
    assert_eq!(free.confirmation(), image.display().to_string());

    let looped = fake.device("virtual/block/loop0", "7:0", 9);
    let backing = format!("{}\n", image.display());
    fake.file(&format!("{looped}/loop/backing_file"), backing);
    let held = fake.machine().disk_at(&image, disk::SectorSize::B512);
    assert_eq!(held.unwrap().uses.len(), 1);
    let link = fake.root().join("link.img");
    fs::hard_link(&image, &link).unwrap();
    let held = fake.machine().disk_at(&link, disk::SectorSize::B512);
    assert_eq!(held.unwrap().uses.len(), 1);
}

#[test]
fn the_medium_is_told_by_its_volume_identifier() {
    let fake = with_lvm();
    let mut iso = vec![0; 64 << 10];
    iso[32768..32774].copy_from_slice(b"\x01CD001");
    iso[32808..32840].copy_from_slice(format!("{:32}", "RESCUE_ABC").as_bytes());
    fake.file("dev/sda", &iso);
    assert!(
        !fake.machine().disks().unwrap()[0]
            .uses
            .contains(&Use::Medium)
    );
    fake.file(
        "etc/rescue/medium.json",
        r#"{"version":1,"volume":"RESCUE_ABC","rescue":"0.1.0"}"#,
    );
    assert!(
        fake.machine().disks().unwrap()[0]
            .uses
            .contains(&Use::Medium)
    );
}

#[test]
fn the_stick_is_known_by_the_guid_of_its_table() {
    let fake = with_lvm();
    let mut disk = vec![0; 4096];
    disk[512..520].copy_from_slice(b"EFI PART");
    let id = [
        0xad, 0xde, 0xef, 0xbe, 2, 1, 4, 0x83, 0x85, 6, 7, 8, 9, 10, 11, 12,
    ];
    disk[568..584].copy_from_slice(&id);
    fake.file("dev/sda", &disk);
    let is_it = |disk: &str| {
        let json = format!(r#"{{"version":1,"volume":"RESCUE_ABC","disk":"{disk}"}}"#);
        fake.file("etc/rescue/medium.json", json.as_bytes());
        let disks = fake.machine().disks().unwrap();
        disks[0].uses.contains(&Use::Medium)
    };
    assert!(is_it("BEEFDEAD-0102-8304-8506-0708090A0B0C"));
    assert!(!is_it("00000000-0102-8304-8506-0708090a0b0c"));
}

#[test]
fn every_bus_has_its_own_place_for_the_serial_number() {
    let fake = Fake::new();
    let nvme = fake.device("pci0/nvme/nvme0/nvme0n1", "259:0", 8);
    fake.file(&format!("{nvme}/device/serial"), "S64ANS0T  \n");
    fake.file(&format!("{nvme}/device/model"), "Samsung SSD 980  \n");
    fake.file(&format!("{nvme}/wwid"), "eui.002538b111b2c3d4\n");
    let virtio = fake.device("pci0/virtio1/block/vda", "254:0", 8);
    fake.file(&format!("{virtio}/serial"), "VIRT-1\n");
    fake.file(&format!("{virtio}/device/vendor"), "0x1af4\n");
    let usb = fake.device("pci0/usb1/1-1/1-1:1.0/host3/target3/block/sdb", "8:16", 8);
    fake.file("sys/devices/pci0/usb1/1-1/serial", "USB-SN\n");
    fake.file("sys/devices/pci0/usb1/1-1/idVendor", "0781\n");
    fake.file(&format!("{usb}/device/vendor"), "SanDisk \n");
    fake.file(&format!("{usb}/device/model"), "Ultra\n");
    let disks = fake.machine().disks().unwrap();
    let told: Vec<String> = disks.iter().map(Disk::describe).collect();
    assert_eq!(
        told,
        [
            "Samsung SSD 980 (serial S64ANS0T, nvme), 4.0 KiB",
            "SanDisk Ultra (serial USB-SN, usb), 4.0 KiB",
            "disk of unknown model (serial VIRT-1, virtio), 4.0 KiB",
        ]
    );
    assert_eq!(disks[0].wwn.as_deref(), Some("eui.002538b111b2c3d4"));
}

#[test]
fn a_missing_path_says_how_to_make_a_file() {
    let error = disk_at(Path::new("/nonexistent/x.img")).unwrap_err();
    assert!(error.to_string().contains("truncate -s SIZE"), "{error}");
}

#[test]
fn names_sort_as_people_sort_them() {
    let mut names = vec!["sdaa", "sdb", "sda", "nvme10n1", "nvme2n1"];
    names.sort_by_cached_key(|name| natural_key(name));
    assert_eq!(names, ["nvme2n1", "nvme10n1", "sda", "sdb", "sdaa"]);
}
