//! Giving partitions their new names in every place of a store.

use std::fmt;

use hive::{Edit, Hive, ValueType};
use uuid::Uuid;

use super::Error;
use super::codec::partition_body;
use super::device::{DeviceElement, rename_in};
use super::store::{OBJECTS, Store, element};
use crate::bytes::{array, contains, put};
use crate::ids::{IdMap, PartitionId};

/// In an EFI device path: a node that names a partition of a disk.
const HARD_DRIVE: [u8; 4] = [4, 1, 42, 0];
const FIRMWARE_VARIABLE: &str = "FirmwareVariable";

/// What was done to a store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Repointed {
    /// Elements with new names, by their keys.
    pub changed: Vec<String>,
    /// Partitions of elements that the map does not know: they keep their names.
    pub unmapped: Vec<(String, PartitionId)>,
    /// Device elements that were not understood and were only searched.
    pub odd: Vec<String>,
}

/// Gives partitions their new names in every device of the store, in copies of
/// firmware variables too, and checks that no old name is left.
///
/// Firmware variables are copies that Windows makes; those that name a
/// partition which is on an MBR disk now are deleted.
///
/// # Errors
/// When the store is damaged, or an old name is left: nothing must be written then.
pub fn repoint(edit: &mut Edit, map: &IdMap) -> Result<Repointed, Error> {
    let done = rename_all(edit, map)?;
    check(edit.hive(), map)?;
    Ok(done)
}

/// The first half of [`repoint`].
pub(super) fn rename_all(edit: &mut Edit, map: &IdMap) -> Result<Repointed, Error> {
    let mut done = Repointed::default();
    for object in Store::read(edit.hive())?.objects {
        for number in object.numbers().filter(|n| element::is_device(*n)) {
            let Some(bytes) = object.bytes(number) else {
                continue;
            };
            let key = object.element_key(number);
            let new = renamed(&key, bytes, map, &mut done);
            if edit.set_value(&key, "Element", ValueType::BINARY, &new)? {
                done.changed.push(key);
            }
        }
        let key = format!("{OBJECTS}\\{}\\Description", object.id);
        if firmware_variable(edit, &key, map)? {
            done.changed.push(key);
        }
    }
    Ok(done)
}

/// The second half of [`repoint`].
pub(super) fn check(hive: &Hive, map: &IdMap) -> Result<(), Error> {
    match leftovers(hive, map)? {
        left if left.is_empty() => Ok(()),
        left => Err(Error::Leftovers { left }),
    }
}

fn renamed(key: &str, bytes: &[u8], map: &IdMap, done: &mut Repointed) -> Vec<u8> {
    let Ok(mut element) = DeviceElement::decode(bytes) else {
        done.odd.push(key.to_owned());
        let mut bytes = bytes.to_vec();
        rename_in(&mut bytes, map);
        return bytes;
    };
    let id = element.device.partition();
    let unmapped = id.filter(|id| map.new_name(id).is_none());
    done.unmapped
        .extend(unmapped.map(|id| (key.to_owned(), id)));
    element.device.rename(map);
    element.encode()
}

/// Renames partitions in the copy of a firmware variable.
fn firmware_variable(edit: &mut Edit, key: &str, map: &IdMap) -> Result<bool, Error> {
    let description = edit.hive().find(key)?;
    let value = description
        .map(|key| key.value(FIRMWARE_VARIABLE))
        .transpose()?;
    let Some(value) = value.flatten() else {
        return Ok(false);
    };
    let kind = value.value_type();
    let mut bytes = value.data()?.into_owned();
    for at in 0..bytes.len() {
        let Some(old) = hard_drive(&bytes, at) else {
            continue;
        };
        match map.new_name_of_guid(old) {
            None => {}
            Some(PartitionId::Gpt { partition, .. }) => {
                put(&mut bytes, at + 24, &partition.to_bytes_le());
            }
            Some(PartitionId::Mbr { .. }) => return Ok(edit.delete_value(key, FIRMWARE_VARIABLE)?),
        }
    }
    Ok(edit.set_value(key, FIRMWARE_VARIABLE, kind, &bytes)?)
}

/// The GUID of a node HD(): 4 number, 8 first sector, 16 sectors, 24 GUID, 40
/// two, 41 two (UEFI specification 2.10, 10.3.5.1).
fn hard_drive(bytes: &[u8], at: usize) -> Option<Uuid> {
    let node: [u8; 42] = array(bytes, at)?;
    let is_guid = node.starts_with(&HARD_DRIVE) && node.ends_with(&[2, 2]);
    array(&node, 24)
        .filter(|_| is_guid)
        .map(Uuid::from_bytes_le)
}

/// An old name in a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// The key.
    pub key: String,
    /// The value.
    pub value: String,
    /// What is left there.
    pub what: String,
}

impl fmt::Display for Leftover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {} of [\\{}]", self.what, self.value, self.key)
    }
}

/// Searches every value of a hive for names that no partition has any more.
///
/// # Errors
/// When the hive is damaged.
pub fn leftovers(hive: &Hive, map: &IdMap) -> Result<Vec<Leftover>, Error> {
    let patterns = patterns(map);
    let mut left = Vec::new();
    for item in hive.walk()? {
        let (path, key) = item?;
        for value in key.values()? {
            let data = value.data()?;
            let found = patterns.iter().filter(|pattern| pattern.is_in(&data));
            left.extend(found.map(|pattern| Leftover {
                key: path.clone(),
                value: value.name().to_string(),
                what: pattern.what.clone(),
            }));
        }
    }
    Ok(left)
}

/// What an old name looks like.
struct Pattern {
    what: String,
    bytes: Vec<u8>,
    /// UTF-16 in small letters: capitals count as the same.
    is_text: bool,
}

impl Pattern {
    fn is_in(&self, data: &[u8]) -> bool {
        match self.is_text {
            true => contains(&data.to_ascii_lowercase(), &self.bytes),
            false => contains(data, &self.bytes),
        }
    }
}

/// Descriptors with old names, and old GUIDs anywhere, also as texts.
fn patterns(map: &IdMap) -> Vec<Pattern> {
    let mut patterns = Vec::new();
    let mut add = |what: String, bytes: &[u8], is_text| {
        let bytes = bytes.to_vec();
        patterns.push(Pattern {
            what,
            bytes,
            is_text,
        });
    };
    for guid in map.gone_guids() {
        let what = format!("the old GUID {guid}");
        let text = guid.to_string();
        let text: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        add(what.clone(), &guid.to_bytes_le(), false);
        add(what, &text, true);
    }
    for signature in map.gone_signatures() {
        let body = partition_body(&PartitionId::Mbr {
            signature,
            offset: 0,
        });
        // Four bytes are found anywhere: with the scheme before and the zero after.
        let scheme_and_disk = body.get(20..40).unwrap_or_default();
        add(
            format!("the old signature {signature:#010x}"),
            scheme_and_disk,
            false,
        );
    }
    for id in map
        .gone()
        .filter(|id| matches!(id, PartitionId::Mbr { .. }))
    {
        let body = partition_body(&id);
        add(
            format!("the {id}"),
            body.get(..40).unwrap_or_default(),
            false,
        );
    }
    patterns
}
