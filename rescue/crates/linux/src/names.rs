//! What names of volumes mean, and what else these volumes are called.
//!
//! A name of the kernel (`/dev/sda2`) or of the way to a disk (`/dev/disk/by-path/…`) says
//! nothing on other hardware, nor does one that was made of the disk's own serial number
//! (`/dev/disk/by-id/…`) (udev's 60-persistent-storage.rules). Which disk `/dev/sda` was is taken from the place
//! where the system names a volume that is known for sure: its root file system.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A volume of a restored disk: a partition, or something in partitions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// Which of the restored disks it is on, when it is a partition.
    pub disk: usize,
    /// The number of the partition; `None` for logical volumes, arrays and the like.
    pub partition: Option<u32>,
    /// What is in it, as blkid(8) calls it: "ext4", "vfat", "swap", "crypto_LUKS",
    /// "LVM2_member", "linux_raid_member"; empty when that is not known.
    pub kind: String,
    /// The UUID of what is in it, as blkid(8) writes it.
    pub uuid: Option<String>,
    /// The label of what is in it.
    pub label: Option<String>,
    /// The PARTUUID that the partition had when it was captured.
    pub partuuid: Option<String>,
    /// The PARTUUID that it has now: another one when the partition table was converted.
    pub partuuid_now: Option<String>,
    /// Names that stay whatever the hardware: "/dev/mapper/vg-root", "/dev/vg/root", "/dev/md0".
    pub names: Vec<String>,
    /// Where the system has it mounted, when that is known by other means than its fstab
    /// ("/" for the one where this system was found).
    pub mount: Option<String>,
}

/// All that is known of the restored disks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// The volumes.
    pub volumes: Vec<Volume>,
    /// Names that disks had for certain when they were captured ("/dev/sda"), and which they are.
    pub called: Vec<(usize, String)>,
    /// World wide ids of the disks that they are on now, as the kernel says them
    /// (`/sys/block/sda/device/wwid`, `/sys/block/nvme0n1/wwid`: "naa.5000…", "eui.…"), where it does.
    pub wwids: Vec<(usize, String)>,
}

impl Known {
    /// The volume that is mounted at `mount`.
    #[must_use]
    pub fn mounted(&self, mount: &str) -> Option<&Volume> {
        let mut volumes = self.volumes.iter();
        volumes.find(|volume| volume.mount.as_deref() == Some(mount))
    }
}

/// How a name is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// "UUID=…", as mount(8), crypttab(5) and what reads `root=` in an initramfs know it.
    Tag,
    /// "/dev/disk/by-uuid/…", where a path is expected.
    Path,
    /// "PARTUUID=…", all that a kernel without an initramfs knows.
    Kernel,
    /// "/dev/disk/by-partuuid/…", for partitions of which nothing but the place can be known.
    Place,
}

/// What a name means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named<'n> {
    /// A partition, by its number, of a disk ("/dev/sda") that is called otherwise on other
    /// hardware.
    Partition(&'n str, u32),
    /// A partition by its PARTUUID, which is another one when the table is converted.
    PartUuid(&'n str),
    /// Something by a name that says nothing about where it is: it may stay.
    Stable,
    /// Something else that will not be found again.
    Lost,
}

/// Disks with letters, and numbers behind them.
const LETTERED: [&str; 6] = ["sd", "hd", "vd", "xvd", "dasd", "ubd"];
/// Disks with numbers, and partitions behind a "p".
const NUMBERED: [&str; 6] = ["nvme", "mmcblk", "pmem", "cciss/", "ida/", "nbd"];

/// What `device` ("/dev/sda2", "PARTUUID=…") names.
#[must_use]
pub fn named(device: &str) -> Named<'_> {
    if let Some(uuid) = device.strip_prefix("PARTUUID=") {
        return Named::PartUuid(uuid.trim_matches(['"', '\'']));
    }
    let Some(name) = device.strip_prefix("/dev/") else {
        return Named::Stable;
    };
    if let Some(uuid) = name.strip_prefix("disk/by-partuuid/") {
        return Named::PartUuid(uuid);
    }
    let link = name.strip_prefix("disk/by-path/");
    if let Some(link) = link.or_else(|| name.strip_prefix("disk/by-id/")) {
        // LVM's and RAID's ids are of their own, not of the hardware.
        let own = ["dm-", "lvm-", "md-"].iter().any(|p| link.starts_with(p));
        return match own {
            true => Named::Stable,
            false => numbered(device, &["-part"]),
        };
    }
    if let Some(map) = name.strip_prefix("mapper/") {
        let letter = |rest: &str| rest.starts_with(|c: char| c.is_ascii_lowercase());
        return match map.strip_prefix("mpath").is_some_and(letter) {
            // Ways to a SAN, named in the order in which they were found.
            true => numbered(device, &["-part", ""]),
            false => Named::Stable,
        };
    }
    if name.starts_with("dm-") || name.starts_with("block/") {
        return Named::Lost;
    }
    let lettered = LETTERED.iter().find_map(|kind| {
        let rest = name.strip_prefix(kind)?;
        let number = rest.trim_start_matches(|c: char| c.is_ascii_lowercase());
        // "/dev/sdata/root" is a logical volume.
        (number.len() < rest.len() && !number.contains('/')).then_some(number)
    });
    if let Some(number) = lettered {
        let disk = device.strip_suffix(number).unwrap_or(device);
        return number
            .parse()
            .map_or(Named::Lost, |n| Named::Partition(disk, n));
    }
    let digit = |rest: &str| rest.starts_with(|c: char| c.is_ascii_digit() || c == 'c');
    let mut numbers = NUMBERED.iter().filter_map(|kind| name.strip_prefix(kind));
    match numbers.any(digit) {
        true => numbered(device, &["p"]),
        false => Named::Stable,
    }
}

/// A name that ends in one of `marks` and a number.
fn numbered<'n>(device: &'n str, marks: &[&str]) -> Named<'n> {
    let disk = device.trim_end_matches(|c: char| c.is_ascii_digit());
    let number = device.strip_prefix(disk).and_then(|n| n.parse().ok());
    let disk = marks.iter().find_map(|mark| disk.strip_suffix(mark));
    match (disk, number) {
        (Some(disk), Some(number)) => Named::Partition(disk, number),
        _ => Named::Lost,
    }
}

/// What is to be done about a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// It may stay.
    Keep,
    /// It has to be this one.
    New(String),
    /// It will not be found, or will be something else, and nobody knows what it was.
    Lost,
}

/// Names, and what they mean in one system.
#[derive(Debug, Clone)]
pub struct Names<'k> {
    known: &'k Known,
    disks: BTreeMap<String, usize>,
}

impl<'k> Names<'k> {
    /// Those of `known`.
    #[must_use]
    pub fn new(known: &'k Known) -> Self {
        let called = known
            .called
            .iter()
            .map(|(disk, name)| (name.clone(), *disk));
        Self {
            known,
            disks: called.collect(),
        }
    }

    /// What is known of the disks.
    #[must_use]
    pub fn known(&self) -> &'k Known {
        self.known
    }

    /// It is certain that `device` named `volume`, so its disk had that name.
    pub fn learn(&mut self, device: &str, volume: &Volume) {
        if let (Named::Partition(disk, number), Some(own)) = (named(device), volume.partition)
            && number == own
        {
            self.disks.entry(disk.to_owned()).or_insert(volume.disk);
        }
    }

    /// The volume that `device` names in a way that this hardware does not know.
    fn volume(&self, device: &str) -> Option<&'k Volume> {
        let (disk, number) = match named(device) {
            Named::Partition(disk, number) => (self.disks.get(disk)?, number),
            _ => return None,
        };
        let mut volumes = self.known.volumes.iter();
        volumes.find(|volume| volume.disk == *disk && volume.partition == Some(number))
    }

    /// What becomes of `device`, written as `style` wants it. When `kinds` are given and
    /// the volume is known to be of none of these, it is not what was meant.
    #[must_use]
    pub fn settle(&self, device: &str, style: Style, kinds: &[&str]) -> Settled {
        let volume = match named(device) {
            Named::Stable => return Settled::Keep,
            Named::PartUuid(uuid) => return self.partuuid(device, uuid),
            Named::Lost | Named::Partition(..) => self.volume(device),
        };
        let fits = |volume: &&Volume| {
            let kind = &*volume.kind;
            kinds.is_empty() || kind.is_empty() || kinds.contains(&kind)
        };
        let name = volume.filter(fits).and_then(|volume| volume.called(style));
        name.map_or(Settled::Lost, Settled::New)
    }

    /// What becomes of a name by `uuid`, that of a partition.
    fn partuuid(&self, device: &str, uuid: &str) -> Settled {
        let mut volumes = self.known.volumes.iter();
        let is = |had: &str| had.eq_ignore_ascii_case(uuid);
        let volume = volumes.find(|volume| volume.partuuid.as_deref().is_some_and(is));
        let Some(volume) = volume else {
            // Of another disk: as good as it was.
            return Settled::Keep;
        };
        match &volume.partuuid_now {
            Some(now) if now.eq_ignore_ascii_case(uuid) => Settled::Keep,
            // Nobody said that the table was converted.
            None => Settled::Keep,
            Some(now) if device.starts_with("PARTUUID=") => Settled::New(format!("PARTUUID={now}")),
            Some(now) => Settled::New(format!("/dev/disk/by-partuuid/{now}")),
        }
    }
}

impl Volume {
    /// What it is called, in `style`.
    #[must_use]
    pub fn called(&self, style: Style) -> Option<String> {
        // In members of arrays and of volume groups of several disks the UUID is that of the whole.
        let shared = ["linux_raid_member", "btrfs"].contains(&&*self.kind);
        let uuid = self.uuid.as_deref().filter(|uuid| !uuid.is_empty());
        let place = self.partuuid_now.as_deref().or(self.partuuid.as_deref());
        let tag = |uuid: &str| format!("UUID={uuid}");
        let link = |uuid: &str| format!("/dev/disk/by-uuid/{uuid}");
        let part = |uuid: &str| format!("PARTUUID={uuid}");
        let part_link = |uuid: &str| format!("/dev/disk/by-partuuid/{uuid}");
        match style {
            Style::Tag => uuid.map(tag).or_else(|| place.map(part)),
            Style::Path if shared => place.map(part_link),
            Style::Path => uuid.map(link).or_else(|| place.map(part_link)),
            Style::Kernel => place.map(part),
            Style::Place => place.map(part_link),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_change_with_the_hardware_are_known() {
        use Named::{Lost, PartUuid, Partition, Stable};
        let path = "/dev/disk/by-path/pci-0000:00:1f.2-ata-1";
        for (name, is) in [
            ("/dev/sda2", Partition("/dev/sda", 2)),
            ("/dev/sdab12", Partition("/dev/sdab", 12)),
            ("/dev/xvda1", Partition("/dev/xvda", 1)),
            ("/dev/nvme0n1p3", Partition("/dev/nvme0n1", 3)),
            ("/dev/mmcblk0p1", Partition("/dev/mmcblk0", 1)),
            ("/dev/cciss/c0d0p2", Partition("/dev/cciss/c0d0", 2)),
            ("/dev/mapper/mpatha2", Partition("/dev/mapper/mpatha", 2)),
            ("/dev/mapper/mpathp2", Partition("/dev/mapper/mpathp", 2)),
            ("/dev/mapper/mpatha", Lost),
            (
                "/dev/mapper/mpatha-part2",
                Partition("/dev/mapper/mpatha", 2),
            ),
            (&format!("{path}-part2"), Partition(path, 2)),
            (
                "/dev/disk/by-id/ata-X_1-part5",
                Partition("/dev/disk/by-id/ata-X_1", 5),
            ),
            ("/dev/disk/by-id/ata-X_1", Lost),
            ("/dev/sda", Lost),
            ("/dev/nvme0n1", Lost),
            ("/dev/dm-0", Lost),
            ("/dev/disk/by-id/dm-name-vg-root", Stable),
            ("/dev/disk/by-uuid/1-2", Stable),
            ("/dev/mapper/vg-root", Stable),
            ("/dev/vg0/root", Stable),
            ("/dev/sdata/root1", Stable),
            ("/dev/nvmevg/root", Stable),
            ("/dev/mapper/mpath-root", Stable),
            ("/dev/md0", Stable),
            ("/dev/sr0", Stable),
            ("UUID=1-2", Stable),
            ("PARTUUID=\"1-2\"", PartUuid("1-2")),
            ("/dev/disk/by-partuuid/1-2", PartUuid("1-2")),
            ("tmpfs", Stable),
            ("#/dev/sda1", Stable),
        ] {
            assert_eq!(named(name), is, "{name}");
        }
    }

    fn known() -> Known {
        let volume = |number: u32, kind: &str| Volume {
            partition: Some(number),
            kind: kind.to_owned(),
            uuid: (!kind.is_empty()).then(|| format!("u{number}")),
            partuuid: Some(format!("old-0{number}")),
            partuuid_now: Some(format!("new-0{number}")),
            ..Volume::default()
        };
        Known {
            volumes: vec![volume(1, "ext4"), volume(2, "swap"), volume(3, "")],
            ..Known::default()
        }
    }

    #[test]
    fn a_name_is_settled_only_when_its_disk_and_its_kind_are_certain() {
        let known = known();
        let mut names = Names::new(&known);
        let settle =
            |names: &Names<'_>, name, kinds: &[&str]| names.settle(name, Style::Tag, kinds);
        assert_eq!(settle(&names, "/dev/sda1", &[]), Settled::Lost);
        // A root with another number is on another disk.
        names.learn("/dev/sdb2", &known.volumes[0]);
        assert_eq!(settle(&names, "/dev/sdb1", &[]), Settled::Lost);
        names.learn("/dev/sda1", &known.volumes[0]);
        let new = |name: &str| Settled::New(name.to_owned());
        assert_eq!(settle(&names, "/dev/sda2", &["swap"]), new("UUID=u2"));
        assert_eq!(settle(&names, "/dev/sda2", &["ext4"]), Settled::Lost);
        assert_eq!(settle(&names, "/dev/sda3", &[]), new("PARTUUID=new-03"));
        assert_eq!(settle(&names, "/dev/sda4", &[]), Settled::Lost);
        for (style, is) in [
            (Style::Path, "/dev/disk/by-uuid/u1"),
            (Style::Kernel, "PARTUUID=new-01"),
            (Style::Place, "/dev/disk/by-partuuid/new-01"),
        ] {
            assert_eq!(names.settle("/dev/sda1", style, &[]), new(is));
        }
        // A converted table.
        assert_eq!(
            settle(&names, "PARTUUID=OLD-01", &[]),
            new("PARTUUID=new-01")
        );
        assert_eq!(settle(&names, "PARTUUID=new-01", &[]), Settled::Keep);
        assert_eq!(
            settle(&names, "/dev/disk/by-partuuid/old-02", &[]),
            new("/dev/disk/by-partuuid/new-02")
        );
    }
}
