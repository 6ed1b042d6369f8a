//! fstab(5): which file systems the system mounts, and by which names.

use crate::edits::Edits;
use crate::names::{Names, Style, Volume};
use crate::text::{Draft, Word};

/// A line of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<'t> {
    /// What is mounted: "/dev/sda2", "UUID=…", "tmpfs".
    pub device: &'t str,
    /// Where: "/", "/boot", "none" or "swap" for swap.
    pub mount: &'t str,
    /// As what: "ext4", "swap", "auto".
    pub kind: &'t str,
    /// "defaults", "subvol=@".
    pub options: Vec<&'t str>,
    words: [Word<'t>; 2],
}

impl<'t> Entry<'t> {
    fn of(line: Word<'t>) -> Option<Self> {
        let words = line.words();
        let [device, mount, kind, ..] = &*words else {
            return None;
        };
        if device.text.starts_with('#') {
            return None;
        }
        let options = words.get(3).copied().unwrap_or(line.to(0));
        Some(Self {
            device: device.text,
            mount: mount.text,
            kind: kind.text,
            options: options.text.split(',').filter(|o| !o.is_empty()).collect(),
            words: [*device, options],
        })
    }

    /// The value of the option `key` ("subvol" of "subvol=@").
    #[must_use]
    pub fn option(&self, key: &str) -> Option<&'t str> {
        let value = |option: &&'t str| option.strip_prefix(key)?.strip_prefix('=');
        self.options.iter().find_map(value)
    }

    /// The subvolume of a btrfs, without a slash at its beginning.
    #[must_use]
    pub fn subvolume(&self) -> Option<&'t str> {
        Some(self.option("subvol")?.trim_start_matches('/'))
    }

    fn has(&self, option: &str) -> bool {
        self.options.contains(&option)
    }
}

/// The entries of `text`, in their order; comments are none.
#[must_use]
pub fn entries(text: &str) -> Vec<Entry<'_>> {
    let lines = Word::all(text).lines();
    lines.into_iter().filter_map(Entry::of).collect()
}

/// The bytes that a word of an fstab, or of the kernel's /proc/mounts, stands for: `\040` is a
/// space (fstab(5)), and so is `\x20` in links that udev makes.
#[must_use]
pub fn unescaped(word: &str) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::new(), word.as_bytes());
    while let Some((byte, after)) = rest.split_first() {
        let code = |len, radix| {
            let digits = after.get(..len)?;
            let digits = std::str::from_utf8(digits.strip_prefix(b"x").unwrap_or(digits)).ok()?;
            // (A sign would be read, too.)
            let digits = Some(digits).filter(|text| text.chars().all(|c| c.is_digit(radix)))?;
            u8::from_str_radix(digits, radix).ok()
        };
        let code = match (byte, after.first()) {
            (b'\\', Some(b'x')) => code(3, 16),
            (b'\\', Some(b'0'..=b'3')) => code(3, 8),
            _ => None,
        };
        rest = match code {
            Some(_) => after.get(3..).unwrap_or_default(),
            None => after,
        };
        bytes.push(code.unwrap_or(*byte));
    }
    bytes
}

/// The root file system.
#[must_use]
pub fn root<'e, 't>(entries: &'e [Entry<'t>]) -> Option<&'e Entry<'t>> {
    entries.iter().find(|entry| entry.mount == "/")
}

/// What it tells about what disks were called: where a volume is mounted that is known.
pub(crate) fn learn(text: &str, names: &mut Names<'_>) {
    for entry in entries(text) {
        if let Some(volume) = names.known().mounted(entry.mount) {
            names.learn(entry.device, volume);
        }
    }
}

/// Options with the path of a device: ext4(5), xfs(5), btrfs(5), systemd.mount(5).
const DEVICES: [&str; 7] = [
    "journal_path",
    "logdev",
    "rtdev",
    "device",
    "x-systemd.requires",
    "x-systemd.after",
    "x-systemd.before",
];

/// `text`, that of the file at `path`, with names that other hardware has too.
pub(crate) fn renamed(path: &str, text: &str, names: &Names<'_>, told: &mut Edits) {
    let mut draft = Draft::new(path, text);
    for entry in entries(text) {
        // What is mounted by hand only stops no start.
        let by_hand = entry.has("noauto");
        let named = names.settle(entry.device, Style::Tag, &kinds(&entry));
        if !(by_hand && named == crate::names::Settled::Lost) {
            let [device, _] = entry.words;
            draft.name(names, device, Style::Tag, &kinds(&entry));
        }
        let [_, options] = entry.words;
        for option in options.pieces(|c| c == ',') {
            let Some((key, value)) = option.split(['=']) else {
                continue;
            };
            if key.text == "journal_dev" {
                draft.warn(format!(
                    "{path} names a journal by the number of its device, {}, which may be another on this hardware.",
                    option.text
                ));
            }
            if DEVICES.contains(&key.text) {
                draft.name(names, value, Style::Path, &[]);
            }
        }
    }
    draft.finish(told, &[]);
}

/// What blkid(8) calls what the entry can be.
fn kinds<'e>(entry: &'e Entry<'_>) -> Vec<&'e str> {
    match entry.kind {
        "auto" | "none" => Vec::new(),
        "swap" => vec!["swap", "swsuspend"],
        "ext2" | "ext3" | "ext4" => vec!["ext2", "ext3", "ext4"],
        "vfat" | "msdos" | "fat" => vec!["vfat", "msdos"],
        "ntfs" | "ntfs-3g" | "ntfs3" => vec!["ntfs"],
        kind if kind.contains(',') || kind.starts_with("fuse") => Vec::new(),
        kind => vec![kind],
    }
}

/// The volume that `names` knows is the root of the system.
pub(crate) fn own<'k>(names: &Names<'k>) -> Option<&'k Volume> {
    names.known().mounted("/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::Known;

    #[test]
    fn what_stands_for_a_character_is_read_and_what_does_not_stays() {
        for (word, text) in [
            ("a\\040b", "a b"),
            ("\\x2fx", "/x"),
            ("\\", "\\"),
            ("\\04", "\\04"),
            ("\\x+1", "\\x+1"),
            ("\\999", "\\999"),
            ("\\303\\266", "ö"),
        ] {
            let read = unescaped(word);
            assert_eq!(String::from_utf8_lossy(&read), text, "{word}");
        }
    }

    #[test]
    fn entries_are_read() {
        let text = "# /dev/sda1 / ext4\nUUID=1 / btrfs subvol=/@root,compress=zstd:1 0 0\n\n\
                    LABEL=x\t/home\txfs\r\nshort line\n";
        let read = entries(text);
        assert_eq!(read.len(), 2);
        assert_eq!(root(&read).unwrap().subvolume(), Some("@root"));
        assert_eq!(read[0].option("compress"), Some("zstd:1"));
        assert_eq!((read[1].kind, read[1].options.len()), ("xfs", 0));
    }

    fn known() -> Known {
        let volume = |number: u32, kind: &str, mount: Option<&str>| Volume {
            partition: Some(number),
            kind: kind.to_owned(),
            uuid: Some(format!("{number}")),
            partuuid: Some(format!("p{number}")),
            mount: mount.map(ToOwned::to_owned),
            ..Volume::default()
        };
        Known {
            volumes: vec![
                volume(1, "ext4", Some("/")),
                volume(2, "swap", None),
                volume(3, "btrfs", None),
            ],
            ..Known::default()
        }
    }

    fn changed(text: &str) -> (String, Edits) {
        let known = known();
        let mut names = Names::new(&known);
        learn(text, &mut names);
        let mut told = Edits::default();
        renamed("/etc/fstab", text, &names, &mut told);
        let new = told.files.first().map_or(text, |file| &file.text);
        (new.to_owned(), told)
    }

    #[test]
    fn only_the_word_changes_and_only_of_the_systems_own_disk() {
        let text = "# /dev/sda1 was the root\r\n\n  /dev/sda1\t/  ext4 defaults,journal_path=/dev/sda2 0 1 # x\n\
                    UUID=5 /b ext4\n/dev/sdb1 /c ext4 nofail\n/dev/sdc1 /m auto noauto\n/dev/cdrom /d auto\n/dev/sda2 none swap";
        let (new, told) = changed(text);
        let expected = text
            .replacen("  /dev/sda1", "  UUID=1", 1)
            .replace("=/dev/sda2", "=/dev/disk/by-uuid/2")
            .replace("\n/dev/sda2", "\nUUID=2");
        assert_eq!(new, expected);
        assert_eq!(
            told.lines,
            [
                "/etc/fstab: /dev/sda1 is UUID=1 now; /dev/sda2 is /dev/disk/by-uuid/2 now; /dev/sda2 is UUID=2 now."
            ]
        );
        assert_eq!(told.warnings.len(), 1, "{told:?}");
        assert!(told.warnings[0].contains("names /dev/sdb1,"), "{told:?}");
        // The root tells nothing: every disk may be another's.
        for text in [
            "/dev/sda3 / ext4\n/dev/sda2 none swap\n",
            "UUID=1 / ext4\n/dev/sda2 none swap",
        ] {
            let (new, told) = changed(text);
            assert_eq!(new, text);
            assert!(told.warnings.iter().any(|w| w.contains("/dev/sda2")));
        }
    }

    #[test]
    fn what_is_there_has_to_be_what_was_meant() {
        // The swap partition of today is not the /data of the text.
        let text = "/dev/sda1 / ext4\n/dev/sda2 /data xfs\n/dev/sda3 /b btrfs device=/dev/sda3\n";
        let (new, told) = changed(text);
        assert_eq!(
            new,
            "UUID=1 / ext4\n/dev/sda2 /data xfs\nUUID=3 /b btrfs device=/dev/disk/by-partuuid/p3\n"
        );
        assert!(told.warnings[0].contains("/dev/sda2"), "{told:?}");
    }
}
