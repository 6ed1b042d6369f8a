//! Reading the boot entries that the firmware has, and changing them: each is read
//! back, and the order in which they are changed leaves a machine that starts.

use std::io;

use efi::plan::{Changes, Known};
use efi::{BootNumber, Error, LoadOption};

use super::variables::{Value, Variables};

const ORDER: &str = "BootOrder";

/// Why a variable is not as it should be.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    #[error("reading {name}: {source}")]
    Read { name: String, source: io::Error },
    #[error("{name}: {source}")]
    Parse { name: String, source: Error },
    #[error("writing {name}: {source}")]
    Write { name: String, source: io::Error },
    #[error("{name} was written, and reads back as something else")]
    Differs { name: String },
    #[error("removing {name}: {source}")]
    Remove { name: String, source: io::Error },
    #[error("{name} was removed, and is still there")]
    StillThere { name: String },
}

/// What came of changes.
#[derive(Debug, Default)]
pub(super) struct Applied {
    /// Options that could not be written, or not read back.
    pub(super) not_put: Vec<BootNumber>,
    /// Options that are gone.
    pub(super) removed: Vec<BootNumber>,
    /// What went wrong, in the order of events.
    pub(super) failed: Vec<Failed>,
}

/// All boot entries; what is not understood, in sentences.
pub(super) fn read(variables: &dyn Variables) -> Result<(Known, Vec<String>), Failed> {
    let failed = |name: &str| {
        let name = name.to_owned();
        move |source| Failed::Read { name, source }
    };
    let (mut known, mut notes) = (Known::default(), Vec::new());
    let names = variables.names().map_err(failed("the list of variables"))?;
    for name in names {
        let Ok(number) = name.parse::<BootNumber>() else {
            continue;
        };
        match read_option(variables, &name) {
            Ok(Some(option)) => drop(known.options.insert(number, option)),
            Ok(None) => {}
            Err(error) => {
                known.unknown.insert(number);
                notes.push(format!(
                    "A boot entry of the firmware is left alone: {error}."
                ));
            }
        }
    }
    if let Some(order) = variables.read(ORDER).map_err(failed(ORDER))? {
        let name = ORDER.to_owned();
        let order = efi::parse_order(&order.bytes);
        known.order = order.map_err(|source| Failed::Parse { name, source })?;
    }
    Ok((known, notes))
}

fn read_option(variables: &dyn Variables, name: &str) -> Result<Option<LoadOption>, Failed> {
    let name = name.to_owned();
    let value = match variables.read(&name) {
        Ok(Some(value)) => value,
        Ok(None) => return Ok(None),
        Err(source) => return Err(Failed::Read { name, source }),
    };
    let option = LoadOption::parse(&value.bytes);
    option
        .map(Some)
        .map_err(|source| Failed::Parse { name, source })
}

/// Makes `changes` to what is `known`: new options first, then the order, then what
/// is stale. As long as the order names them, stale ones stay.
pub(super) fn apply(variables: &dyn Variables, known: &Known, changes: &Changes) -> Applied {
    let mut done = Applied::default();
    for (number, option) in &changes.put {
        if let Err(error) = put_option(variables, *number, option) {
            done.not_put.push(*number);
            done.failed.push(error);
        }
    }
    let wanted = changes.order.as_ref().unwrap_or(&known.order).iter();
    let is_there = |n: &&BootNumber| known.order.contains(n) || !done.not_put.contains(n);
    let mut order: Vec<BootNumber> = wanted.filter(is_there).copied().collect();
    if !done.not_put.is_empty() {
        // What was to go may be all there is to start the disk.
        order.retain(|number| !known.order.contains(number));
        order.extend(&known.order);
    }
    if order != known.order
        && let Err(error) = put(variables, ORDER, efi::write_order(&order))
    {
        done.failed.push(error);
        return done;
    }
    let gone = changes.remove.iter().filter(|_| done.not_put.is_empty());
    for (number, _) in gone {
        match remove(variables, &number.to_string()) {
            Ok(()) => done.removed.push(*number),
            Err(error) => done.failed.push(error),
        }
    }
    done
}

fn put_option(
    variables: &dyn Variables,
    number: BootNumber,
    option: &LoadOption,
) -> Result<(), Failed> {
    let name = number.to_string();
    let bytes = option.to_bytes();
    let bytes = bytes.map_err(|source| Failed::Parse {
        name: name.clone(),
        source,
    })?;
    let is_new = matches!(variables.read(&name), Ok(None));
    let done = put(variables, &name, bytes);
    if done.is_err() && is_new {
        // Half an entry is none. (Mostly there is nothing to remove.)
        let _ = variables.remove(&name);
    }
    done
}

/// Writes a variable, with the attributes that it has, and reads it back.
fn put(variables: &dyn Variables, name: &str, bytes: Vec<u8>) -> Result<(), Failed> {
    let failed = |source| Failed::Read {
        name: name.to_owned(),
        source,
    };
    let before = variables.read(name).ok().flatten();
    let attributes = before.map_or(efi::STAYS, |value| value.attributes);
    let value = Value { attributes, bytes };
    let written = variables.write(name, &value);
    written.map_err(|source| Failed::Write {
        name: name.to_owned(),
        source,
    })?;
    match variables.read(name).map_err(failed)? {
        Some(found) if found == value => Ok(()),
        _ => Err(Failed::Differs {
            name: name.to_owned(),
        }),
    }
}

fn remove(variables: &dyn Variables, name: &str) -> Result<(), Failed> {
    let name = name.to_owned();
    match variables.remove(&name) {
        Err(source) => Err(Failed::Remove { name, source }),
        Ok(()) => match variables.read(&name) {
            Ok(None) => Ok(()),
            _ => Err(Failed::StillThere { name }),
        },
    }
}
