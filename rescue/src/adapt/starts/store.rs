//! A boot store: what of it has to change, and whether it starts a Windows of
//! the image.

use std::fmt;

use ::windows::bcd::{
    self, DefaultEntry, Problem, Repointed, Store, default_entry, element, kind, repoint,
    stop_resuming,
};
use ::windows::ids::{IdMap, PartitionId};
use hive::{Hive, What, diff};
use uuid::Uuid;

use super::super::Adaptation;
use super::super::windows::now;
use super::around::{Around, Part};

/// A boot store on a volume.
pub(super) struct Found {
    pub(super) path: &'static str,
    pub(super) hive: Hive,
}

/// Why it was not changed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    #[error(transparent)]
    Hive(#[from] hive::Error),
    #[error(transparent)]
    Store(#[from] bcd::Error),
    #[error("changing it would change {0} as well")]
    Unplanned(String),
}

/// What becomes of the store: its bytes, when anything changes.
pub(super) fn plan(
    found: &Found,
    around: &Around,
    told: &mut Adaptation,
) -> Result<Option<Vec<u8>>, Failed> {
    let (path, mut bytes) = (found.path, found.hive.as_bytes().to_vec());
    let store = Store::read(&found.hive)?;
    let mut keys = Vec::new();
    match judge(&store, around) {
        Verdict::Good => {}
        Verdict::Bad(why) => told
            .warnings
            .push(format!("Its boot store ({path}): {why}")),
        Verdict::Renamed(map, windows) => match renamed(&bytes, &map, &windows) {
            Ok((new, done)) => {
                bytes = new;
                tell_renamed(told, path, &done, &windows);
                keys.extend(done.changed);
            }
            Err(why) => told.warnings.push(format!(
                "Its boot store ({path}) names partitions of another disk, and not all of its \
                 names could be replaced: {why}. {REPAIR}"
            )),
        },
    }
    let mut managers = store.of_kind(kind::BOOT_MANAGER);
    if managers.any(|manager| manager.flag(element::ATTEMPT_RESUME) == Some(true)) {
        let mut edit = Hive::open(bytes, &[])?.0.edit(now())?;
        let deleted = stop_resuming(&mut edit)?;
        bytes = edit.finish()?;
        told.edits.extend(deleted.iter().map(|key| {
            format!("delete [\\{key}] of {path}: Windows is not to go on from hibernation")
        }));
        let text = format!("Its boot store ({path}) no longer wakes Windows from hibernation.");
        told.lines.push(text);
        keys.extend(deleted);
    }
    if keys.is_empty() {
        return Ok(None);
    }
    only(&found.hive, &bytes, &keys)?;
    Ok(Some(bytes))
}

/// Nothing but these keys, and times, may differ.
pub(super) fn only(before: &Hive, after: &[u8], keys: &[String]) -> Result<(), Failed> {
    let after = Hive::open(after.to_vec(), &[])?.0;
    let planned = |path: &str| keys.iter().any(|key| key.eq_ignore_ascii_case(path));
    let all = diff(before, &after)?.into_iter();
    let mut other = all.filter(|change| !is_time(&change.what) && !planned(&change.key));
    match other.next() {
        None => Ok(()),
        Some(change) => Err(Failed::Unplanned(change.to_string())),
    }
}

/// What to do about a store that starts nothing.
const REPAIR: &str = "Windows does not start by itself then: repair the entry (bcdboot, from \
                      Windows' own set-up medium)";

/// Whether a store starts a Windows of the image.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It does, or nothing else can be told.
    Good,
    /// It does not, and why.
    Bad(String),
    /// It would, if partitions were called as they are; the Windows.
    Renamed(IdMap, PartitionId),
}

pub(super) fn judge(store: &Store, around: &Around) -> Verdict {
    let windows: Vec<&Part> = around.parts.iter().filter(|part| part.is_windows).collect();
    let answers: Vec<Result<DefaultEntry, Problem>> = windows
        .iter()
        .map(|part| default_entry(store, &part.id()))
        .collect();
    if answers.iter().any(Result::is_ok) {
        return elsewhere(store, around);
    }
    let nowhere = PartitionId::Gpt {
        disk: Uuid::nil(),
        partition: Uuid::nil(),
    };
    let answer = answers.into_iter().next();
    match answer.unwrap_or_else(|| default_entry(store, &nowhere)) {
        Ok(_) | Err(Problem::NoLoader { .. }) => Verdict::Good,
        Err(Problem::Elsewhere { name, .. }) => unknown(store, around, &name),
        Err(problem) => Verdict::Bad(format!("{problem}. {REPAIR}")),
    }
}

/// A Windows of another disk is started only when that is there, too.
fn elsewhere(store: &Store, around: &Around) -> Verdict {
    let device = store
        .default()
        .and_then(|entry| partition(entry, element::OS_DEVICE));
    match device.and_then(|id| around.find(&id)) {
        Some(part) if part.disk != around.here.0 => Verdict::Bad(format!(
            "it starts the Windows on disk {} of this image, which has to be restored as well",
            part.disk
        )),
        _ => Verdict::Good,
    }
}

fn partition(object: &bcd::Object, number: u32) -> Option<PartitionId> {
    object.device(number)?.ok()?.device.partition()
}

/// The default entry names no Windows of the image.
fn unknown(store: &Store, around: &Around, name: &str) -> Verdict {
    let entry = store.default();
    let devices = [element::OS_DEVICE, element::DEVICE];
    let ids = devices.map(|number| partition(entry?, number));
    let Some(gone) = ids
        .into_iter()
        .flatten()
        .find(|id| around.find(id).is_none())
    else {
        return Verdict::Good;
    };
    if let Some((map, windows)) = clone_names(store, around, gone) {
        return Verdict::Renamed(map, windows);
    }
    let name = hive::Name::from(name);
    Verdict::Bad(format!(
        "its default entry \"{name}\" starts from the {gone}, which no disk of this image has. \
         {REPAIR}, unless that disk is in the machine"
    ))
}

/// The new names of a disk whose ids were changed after it was copied: no boot
/// manager and no loader names a partition that is there, and the disk has one
/// Windows.
fn clone_names(store: &Store, around: &Around, gone: PartitionId) -> Option<(IdMap, PartitionId)> {
    let loaders = store
        .of_kind(kind::LOADER)
        .chain(store.of_kind(kind::BOOT_MANAGER));
    let named = loaders.flat_map(|object| {
        [element::DEVICE, element::OS_DEVICE].map(|number| partition(object, number))
    });
    let mut named = named.flatten();
    if named.any(|id| around.find(&id).is_some()) {
        return None;
    }
    let mut windows = around.on_this_disk().filter(|part| part.is_windows);
    let (windows, None) = (windows.next()?, windows.next()) else {
        return None;
    };
    let (windows, here) = (windows.id(), around.this()?.id());
    let manager = store
        .boot_manager()
        .and_then(|m| partition(m, element::DEVICE));
    let new = |old: PartitionId| match old {
        _ if old == gone => Some(windows),
        _ if Some(old) == manager => Some(here),
        _ => moved(old, windows),
    };
    let objects = store.objects.iter();
    let all = objects.flat_map(|object| {
        let numbers = object.numbers().filter(|n| element::is_device(*n));
        numbers.filter_map(|number| partition(object, number))
    });
    let of_that_disk = all.filter(|id| same_disk(id, &gone));
    let pairs: Option<Vec<_>> = of_that_disk.map(|old| Some((old, new(old)?))).collect();
    Some((IdMap::new(pairs?).ok()?, windows))
}

pub(super) fn same_disk(one: &PartitionId, other: &PartitionId) -> bool {
    match (one, other) {
        (PartitionId::Gpt { disk: a, .. }, PartitionId::Gpt { disk: b, .. }) => a == b,
        (PartitionId::Mbr { signature: a, .. }, PartitionId::Mbr { signature: b, .. }) => a == b,
        _ => false,
    }
}

/// The same partition of the disk that `of` is on.
pub(super) fn moved(old: PartitionId, of: PartitionId) -> Option<PartitionId> {
    match (old, of) {
        (PartitionId::Gpt { partition, .. }, PartitionId::Gpt { disk, .. }) => {
            Some(PartitionId::Gpt { disk, partition })
        }
        (PartitionId::Mbr { offset, .. }, PartitionId::Mbr { signature, .. }) => {
            Some(PartitionId::Mbr { signature, offset })
        }
        _ => None,
    }
}

/// The store with the new names, in which the default entry starts `windows`.
fn renamed(
    bytes: &[u8],
    map: &IdMap,
    windows: &PartitionId,
) -> Result<(Vec<u8>, Repointed), String> {
    let text = |e: &dyn fmt::Display| e.to_string();
    let hive = Hive::open(bytes.to_vec(), &[]).map_err(|e| text(&e))?.0;
    let mut edit = hive.edit(now()).map_err(|e| text(&e))?;
    let done = repoint(&mut edit, map).map_err(|e| text(&e))?;
    let store = Store::read(edit.hive()).map_err(|e| text(&e))?;
    default_entry(&store, windows).map_err(|e| text(&e))?;
    Ok((edit.finish().map_err(|e| text(&e))?, done))
}

fn tell_renamed(told: &mut Adaptation, path: &str, done: &Repointed, windows: &PartitionId) {
    told.edits.extend(
        done.changed
            .iter()
            .map(|key| format!("set [\\{key}] of {path}: it named a partition of another disk")),
    );
    told.lines.push(format!(
        "Its boot store ({path}) named another disk, as after copying a disk and changing its \
         ids; it starts the only Windows of this one now, the {windows}."
    ));
}

fn is_time(what: &What) -> bool {
    matches!(what, What::Time(..))
}

#[cfg(test)]
mod tests;
