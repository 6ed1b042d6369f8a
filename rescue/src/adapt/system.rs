//! What the Linux systems on a disk need on this hardware, and the changes of their
//! volumes that bring it.

use std::sync::Arc;

use disk::ReadAt;
use image::{DiskImage, Manifest};

use super::volume::{CHANGES_MOST, Editor, Overlay, VolumeError};
use super::{Adaptation, Patch, Volumes, starts, system, title};
use crate::firmware::NewNames;
use crate::identity::look::{Kind, Search};
use crate::identity::{PartitionNames, Place};
use crate::inventory::Hardware;
use crate::volumes::{self, Linux, Passphrases, Volume};

/// A disk with systems.
pub(super) struct Systems<'s> {
    pub(super) search: &'s Search<'s>,
    pub(super) source: &'s Arc<dyn ReadAt>,
    pub(super) manifest: &'s Manifest,
    pub(super) disk: &'s DiskImage,
    pub(super) hardware: &'s Hardware,
    pub(super) passphrases: &'s Passphrases,
    /// What partitions are called when the disk is converted.
    pub(super) names: Option<&'s NewNames>,
}

impl Systems<'_> {
    /// Adds to `all` what they need. (What cannot be done is told: a Linux may well start
    /// as it is.)
    pub(super) fn plan(&self, places: &[Place], all: &mut Adaptation) {
        // What one system gets the next one sees: they may have a volume in common.
        let changed = Arc::new(Overlay::new(Arc::clone(self.source), CHANGES_MOST));
        let shared: Arc<dyn ReadAt> = changed.clone();
        let found = volumes::volumes(&shared, places, self.passphrases);
        let volumes = found.volumes;
        all.unadapted |= !found.notes.is_empty();
        all.warnings.extend(found.notes);
        let (systems, unknown) = volumes::linuxes(self.search, &volumes);
        for (number, why) in unknown {
            let Some(volume) = volumes.get(number) else {
                continue;
            };
            let title = self.title(volume.partition);
            all.warnings.push(format!(
                "{title}: what it needs on this hardware is not known: {why}"
            ));
            all.unadapted = true;
        }
        for linux in &systems {
            let title = self.title(linux.partition);
            match self.system(linux, &volumes) {
                Ok(found) => {
                    if let Err(error) = changed.apply(&found.patches) {
                        all.warnings.push(format!("{title}: {error}"));
                        all.unadapted = true;
                        return;
                    }
                    all.add(&title, &self.everywhere(), found);
                }
                Err(why) if self.has_new_names() => {
                    all.refusals.push(format!("{title}: {why}"));
                    all.untouched = true;
                }
                Err(why) => {
                    all.warnings.push(format!("{title}: {why}"));
                    all.unadapted = true;
                }
            }
        }
    }

    /// Whether a system that is left as it is may not find its partitions.
    fn has_new_names(&self) -> bool {
        self.names.is_some_and(|names| names.signature.is_some())
    }

    fn title(&self, partition: u32) -> String {
        let known = system(self.manifest, self.disk.index, partition);
        title(known, partition)
    }

    /// Patches of a system are of the disk.
    fn everywhere(&self) -> Place {
        Place {
            partition: 0,
            start: 0,
            len: self.disk.size,
            kind: Kind::Ext,
            names: PartitionNames::default(),
        }
    }

    fn system(&self, linux: &Linux, volumes: &[Volume]) -> Result<Adaptation, String> {
        let of = |number: &usize| volumes.get(*number);
        let in_head = linux.volumes.iter().filter_map(of).any(Volume::is_in_head);
        let named = Volumes::of(self.disk, linux, volumes, self.names);
        let mut full = Vec::new();
        loop {
            let needs = self.needs(linux, &named, &full)?;
            if needs.files.is_empty() {
                return Ok(needs);
            }
            if in_head {
                return Err(
                    "it begins in the first MiB of the disk, which is written at the very end: it \
                     is not adapted to this hardware"
                        .to_owned(),
                );
            }
            match Editor::default().edit_tree(&linux.tree, &needs.files) {
                Ok(edited) => {
                    return lowered(needs, edited, linux, volumes, self.disk.size);
                }
                // The newest kernels come first; the others can do without.
                Err(VolumeError::TooMuch(_)) if needs.last_grown(&full).is_some() => {
                    full.extend(needs.last_grown(&full));
                }
                Err(VolumeError::Full(path)) if needs.grows(&path) && !full.contains(&path) => {
                    full.push(path);
                }
                Err(error) => {
                    return Err(failed(format!("putting files onto its volume: {error}")));
                }
            }
        }
    }

    fn needs(&self, linux: &Linux, named: &Volumes, full: &[String]) -> Result<Adaptation, String> {
        let search = self.search;
        let needs = search.linux_needs(&linux.tree, self.hardware, named, full);
        let unknown = |why| format!("what it needs on this hardware is not known: {why}");
        let mut needs = needs.map_err(unknown)?;
        for missing in &linux.missing {
            needs.warnings.push(format!(
                "{missing} is not on this disk, or nothing that can be looked into here"
            ));
        }
        Ok(needs)
    }
}

fn failed(why: String) -> String {
    format!("it cannot be adapted to this hardware: {why}")
}

/// With the patches of each volume as patches of the disk.
fn lowered(
    mut needs: Adaptation,
    edited: Vec<Vec<Patch>>,
    linux: &Linux,
    volumes: &[Volume],
    size: u64,
) -> Result<Adaptation, String> {
    needs.files.clear();
    for (patches, number) in edited.into_iter().zip(&linux.volumes) {
        if let Some(volume) = volumes.get(*number) {
            needs.patches.extend(volume.lower(patches).map_err(failed)?);
        }
    }
    let end = size.saturating_sub(starts::HEAD);
    let is_apart = |patch: &Patch| {
        let stop = patch.at.saturating_add(patch.after.len() as u64);
        patch.at >= starts::HEAD && stop <= end
    };
    match needs.misplaced(size) {
        Some(why) => Err(failed(why.to_owned())),
        None if needs.patches.iter().all(is_apart) => Ok(needs),
        None => {
            let why = "what has to change is in the first MiB of the disk, or in its last, which \
                       are written at the very end";
            Err(failed(why.to_owned()))
        }
    }
}

impl Adaptation {
    /// The last file that is appended to, and not among `full`.
    fn last_grown(&self, full: &[String]) -> Option<String> {
        let mut files = self.files.iter().rev();
        let last = files.find(|file| file.after > 0 && !full.contains(&file.path));
        last.map(|file| file.path.clone())
    }

    /// Whether the file at `path` is one that is appended to.
    fn grows(&self, path: &str) -> bool {
        let mut files = self.files.iter();
        files.any(|file| file.path == path && file.after > 0)
    }
}

impl Volume {
    /// Whether it begins in what is written at the very end. (Writing a file changes its
    /// superblock.)
    const fn is_in_head(&self) -> bool {
        self.begins_before(starts::HEAD)
    }
}
