//! Names of partitions that change with the hardware, replaced by names that do
//! not: word by word, whatever else stands in the line.

/// Which partition of the disk a name means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    /// By its number.
    Partition(u32),
    /// By a name that says nothing about where it is: it may stay.
    Stable,
    /// By one that will not be found again, and does not tell which it was.
    Lost,
}

/// What `device` ("/dev/sda2") names.
pub(super) fn named(device: &str) -> Named {
    let Some(name) = device.strip_prefix("/dev/") else {
        return Named::Stable;
    };
    if let Some(link) = name
        .strip_prefix("disk/by-path/")
        .or_else(|| name.strip_prefix("disk/by-id/"))
    {
        // LVM's and RAID's ids are of their own, not of the hardware.
        let own = ["dm-", "lvm-", "md-"].iter().any(|p| link.starts_with(p));
        return match link.rsplit_once("-part") {
            _ if own => Named::Stable,
            Some((_, number)) => number.parse().map_or(Named::Lost, Named::Partition),
            None => Named::Lost,
        };
    }
    let letters = |name: &str, kinds: &[&str]| {
        let rest = kinds.iter().find_map(|kind| name.strip_prefix(kind))?;
        let number = rest.trim_start_matches(|c: char| c.is_ascii_lowercase());
        (number.len() < rest.len()).then(|| number.to_owned())
    };
    if let Some(number) = letters(name, &["sd", "hd", "vd", "xvd"]) {
        return number.parse().map_or(Named::Lost, Named::Partition);
    }
    if name.starts_with("nvme") || name.starts_with("mmcblk") {
        let number = name.rsplit_once('p').map(|(_, number)| number.parse());
        return match number {
            Some(Ok(number)) => Named::Partition(number),
            _ => Named::Lost,
        };
    }
    Named::Stable
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

/// `text`, a file such as fstab(5), with the devices that `stable` knows another name for.
pub(super) fn renamed(text: &str, stable: &dyn Fn(u32) -> Option<String>) -> Changed {
    let mut changed = Changed::default();
    for line in text.split_inclusive('\n') {
        let indent = line.len() - line.trim_start().len();
        let (space, rest) = line.split_at_checked(indent).unwrap_or(("", line));
        let word = rest.split_whitespace().next().unwrap_or_default();
        let name = match named(word) {
            Named::Partition(number) if !word.starts_with('#') => stable(number),
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
                if matches!(named(word), Named::Partition(_) | Named::Lost) {
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
        for (name, is) in [
            ("/dev/sda2", Partition(2)),
            ("/dev/sdab12", Partition(12)),
            ("/dev/xvda1", Partition(1)),
            ("/dev/nvme0n1p3", Partition(3)),
            ("/dev/mmcblk0p1", Partition(1)),
            (
                "/dev/disk/by-path/pci-0000:00:1f.2-ata-1-part2",
                Partition(2),
            ),
            ("/dev/disk/by-id/ata-X_1-part5", Partition(5)),
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
        ] {
            assert_eq!(named(name), is, "{name}");
        }
    }

    #[test]
    fn only_the_word_changes() {
        let text = "# /dev/sda1 was the root\n\n  /dev/sda1\t/  ext4 defaults 0 1 # x\nUUID=5 /b ext4\n/dev/sdb7 /c ext4\n/dev/cdrom /d auto";
        let changed = renamed(text, &|n| (n == 1).then(|| "UUID=9".to_owned()));
        assert_eq!(changed.text, text.replacen("  /dev/sda1", "  UUID=9", 1));
        assert_eq!(changed.edits, ["/dev/sda1 is UUID=9 now"]);
        assert_eq!(changed.lost, ["/dev/sdb7"]);
    }
}
