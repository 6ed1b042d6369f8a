//! What has to change in a restored system before it starts on the hardware
//! that is there.
//!
//! It is computed from the image, before the first write: a list of [`Patch`]es
//! for the target, applied when all data is there and checked. The process that
//! looks for systems ([`Looker`]) computes it.

mod bring;
mod drivers;
mod patch;
pub mod volume;
mod windows;

use std::sync::Arc;

use disk::{ReadAt, Window, WriteAt};
use image::{DiskImage, Manifest};
use serde::{Deserialize, Serialize};

pub use drivers::Drivers;
pub(crate) use drivers::{Copy, Listing};
pub use patch::{Patch, patches};
use volume::{NewFile, Overlay};

use crate::identity::look::Kind;
use crate::identity::{Looker, Place};
use crate::inventory::Hardware;

/// What changes on a disk, and what is to be said of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adaptation {
    /// What is changed, in sentences.
    pub lines: Vec<String>,
    /// The same, thing by thing.
    pub edits: Vec<String>,
    /// What the operator should know.
    pub warnings: Vec<String>,
    /// Why a system will not start, and what would help.
    pub refusals: Vec<String>,
    /// The bytes, by their place on the disk.
    pub patches: Vec<Patch>,
    /// Files that come from the folder of drivers.
    pub(crate) copies: Vec<Copy>,
    /// Files that have to grow.
    pub(crate) grown: Vec<Grown>,
}

/// A file of the volume that gets longer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Grown {
    path: String,
    #[serde(with = "patch::base64")]
    bytes: Vec<u8>,
}

impl Adaptation {
    /// The same with every text put through `plain`.
    pub(crate) fn in_words(mut self, plain: impl Fn(&str) -> String) -> Self {
        /// Nobody reads more sentences.
        const MANY: usize = 1000;
        for texts in [
            &mut self.lines,
            &mut self.edits,
            &mut self.warnings,
            &mut self.refusals,
        ] {
            texts.truncate(MANY);
            texts.iter_mut().for_each(|text| *text = plain(text));
        }
        self
    }

    /// Takes what `other` says of the system `title` on the part of the disk that
    /// begins at byte `start`.
    fn add(&mut self, title: &str, start: u64, other: Self) {
        let titled = |text: String| format!("{title}: {text}");
        self.lines.extend(other.lines.into_iter().map(titled));
        self.edits.extend(other.edits.into_iter().map(titled));
        self.warnings.extend(other.warnings.into_iter().map(titled));
        self.refusals.extend(other.refusals.into_iter().map(titled));
        let patches = other.patches.into_iter();
        self.patches.extend(patches.filter_map(|p| p.moved(start)));
    }
}

/// What the systems on `source`, the disk `disk` of the image of `manifest`, need on
/// this hardware.
#[must_use]
pub fn plan(
    looker: &Looker,
    source: &Arc<dyn ReadAt>,
    manifest: &Manifest,
    disk: &DiskImage,
    hardware: &Hardware,
    drivers: Option<&Drivers>,
) -> Adaptation {
    let mut all = Adaptation::default();
    let search = looker.search();
    for place in Place::of(disk) {
        let Some(window) = Window::new(Arc::clone(source), place.start, place.len) else {
            continue;
        };
        let title = title(manifest, disk.index, place.partition);
        let listing = drivers.map(|drivers| &drivers.listing);
        let found = search.adaptation(&window, place.kind, hardware, listing);
        let found = found.and_then(|found| with_files(window, drivers, found));
        match found {
            Ok(found) => all.add(&title, place.start, found),
            Err(why) => all.refusals.push(format!(
                "{title}: what it needs on this hardware is not known: {why}"
            )),
        }
    }
    all
}

/// With the patches that put files onto the volume.
fn with_files(
    window: Window<Arc<dyn ReadAt>>,
    drivers: Option<&Drivers>,
    mut found: Adaptation,
) -> Result<Adaptation, String> {
    /// Bytes of what else is changed on the volume at most.
    const MOST: usize = 512 << 20;
    let mut files: Vec<NewFile> = Vec::new();
    for Grown { path, bytes } in std::mem::take(&mut found.grown) {
        files.push(NewFile {
            path,
            bytes,
            create_folders: false,
        });
    }
    if let (Some(drivers), false) = (drivers, found.copies.is_empty()) {
        let copied = drivers.files(&found.copies);
        files.extend(copied.map_err(|e| format!("{e:#}"))?);
    }
    if files.is_empty() {
        return Ok(found);
    }
    // (A Windows that sleeps is awake there.)
    let changed = Overlay::new(Arc::new(window), MOST);
    for patch in &found.patches {
        let written = changed.write_all_at(&patch.after, patch.at);
        written.map_err(|e| format!("changing the volume: {e}"))?;
    }
    let changed: Arc<dyn ReadAt> = Arc::new(changed);
    let more = volume::edit(&changed, &files);
    let more = more.map_err(|e| format!("putting files onto its volume: {e}"))?;
    found.patches.extend(more);
    Ok(found)
}

/// "Windows 8.1 Enterprise, STUDENT-PC8 on partition 3".
fn title(manifest: &Manifest, disk: u32, partition: u32) -> String {
    let mut systems = manifest.systems.iter();
    let system = systems.find(|s| (s.disk, s.partition) == (disk, partition));
    match system {
        Some(system) => format!("{} on partition {partition}", system.title()),
        None => format!("Partition {partition}"),
    }
}

/// What the system on one volume needs; patches count from the volume's beginning.
pub(crate) fn plan_volume(
    volume: &dyn ReadAt,
    kind: Option<Kind>,
    hardware: &Hardware,
    drivers: Option<&Listing>,
) -> Result<Adaptation, String> {
    match kind {
        Some(Kind::Ntfs) => windows::plan(volume, hardware, drivers).map_err(|e| e.to_string()),
        // Linux is not adapted yet.
        Some(Kind::Ext) | None => Ok(Adaptation::default()),
    }
}
