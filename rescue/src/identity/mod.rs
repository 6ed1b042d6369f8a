//! Who a machine is: the operating systems on its disks, and what makes each
//! itself. Told at capture, kept in the manifest, and compared with what is
//! there after a restore.
//!
//! Linux systems on ext2, ext3 and ext4 and Windows on NTFS are found. Secrets
//! appear as keyed hashes only: they can be compared, not read. Another process
//! does the reading: [`Looker`] starts it.

mod known;
mod linux;
pub(crate) mod look;
mod windows;

use std::path::Path;
use std::sync::Arc;

use disk::{ReadAt, Window};
use image::{DiskImage, IdentityKey, Manifest, Region, System};
use serde::Serialize;

pub(crate) use known::{Known, Moment};
pub use look::Looker;
use look::{Kind, Looked, Search};
pub(crate) use windows::FAMILY as WINDOWS;

/// Systems, and sentences about what could not be read.
#[derive(Debug, Default)]
pub struct Found {
    /// In the order of disks and partitions.
    pub systems: Vec<FoundSystem>,
    /// What is wrong with a system, or stands against bringing it back; why a file system that may hold one was not looked into.
    pub notes: Vec<String>,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub(crate) partition: u32,
    pub(crate) start: u64,
    pub(crate) len: u64,
    pub(crate) kind: Kind,
}

impl Place {
    /// The partition `partition` (0: the whole disk) of `len` bytes at byte
    /// `start`, with a file system `kind`; `None` when that holds no system, or
    /// cannot be looked into.
    #[must_use]
    pub fn new(partition: u32, start: u64, len: u64, kind: &str) -> Option<Self> {
        let kind = match kind {
            "ext2" | "ext3" | "ext4" => Kind::Ext,
            "ntfs" => Kind::Ntfs,
            _ => return None,
        };
        Some(Self {
            partition,
            start,
            len,
            kind,
        })
    }

    /// Those of a disk of an image.
    #[must_use]
    pub fn of(disk: &DiskImage) -> Vec<Self> {
        let place = |region: &Region| {
            let number = region.partition().map_or(0, |p| p.number);
            Self::new(number, region.start, region.len, &region.fs.as_ref()?.kind)
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
) -> Found {
    let mut found = Found::default();
    let search = looker.search();
    for place in places {
        let partition = place.partition;
        match at_place(&search, device, place, key) {
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

fn at_place(
    search: &Search<'_>,
    device: &Arc<dyn ReadAt>,
    place: &Place,
    key: &IdentityKey,
) -> Result<Looked, String> {
    match Window::new(Arc::clone(device), place.start, place.len) {
        Some(window) => search.partition(&window, place.kind, key),
        None => Ok(Looked::default()),
    }
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
    /// this version can look into are.
    #[must_use]
    pub fn compare(&self, looker: &Looker, device: &Arc<dyn ReadAt>, disk: &DiskImage) -> Compared {
        let mut compared = Compared::default();
        let search = looker.search();
        let places = Place::of(disk);
        for system in &self.systems {
            let title = system.title();
            let place = places.iter().find(|p| p.partition == system.partition);
            let known = [linux::FAMILY, windows::FAMILY].contains(&system.family.as_str());
            let Some(place) = place.filter(|_| known) else {
                let text = format!("{title}: this version cannot tell whether it is itself");
                compared.unknown.push(text);
                continue;
            };
            let looked = at_place(&search, device, place, &self.key);
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
