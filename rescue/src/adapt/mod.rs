//! What has to change in a restored system before it starts on the hardware
//! that is there.
//!
//! It is computed from the image, before the first write: a list of [`Patch`]es
//! for the target, applied when all data is there and checked. The process that
//! looks for systems ([`Looker`]) computes it.

pub(crate) mod bitlocker;
mod bring;
mod drivers;
pub mod fat;
mod fits;
mod in_place;
mod linux;
mod patch;
mod stage;
mod starts;
mod system;
pub(crate) mod uefi;
pub mod volume;
mod windows;

use std::sync::Arc;

use disk::{ReadAt, Window};
use image::{DiskImage, Manifest, System};
use serde::{Deserialize, Serialize};

pub(crate) use self::linux::Volumes;
pub use drivers::Drivers;
pub(crate) use drivers::{Copy, Listing};
pub(crate) use patch::base64;
pub use patch::{Patch, patches};
pub(crate) use starts::{Around, plan_volume as plan_starts};
use volume::{CHANGES_MOST, NewFile, Overlay};

use crate::files::Files;
use crate::firmware::NewNames;
use crate::identity::look::Kind;
use crate::identity::{self, Known, Looker, Place};
use crate::inventory::Hardware;
use crate::volumes::Passphrases;

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
    /// Whether it is for want of a driver.
    pub lacks_driver: bool,
    /// Those that somebody went on in spite of.
    pub forced: Vec<String>,
    /// With what each system starts from this machine's disk, in few words.
    pub boots: Vec<String>,
    /// Why a system has no kernel that could be started.
    #[serde(default)]
    pub(crate) kernels_gone: Vec<String>,
    /// Warnings in few words.
    pub(crate) known: Vec<Known>,
    /// The bytes, by their place on the disk.
    pub patches: Vec<Patch>,
    /// Whether there may be a Linux that does not get what it needs.
    #[serde(default)]
    pub(crate) unadapted: bool,
    /// Whether a system gets nothing of what it needs.
    #[serde(default)]
    pub(crate) untouched: bool,
    /// Files that come from the folder of drivers.
    pub(crate) copies: Vec<Copy>,
    /// Files that are made, or have to grow.
    pub(crate) files: Vec<NewFile>,
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
            &mut self.forced,
            &mut self.boots,
            &mut self.kernels_gone,
        ] {
            texts.truncate(MANY);
            texts.iter_mut().for_each(|text| *text = plain(text));
        }
        self.known.truncate(MANY);
        let known = self.known.into_iter().map(|known| known.plain(&plain));
        self.known = known.collect();
        self
    }

    /// Takes what `other` says of the same volume.
    fn take(&mut self, other: Self) {
        self.lines.extend(other.lines);
        self.edits.extend(other.edits);
        self.warnings.extend(other.warnings);
        self.refusals.extend(other.refusals);
        self.patches.extend(other.patches);
        self.copies.extend(other.copies);
        self.files.extend(other.files);
        self.known.extend(other.known);
    }

    /// A warning, and the same in few words.
    fn warn(&mut self, text: &str, short: &str) {
        self.warnings.push(text.to_owned());
        self.known.push(Known::words(short, Some(text)));
    }

    /// Takes what `other` says of the system `title` on the part `place` of the disk.
    fn add(&mut self, title: &str, place: &Place, other: Self) {
        if let Some(why) = other.misplaced(place.len) {
            self.refusals.push(format!("{title}: {why}"));
            return;
        }
        let titled = |text: String| format!("{title}: {text}");
        self.lines.extend(other.lines.into_iter().map(titled));
        self.edits.extend(other.edits.into_iter().map(titled));
        self.warnings.extend(other.warnings.into_iter().map(titled));
        self.refusals.extend(other.refusals.into_iter().map(titled));
        self.lacks_driver |= other.lacks_driver;
        self.boots.extend(other.boots);
        let gone = other.kernels_gone.into_iter();
        self.kernels_gone
            .extend(gone.map(|why| format!("{title}: {why}")));
        self.known
            .extend(other.known.into_iter().map(|known| known.titled(title)));
        let patches = other.patches.into_iter();
        self.patches
            .extend(patches.filter_map(|p| p.moved(place.start)));
    }

    /// What is wrong with the patches, for a part of the disk of `len` bytes: another
    /// process made them.
    fn misplaced(&self, len: u64) -> Option<&'static str> {
        /// Bytes of all.
        const MOST: u64 = 256 << 20;
        let inside = |patch: &Patch| {
            let end = patch.at.checked_add(patch.after.len() as u64);
            end.is_some_and(|end| end <= len) && patch.before.len() == patch.after.len()
        };
        if !self.patches.iter().all(inside) {
            return Some("what has to change lies outside of its partition");
        }
        let sizes = self.patches.iter().map(|patch| patch.after.len() as u64);
        let total = sizes.fold(0u64, u64::saturating_add);
        (total > MOST).then_some("more has to change than makes sense (256 MiB)")
    }
}

/// What the operator brings beside the image.
#[derive(Debug, Clone, Copy)]
pub struct Brought<'b> {
    /// Drivers for Windows.
    pub drivers: Option<&'b Drivers>,
    /// For what is encrypted.
    pub passphrases: &'b Passphrases,
}

/// What the systems on `source`, the disk `disk` of the image of `manifest`, need on
/// this hardware, and where partitions have new names.
#[must_use]
pub(crate) fn plan(
    looker: &Looker,
    source: &Arc<dyn ReadAt>,
    manifest: &Manifest,
    disk: &DiskImage,
    hardware: &Hardware,
    brought: Brought<'_>,
    names: Option<&NewNames>,
) -> Adaptation {
    let drivers = brought.drivers;
    let mut all = Adaptation::default();
    bitlocker::tell(source, disk, &mut all);
    let search = looker.search();
    let starts = starts::Starts {
        search: &search,
        source,
        manifest,
        disk,
    };
    let places = Place::of(disk);
    for place in places.iter().filter(|place| place.kind == Kind::Ntfs) {
        let Some(window) = Window::new(Arc::clone(source), place.start, place.len) else {
            continue;
        };
        let system = system(manifest, disk.index, place.partition);
        let title = title(system, place.partition);
        let needs = |listing: Option<&Listing>| {
            let found = search.adaptation(&window, hardware, listing, names);
            let found = found.map(|mut found| {
                let windows = found != Adaptation::default();
                let misfit = fits::disk(disk, hardware).filter(|_| windows);
                found.refusals.extend(misfit);
                found
            });
            found.map(|found| {
                let volume: Arc<dyn ReadAt> = Arc::new(window.clone());
                let found = with_files(volume.clone(), drivers, found)?;
                // (A boot store of its own is made where the disk is converted.)
                match names {
                    None => starts.on_ntfs(place, volume, found),
                    Some(_) => Ok(found),
                }
            })
        };
        let listing = drivers.map(|drivers| &*drivers.listing);
        let found = without_the_rest(needs(listing), listing, needs);
        let unknown = |why| format!("{title}: what it needs on this hardware is not known: {why}");
        let known = system.is_some_and(|system| system.family == identity::WINDOWS);
        match found {
            Ok(Ok(found)) => all.add(&title, place, found),
            // A volume without a system, damaged perhaps, needs nothing.
            Err(why) if !known => all.warnings.push(unknown(why)),
            Err(why) => {
                all.refusals.push(unknown(why));
                all.untouched = true;
            }
            Ok(Err(why)) => {
                let text = format!("{title}: it cannot be adapted to this hardware: {why}");
                all.refusals.push(text);
                all.untouched = true;
            }
        }
    }
    let linux = system::Systems {
        search: &search,
        source,
        manifest,
        disk,
        hardware,
        passphrases: brought.passphrases,
        names,
    };
    linux.plan(&places, &mut all);
    if names.is_none() {
        starts.on_fat(&mut all);
    }
    all
}

/// What is needed, or why not: of the Windows, of its volume.
type Needs = Result<Result<Adaptation, String>, String>;

/// What Windows can do without must not stand in the way of what it starts with.
fn without_the_rest(
    found: Needs,
    listing: Option<&Listing>,
    needs: impl Fn(Option<&Listing>) -> Needs,
) -> Needs {
    let (Ok(Err(why)) | Err(why), Some(listing)) = (&found, listing) else {
        return found;
    };
    let boot_only = Listing {
        boot_only: true,
        ..listing.clone()
    };
    let mut again = needs(Some(&boot_only));
    if let Ok(Ok(again)) = &mut again {
        again.warnings.push(format!(
            "only what Windows starts with is brought in; what it would install later is left \
             out: {why}"
        ));
    }
    again
}

/// With the patches that put files onto the volume.
fn with_files(
    volume: Arc<dyn ReadAt>,
    drivers: Option<&Drivers>,
    mut found: Adaptation,
) -> Result<Adaptation, String> {
    let mut files = std::mem::take(&mut found.files);
    if let (Some(drivers), false) = (drivers, found.copies.is_empty()) {
        let copied = drivers.files(&found.copies);
        files.extend(copied.map_err(|e| format!("{e:#}"))?);
    }
    if files.is_empty() {
        return Ok(found);
    }
    // (A Windows that sleeps is awake there.)
    let changed = over(volume, &found.patches)?;
    let more = volume::edit(&changed, &files);
    let more = more.map_err(|e| format!("putting files onto its volume: {e}"))?;
    found.patches.extend(more);
    Ok(found)
}

/// The volume as the patches make it.
fn over(volume: Arc<dyn ReadAt>, patches: &[Patch]) -> Result<Arc<dyn ReadAt>, String> {
    let changed = Overlay::new(volume, CHANGES_MOST);
    let made = changed.apply(patches);
    made.map_err(|e| format!("changing the volume: {e}"))?;
    Ok(Arc::new(changed))
}

/// The system that the image says is there.
pub(crate) fn system(manifest: &Manifest, disk: u32, partition: u32) -> Option<&System> {
    let mut systems = manifest.systems.iter();
    systems.find(|s| (s.disk, s.partition) == (disk, partition))
}

/// "Windows 8.1 Enterprise, STUDENT-PC8 on partition 3".
pub(crate) fn title(system: Option<&System>, partition: u32) -> String {
    match system {
        Some(system) => format!("{} on partition {partition}", system.title()),
        None => format!("Partition {partition}"),
    }
}

/// What the Windows on an NTFS volume needs; patches count from its beginning.
pub(crate) fn plan_ntfs(
    volume: &dyn ReadAt,
    hardware: &Hardware,
    drivers: Option<&Listing>,
    names: Option<&NewNames>,
) -> Result<Adaptation, String> {
    windows::plan(volume, hardware, drivers, names).map_err(|e| e.to_string())
}

/// What the Linux among `files` needs, whose disk has these `volumes`; nothing comes to
/// the initramfs that are `full`.
pub(crate) fn plan_linux(
    files: &dyn Files,
    hardware: &Hardware,
    volumes: &Volumes,
    full: &[String],
) -> Result<Adaptation, String> {
    self::linux::plan(files, hardware, volumes, full).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Silent;
    use crate::inventory::Machine;
    use crate::{capture, restore};
    use disk::SectorSize;
    use image::{Config, IdentityKey, Repository};
    use store::MemoryStore;

    /// A bare disk whose boot sector looks like NTFS and is none, as its image says it
    /// is read.
    fn planned(known: bool) -> Adaptation {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("disk");
        let mut bytes = vec![7; 4 << 20];
        bytes[3..11].copy_from_slice(b"NTFS    ");
        std::fs::write(&path, bytes).unwrap();
        let store = Arc::new(MemoryStore::default());
        let repository = Repository::create(store, Config::new([7; 32])).unwrap();
        let disk = Machine::host().disk_at(&path, SectorSize::B512).unwrap();
        let disks = [capture::plan(disk, &Silent).unwrap()];
        let label = capture::Label::now(Some("x".to_owned())).unwrap();
        capture::run(&repository, &disks, label, &Default::default(), &Silent).unwrap();
        let mut image = repository.image("latest").unwrap();
        let mut disk = restore::pick_disk(&image, None).unwrap().clone();
        let fs = disk.regions[0].fs.as_mut().unwrap();
        fs.kind = "ntfs".to_owned();
        if known {
            image.manifest.systems = vec![System {
                disk: disk.index,
                partition: 0,
                family: "windows".to_owned(),
                name: None,
                hostname: None,
                identity: Default::default(),
            }];
            image.manifest.identity_key = Some(IdentityKey::new([1; 32]));
        }
        let source: Arc<dyn ReadAt> = Arc::new(repository.read_at(&disk).unwrap());
        let hardware = Hardware::default();
        plan(
            &Looker::default(),
            &source,
            &image.manifest,
            &disk,
            &hardware,
            Brought {
                drivers: None,
                passphrases: &Passphrases::default(),
            },
            None,
        )
    }

    #[test]
    fn a_volume_that_cannot_be_read_stops_a_restore_only_where_a_windows_was() {
        let told = planned(false);
        assert!(told.refusals.is_empty(), "{told:?}");
        assert!(told.warnings[0].contains("is not known"), "{told:?}");
        let told = planned(true);
        assert!(told.refusals[0].contains("is not known"), "{told:?}");
    }

    #[test]
    fn patches_outside_of_their_partition_are_refused() {
        let patch = |at, len| Patch {
            at,
            before: vec![0; 4],
            after: vec![1; len],
        };
        let with = |patch| Adaptation {
            patches: vec![patch],
            ..Adaptation::default()
        };
        assert_eq!(with(patch(96, 4)).misplaced(100), None);
        for bad in [patch(97, 4), patch(u64::MAX, 4), patch(0, 5)] {
            assert!(with(bad).misplaced(100).is_some());
        }
    }
}
