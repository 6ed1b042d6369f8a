//! Is it still itself: what `rescue identity` tells of the restored disks before and
//! after their first start.

use crate::drill::{Running, Setting};
use crate::report::Compared;
use anyhow::{Context, Result};
use serde_json::Value;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

/// Identities by system and name: "disk 0, partition 2: machine-id".
pub(crate) type Identity = BTreeMap<String, String>;

/// Secrets are hashed with this key, so that two looks can be compared. Neither it
/// nor the hashes leave the drill.
const KEY: &str = "6472696c6c206472696c6c206472696c6c206472696c6c206472696c6c206472";

/// The identities on the drill's disks.
pub(crate) fn on_disks(drill: &Running<'_>) -> Result<Identity> {
    let mut all = Identity::new();
    for (file, disk) in drill.disks.iter().zip(&drill.setting.image.disks) {
        let systems = look(drill.setting, file, disk.sector_size)?;
        collect(&systems, disk.index, &mut all);
    }
    Ok(all)
}

fn look(setting: &Setting<'_>, disk: &Path, sector: u32) -> Result<Value> {
    let program = setting.rescue;
    let keys = setting.args.passphrase_file.iter();
    let output = Command::new(program)
        .args(["identity", "--json", "--key", KEY, "--sector-size"])
        .arg(sector.to_string())
        .args(keys.flat_map(|file| [OsStr::new("--passphrase-file"), file.as_os_str()]))
        .arg("--")
        .arg(disk)
        .output()
        .with_context(|| format!("starting {}", program.display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let values = text
        .lines()
        .filter_map(|l| serde_json::from_str::<Value>(l).ok());
    let mut found = values.filter(|value| value["systems"].is_array());
    let found = found.next().map(|mut value| value["systems"].take());
    found.with_context(|| {
        let said = String::from_utf8_lossy(&output.stderr);
        format!(
            "looking for identities on the restored disk: {}{}",
            text.trim(),
            said.trim()
        )
    })
}

fn collect(systems: &Value, disk: u32, all: &mut Identity) {
    for system in systems.as_array().into_iter().flatten() {
        let place = format!("disk {disk}, partition {}", system["partition"]);
        for (name, value) in system["identity"].as_object().into_iter().flatten() {
            if let Some(value) = value.as_str() {
                all.insert(format!("{name} ({place})"), value.to_owned());
            }
        }
    }
}

/// What was there before has to be the same after; what a first start adds may be.
pub(crate) fn compare(before: &Identity, after: &Identity) -> Vec<Compared> {
    let compared = |(what, was): (&String, &String)| {
        let is = after.get(what);
        let secret = was.starts_with("keyed:");
        let shown = |value: &str| match secret {
            true => "(secret)".to_owned(),
            false => value.to_owned(),
        };
        Compared {
            what: what.clone(),
            expected: shown(was),
            found: match is {
                Some(is) if secret && is != was => "(another secret)".to_owned(),
                Some(is) => shown(is),
                None => "nothing".to_owned(),
            },
            same: Some(is == Some(was)),
            by: "on the disk, after its start".to_owned(),
        }
    };
    before.iter().map(compared).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn identity(machine_id: &str) -> Identity {
        let mut all = Identity::new();
        let systems = json!([{"partition": 2, "identity": {
            "hostname": "web1", "machine-id": machine_id, "odd": 7 }}]);
        collect(&systems, 0, &mut all);
        all
    }

    #[test]
    fn a_change_is_found_and_secrets_are_not_shown() {
        let before = identity("keyed:1234");
        assert_eq!(before.len(), 2);
        let same = compare(&before, &identity("keyed:1234"));
        assert!(same.iter().all(|c| c.same == Some(true)), "{same:?}");
        let other = compare(&before, &identity("keyed:9999"));
        let changed: Vec<&Compared> = other.iter().filter(|c| c.same == Some(false)).collect();
        assert_eq!(changed.len(), 1);
        assert_eq!(changed[0].what, "machine-id (disk 0, partition 2)");
        assert!(!format!("{other:?}").contains("keyed:"), "{other:?}");
    }

    #[test]
    fn what_is_gone_is_a_change_and_what_is_new_is_none() {
        let mut after = identity("keyed:1");
        after.insert("new".to_owned(), "x".to_owned());
        assert!(
            compare(&identity("keyed:1"), &after)
                .iter()
                .all(|c| c.same == Some(true))
        );
        after.remove("hostname (disk 0, partition 2)");
        let gone = compare(&identity("keyed:1"), &after);
        assert!(
            gone.iter()
                .any(|c| c.same == Some(false) && c.found == "nothing")
        );
    }
}
