//! Who a machine is: the operating systems on its disks, and what makes each
//! itself. Told at capture, kept in the manifest, and compared with what is
//! there after a restore.
//!
//! Linux systems on ext2, ext3, ext4, XFS and btrfs and Windows on NTFS are found. Secrets
//! appear as keyed hashes only: they can be compared, not read. Another process
//! does the reading: [`Looker`] starts it.

mod known;
mod linux;
pub(crate) mod look;
mod windows;

use std::path::Path;
use std::sync::Arc;

use disk::{ReadAt, Window};
use image::{DiskImage, IdentityKey, Manifest, PartitionInfo, Region, System};
use serde::Serialize;

pub(crate) use known::{Known, Moment};
pub(crate) use linux::FAMILY as LINUX;
pub use look::Looker;
use look::{Kind, Looked};
pub(crate) use windows::FAMILY as WINDOWS;

use crate::adapt::volume::LinuxFs;
use crate::volumes::{self, Locked, Passphrases};

/// Systems, and sentences about what could not be read.
#[derive(Debug, Default)]
pub struct Found {
    /// In the order of disks and partitions.
    pub systems: Vec<FoundSystem>,
    /// What is wrong with a system, or stands against bringing it back; why a file system that may hold one was not looked into.
    pub notes: Vec<String>,
    /// Where a system may be that could not be looked at, as was to be expected.
    pub closed: Closed,
}

/// Partitions whose systems are not told: not for a fault, but for want of what opens them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Closed {
    /// The number of the disk, that of the partition, and what it would take.
    places: Vec<(u32, u32, Wanted)>,
}

/// What it takes to look into a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Passphrase,
    Root,
}

impl Closed {
    /// Takes those of another disk.
    pub fn extend(&mut self, other: Self) {
        self.places.extend(other.places);
    }

    /// All of it in one sentence; `None` when there is nothing.
    #[must_use]
    pub fn sentence(&self) -> Option<String> {
        let several = self.places.iter().any(|(disk, ..)| *disk != 0);
        let shown = self.places.iter().map(|(disk, partition, wanted)| {
            let of = match several {
                true => format!(" of disk {disk}"),
                false => String::new(),
            };
            let wanted = match wanted {
                Wanted::Passphrase => "LUKS: --passphrase-file FILE",
                Wanted::Root => "it takes root",
            };
            format!("partition {partition}{of} ({wanted})")
        });
        let shown: Vec<String> = shown.collect();
        (!shown.is_empty()).then(|| {
            format!(
                "Which systems these hold is not known: {}.",
                shown.join(", ")
            )
        })
    }
}

/// A system, and what is not part of its identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FoundSystem {
    /// Who it is.
    #[serde(flatten)]
    pub system: System,
    /// What a technician wants to know beside that: names and values.
    pub details: Vec<(String, String)>,
}

/// A part of a disk that may hold a system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub(crate) partition: u32,
    pub(crate) start: u64,
    pub(crate) len: u64,
    pub(crate) kind: Kind,
    /// What the partition table calls it.
    pub(crate) names: PartitionNames,
}

/// What a partition table calls a partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PartitionNames {
    /// The PARTUUID.
    pub(crate) uuid: Option<String>,
    /// The PARTLABEL.
    pub(crate) label: Option<String>,
}

impl PartitionNames {
    /// Those of a partition of the disk with this id.
    pub(crate) fn of(disk_id: Option<&str>, info: &PartitionInfo) -> Self {
        // (The kernel's for an MBR: its signature and the number.)
        let mbr = || Some(format!("{}-{:02x}", disk_id?.to_lowercase(), info.number));
        let uuid = info.uuid.as_ref().map(|uuid| uuid.to_lowercase());
        Self {
            uuid: uuid.or_else(mbr),
            label: info.name.clone().filter(|name| !name.is_empty()),
        }
    }
}

impl Place {
    /// The partition `partition` (0: the whole disk) of `len` bytes at byte
    /// `start`, with a file system `kind`; `None` when that holds no system, or
    /// cannot be looked into.
    #[must_use]
    pub fn new(partition: u32, start: u64, len: u64, kind: &str) -> Option<Self> {
        let kind = match kind {
            "ext2" | "ext3" | "ext4" => Kind::Ext,
            "xfs" => Kind::Xfs,
            "btrfs" => Kind::Btrfs,
            "lvm2" | "md-raid" | "luks" => Kind::Stack,
            "ntfs" => Kind::Ntfs,
            _ => return None,
        };
        Some(Self {
            partition,
            start,
            len,
            kind,
            names: PartitionNames::default(),
        })
    }

    /// The same, called as the partition `info` of the disk with this id is.
    #[must_use]
    pub fn named(self, disk_id: Option<&str>, info: &PartitionInfo) -> Self {
        let names = PartitionNames::of(disk_id, info);
        Self { names, ..self }
    }

    /// Those of a disk of an image.
    #[must_use]
    pub fn of(disk: &DiskImage) -> Vec<Self> {
        let place = |region: &Region| {
            let info = region.partition();
            let number = info.map_or(0, |p| p.number);
            let kind = &region.fs.as_ref()?.kind;
            let place = Self::new(number, region.start, region.len, kind)?;
            Some(match info {
                Some(info) => place.named(disk.disk_id.as_deref(), info),
                None => place,
            })
        };
        disk.regions.iter().filter_map(place).collect()
    }
}

/// The systems at `places` of `device`, which is the disk number `disk`.
#[must_use]
pub fn on_disk(
    looker: &Looker,
    device: &Arc<dyn ReadAt>,
    disk: u32,
    places: &[Place],
    key: &IdentityKey,
    passphrases: &Passphrases,
) -> Found {
    let mut found = Found::default();
    let all = Looks::at(looker, device, places, key, passphrases);
    found.notes.extend(all.notes);
    let locked = all.locked.iter().filter(|locked| locked.tried == Some(0));
    let locked = locked.map(|locked| (disk, locked.partition, Wanted::Passphrase));
    let barred = all.barred.iter();
    let barred = barred.map(|partition| (disk, *partition, Wanted::Root));
    found.closed.places = locked.chain(barred).collect();
    for (partition, looked) in all.looks {
        match looked {
            Ok(looked) => {
                let details = looked.details;
                found
                    .systems
                    .extend(looked.system.map(|system| FoundSystem {
                        system: System {
                            disk,
                            partition,
                            ..system
                        },
                        details,
                    }));
                let notes = looked.notes.into_iter();
                let notes = notes.map(|n| format!("partition {partition} of disk {disk}: {n}"));
                found.notes.extend(notes);
            }
            Err(error) => found.notes.push(format!(
                "what system partition {partition} of disk {disk} holds is not known: {error}"
            )),
        }
    }
    found
}

/// What was found on a disk: for each place what, or why nothing could be told.
struct Looks {
    /// By the partition.
    looks: Vec<(u32, Result<Looked, String>)>,
    /// What could not be opened, but for want of a passphrase, when none was given.
    notes: Vec<String>,
    /// What no passphrase opened.
    locked: Vec<Locked>,
    /// Partitions that only root can look into, where this is not root.
    barred: Vec<u32>,
}

impl Looks {
    fn at(
        looker: &Looker,
        device: &Arc<dyn ReadAt>,
        places: &[Place],
        key: &IdentityKey,
        passphrases: &Passphrases,
    ) -> Self {
        let search = looker.search();
        let windows = places.iter().filter(|place| place.kind == Kind::Ntfs);
        let windows = windows.map(|place| {
            let looked = match Window::new(Arc::clone(device), place.start, place.len) {
                Some(window) => search.partition(&window, place.kind, key),
                None => Ok(Looked::default()),
            };
            (place.partition, looked)
        });
        let mut looks: Vec<_> = windows.collect();
        let found = volumes::volumes(device, places, passphrases);
        let volumes = found.volumes;
        let (systems, unknown) = volumes::linuxes(&search, &volumes);
        looks.extend(systems.iter().map(|linux| {
            let looked = search.linux(&linux.tree, key);
            (linux.partition, looked)
        }));
        let mut barred = Vec::new();
        for (number, why) in unknown {
            match volumes.get(number) {
                Some(volume) if is_barred(volume.fs) => barred.push(volume.partition),
                Some(volume) => looks.push((volume.partition, Err(why))),
                None => {}
            }
        }
        looks.sort_by_key(|(partition, _)| *partition);
        let locked = found.locked;
        let quiet = |note: &String| {
            let mut locked = locked.iter();
            locked.any(|locked| locked.tried == Some(0) && locked.note == *note)
        };
        let mut notes = found.notes;
        notes.retain(|note| !quiet(note));
        Self {
            looks,
            notes,
            locked,
            barred,
        }
    }

    /// Why nobody can tell what is on the partition.
    fn why_closed(&self, partition: u32) -> Option<String> {
        let mut locked = self.locked.iter();
        if let Some(locked) = locked.find(|locked| locked.partition == partition) {
            return Some(locked.note.clone());
        }
        let is_barred = self.barred.contains(&partition);
        is_barred.then(|| format!("looking into partition {partition} takes root"))
    }

    /// `system` itself, where it is expected.
    fn exact(&mut self, system: &System) -> Option<Result<Looked, String>> {
        let same = |(partition, looked): &(u32, Result<Looked, String>)| {
            let now = looked
                .as_ref()
                .ok()
                .and_then(|looked| looked.system.as_ref());
            *partition == system.partition
                && now.is_some_and(|now| system.differences(now).is_empty())
        };
        let place = self.looks.iter().position(same)?;
        Some(self.looks.remove(place).1)
    }

    /// What was found where `system` is expected: another one rather than none.
    fn take(&mut self, system: &System) -> Option<Result<Looked, String>> {
        let here = |look: &(u32, Result<Looked, String>)| look.0 == system.partition;
        let read = |look: &(u32, Result<Looked, String>)| here(look) && look.1.is_ok();
        let read = self.looks.iter().position(read);
        let place = read.or_else(|| self.looks.iter().position(here))?;
        Some(self.looks.remove(place).1)
    }
}

/// Whether the kernel mounts such a file system for root only, and this is not root.
fn is_barred(fs: LinuxFs) -> bool {
    fs != LinuxFs::Ext4 && !sys::process::is_root()
}

/// The system whose root is the folder `root`.
///
/// # Errors
/// When a file of it cannot be read.
pub fn in_folder(looker: &Looker, root: &Path, key: &IdentityKey) -> anyhow::Result<Found> {
    let looked = looker.search().folder(root, key);
    let looked = looked.map_err(anyhow::Error::msg)?;
    let details = looked.details;
    let system = looked.system;
    let system = system.map(|system| FoundSystem { system, details });
    Ok(Found {
        systems: system.into_iter().collect(),
        notes: looked.notes,
        closed: Closed::default(),
    })
}

/// The systems that an image says are on one of its disks.
#[derive(Debug, Clone)]
pub struct Expected {
    systems: Vec<System>,
    key: IdentityKey,
}

impl Expected {
    /// Those of the disk number `disk`; `None` when the image tells of none.
    #[must_use]
    pub fn of(manifest: &Manifest, disk: u32) -> Option<Self> {
        let systems = manifest.systems.iter().filter(|s| s.disk == disk);
        let systems: Vec<System> = systems.cloned().collect();
        let key = manifest.identity_key.clone()?;
        (!systems.is_empty()).then_some(Self { systems, key })
    }

    /// Compares them with what is on `device`. Only systems and file systems that
    /// this version can look into are; `passphrases` open what is encrypted.
    #[must_use]
    pub fn compare(
        &self,
        looker: &Looker,
        device: &Arc<dyn ReadAt>,
        disk: &DiskImage,
        passphrases: &Passphrases,
    ) -> Compared {
        let mut compared = Compared::default();
        let places = Place::of(disk);
        let mut all = Looks::at(looker, device, &places, &self.key, passphrases);
        // Of several on one partition, those that are themselves come first.
        let exact: Vec<_> = self
            .systems
            .iter()
            .map(|system| all.exact(system))
            .collect();
        for (system, itself) in self.systems.iter().zip(exact) {
            let title = system.title();
            let known = [linux::FAMILY, windows::FAMILY].contains(&system.family.as_str());
            let here = |place: &Place| place.partition == system.partition;
            let nothing = || places.iter().any(here).then(|| Ok(Looked::default()));
            let closed = all.why_closed(system.partition).map(Err);
            let looked = itself
                .or_else(|| all.take(system))
                .or(closed)
                .or_else(nothing);
            let Some(looked) = looked.filter(|_| known) else {
                let text = format!("{title}: this version cannot tell whether it is itself");
                compared.unknown.push(text);
                continue;
            };
            let looked = looked.map(|looked| {
                let notes = looked.notes.into_iter();
                compared
                    .notes
                    .extend(notes.map(|note| format!("{title}: {note}")));
                let known = looked.known.into_iter();
                compared.known.extend(known.map(|k| k.titled(&title)));
                looked.system
            });
            match looked {
                Err(error) => compared.unknown.push(format!("{title}: {error}")),
                Ok(None) => compared.changes.push(format!("{title} is not there")),
                Ok(Some(now)) => {
                    let differences = system.differences(&now);
                    if differences.is_empty() {
                        compared.same.push(title.clone());
                        compared.equal.push(equal_in_words(system));
                    }
                    let differences = differences.into_iter();
                    compared
                        .changes
                        .extend(differences.map(|d| format!("{title}: {d}")));
                }
            }
        }
        compared
    }
}

/// What came of a comparison.
#[derive(Debug, Default)]
pub struct Compared {
    /// The systems that are themselves.
    pub same: Vec<String>,
    /// What is equal, a sentence for each of them.
    pub equal: Vec<String>,
    /// What is not as it was, a sentence each.
    pub changes: Vec<String>,
    /// What could not be compared, and why.
    pub unknown: Vec<String>,
    /// What else is worth knowing before a system that is itself is used.
    pub notes: Vec<String>,
    /// The same, and more of it, in few words.
    pub(crate) known: Vec<Known>,
}

/// What was compared and is equal: names as they are, secrets by what they are.
fn equal_in_words(system: &System) -> String {
    let has = |name: &str| system.identity.get(name).map(String::as_str);
    let named = [
        ("computer name", "computer"),
        ("hostname", "host name"),
        ("domain", "domain"),
        ("workgroup", "workgroup"),
        ("machine SID", "SID"),
    ];
    let mut words: Vec<String> = Vec::new();
    for (name, word) in named {
        words.extend(has(name).map(|value| format!("{word} {value}")));
    }
    let others = [
        ("machine-id", "machine-id"),
        ("MachineGuid", "MachineGuid"),
        ("SAM hive", "SAM"),
        ("SECURITY hive", "SECURITY"),
        ("krb5 keytab", "Kerberos keytab"),
        ("samba secrets", "Samba's secrets"),
    ];
    let mut rest: Vec<&str> = others
        .iter()
        .filter_map(|(name, word)| has(name).map(|_| *word))
        .collect();
    if system
        .identity
        .keys()
        .any(|name| name.starts_with("ssh host key"))
    {
        rest.push("SSH host keys");
    }
    words.extend(rest.into_iter().map(str::to_owned));
    if words.is_empty() {
        words.push(system.title());
    }
    let text: String = words.join(", ");
    // (A manifest may be anybody's.)
    text.chars().filter(|c| !c.is_control()).take(400).collect()
}
