//! A Windows that a BIOS starts, looked at for UEFI: what is there, the files that its
//! EFI system partition needs, and its boot store made anew. All from NTFS volumes, in
//! the process that looks.

use ::windows::bcd::{self, Kind, Store};
use ::windows::ids::PartitionId;
use disk::ReadAt;
use fsmap::{NtfsFile, NtfsFiles};
use serde::{Deserialize, Serialize};

use super::patch::base64;
use super::windows::{Windows, now, open_hive};
use crate::firmware::NewNames;

/// The boot store of a BIOS machine, on the active partition.
const STORE: &str = "/Boot/BCD";
/// What Windows has for UEFI: without these nothing starts.
const NEEDED: [&str; 2] = [
    "/Windows/Boot/EFI/bootmgfw.efi",
    "/Windows/System32/winload.efi",
];
/// Folders that are copied to the ESP, with all in them.
const COPIED: [(&str, &str); 3] = [
    ("/Windows/Boot/EFI", "EFI/Microsoft/Boot"),
    ("/Windows/Boot/Fonts", "EFI/Microsoft/Boot/Fonts"),
    ("/Windows/Boot/Resources", "EFI/Microsoft/Boot/Resources"),
];
/// What Windows puts into the root of a partition from which a BIOS starts it, beside
/// the files of NTFS, whose names begin with `$`.
const OWN: [&str; 8] = [
    "boot",
    "bootmgr",
    "bootnxt",
    "boottgt",
    "bootsect.bak",
    "boottel.dat",
    "system volume information",
    ".",
];
/// Bounds of what is copied.
const FILES_MOST: usize = 4000;
const BYTES_MOST: u64 = 192 << 20;
const DEPTH_MOST: usize = 4;
const NAMES_MOST: usize = 2000;

/// What of an NTFS volume matters for UEFI.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Survey {
    pub(crate) windows: Option<Installed>,
    pub(crate) starts: Option<Starts>,
}

/// A Windows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Installed {
    /// `AMD64`, `x86`, as its registry has it; empty when that does not say.
    pub(crate) arch: String,
    /// Files that it needs for UEFI and does not have, or why they cannot be read.
    pub(crate) lacks: Vec<String>,
}

/// A volume that a BIOS can start a Windows from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Starts {
    pub(crate) system: StartsWhat,
    /// What else is on the volume: names in its root.
    pub(crate) others: Vec<String>,
}

/// What the boot store starts unless something else is chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum StartsWhat {
    /// The Windows on the partition at that byte of the disk with that signature.
    At { signature: u32, offset: u64 },
    /// The first that is found.
    Searched,
    /// Not to be told, and why.
    Unknown(String),
}

/// A file for the ESP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BootFile {
    pub(crate) path: String,
    #[serde(with = "base64")]
    pub(crate) bytes: Vec<u8>,
}

/// A boot store for UEFI.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NewStore {
    #[serde(with = "base64")]
    pub(crate) bytes: Vec<u8>,
    /// Keys that changed.
    pub(crate) edits: Vec<String>,
    pub(crate) warnings: Vec<String>,
}

/// What of `volume` matters for UEFI.
pub(crate) fn survey(volume: &dyn ReadAt) -> Result<Survey, String> {
    let files = NtfsFiles::open(volume).map_err(|e| e.to_string())?;
    let windows = Windows::open(volume).map_err(|e| e.to_string())?;
    Ok(Survey {
        windows: windows.as_ref().map(installed).transpose()?,
        starts: starts(&files)?,
    })
}

fn installed(windows: &Windows<'_>) -> Result<Installed, String> {
    let arch = windows.architecture().map_err(|e| e.to_string())?;
    let mut lacks = Vec::new();
    for path in NEEDED {
        match windows.files.find(path) {
            Ok(Some(file)) if !file.is_folder => {}
            Ok(_) => lacks.push(path.replace('/', "\\")),
            Err(why) => lacks.push(format!("{}: {why}", path.replace('/', "\\"))),
        }
    }
    Ok(Installed {
        arch: arch.unwrap_or_default(),
        lacks,
    })
}

fn starts(files: &NtfsFiles<'_>) -> Result<Option<Starts>, String> {
    let found = files.find(STORE).map_err(|e| e.to_string())?;
    let manager = files.find("/bootmgr").map_err(|e| e.to_string())?;
    let (Some(store), Some(_)) = (found, manager) else {
        return Ok(None);
    };
    let system = match system_of(files, store) {
        Ok(system) => system,
        Err(why) => StartsWhat::Unknown(format!("its boot store cannot be read: {why}")),
    };
    let others = others(files).unwrap_or_else(|why| vec![why]);
    Ok(Some(Starts { system, others }))
}

fn system_of(files: &NtfsFiles<'_>, store: NtfsFile) -> Result<StartsWhat, String> {
    let (hive, ..) = open_hive(files, store, STORE).map_err(|e| e.to_string())?;
    let store = Store::read(&hive).map_err(|e| e.to_string())?;
    let unknown = |why: &str| Ok(StartsWhat::Unknown(format!("its boot store {why}")));
    let Some(entry) = store.default() else {
        return unknown("has no default entry");
    };
    match entry.device(bcd::element::OS_DEVICE) {
        Some(Ok(element)) => match element.device.kind {
            Kind::Partition(PartitionId::Mbr { signature, offset }) => {
                Ok(StartsWhat::At { signature, offset })
            }
            Kind::Locate { .. } => Ok(StartsWhat::Searched),
            _ => unknown(&format!("starts a Windows from {}", element.device)),
        },
        Some(Err(why)) => unknown(&format!("has a damaged default entry: {why}")),
        None => unknown("has a default entry that names no Windows"),
    }
}

/// Names in the root that are not Windows's own; the folder that it makes for its
/// recovery is when it holds nothing but records.
fn others(files: &NtfsFiles<'_>) -> Result<Vec<String>, String> {
    let names = |path: &str| -> Result<Vec<String>, String> {
        let folder = files.find(path).map_err(|e| e.to_string())?;
        let names = folder.map(|folder| files.names(folder, NAMES_MOST));
        let names = names.transpose().map_err(|e| e.to_string())?.flatten();
        names.ok_or_else(|| format!("more than {NAMES_MOST} files"))
    };
    let mut others = names("/")?;
    others.retain(|name| !name.starts_with('$') && !OWN.contains(&name.to_lowercase().as_str()));
    if others
        .iter()
        .any(|name| name.eq_ignore_ascii_case("recovery"))
    {
        let inside = names("/Recovery")?;
        if inside.iter().all(|name| name.eq_ignore_ascii_case("logs")) {
            others.retain(|name| !name.eq_ignore_ascii_case("recovery"));
        }
    }
    Ok(others)
}

/// The files that the Windows on `volume` has for its ESP.
pub(crate) fn boot_files(volume: &dyn ReadAt) -> Result<Vec<BootFile>, String> {
    let files = NtfsFiles::open(volume).map_err(|e| e.to_string())?;
    let mut all = Vec::new();
    let mut left = BYTES_MOST;
    for (from, to) in COPIED {
        let found = files.find(from).map_err(|e| format!("{from}: {e}"))?;
        if let Some(folder) = found.filter(|found| found.is_folder) {
            copy(&files, folder, (from, to), DEPTH_MOST, &mut left, &mut all)?;
        }
    }
    Ok(all)
}

/// Reads all files of a folder.
fn copy(
    files: &NtfsFiles<'_>,
    folder: NtfsFile,
    (from, to): (&str, &str),
    depth: usize,
    left: &mut u64,
    all: &mut Vec<BootFile>,
) -> Result<(), String> {
    let at = |path: &str, why: &dyn std::fmt::Display| {
        format!("{} cannot be read: {why}", path.replace('/', "\\"))
    };
    let names = files.names(folder, NAMES_MOST).map_err(|e| at(from, &e))?;
    let names = names.ok_or_else(|| at(from, &"it has too many files"))?;
    for name in names {
        let (path, target) = (format!("{from}/{name}"), format!("{to}/{name}"));
        let found = files.find(&path).map_err(|e| at(&path, &e))?;
        let Some(file) = found else { continue };
        if file.is_folder {
            let deeper = depth.checked_sub(1);
            let deeper = deeper.ok_or_else(|| at(&path, &"it is too deep"))?;
            copy(files, file, (&path, &target), deeper, left, all)?;
            continue;
        }
        let bytes = files.read(file, *left).map_err(|e| at(&path, &e))?;
        *left = left.saturating_sub(bytes.len() as u64);
        if all.len() >= FILES_MOST {
            return Err(at(&path, &"there are too many files"));
        }
        let path = target;
        all.push(BootFile { path, bytes });
    }
    Ok(())
}

/// The boot store of `volume`, for UEFI and the new names; the default entry starts
/// the Windows on the partition that began at byte `system`.
pub(crate) fn new_store(
    volume: &dyn ReadAt,
    names: &NewNames,
    system: u64,
) -> Result<NewStore, String> {
    let files = NtfsFiles::open(volume).map_err(|e| e.to_string())?;
    let found = files.find(STORE).map_err(|e| e.to_string())?;
    let file = found.ok_or_else(|| format!("it has no {STORE}"))?;
    let failed = |why: &dyn std::fmt::Display| format!("its boot store: {why}");
    let (hive, ..) = open_hive(&files, file, STORE).map_err(|e| failed(&e))?;
    let map = names.for_windows()?;
    let mut edit = hive.edit(now()).map_err(|e| failed(&e))?;
    let done = bcd::to_uefi(&mut edit, &names.esp(), &map).map_err(|e| failed(&e))?;
    let stopped = bcd::stop_resuming(&mut edit).map_err(|e| failed(&e))?;
    let bytes = edit.finish().map_err(|e| failed(&e))?;
    check(&bytes, names, system).map_err(|e| failed(&e))?;
    let foreign = done.unmapped.iter().map(|(key, id)| {
        format!("its boot store names the {id} in [\\{key}], which is not of this disk")
    });
    let odd = done.odd.iter().map(|key| {
        format!("a device in its boot store is of an unknown kind and stays: [\\{key}]")
    });
    let changed = done.changed.iter();
    let changed = changed.map(|key| format!("boot store: new names in [\\{key}]"));
    let deleted = stopped.iter();
    let deleted = deleted.map(|key| format!("boot store: delete [\\{key}]: it starts anew"));
    Ok(NewStore {
        edits: changed.chain(deleted).collect(),
        warnings: foreign.chain(odd).collect(),
        bytes,
    })
}

/// Reads the new store as the boot manager will.
fn check(bytes: &[u8], names: &NewNames, system: u64) -> Result<(), String> {
    let (hive, _) = hive::Hive::open(bytes.to_vec(), &[]).map_err(|e| e.to_string())?;
    let store = Store::read(&hive).map_err(|e| e.to_string())?;
    let system = names.now(system).ok_or("Windows is on no partition")?;
    let entry = bcd::default_entry(&store, &system).map_err(|e| e.to_string())?;
    match entry.path.to_lowercase().ends_with("\\winload.efi") {
        true => Ok(()),
        false => Err(format!(
            "its default entry {:?} starts {}, expected a winload.efi",
            entry.name, entry.path
        )),
    }
}
