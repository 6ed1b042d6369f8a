//! Looking into a whole Linux system: by `ext4-view` where that can, else where Linux
//! itself mounts it, in a process that does nothing else
//! ([`Editor`](crate::adapt::volume::Editor)).

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::{Duration, Instant};

use image::IdentityKey;
use serde::de::DeserializeOwned;

use super::super::linux;
use super::wire::{Answer, Job, Looked};
use super::{Kind, MEMORY, Search, TIME, plain};
use crate::adapt::volume::{Editor, LinuxFs, Tree};
use crate::adapt::{self, Adaptation, Volumes};
use crate::files::{Files, Folder};
use crate::firmware::linux::{ForBios, Starters};
use crate::inventory::Hardware;
use crate::volumes::{self, Root};

/// Where the root of a system is on btrfs when that is not what is mounted by itself: as
/// Ubuntu and Arch, Debian, and Fedora have it.
const FOLDERS: [&str; 4] = ["", "@", "@rootfs", "root"];
/// The least time that is given to an editor.
const LEAST: Duration = Duration::from_secs(1);

impl Search<'_> {
    /// Whether a system's root is on the one volume of `tree`.
    pub(crate) fn root(&self, tree: &Tree) -> Answer<Option<Root>> {
        let root: Option<Root> = self.on(tree, &Job::Root)?;
        match root {
            Some(root) if !FOLDERS.contains(&&*root.folder) => {
                Err("the process that looked into it cannot be understood".to_owned())
            }
            root => Ok(root),
        }
    }

    /// Who the system is.
    pub(crate) fn linux(&self, tree: &Tree, key: &IdentityKey) -> Answer<Looked> {
        let job = Job::Identity(key.clone());
        // Kernels tell nothing of that, and one file system need not be mounted.
        let known = tree.without("/boot");
        let found: Answer<Looked> = self.on(&known, &job);
        let found = match (found, known.mounts.split_first()) {
            (Err(_), Some((root, [_, ..]))) if root.fs == LinuxFs::Ext4 => {
                self.on(&Tree::of(root.volume.clone(), root.fs), &job)
            }
            (found, _) => found,
        };
        found.map(Looked::plain)
    }

    /// What it needs on this hardware; these are the `volumes` of its disk.
    /// The initramfs that are `full` stay as they are.
    pub(crate) fn linux_needs(
        &self,
        tree: &Tree,
        hardware: &Hardware,
        volumes: &Volumes,
        full: &[String],
    ) -> Answer<Adaptation> {
        let job = Job::Linux(hardware.clone(), volumes.clone(), full.to_vec());
        let told: Adaptation = self.on(tree, &job)?;
        Ok(told.in_words(plain))
    }

    /// What it has for UEFI.
    pub(crate) fn starters(&self, tree: &Tree) -> Answer<Starters> {
        // (GRUB would have to be told of a subvolume in which its menu is.)
        let tree = tree.without_subvolumes("/boot");
        let found: Starters = self.on(&tree, &Job::Starters)?;
        sound(&found)?;
        Ok(found)
    }

    /// What it has for a BIOS.
    pub(crate) fn for_bios(&self, tree: &Tree) -> Answer<ForBios> {
        let tree = tree.without_subvolumes("/boot");
        let mut found: ForBios = self.on(&tree, &Job::ForBios)?;
        sound(&found.starters)?;
        // (Shown on the screen.)
        let lacks = found.own.iter_mut().flat_map(|own| &mut own.lacks);
        lacks.for_each(|command| *command = plain(command));
        Ok(found)
    }

    fn on<T: DeserializeOwned>(&self, tree: &Tree, job: &Job) -> Answer<T> {
        if let ([one], "") = (tree.mounts.as_slice(), &*tree.folder)
            && one.fs == LinuxFs::Ext4
        {
            return self.job(&one.volume, Kind::Ext, job.clone());
        }
        let left = self.until.saturating_duration_since(Instant::now());
        let editor = Editor {
            time: left.max(LEAST),
            ..Editor::default()
        };
        let job = serde_json::to_string(job).map_err(|e| e.to_string())?;
        let found = editor.look_tree(tree, &job).map_err(|e| e.to_string())?;
        let found: Answer<T> = serde_json::from_slice(&found).map_err(|error| {
            format!("the process that looked into it cannot be understood: {error}")
        })?;
        found.map_err(|why| plain(&why))
    }
}

/// Whether its names may be: they end up on a partition and on the screen.
fn sound(found: &Starters) -> Answer<()> {
    let is_name = |name: &String| {
        let sound = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        !name.is_empty() && name.chars().all(sound) && !name.starts_with('.')
    };
    let mut folders = found.loaders.iter().map(|loaders| &loaders.folder);
    match folders.all(is_name) && found.config.iter().all(is_name) {
        true => Ok(()),
        false => Err("the process that looked into it cannot be understood".to_owned()),
    }
}

/// Takes from this process what it does not need to look into something.
///
/// # Errors
/// The kernel's own surprises.
pub(crate) fn confine() -> io::Result<()> {
    sys::limits::confine(MEMORY, TIME.as_secs())
}

/// Answers `job` for the system in the folder `root`. No link leads out of it.
///
/// # Errors
/// When the job is not understood.
pub(crate) fn in_tree(job: &str, root: &File) -> io::Result<Vec<u8>> {
    let job: Job = serde_json::from_str(job)?;
    let open = |folder: &str| {
        let folder = sys::tree::folder_below(root, Path::new(folder))?;
        Folder::open(&sys::tree::path_of(&folder))
    };
    match job {
        Job::Root => {
            let found = FOLDERS.iter().find_map(|folder| {
                let files = open(folder).ok()?;
                volumes::root(&files, folder).transpose()
            });
            let found = found.transpose().map_err(|e| e.to_string());
            Ok(serde_json::to_vec(&found)?)
        }
        job => answer(&job, &open("")?),
    }
}

/// Answers `job` for the system that `files` are of.
pub(super) fn answer(job: &Job, files: &dyn Files) -> io::Result<Vec<u8>> {
    match job {
        Job::Root => {
            let found = volumes::root(files, "").map_err(|e| e.to_string());
            Ok(serde_json::to_vec(&found)?)
        }
        Job::Identity(key) => {
            let found = linux::read(files, key).map_err(|e| e.to_string());
            let found: Answer<Looked> =
                found.map(|system| system.map(Looked::from).unwrap_or_default());
            Ok(serde_json::to_vec(&found)?)
        }
        Job::Linux(hardware, volumes, full) => {
            let found: Answer<Adaptation> = adapt::plan_linux(files, hardware, volumes, full);
            Ok(serde_json::to_vec(&found)?)
        }
        Job::Starters => {
            let found = crate::firmware::linux::look(files).map_err(|e| e.to_string());
            Ok(serde_json::to_vec(&found)?)
        }
        Job::ForBios => {
            let found = crate::firmware::linux::look_for_bios(files).map_err(|e| e.to_string());
            Ok(serde_json::to_vec(&found)?)
        }
        _ => Err(ErrorKind::InvalidData.into()),
    }
}
