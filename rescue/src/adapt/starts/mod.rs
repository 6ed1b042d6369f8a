//! What a Windows starts from: boot stores, the loader of the EFI system partition,
//! and what a BIOS needs before it.
//!
//! As of the rest of a system, another process looks at a volume and says what is to
//! change ([`plan_volume`]).

mod around;
mod bios;
mod fallback;
mod letters;
mod store;

use std::sync::Arc;

use disk::{ReadAt, Window};
use fsmap::NtfsFiles;
use hive::Hive;
use image::{DiskImage, Manifest, Region};

pub(crate) use around::Around;
use fallback::Fallback;
use store::Found;

use super::fat::{self, Fat, FatError};
use super::in_place::replace;
use super::volume::NewFile;
use super::windows::SYSTEM;
use super::{Adaptation, over, title, with_files};
use crate::files::open_hive;
use crate::identity::look::{Kind, Search};
use crate::identity::{PartitionNames, Place};

/// Where UEFI has it.
const UEFI: &str = "/EFI/Microsoft/Boot/BCD";
/// Where a BIOS has it.
const BIOS: &str = "/Boot/BCD";
/// No store on FAT, and none of its logs, has more bytes.
const STORE: u64 = 64 << 20;
/// No hive on NTFS has.
const HIVE: u64 = 512 << 20;
/// What is before this byte of a disk is written at the very end.
pub(super) const HEAD: u64 = 1 << 20;

/// The partitions of a disk that are looked at.
pub(super) struct Starts<'s> {
    pub(super) search: &'s Search<'s>,
    pub(super) source: &'s Arc<dyn ReadAt>,
    pub(super) manifest: &'s Manifest,
    pub(super) disk: &'s DiskImage,
}

impl Starts<'_> {
    /// What is to change on an NTFS `volume`, which is at `place`, once it is as `found`
    /// makes it: added to that.
    pub(super) fn on_ntfs(
        &self,
        place: &Place,
        volume: Arc<dyn ReadAt>,
        mut found: Adaptation,
    ) -> Result<Adaptation, String> {
        let changed = over(volume, &found.patches)?;
        match with_files(changed.clone(), None, self.on(place, &changed)) {
            Ok(more) => found.take(more),
            Err(why) => found.warnings.push(format!(
                "what Windows starts from stays as it was captured: {why}"
            )),
        }
        Ok(found)
    }

    /// What is to change on FAT volumes goes into `all`.
    pub(super) fn on_fat(&self, all: &mut Adaptation) {
        for place in self.disk.regions.iter().filter_map(fat_place) {
            let window = Window::new(Arc::clone(self.source), place.start, place.len);
            let Some(window) = window else {
                continue;
            };
            let mut found = self.on(&place, &window);
            if place.start < HEAD && !found.patches.is_empty() {
                let text = "it begins in the first MiB of the disk, which is written at the very \
                            end: nothing of what Windows starts from is changed on it";
                found = Adaptation {
                    warnings: vec![text.to_owned()],
                    ..Adaptation::default()
                };
            }
            all.add(&title(None, place.partition), &place, found);
        }
    }

    fn on(&self, place: &Place, volume: &dyn ReadAt) -> Adaptation {
        let around = Around::of(self.manifest, self.disk, self.source, place);
        let found = self.search.starts(volume, place.kind, &around);
        let told = |why| match place.kind == Kind::Fat && !around.is_esp {
            // Whatever it is, Windows need not start from it.
            true => Vec::new(),
            false => vec![format!("what Windows starts from is not known: {why}")],
        };
        found.unwrap_or_else(|why| Adaptation {
            warnings: told(why),
            ..Adaptation::default()
        })
    }
}

fn fat_place(region: &Region) -> Option<Place> {
    let kind = region.fs.as_ref()?.kind.as_str();
    let is_fat = ["fat12", "fat16", "fat32"].contains(&kind);
    is_fat.then(|| Place {
        partition: region.partition().map_or(0, |p| p.number),
        start: region.start,
        len: region.len,
        kind: Kind::Fat,
        names: PartitionNames::default(),
    })
}

/// What is to change on a volume; patches count from its beginning.
pub(crate) fn plan_volume(
    volume: Arc<dyn ReadAt>,
    kind: Kind,
    around: &Around,
) -> Result<Adaptation, String> {
    match kind {
        Kind::Ext | Kind::Xfs | Kind::Btrfs | Kind::Stack => Ok(Adaptation::default()),
        Kind::Ntfs => on_ntfs(&*volume, around),
        Kind::Fat => on_fat(&volume, around).map_err(|e| e.to_string()),
    }
}

fn on_ntfs(volume: &dyn ReadAt, around: &Around) -> Result<Adaptation, String> {
    let mut told = Adaptation::default();
    let text = |e: fsmap::Unreadable| e.to_string();
    let files = NtfsFiles::open(volume).map_err(text)?;
    let read = |path: &str| match files.find(path)? {
        Some(file) if !file.is_folder => files.read(file, HIVE).map(Some),
        _ => Ok(None),
    };
    if let Some(store) = open(BIOS, read).map_err(text)? {
        if let Some(bios) = &around.bios {
            bios::check(bios, around.here.1, volume, &mut told);
        }
        let changed = changed(store, around, &mut told);
        if let (Some(new), Some(file)) = (changed, files.find(BIOS).map_err(text)?)
            && let Err(why) = replace(&files, &mut told, file, BIOS, &new)
        {
            unchanged(BIOS, &why, &mut told);
        }
    }
    if around.this().is_some_and(|part| part.is_windows)
        && let Some(system) = open(SYSTEM, read).map_err(text)?
        && let Err(why) = letters(&files, system, around, &mut told)
    {
        let text = format!("Whether its drive C: is this partition is not known: {why}");
        told.warnings.push(text);
    }
    Ok(told)
}

fn letters(
    files: &NtfsFiles<'_>,
    system: Opened,
    around: &Around,
    told: &mut Adaptation,
) -> Result<(), String> {
    let hive = system.hive.map_err(|e| e.to_string())?;
    let mut more = Adaptation::default();
    let new = letters::plan(&hive, around, &mut more).map_err(|e| e.to_string())?;
    let file = files.find(SYSTEM).map_err(|e| e.to_string())?;
    if let (Some(new), Some(file)) = (new, file) {
        replace(files, &mut more, file, SYSTEM, &new).map_err(|e| e.to_string())?;
        told.take(more);
    }
    Ok(())
}

fn on_fat(volume: &Arc<dyn ReadAt>, around: &Around) -> Result<Adaptation, FatError> {
    let mut told = Adaptation::default();
    let fat = Fat::open(volume)?;
    let mut files = Vec::new();
    for path in [UEFI, BIOS] {
        if let Some(store) = open(path, |path| fat.read(path, STORE))? {
            let changed = changed(store, around, &mut told);
            files.extend(changed.map(|bytes| NewFile::changed(path, bytes)));
        }
    }
    if let (Some(store), Err(why)) = (files.first(), put(volume, &files, &mut told)) {
        unchanged(&store.path, &why, &mut told);
        files.clear();
    }
    if around.is_esp {
        fall_back(volume, &fat, files, &mut told)?;
    }
    Ok(told)
}

/// The store at `path` with its logs replayed, if `read` finds it.
fn open<E>(
    path: &'static str,
    read: impl Fn(&str) -> Result<Option<Vec<u8>>, E>,
) -> Result<Option<Opened>, E> {
    let Some(primary) = read(path)? else {
        return Ok(None);
    };
    // (A log that cannot be read is as good as none.)
    let (opened, _) = open_hive(path, primary, read);
    let hive = opened.map(|(hive, _)| hive);
    Ok(Some(Opened { path, hive }))
}

/// A file that should be a boot store.
struct Opened {
    path: &'static str,
    hive: hive::Result<Hive>,
}

/// The new bytes of a store.
fn changed(opened: Opened, around: &Around, told: &mut Adaptation) -> Option<Vec<u8>> {
    let path = opened.path;
    let hive = opened.hive.map_err(store::Failed::from);
    let mut more = Adaptation::default();
    let planned = hive.and_then(|hive| store::plan(&Found { path, hive }, around, &mut more));
    match planned {
        Ok(new) => {
            told.take(more);
            new
        }
        Err(why) => {
            unchanged(path, &why, told);
            None
        }
    }
}

fn unchanged(path: &str, why: &dyn std::fmt::Display, told: &mut Adaptation) {
    let text = format!(
        "Its boot store ({path}) stays as it was captured: {why}. Should Windows wake up instead \
         of starting, switch the machine off and have it start anew"
    );
    let (line, edit) = (format!("({path})"), format!("] of {path}:"));
    told.lines.retain(|text| !text.contains(&line));
    told.edits.retain(|text| !text.contains(&edit));
    told.warnings.push(text);
}

fn put(volume: &Arc<dyn ReadAt>, files: &[NewFile], told: &mut Adaptation) -> Result<(), FatError> {
    told.patches = fat::edit(volume, files)?;
    Ok(())
}

/// Puts Windows' loader where firmware without an entry looks, with what else is
/// written.
fn fall_back(
    volume: &Arc<dyn ReadAt>,
    fat: &Fat,
    mut files: Vec<NewFile>,
    told: &mut Adaptation,
) -> Result<(), FatError> {
    let file = match fallback::look(fat)? {
        Fallback::Good => return Ok(()),
        Fallback::NoProgram => {
            told.warnings.push(format!(
                "{} is no program that a known processor starts: the image may be damaged",
                fallback::LOADER
            ));
            return Ok(());
        }
        Fallback::Missing(file) => file,
    };
    let path = file.path.clone();
    files.push(file);
    match put(volume, &files, told) {
        Ok(()) => {
            told.edits.push(format!(
                "write {path}: firmware that has no entry for Windows starts it"
            ));
            told.lines.push(format!(
                "Windows' loader is put where firmware without an entry for it looks ({path})."
            ));
        }
        Err(why) => told.warnings.push(format!(
            "Windows' loader could not be put where firmware without an entry for it looks \
             ({path}): {why}. Such a machine needs an entry for {} in its setup",
            fallback::LOADER
        )),
    }
    Ok(())
}

#[cfg(test)]
mod tests;
