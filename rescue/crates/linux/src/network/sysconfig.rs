//! `ifcfg-*` of Red Hat (network-scripts) and of SUSE (ifcfg(5) of wicked).

use super::found::Found;
use crate::edits::Edits;
use crate::files::{Files, below, text};
use crate::grub::assignments;
use crate::text::Word;

const FOLDERS: [&str; 2] = ["/etc/sysconfig/network-scripts", "/etc/sysconfig/network"];
/// Ends of names that are not read by the system.
const OLD: [&str; 7] = [
    "~", ".bak", ".orig", ".rpmnew", ".rpmorig", ".rpmsave", ".old",
];

/// What the files say.
pub(super) fn read(files: &dyn Files, found: &mut Found, told: &mut Edits) {
    for folder in FOLDERS {
        for path in below(files, folder, "", told) {
            let Some((_, name)) = path.rsplit_once("/ifcfg-") else {
                continue;
            };
            if name == "lo" || name.contains('/') || OLD.iter().any(|old| name.ends_with(old)) {
                continue;
            }
            if let Some(text) = text(files, &path, told) {
                one(&path, name, &text, found);
                found.file(&path, &text);
            }
        }
    }
}

/// One file, of the interface that is called `suffix` when nothing else is said.
fn one(path: &str, suffix: &str, text: &str, found: &mut Found) {
    let pairs = assignments(text);
    let get = |key: &str| -> Option<Word<'_>> {
        let mut pairs = pairs.iter().rev();
        let (_, value) = pairs.find(|(k, v)| *k == key && !v.text.is_empty())?;
        Some(*value)
    };
    let yes = |key: &str| get(key).is_some_and(|v| ["yes", "YES", "true"].contains(&v.text));
    let device = get("DEVICE").map(|device| device.text);
    let mac = get("HWADDR").and_then(|word| found.place(path, word));
    for key in ["PHYSDEV", "ETHERDEVICE"] {
        if let Some(below) = get(key) {
            found.interface(below.text);
        }
    }
    for (key, value) in &pairs {
        if *key == "BRIDGE_PORTS" || key.starts_with("BONDING_SLAVE") {
            value
                .words()
                .iter()
                .for_each(|port| found.interface(port.text));
        }
    }
    let kind = get("TYPE").map_or("Ethernet", |kind| kind.text);
    let suse = path.starts_with("/etc/sysconfig/network/");
    let made = !kind.eq_ignore_ascii_case("Ethernet")
        || yes("VLAN")
        || get("ETHERDEVICE").is_some()
        || get("BONDING_OPTS").is_some()
        || yes("BONDING_MASTER")
        || suse && yes("BRIDGE");
    let name = device.unwrap_or(suffix);
    let unused = get("ONBOOT").is_some_and(|v| ["no", "NO", "false"].contains(&v.text))
        || get("STARTMODE").is_some_and(|v| ["off", "manual"].contains(&v.text));
    match (mac, device) {
        _ if made => found.made(name),
        (Some(mac), _) if unused => found.is(name, mac),
        _ if unused => {}
        // Without DEVICE= the card says which one is meant.
        (Some(mac), None) if !suse => found.card(mac),
        (mac, _) => {
            found.interface(name);
            mac.into_iter().for_each(|mac| found.is(name, mac));
        }
    }
}
