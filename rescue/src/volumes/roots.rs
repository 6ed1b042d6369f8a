//! Which of a disk's volumes have systems, and which others belong to these.

use linux::fstab::{self, Entry};
use linux::names::{Named, named};
use serde::{Deserialize, Serialize};

use super::Volume;
use crate::adapt::volume::{Beside, LinuxFs, Mount, Subvolume, Tree};
use crate::files::{Files, FilesError};
use crate::identity::look::Search;

/// What else of a system is needed to know it and to make it start.
const PLACES: [&str; 3] = ["/boot", "/usr", "/var"];
/// No more subvolumes are mounted beside others.
const BESIDE_MOST: usize = 64;
/// No fstab is larger than this many bytes.
const FSTAB: u64 = 1 << 20;

/// The root of a system.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Root {
    /// Where it is on its volume: "@", or nothing.
    pub(crate) folder: String,
    /// /etc/fstab.
    pub(crate) fstab: String,
}

/// The root that `files` are, if they are one.
///
/// # Errors
/// When they cannot be read.
pub(crate) fn root(files: &dyn Files, folder: &str) -> Result<Option<Root>, FilesError> {
    let etc = files.list("/etc")?;
    let release = |names: Vec<String>| names.iter().any(|name| name == "os-release");
    let fstab = etc.iter().any(|name| name == "fstab");
    if !fstab && !release(etc) && !release(files.list("/usr/lib")?) {
        return Ok(None);
    }
    let fstab = files.read("/etc/fstab", FSTAB)?.unwrap_or_default();
    Ok(Some(Root {
        folder: folder.to_owned(),
        fstab: String::from_utf8_lossy(&fstab).into_owned(),
    }))
}

/// A Linux system of the disk.
#[derive(Debug, Clone)]
pub(crate) struct Linux {
    /// The partition that its root is on, or begins on.
    pub(crate) partition: u32,
    /// Its file systems.
    pub(crate) tree: Tree,
    /// Which volumes these are.
    pub(crate) volumes: Vec<usize>,
    /// What belongs to it and is not on this disk.
    pub(crate) missing: Vec<String>,
}

impl Linux {
    /// Where it has the volume with this number.
    pub(crate) fn place_of(&self, number: usize) -> Option<String> {
        let mut mounts = self.volumes.iter().zip(&self.tree.mounts);
        let (_, mount) = mounts.find(|(own, _)| **own == number)?;
        Some(mount.at.clone())
    }

    /// What is missing as its /boot.
    pub(crate) fn missing_boot(&self) -> Option<&str> {
        let mut missing = self.missing.iter().map(String::as_str);
        missing.find(|missing| missing.starts_with("/boot "))
    }
}

/// The systems on `volumes`; and which volumes, by their number, could not be looked
/// into, and why.
pub(crate) fn linuxes(
    search: &Search<'_>,
    volumes: &[Volume],
) -> (Vec<Linux>, Vec<(usize, String)>) {
    let (mut systems, mut unknown) = (Vec::new(), Vec::new());
    for (number, volume) in volumes.iter().enumerate() {
        let tree = Tree::of(volume.device.clone(), volume.fs);
        match search.root(&tree) {
            Ok(None) => {}
            Ok(Some(root)) => systems.push(system(volumes, number, volume, tree, root)),
            Err(why) => unknown.push((number, why)),
        }
    }
    (systems, unknown)
}

/// With what its fstab says belongs to it.
fn system(volumes: &[Volume], number: usize, volume: &Volume, tree: Tree, root: Root) -> Linux {
    let mut linux = Linux {
        partition: volume.partition,
        tree: Tree {
            folder: root.folder,
            ..tree
        },
        volumes: vec![number],
        missing: Vec::new(),
    };
    let entries = fstab::entries(&root.fstab);
    let own = own_disk(&entries, volume);
    let mut places: Vec<(&Entry<'_>, String)> = entries.iter().map(with_place).collect();
    // What is inside of others comes after these.
    places.sort_by_key(|(_, at)| at.len());
    for (entry, at) in places {
        if let Some(needed) = Needed::of(entry, &at) {
            linux.take(volumes, own, entry, at, needed);
        }
    }
    linux
}

/// How much a place is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Needed {
    Whole,
    /// It is in one of [`PLACES`], and seen when it is a subvolume of a btrfs that is mounted
    /// anyway.
    Part,
}

impl Needed {
    fn of(entry: &Entry<'_>, at: &str) -> Option<Self> {
        if PLACES.contains(&at) {
            return Some(Self::Whole);
        }
        let mut rests = PLACES.iter().filter_map(|place| at.strip_prefix(place));
        let is_part = rests.any(|rest| rest.starts_with('/'));
        (is_part && !entry.options.contains(&"noauto")).then_some(Self::Part)
    }
}

impl Linux {
    /// Takes what `entry` mounts at `at` for a part of it.
    fn take(
        &mut self,
        volumes: &[Volume],
        own: Option<&str>,
        entry: &Entry<'_>,
        at: String,
        needed: Needed,
    ) {
        let device = entry.device;
        let mut meant = (0..)
            .zip(volumes)
            .filter(|(_, volume)| is(volume, device, own));
        let (found, another) = (meant.next(), meant.next());
        let found = match found {
            // (A copy of it on the same disk: nobody knows which one is mounted.)
            Some(_) if another.is_some() => Err(", of which there are several,"),
            Some((number, volume)) => match subvolume(volume, entry) {
                Ok(subvolume) => Ok((number, volume, subvolume)),
                Err(()) => Err(", of a subvolume whose name Linux cannot be told,"),
            },
            None => Err(""),
        };
        let (number, volume, subvolume) = match found {
            Ok(found) => found,
            Err(why) => {
                if needed == Needed::Whole {
                    self.missing.push(format!("{at} ({device}){why}"));
                }
                return;
            }
        };
        let there = self.volumes.iter().position(|own| *own == number);
        match (there, subvolume) {
            (Some(of), Some(subvolume)) if self.tree.beside.len() < BESIDE_MOST => {
                self.tree.beside.push(Beside { of, at, subvolume });
            }
            // (What is mounted by itself is mounted.)
            (Some(_), _) => {}
            (None, subvolume) if needed == Needed::Whole => {
                self.tree.mounts.push(Mount {
                    volume: volume.device.clone(),
                    fs: volume.fs,
                    at,
                    subvolume,
                });
                self.volumes.push(number);
            }
            (None, _) => {}
        }
    }
}

/// The subvolume of `volume` that is mounted, if one is named.
fn subvolume(volume: &Volume, entry: &Entry<'_>) -> Result<Option<Subvolume>, ()> {
    let (path, id) = (entry.option("subvol"), entry.option("subvolid"));
    if volume.fs != LinuxFs::Btrfs || (path, id) == (None, None) {
        return Ok(None);
    }
    let path = path.map(plain);
    Subvolume::new(path.as_deref(), id).map(Some).ok_or(())
}

/// With the place where it is mounted, without a slash at its end.
fn with_place<'e, 't>(entry: &'e Entry<'t>) -> (&'e Entry<'t>, String) {
    let bare = entry.mount.strip_suffix('/').filter(|at| !at.is_empty());
    (entry, plain(bare.unwrap_or(entry.mount)))
}

/// What the system calls the disk that its root is on, when fstab says that by the number of
/// the root's own partition.
fn own_disk<'t>(entries: &[Entry<'t>], root: &Volume) -> Option<&'t str> {
    match named(fstab::root(entries)?.device) {
        Named::Partition(disk, number) if root.names.is_empty() && number == root.partition => {
            Some(disk)
        }
        _ => None,
    }
}

/// Whether fstab means `volume` by `device`; the disk is called `own_disk`, if that is known.
fn is(volume: &Volume, device: &str, own_disk: Option<&str>) -> bool {
    let partition = &volume.partition_names;
    // (Labels that differ in their case are two.)
    let tags = [
        ("UUID", "uuid", &volume.uuid, false),
        ("LABEL", "label", &volume.label, true),
        ("PARTUUID", "partuuid", &partition.uuid, false),
        ("PARTLABEL", "partlabel", &partition.label, true),
    ];
    for (tag, folder, name, exact) in tags {
        let word = device.strip_prefix(tag).and_then(|w| w.strip_prefix('='));
        let link = || device.strip_prefix("/dev/disk/by-")?.strip_prefix(folder);
        let link = || link()?.strip_prefix('/');
        let Some(word) = word.or_else(link) else {
            continue;
        };
        let word = plain(word.trim_matches(['"', '\'']));
        return name.as_ref().is_some_and(|name| match exact {
            true => *name == word,
            false => name.eq_ignore_ascii_case(&word),
        });
    }
    if volume.names.iter().any(|name| name == device) {
        return true;
    }
    match named(device) {
        Named::Partition(disk, number) => {
            Some(disk) == own_disk && volume.names.is_empty() && volume.partition == number
        }
        _ => false,
    }
}

/// A word of fstab without what stands for characters that cannot be in one.
pub(super) fn plain(word: &str) -> String {
    String::from_utf8_lossy(&fstab::unescaped(word)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::PartitionNames;
    use crate::volumes::Lower;
    use std::sync::Arc;

    #[test]
    fn a_volume_is_known_by_each_of_its_names() {
        let text = |text: &str| Some(text.to_owned());
        let volume = Volume {
            partition: 3,
            fs: crate::adapt::volume::LinuxFs::Ext4,
            uuid: text("aaaa-1"),
            label: text("my boot"),
            partition_names: PartitionNames {
                uuid: text("36234da4-03"),
                label: text("Boot of it"),
            },
            names: Vec::new(),
            is_encrypted: false,
            device: Arc::new(disk::MemDisk::zeroed(512)),
            lower: Lower::At(0),
        };
        for device in [
            "UUID=AAAA-1",
            "LABEL=\"my\\040boot\"",
            "PARTUUID=36234DA4-03",
            "PARTLABEL=Boot\\040of\\040it",
            "/dev/disk/by-uuid/aaaa-1",
            "/dev/disk/by-label/my\\x20boot",
            "/dev/disk/by-partuuid/36234da4-03",
            "/dev/disk/by-partlabel/Boot\\x20of\\x20it",
            "/dev/sda3",
        ] {
            assert!(is(&volume, device, Some("/dev/sda")), "{device}");
        }
        for device in [
            "UUID=36234da4-03",
            "LABEL=My\\040boot",
            "PARTUUID=aaaa-1",
            "PARTLABEL=my\\040boot",
            "/dev/disk/by-partuuid/36234da4-3",
            "/dev/sda2",
            "/dev/sdb3",
        ] {
            assert!(!is(&volume, device, Some("/dev/sda")), "{device}");
        }
    }
}
