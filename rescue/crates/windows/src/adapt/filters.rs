//! Filters of device classes: a name without a driver keeps every device of the
//! class from starting (0x7B).

use hive::{Result, ValueType, multi_sz};

use super::plan::{Change, Planner};
use crate::drivers::Service;

/// The classes that a start needs.
const CLASSES: [(&str, &str); 5] = [
    ("{4d36e967-e325-11ce-bfc1-08002be10318}", "disks"),
    ("{71a27cdd-812a-11d0-bec7-08002be2092f}", "volumes"),
    ("{4d36e96a-e325-11ce-bfc1-08002be10318}", "ATA controllers"),
    (
        "{4d36e97b-e325-11ce-bfc1-08002be10318}",
        "storage controllers",
    ),
    ("{4d36e97d-e325-11ce-bfc1-08002be10318}", "system devices"),
];

/// Drops the names that have no service or no file, and only those.
pub(super) fn drop_dangling(planner: &mut Planner<'_>, set: &str) -> Result<()> {
    for (class, devices) in CLASSES {
        let key = format!("{set}\\Control\\Class\\{class}");
        for value in ["UpperFilters", "LowerFilters"] {
            one(planner, set, &key, value, devices)?;
        }
    }
    Ok(())
}

fn one(planner: &mut Planner<'_>, set: &str, key: &str, value: &str, devices: &str) -> Result<()> {
    let found = planner.system.find(key)?;
    let found = found.map(|key| key.value(value)).transpose()?.flatten();
    let data = found.map(|value| value.decode()).transpose()?;
    let Some(names) = data.as_ref().and_then(|data| data.lines()) else {
        return Ok(());
    };
    let (mut kept, mut gone) = (Vec::new(), Vec::new());
    for name in names {
        match is_there(planner, set, name)? {
            true => kept.push(name.as_str()),
            false => gone.push(name.as_str()),
        }
    }
    if gone.is_empty() {
        return Ok(());
    }
    let (key, value) = (key.to_owned(), value.to_owned());
    let change = match kept.as_slice() {
        [] => Change::DeleteValue { key, value },
        kept => Change::Set {
            key,
            value,
            kind: ValueType::MULTI_SZ,
            data: multi_sz(kept),
        },
    };
    let gone = gone.join(", ");
    let why = format!("{gone} would filter all {devices}, but has no driver on this disk");
    planner.add(change, why);
    Ok(())
}

/// A driver outside the folder of Windows cannot be judged, and stays.
fn is_there(planner: &Planner<'_>, set: &str, name: &str) -> Result<bool> {
    let service = Service::find(planner.system, set, name)?;
    Ok(service.is_some_and(|service| {
        let file = service.file.as_deref();
        file.is_none_or(planner.machine.exists)
    }))
}
