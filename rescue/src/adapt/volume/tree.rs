//! The file systems of a Linux system, mounted as it has them.

use std::sync::Arc;

use disk::{Extent, ReadAt};
use serde::{Deserialize, Serialize};

use super::joined::Joined;
use super::run::Wish;
use super::wire::Mounted;
use super::{Editor, FILES_MOST, NewFile, Overlay, VolumeError, put};
use crate::adapt::Patch;

/// File systems that Linux itself reads and writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum LinuxFs {
    /// ext2, ext3, ext4.
    Ext4,
    Xfs,
    Btrfs,
}

impl LinuxFs {
    /// That which images call `kind`.
    #[must_use]
    pub fn of(kind: &str) -> Option<Self> {
        match kind {
            "ext2" | "ext3" | "ext4" => Some(Self::Ext4),
            "xfs" => Some(Self::Xfs),
            "btrfs" => Some(Self::Btrfs),
            _ => None,
        }
    }

    /// As the kernel calls it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Ext4 => "ext4",
            Self::Xfs => "xfs",
            Self::Btrfs => "btrfs",
        }
    }
}

/// A file system, and where a system has it.
#[derive(Clone)]
pub struct Mount {
    /// It.
    pub volume: Arc<dyn ReadAt>,
    /// Its kind.
    pub fs: LinuxFs,
    /// "/boot".
    pub at: String,
    /// What of it is there, when that is not what is mounted by itself.
    pub subvolume: Option<Subvolume>,
}

/// Which part of a btrfs is mounted, as mount(8) is told: "subvol=@boot".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subvolume(String);

impl Subvolume {
    /// The one at this path from the top of the file system, with this number, or both;
    /// `None` when Linux cannot be told that: a comma ends an option.
    #[must_use]
    pub fn new(path: Option<&str>, id: Option<&str>) -> Option<Self> {
        /// No path is longer.
        const LONGEST: usize = 4095;
        let is_path = |path: &&str| {
            path.len() <= LONGEST && !path.contains(|c: char| c == ',' || c.is_control())
        };
        let is_id = |id: &&str| !id.is_empty() && id.chars().all(|c| c.is_ascii_digit());
        if !path.iter().all(is_path) || !id.iter().all(is_id) {
            return None;
        }
        let path = path.map(|path| format!("subvol={path}"));
        let id = id.map(|id| format!("subvolid={id}"));
        let options: Vec<String> = path.into_iter().chain(id).collect();
        (!options.is_empty()).then(|| Self(options.join(",")))
    }
}

/// Another subvolume of a file system that a system has already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beside {
    /// The number of the file system among [`Tree::mounts`].
    pub of: usize,
    /// "/boot".
    pub at: String,
    /// Which one.
    pub subvolume: Subvolume,
}

impl std::fmt::Debug for Mount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Mount({:?} at {:?})", self.fs, self.at)
    }
}

/// A system's file systems.
#[derive(Debug, Clone)]
pub struct Tree {
    /// The one with the root first; each only once.
    pub mounts: Vec<Mount>,
    /// What is mounted of these beside that.
    pub beside: Vec<Beside>,
    /// Where on the first the root is: "@", or nothing.
    pub folder: String,
}

impl Tree {
    /// A system on one volume.
    #[must_use]
    pub fn of(volume: Arc<dyn ReadAt>, fs: LinuxFs) -> Self {
        Self {
            mounts: vec![Mount {
                volume,
                fs,
                at: "/".to_owned(),
                subvolume: None,
            }],
            beside: Vec::new(),
            folder: String::new(),
        }
    }

    /// The same, with nothing at `place` ("/boot") and in it.
    pub(crate) fn without(&self, place: &str) -> Self {
        let mut tree = Self {
            mounts: Vec::new(),
            beside: Vec::new(),
            folder: self.folder.clone(),
        };
        for (number, mount) in self.mounts.iter().enumerate() {
            let beside = self.beside.iter();
            let beside = beside.filter(|b| b.of == number && !is_in(&b.at, place));
            let mut beside = beside.cloned();
            let own = match is_in(&mount.at, place) {
                false => Some(mount.clone()),
                true => beside.next().map(|first| Mount {
                    at: first.at,
                    subvolume: Some(first.subvolume),
                    ..mount.clone()
                }),
            };
            let of = tree.mounts.len();
            tree.mounts.extend(own);
            tree.beside
                .extend(beside.map(|other| Beside { of, ..other }));
        }
        tree
    }

    /// The same, where what is at `place` and in it is no subvolume of its own.
    pub(crate) fn without_subvolumes(&self, place: &str) -> Self {
        let mut tree = self.clone();
        tree.beside.retain(|beside| !is_in(&beside.at, place));
        let mounts = tree.mounts.iter_mut();
        for mount in mounts.filter(|mount| is_in(&mount.at, place)) {
            mount.subvolume = None;
        }
        tree
    }

    fn joined(&self) -> Result<(Arc<Joined>, Vec<Mounted>), VolumeError> {
        let volumes = self.mounts.iter().map(|mount| Arc::clone(&mount.volume));
        let joined = Joined::new(volumes);
        let joined = joined.ok_or_else(|| VolumeError::Failed("it is too large".into()))?;
        let starts = joined.starts();
        let mounted = starts.zip(&self.mounts).map(|(start, mount)| Mounted {
            start,
            len: mount.volume.size(),
            kind: mount.fs,
            at: mount.at.clone(),
            subvolume: mount.subvolume.as_ref().map(|Subvolume(it)| it.clone()),
        });
        let mut mounted: Vec<Mounted> = mounted.collect();
        for Beside { of, at, subvolume } in &self.beside {
            let other = mounted.get(*of).map(|mount| Mounted {
                at: at.clone(),
                subvolume: Some(subvolume.0.clone()),
                ..mount.clone()
            });
            mounted.extend(other);
        }
        // What is inside of others comes after these.
        mounted.sort_by_key(|mount| mount.at.len());
        Ok((Arc::new(joined), mounted))
    }

    /// What none of its file systems uses, as `joined` has them.
    fn free(&self, joined: &Joined) -> Vec<Extent> {
        let all = self.mounts.iter().zip(joined.starts());
        let all = all.map(|(mount, start)| {
            let map = fsmap::map(&mount.volume);
            let free = map.map(|map| map.free).unwrap_or_default();
            free.into_iter().filter_map(move |extent| {
                Some(Extent {
                    start: extent.start.checked_add(start)?,
                    len: extent.len,
                })
            })
        });
        all.flatten().collect()
    }
}

/// Whether `at` is `place`, or in it.
fn is_in(at: &str, place: &str) -> bool {
    let rest = at.strip_prefix(place);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl Editor {
    /// As [`edit`](super::edit), for a whole system: patches for each of its volumes.
    ///
    /// # Errors
    /// As [`edit`](super::edit); when the kernel cannot mount it.
    pub fn edit_tree(
        &self,
        tree: &Tree,
        files: &[NewFile],
    ) -> Result<Vec<Vec<Patch>>, VolumeError> {
        let total = files.iter().map(|f| f.bytes.len() as u64).sum::<u64>();
        if total > FILES_MOST {
            return Err(VolumeError::TooMuch(FILES_MOST));
        }
        for file in files {
            put::names(&file.path)?;
        }
        let (joined, mounts) = tree.joined()?;
        let wish = Wish {
            mounts: &mounts,
            folder: &tree.folder,
            job: None,
            files,
        };
        let overlay = Overlay::new(joined.clone(), self.changes_most);
        self.over(&overlay, &wish)?;
        let patches = overlay.into_patches(&tree.free(&joined));
        let patches = patches.map_err(|e| VolumeError::failed("reading the volume", &e))?;
        Ok(joined.split(patches))
    }

    /// What is found out in `tree` by `job`, for [`crate::identity::look`].
    pub(crate) fn look_tree(&self, tree: &Tree, job: &str) -> Result<Vec<u8>, VolumeError> {
        let (joined, mounts) = tree.joined()?;
        let wish = Wish {
            mounts: &mounts,
            folder: &tree.folder,
            job: Some(job),
            files: &[],
        };
        // (A journal is replayed there.)
        self.over(&Overlay::new(joined, self.changes_most), &wish)
    }

    pub(super) fn over(&self, overlay: &Overlay, wish: &Wish<'_>) -> Result<Vec<u8>, VolumeError> {
        let answer = self.ask(overlay, wish);
        if overlay.was_full() {
            return Err(VolumeError::TooMuch(self.changes_most as u64));
        }
        if let (Err(_), Some(why)) = (&answer, overlay.unread()) {
            return Err(VolumeError::Failed(format!("reading the volume: {why}")));
        }
        answer.map_err(VolumeError::plain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use disk::MemDisk;

    #[test]
    fn a_subvolume_is_told_by_its_path_its_number_or_both() {
        let told = |path, id| Subvolume::new(path, id).map(|Subvolume(it)| it);
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(told(Some("/@/my boot"), None), text("subvol=/@/my boot"));
        assert_eq!(told(None, Some("256")), text("subvolid=256"));
        assert_eq!(
            told(Some("@var"), Some("5")),
            text("subvol=@var,subvolid=5")
        );
        assert_eq!(told(None, None), None);
        for (path, id) in [("@,device=/dev/sda", "5"), ("@\n", "5"), ("@", "5,ro")] {
            assert_eq!(told(Some(path), Some(id)), None, "{path} {id}");
        }
    }

    #[test]
    fn a_place_can_be_left_out() {
        let subvolume = |path| Subvolume::new(Some(path), None).unwrap();
        let volume = Arc::new(MemDisk::zeroed(512));
        let mut tree = Tree::of(volume.clone(), LinuxFs::Ext4);
        tree.mounts.push(Mount {
            volume,
            fs: LinuxFs::Btrfs,
            at: "/boot".to_owned(),
            subvolume: Some(subvolume("@boot")),
        });
        for (at, path) in [("/boot/grub", "@grub"), ("/var", "@var"), ("/bootx", "@x")] {
            tree.beside.push(Beside {
                of: 1,
                at: at.to_owned(),
                subvolume: subvolume(path),
            });
        }
        let places = |tree: &Tree| -> Vec<String> {
            let (_, mounted) = tree.joined().unwrap();
            let shown = |m: &Mounted| format!("{} {}", m.at, m.subvolume.as_deref().unwrap_or("-"));
            mounted.iter().map(shown).collect()
        };
        assert_eq!(
            places(&tree),
            [
                "/ -",
                "/var subvol=@var",
                "/boot subvol=@boot",
                "/bootx subvol=@x",
                "/boot/grub subvol=@grub"
            ]
        );
        let without = tree.without("/boot");
        assert_eq!(
            places(&without),
            ["/ -", "/var subvol=@var", "/bootx subvol=@x"]
        );
        assert_eq!(
            places(&tree.without_subvolumes("/boot")),
            ["/ -", "/var subvol=@var", "/boot -", "/bootx subvol=@x"]
        );
    }
}
