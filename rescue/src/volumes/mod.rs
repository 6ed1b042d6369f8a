//! The volumes of a disk that Linux may have file systems on: partitions, and what is in
//! partitions that are no file systems themselves.

mod passphrases;
mod roots;

use std::sync::Arc;

use disk::{ReadAt, Window};
use fsmap::FsKind;
use stack::{Change, Layer, LuksProblem, Note, Part, Through};

pub use passphrases::Passphrases;
pub(crate) use roots::{Linux, Root, linuxes, root};

use crate::adapt::Patch;
use crate::adapt::volume::LinuxFs;
use crate::identity::look::Kind;
use crate::identity::{PartitionNames, Place};

/// A file system.
#[derive(Clone)]
pub(crate) struct Volume {
    /// The partition that it is on, or begins on; 0 for the whole disk.
    pub(crate) partition: u32,
    /// What it is when Linux can mount it.
    pub(crate) fs: LinuxFs,
    /// Its own name.
    pub(crate) uuid: Option<String>,
    /// What its owner calls it.
    pub(crate) label: Option<String>,
    /// What the partition table calls it, when it is a partition.
    pub(crate) partition_names: PartitionNames,
    /// Other names that it has on any hardware: "/dev/mapper/vg-root".
    pub(crate) names: Vec<String>,
    /// Whether LUKS encrypts it.
    pub(crate) is_encrypted: bool,
    /// Its bytes.
    pub(crate) device: Arc<dyn ReadAt>,
    /// Where these are on the disk.
    lower: Lower,
}

/// Where a volume's bytes are.
#[derive(Clone)]
enum Lower {
    /// From this byte of the disk on.
    At(u64),
    /// Where this says.
    Layer(Arc<dyn Layer>),
}

impl std::fmt::Debug for Volume {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Volume({:?} on partition {})", self.fs, self.partition)
    }
}

impl Volume {
    /// Patches of it as patches of the disk.
    ///
    /// # Errors
    /// When they cannot be made there.
    pub(crate) fn lower(&self, patches: Vec<Patch>) -> Result<Vec<Patch>, String> {
        match &self.lower {
            Lower::At(start) => {
                let moved = patches.into_iter().map(|patch| patch.moved(*start));
                let moved: Option<Vec<Patch>> = moved.collect();
                moved.ok_or_else(|| "a change lies outside of the disk".to_owned())
            }
            Lower::Layer(layer) => {
                let changes = patches.into_iter().map(|patch| Change {
                    at: patch.at,
                    before: patch.before,
                    after: patch.after,
                });
                let changes: Vec<Change> = changes.collect();
                let lowered = layer.lower(&changes).map_err(|e| e.to_string())?;
                let patch = |change: Change| Patch {
                    at: change.at,
                    before: change.before,
                    after: change.after,
                };
                Ok(lowered.into_iter().map(patch).collect())
            }
        }
    }

    /// Whether it begins before byte `head` of the disk, where its changes would be.
    pub(crate) const fn begins_before(&self, head: u64) -> bool {
        match self.lower {
            Lower::At(start) => start < head,
            Lower::Layer(_) => false,
        }
    }
}

/// The volumes at `places` of `device`; `passphrases` open what is encrypted.
pub(crate) fn volumes(
    device: &Arc<dyn ReadAt>,
    places: &[Place],
    passphrases: &Passphrases,
) -> Found {
    let mut found = Found::default();
    let linux = places
        .iter()
        .filter(|place| !matches!(place.kind, Kind::Ntfs | Kind::Fat));
    let parts = linux.filter_map(|place| {
        let window = Window::new(Arc::clone(device), place.start, place.len)?;
        Some(Part {
            number: place.partition,
            start: place.start,
            device: Arc::new(window),
        })
    });
    // (Every partition: a group may be on several, and half of a mirror may look like a file
    // system.)
    let parts: Vec<Part> = parts.collect();
    let inside = stack::volumes(&parts, passphrases);
    for part in parts {
        if !inside.parts.contains(&part.number) {
            let lower = Lower::At(part.start);
            let names = places.iter().find(|place| place.start == part.start);
            let names = names.map(|place| place.names.clone()).unwrap_or_default();
            let known = named(part.number, part.device, lower);
            found.take(known.map(|volume| {
                volume.map(|volume| Volume {
                    partition_names: names,
                    ..volume
                })
            }));
        }
    }
    for note in &inside.notes {
        found.notes.push(note.to_string());
        found.locked.extend(Locked::of(note));
    }
    for volume in inside.volumes {
        let mut through = volume.through.iter();
        let is_encrypted = through.any(|through| matches!(through, Through::Luks { .. }));
        let device: Arc<dyn ReadAt> = volume.device.clone();
        let lower = Lower::Layer(volume.device);
        let known = named(volume.partition, device, lower);
        found.take(known.map(|found| {
            found.map(|found| Volume {
                names: volume.names,
                is_encrypted,
                ..found
            })
        }));
    }
    found
}

/// What was found on a disk.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// The volumes that Linux may have file systems on.
    pub(crate) volumes: Vec<Volume>,
    /// What could not be opened, in sentences.
    pub(crate) notes: Vec<String>,
    /// What a passphrase would have to open. (It is among `notes`, too.)
    pub(crate) locked: Vec<Locked>,
}

impl Found {
    fn take(&mut self, volume: Result<Option<Volume>, String>) {
        match volume {
            Ok(volume) => self.volumes.extend(volume),
            Err(note) => self.notes.push(note),
        }
    }
}

/// What is encrypted at `places` of `device` and opened by none of `passphrases`, a line each.
pub(crate) fn locked(
    device: &Arc<dyn ReadAt>,
    places: &[Place],
    passphrases: &Passphrases,
) -> Vec<String> {
    if places.iter().all(|place| place.kind != Kind::Stack) {
        return Vec::new();
    }
    let found = volumes(device, places, passphrases);
    found.locked.into_iter().map(|locked| locked.line).collect()
}

/// Something encrypted that no passphrase opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Locked {
    /// The partition that it is on, or begins on.
    pub(crate) partition: u32,
    /// How many passphrases were tried; `None` where another one would not help.
    pub(crate) tried: Option<usize>,
    /// What is said of it.
    pub(crate) note: String,
    /// Which it is, and what else keeps it closed.
    pub(crate) line: String,
}

impl Locked {
    fn of(told: &Note) -> Option<Self> {
        let Note::Luks {
            partition,
            uuid,
            why,
        } = told
        else {
            return None;
        };
        let which = format!("partition {partition}, LUKS {uuid}");
        let (tried, line) = match why {
            LuksProblem::Locked { tried } => (Some(*tried), which),
            // (Found out when a passphrase is tried.)
            LuksProblem::Memory { .. } | LuksProblem::Unsupported { .. } => {
                (None, format!("{which}: {why}"))
            }
            _ => return None,
        };
        Some(Self {
            partition: *partition,
            tried,
            note: told.to_string(),
            line,
        })
    }
}

/// The file system on `device`, if Linux has it; or why it is not mounted.
fn named(partition: u32, device: Arc<dyn ReadAt>, lower: Lower) -> Result<Option<Volume>, String> {
    let Ok(found) = fsmap::identify(&device) else {
        return Ok(None);
    };
    let fs = match found.kind {
        FsKind::Ext2 | FsKind::Ext3 | FsKind::Ext4 => LinuxFs::Ext4,
        FsKind::Xfs => LinuxFs::Xfs,
        FsKind::Btrfs => LinuxFs::Btrfs,
        _ => return Ok(None),
    };
    if let Some(what) = elsewhere(fs, &device) {
        return Err(format!(
            "partition {partition}: {what}: what is on it is not looked into, and not adapted"
        ));
    }
    Ok(Some(Volume {
        partition,
        fs,
        uuid: found.uuid,
        label: found.label,
        partition_names: PartitionNames::default(),
        names: Vec::new(),
        is_encrypted: false,
        device,
        lower,
    }))
}

/// What of a file system is on another device, which the kernel would open when it is
/// mounted, be it this machine's own disk.
///
/// Sources: btrfs' and ext4's documentation of their superblocks ("num_devices" at 0x88;
/// "s_feature_compat" 0x5C, has_journal 0x4, "s_journal_inum" 0xE0).
fn elsewhere(fs: LinuxFs, device: &dyn ReadAt) -> Option<&'static str> {
    fn bytes<const N: usize>(device: &dyn ReadAt, at: u64) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        device.read_exact_at(&mut bytes, at).ok().map(|()| bytes)
    }
    match fs {
        LinuxFs::Btrfs => {
            let devices = bytes(device, 0x1_0000 + 0x88).map(u64::from_le_bytes);
            (devices != Some(1)).then_some("a btrfs of several devices")
        }
        LinuxFs::Ext4 => {
            let features = bytes(device, 1024 + 0x5C).map(u32::from_le_bytes)?;
            let inode = bytes(device, 1024 + 0xE0).map(u32::from_le_bytes)?;
            (features & 4 != 0 && inode == 0).then_some("an ext4 with its journal elsewhere")
        }
        LinuxFs::Xfs => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn what_is_locked_is_told_until_a_passphrase_opens_it() {
        let folder = tempfile::tempdir().unwrap();
        let (image, secret) = (folder.path().join("luks"), folder.path().join("secret"));
        std::fs::File::create(&image)
            .unwrap()
            .set_len(20 << 20)
            .unwrap();
        std::fs::write(&secret, "correct horse").unwrap();
        let made = Command::new("cryptsetup")
            .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
            .args(["luksFormat", "-q", "--type", "luks2", "--pbkdf", "pbkdf2"])
            .args(["--pbkdf-force-iterations", "1000", "--uuid"])
            .arg("11111111-2222-4333-8444-555555555555")
            .args(["--key-file".as_ref(), secret.as_os_str(), image.as_os_str()])
            .status();
        assert!(made.unwrap().success(), "see scripts/packages");
        let device: Arc<dyn ReadAt> = Arc::new(std::fs::File::open(&image).unwrap());
        let place = |kind| [Place::new(3, 0, 20 << 20, kind).unwrap()];
        let line = "partition 3, LUKS 11111111-2222-4333-8444-555555555555";
        for (words, lines) in [
            (&[][..], &[line][..]),
            (&["correct horse "], &[line]),
            (&["wrong", "correct horse"], &[]),
        ] {
            let passphrases = Passphrases::new(words.iter().copied());
            let locked = locked(&device, &place("luks"), &passphrases);
            assert_eq!(locked, lines, "{words:?}");
        }
        let none = Passphrases::default();
        assert!(locked(&device, &place("ext4"), &none).is_empty());
    }
}
