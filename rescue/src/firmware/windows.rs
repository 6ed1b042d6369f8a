//! A Windows that a BIOS started, for UEFI.

use std::sync::Arc;

use disk::{Partition, ReadAt, Table, Window};
use image::{DiskImage, Region};

use super::names::signature;
use super::{Case, Named, NewNames, SystemConversion};
use crate::adapt::bitlocker::is_locked;
use crate::adapt::title;
use crate::adapt::uefi::{Starts, StartsWhat, Survey};
use crate::adapt::volume::NewFile;
use crate::identity::look::Kind;
use crate::identity::{Looker, Place};

const MANAGER: &str = "EFI/Microsoft/Boot/bootmgfw.efi";
/// What firmware without an entry of its own starts (UEFI 2.10, 3.5.1.1).
const FALLBACK: &str = "EFI/Boot/bootx64.efi";
const STORE: &str = "EFI/Microsoft/Boot/BCD";

/// A Windows and the partition that a BIOS started it from.
pub(super) struct Windows<'a> {
    title: String,
    looker: &'a Looker,
    volume: Window<Arc<dyn ReadAt>>,
    /// Where its partition begins, in bytes.
    system: u64,
    /// The active partition, and what is on it.
    active: u32,
    starts: Starts,
    is_on_active: bool,
    files: Vec<NewFile>,
}

/// A partition that was looked at.
struct Looked {
    place: Place,
    survey: Survey,
}

/// The Windows that a BIOS starts from the disk; none when there is none.
pub(super) fn find<'a>(
    looker: &'a Looker,
    case: &Case<'_>,
) -> Result<Option<Windows<'a>>, Vec<String>> {
    let looked = look(looker, case)?;
    let mut partitions = case.table.partitions.iter();
    let Some(active) = partitions.find(|p| p.bootable) else {
        return Ok(None);
    };
    let on_active = looked.iter().find(|l| l.place.start == active.start);
    let starts = on_active.and_then(|l| l.survey.starts.clone());
    let (Some(starts), Some(on_active)) = (starts, on_active) else {
        return Ok(None);
    };
    let cannot = |why: &str| {
        vec![format!(
            "The Windows on it cannot be converted for UEFI: {why}"
        )]
    };
    let system = system(case, &starts, &looked).map_err(|why| cannot(&why))?;
    let installed = system.survey.windows.as_ref();
    let number = system.place.partition;
    let known = crate::adapt::system(case.manifest, case.disk.index, number);
    let title = title(known, number);
    let refused = |why: String| vec![format!("{title} cannot be converted for UEFI: {why}")];
    let lacks = installed.map(|windows| fit(&windows.arch, &windows.lacks));
    lacks.transpose().map_err(refused)?;
    let volume = window(case.source, &system.place).map_err(|why| refused(why.to_owned()))?;
    let store = window(case.source, &on_active.place).map_err(|why| refused(why.to_owned()))?;
    let files = files(looker, &volume).map_err(refused)?;
    Ok(Some(Windows {
        title,
        looker,
        volume: store,
        system: system.place.start,
        active: active.number,
        starts,
        is_on_active: system.place.start == active.start,
        files,
    }))
}

/// Looks at all NTFS volumes in partitions. One that cannot be looked at holds nothing.
fn look(looker: &Looker, case: &Case<'_>) -> Result<Vec<Looked>, Vec<String>> {
    let search = looker.search();
    let is_known = |place: &Place| {
        let system = crate::adapt::system(case.manifest, case.disk.index, place.partition);
        system.is_some_and(|system| system.family == crate::identity::WINDOWS)
    };
    let mut all = Vec::new();
    for place in Place::of(case.disk) {
        if place.kind != Kind::Ntfs || place.partition == 0 {
            continue;
        }
        let Ok(volume) = window(case.source, &place) else {
            continue;
        };
        match search.survey(&volume) {
            Ok(survey) => all.push(Looked { place, survey }),
            Err(why) if is_known(&place) => {
                let number = place.partition;
                return Err(vec![format!(
                    "Whether the Windows on partition {number} can be converted for UEFI is not \
                     known: {why}"
                )]);
            }
            Err(_) => {}
        }
    }
    Ok(all)
}

fn window(
    source: &Arc<dyn ReadAt>,
    place: &Place,
) -> Result<Window<Arc<dyn ReadAt>>, &'static str> {
    let window = Window::new(Arc::clone(source), place.start, place.len);
    window.ok_or("its partition is not inside the disk")
}

/// Where the Windows is that the boot store starts.
fn system<'l>(
    case: &Case<'_>,
    starts: &Starts,
    looked: &'l [Looked],
) -> Result<&'l Looked, String> {
    let mut windows = looked.iter().filter(|l| l.survey.windows.is_some());
    match &starts.system {
        StartsWhat::Unknown(why) => Err(why.clone()),
        StartsWhat::At { signature: on, .. } if Some(*on) != signature(case.table) => Err(format!(
            "its boot store starts it from another disk, with the signature {on:#010x}"
        )),
        StartsWhat::At { offset, .. } => {
            let found = windows.find(|l| l.place.start == *offset);
            found.ok_or_else(|| not_there(case, *offset))
        }
        StartsWhat::Searched => match (windows.next(), windows.next()) {
            (Some(only), None) => Ok(only),
            (Some(_), Some(_)) => {
                Err("its boot store searches for it, and there is more than one".to_owned())
            }
            (None, _) => Err("its boot store searches for it, and none is there".to_owned()),
        },
    }
}

/// Why there is no Windows at byte `offset` of the disk.
fn not_there(case: &Case<'_>, offset: u64) -> String {
    let region = region(case.disk, offset);
    match region.and_then(|r| Some((r.title(), r.fs.as_ref()?))) {
        Some((title, fs)) if is_locked(fs) => format!(
            "{title}, where it is, is encrypted with BitLocker: nothing in it can be read or \
             changed. Decrypt it (manage-bde -off), then capture again"
        ),
        Some((title, _)) => format!("its boot store starts it from {title}, where none is"),
        None => format!("its boot store starts it from byte {offset}, where no partition begins"),
    }
}

fn region(disk: &DiskImage, offset: u64) -> Option<&Region> {
    disk.regions.iter().find(|region| region.start == offset)
}

/// Whether UEFI can start it.
fn fit(arch: &str, lacks: &[String]) -> Result<(), String> {
    if arch.eq_ignore_ascii_case("x86") {
        let text = "it is a 32-bit Windows, which UEFI of 64-bit machines does not start";
        return Err(text.to_owned());
    }
    if !arch.eq_ignore_ascii_case("AMD64") {
        return Err(format!(
            "its registry says it is for the processor {arch:?}, expected \"AMD64\""
        ));
    }
    match lacks {
        [] => Ok(()),
        lacks => Err(format!(
            "it has not what UEFI starts it with: {}",
            lacks.join("; ")
        )),
    }
}

fn files(looker: &Looker, volume: &dyn ReadAt) -> Result<Vec<NewFile>, String> {
    let found = looker.search().boot_files(volume)?;
    let found = found.into_iter();
    let mut files: Vec<NewFile> = found.map(|f| NewFile::made(f.path, f.bytes)).collect();
    // The store that comes is another, should there be one.
    files.retain(|file| !file.path.eq_ignore_ascii_case(STORE));
    let manager = files
        .iter()
        .find(|file| file.path.eq_ignore_ascii_case(MANAGER));
    let manager = manager.ok_or("its boot manager for UEFI is not there")?;
    files.push(NewFile::made(FALLBACK.to_owned(), manager.bytes.clone()));
    Ok(files)
}

impl SystemConversion for Windows<'_> {
    fn title(&self) -> &str {
        &self.title
    }

    fn reuse(&self, table: &Table) -> Result<u32, String> {
        let number = self.active;
        if self.is_on_active {
            return Err(format!(
                "partition {number}, the active one, is that of Windows"
            ));
        }
        if !self.starts.others.is_empty() {
            return Err(format!(
                "partition {number}, from which a BIOS started it, is not used for that: it also \
                 holds {}",
                self.starts.others.join(", ")
            ));
        }
        let is_early = |p: &Partition| p.number == number && p.start < 1 << 20;
        match table.partitions.iter().any(is_early) {
            true => Err(format!(
                "partition {number}, from which a BIOS started it, begins in the first MiB of \
                 the disk, which is written with the table"
            )),
            false => Ok(number),
        }
    }

    fn entry(&self) -> &str {
        "\"Windows Boot Manager\""
    }

    fn among(&self) -> &'static str {
        "its boot store"
    }

    fn fixed(&self) -> &[NewFile] {
        &self.files
    }

    fn named(&self, names: &NewNames) -> Result<Named, String> {
        let search = self.looker.search();
        let store = search.new_store(&self.volume, names, self.system)?;
        let file = NewFile::made(STORE.to_owned(), store.bytes);
        Ok(Named {
            files: vec![file],
            edits: store.edits,
            warnings: store.warnings,
        })
    }
}
