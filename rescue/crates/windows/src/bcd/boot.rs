//! What the store is going to start, and two changes to that.

use std::fmt;

use hive::{Edit, ValueType};

use super::Error;
use super::device::{DeviceElement, Kind};
use super::store::{Object, Store, element, kind};
use crate::ids::PartitionId;

/// The entry that is started unless somebody chooses another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefaultEntry {
    /// Its name in the menu.
    pub name: String,
    /// The program that starts Windows.
    pub path: String,
    /// Whether it is found by searching, not by a name of the partition.
    pub by_search: bool,
}

/// Why the default entry does not start Windows from the partition it is on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// Nothing to start with.
    #[error("the boot store has no boot manager")]
    NoBootManager,
    /// The boot manager waits for a choice.
    #[error("the boot manager has no default entry")]
    NoDefault,
    /// The default is not in the store.
    #[error("the default entry {id} is not in the boot store")]
    Missing {
        /// Its GUID.
        id: String,
    },
    /// The default starts something else.
    #[error(
        "the default entry {name:?} is of type {kind:#010x}, expected a Windows ({:#010x})",
        kind::LOADER
    )]
    NoLoader {
        /// Its name.
        name: String,
        /// Its type.
        kind: u32,
    },
    /// An element is missing or damaged.
    #[error("the default entry {name:?}: element {element:08x} is {what}")]
    Element {
        /// The entry's name.
        name: String,
        /// The element.
        element: u32,
        /// "missing", or what is wrong with it.
        what: String,
    },
    /// It points at something else.
    #[error(
        "the default entry {name:?}: element {element:08x} is {found}, expected the {expected}"
    )]
    Elsewhere {
        /// The entry's name.
        name: String,
        /// The element.
        element: u32,
        /// What it points at.
        found: String,
        /// Where Windows is.
        expected: PartitionId,
    },
}

/// Whether the default entry starts the Windows of a partition, and why not.
///
/// # Errors
/// A [`Problem`]: the answer "no".
pub fn default_entry(store: &Store, os: &PartitionId) -> Result<DefaultEntry, Problem> {
    let manager = store.boot_manager().ok_or(Problem::NoBootManager)?;
    let id = manager.text(element::DEFAULT).ok_or(Problem::NoDefault)?;
    let entry = store.object(&id).ok_or(Problem::Missing { id })?;
    let name = entry.name();
    if entry.kind != kind::LOADER {
        let kind = entry.kind;
        return Err(Problem::NoLoader { name, kind });
    }
    let loader = is_on(entry, element::DEVICE, os)?;
    let windows = is_on(entry, element::OS_DEVICE, os)?;
    let path = entry.text(element::PATH);
    let path = path.ok_or_else(|| wrong(entry, element::PATH, "missing"))?;
    let by_search = loader || windows;
    Ok(DefaultEntry {
        name,
        path,
        by_search,
    })
}

/// Whether a device is found by searching; an error when it is elsewhere.
fn is_on(entry: &Object, number: u32, os: &PartitionId) -> Result<bool, Problem> {
    let device = entry.device(number);
    let device = device.ok_or_else(|| wrong(entry, number, "missing"))?;
    let device = device.map_err(|e| wrong(entry, number, e))?.device;
    match device.kind {
        Kind::Partition(id) if id == *os => Ok(false),
        Kind::Locate { .. } => Ok(true),
        _ => Err(Problem::Elsewhere {
            name: entry.name(),
            element: number,
            found: device.to_string(),
            expected: *os,
        }),
    }
}

fn wrong(entry: &Object, element: u32, what: impl fmt::Display) -> Problem {
    Problem::Element {
        name: entry.name(),
        element,
        what: what.to_string(),
    }
}

/// Lets the boot manager search for Windows by its files, for when partitions
/// cannot be told apart by names. The way of FOG's generic store; with several
/// Windows on a machine the first that is found starts.
///
/// Returns whether anything changed.
///
/// # Errors
/// When the store has no such loader, or the hive is damaged.
pub fn search_by_path(edit: &mut Edit, loader: &str) -> Result<bool, Error> {
    let store = Store::read(edit.hive())?;
    let object = store.object(loader).filter(|o| o.kind == kind::LOADER);
    let object = object.ok_or_else(|| Error::NoObject {
        id: loader.to_owned(),
    })?;
    let mut changed = false;
    for (device, sought) in [
        (element::DEVICE, element::PATH),
        (element::OS_DEVICE, element::SYSTEM_ROOT),
    ] {
        let bytes = DeviceElement::new(Kind::Locate { element: sought }).encode();
        changed |= set(edit, object, device, ValueType::BINARY, &bytes)?;
    }
    Ok(changed)
}

/// Sets an element of an object, which need not be there.
pub(super) fn set(
    edit: &mut Edit,
    object: &Object,
    number: u32,
    kind: ValueType,
    data: &[u8],
) -> Result<bool, Error> {
    let key = object.element_key(number);
    edit.create_key(&key)?;
    Ok(edit.set_value(&key, "Element", kind, data)?)
}

/// Makes boot managers start Windows afresh: a kernel that was put to disk on
/// other hardware, or before the hives were edited, must not go on.
///
/// Returns the elements that were deleted. The hibernation file has to be made
/// unusable as well; that is on the volume, not in the store.
///
/// # Errors
/// When the hive is damaged.
pub fn stop_resuming(edit: &mut Edit) -> Result<Vec<String>, Error> {
    let store = Store::read(edit.hive())?;
    let mut deleted = Vec::new();
    for object in store.of_kind(kind::BOOT_MANAGER) {
        let key = object.element_key(element::ATTEMPT_RESUME);
        if edit.delete_key(&key)? {
            deleted.push(key);
        }
    }
    Ok(deleted)
}
