//! Names of partitions that change with the hardware, replaced by names that do
//! not: word by word, whatever else stands in the line.

/// What a name means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named<'n> {
    /// A partition, by its number, of a disk ("/dev/sda") that is called otherwise on other
    /// hardware.
    Partition(&'n str, u32),
    /// Something by a name that says nothing about where it is: it may stay.
    Stable,
    /// Something else that will not be found again.
    Lost,
}

/// What `device` ("/dev/sda2") names.
pub(super) fn named(device: &str) -> Named<'_> {
    let Some(name) = device.strip_prefix("/dev/") else {
        return Named::Stable;
    };
    let link = name.strip_prefix("disk/by-path/");
    if let Some(link) = link.or_else(|| name.strip_prefix("disk/by-id/")) {
        // LVM's and RAID's ids are of their own, not of the hardware.
        let own = ["dm-", "lvm-", "md-"].iter().any(|p| link.starts_with(p));
        return match own {
            true => Named::Stable,
            false => numbered(device, "-part"),
        };
    }
    let lettered = ["sd", "hd", "vd", "xvd"].iter().find_map(|kind| {
        let rest = name.strip_prefix(kind)?;
        let number = rest.trim_start_matches(|c: char| c.is_ascii_lowercase());
        (number.len() < rest.len()).then_some(number)
    });
    if let Some(number) = lettered {
        let disk = device.strip_suffix(number).unwrap_or(device);
        return number
            .parse()
            .map_or(Named::Lost, |n| Named::Partition(disk, n));
    }
    match name.starts_with("nvme") || name.starts_with("mmcblk") {
        true => numbered(device, "p"),
        false => Named::Stable,
    }
}

/// A name that ends in `mark` and a number.
fn numbered<'n>(device: &'n str, mark: &str) -> Named<'n> {
    let parts = device.rsplit_once(mark);
    let number = parts.and_then(|(disk, number)| Some((disk, number.parse().ok()?)));
    number.map_or(Named::Lost, |(disk, number)| Named::Partition(disk, number))
}

/// The name of the disk that the system is on, as its root says which is on partition `own`.
fn own_disk(text: &str, own: u32) -> Option<&str> {
    text.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        match (named(words.next()?), words.next()?) {
            (Named::Partition(disk, number), "/") if number == own => Some(disk),
            _ => None,
        }
    })
}

/// A text of lines whose first word is a device, changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Changed {
    /// The whole text.
    pub(super) text: String,
    /// "/dev/sda2 is UUID=… now".
    pub(super) edits: Vec<String>,
    /// Devices that are named in a way that this machine does not have.
    pub(super) lost: Vec<String>,
}

/// `text`, fstab(5) of a system on partition `own`, with other names for the partitions of
/// its disk that `stable` knows one for. (Which disk `/dev/sdb` was nobody knows, unless
/// the root file system is on it.)
pub(super) fn renamed(text: &str, own: u32, stable: &dyn Fn(u32) -> Option<String>) -> Changed {
    let disk = own_disk(text, own);
    let mut changed = Changed::default();
    for line in text.split_inclusive('\n') {
        let indent = line.len() - line.trim_start().len();
        let (space, rest) = line.split_at_checked(indent).unwrap_or(("", line));
        let word = rest.split_whitespace().next().unwrap_or_default();
        let name = match named(word) {
            Named::Partition(on, number) if Some(on) == disk => stable(number),
            _ => None,
        };
        match name {
            Some(name) => {
                changed.text.push_str(space);
                changed.text.push_str(&name);
                changed
                    .text
                    .push_str(rest.get(word.len()..).unwrap_or_default());
                changed.edits.push(format!("{word} is {name} now"));
            }
            None => {
                if matches!(named(word), Named::Partition(..) | Named::Lost) {
                    changed.lost.push(word.to_owned());
                }
                changed.text.push_str(line);
            }
        }
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_change_with_the_hardware_are_known() {
        use Named::{Lost, Partition, Stable};
        let path = "/dev/disk/by-path/pci-0000:00:1f.2-ata-1";
        for (name, is) in [
            ("/dev/sda2", Partition("/dev/sda", 2)),
            ("/dev/sdab12", Partition("/dev/sdab", 12)),
            ("/dev/xvda1", Partition("/dev/xvda", 1)),
            ("/dev/nvme0n1p3", Partition("/dev/nvme0n1", 3)),
            ("/dev/mmcblk0p1", Partition("/dev/mmcblk0", 1)),
            (&format!("{path}-part2"), Partition(path, 2)),
            (
                "/dev/disk/by-id/ata-X_1-part5",
                Partition("/dev/disk/by-id/ata-X_1", 5),
            ),
            ("/dev/disk/by-id/ata-X_1", Lost),
            ("/dev/sda", Lost),
            ("/dev/nvme0n1", Lost),
            ("/dev/disk/by-id/dm-name-vg-root", Stable),
            ("/dev/disk/by-uuid/1-2", Stable),
            ("/dev/mapper/vg-root", Stable),
            ("/dev/vg0/root", Stable),
            ("/dev/md0", Stable),
            ("UUID=1-2", Stable),
            ("tmpfs", Stable),
            ("#/dev/sda1", Stable),
        ] {
            assert_eq!(named(name), is, "{name}");
        }
    }

    #[test]
    fn only_the_word_changes_and_only_of_the_systems_own_disk() {
        let text = "# /dev/sda1 was the root\n\n  /dev/sda1\t/  ext4 defaults 0 1 # x\n\
                    UUID=5 /b ext4\n/dev/sdb1 /c ext4\n/dev/cdrom /d auto\n/dev/sda2 none swap";
        let stable = |n| (n < 3).then(|| format!("UUID={n}"));
        let changed = renamed(text, 1, &stable);
        let expected = text.replacen("  /dev/sda1", "  UUID=1", 1);
        assert_eq!(changed.text, expected.replace("/dev/sda2", "UUID=2"));
        assert_eq!(
            changed.edits,
            ["/dev/sda1 is UUID=1 now", "/dev/sda2 is UUID=2 now"]
        );
        assert_eq!(changed.lost, ["/dev/sdb1"]);
        // The root tells nothing: every disk may be another's.
        for (text, own) in [(text, 2), ("UUID=1 / ext4\n/dev/sda2 none swap", 1)] {
            let changed = renamed(text, own, &stable);
            assert_eq!((changed.text.as_str(), changed.edits.len()), (text, 0));
            assert!(changed.lost.contains(&"/dev/sda2".to_owned()));
        }
    }
}
