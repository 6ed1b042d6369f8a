//! NetworkManager's connections (nm-settings-keyfile(5)). Nothing of them but names, kinds and addresses of cards is looked at; they hold
//! secrets.

use super::found::Found;
use super::ini;
use crate::edits::Edits;
use crate::files::{Files, below, text};

const FOLDER: &str = "/etc/NetworkManager/system-connections";

/// What the files say.
pub(super) fn read(files: &dyn Files, found: &mut Found, told: &mut Edits) {
    for path in below(files, FOLDER, "", told) {
        // As NetworkManager ignores them (nm_keyfile_utils_ignore_filename).
        let name = path.rsplit('/').next().unwrap_or_default();
        if name.starts_with('.') || name.ends_with('~') || name.ends_with(".bak") {
            continue;
        }
        if let Some(text) = text(files, &path, told) {
            one(&path, &text, found, told);
            found.file(&path, &text);
        }
    }
}

fn one(path: &str, text: &str, found: &mut Found, told: &mut Edits) {
    let settings = ini::settings(text);
    for key in ["path", "driver"] {
        if let Some(value) = ini::value(&settings, "match", key) {
            told.warn(format!(
                "{path} is for a card with the {key} {} only, which this machine may not have.",
                value.text
            ));
        }
    }
    let get = |section: &str, key: &str| ini::value(&settings, section, key);
    let kind = get("connection", "type").map_or("", |kind| kind.text);
    let name = get("connection", "interface-name").map(|name| name.text);
    let unused = get("connection", "autoconnect").is_some_and(|v| v.text == "false");
    match kind {
        "ethernet" | "802-3-ethernet" | "pppoe" => {
            let section = ["ethernet", "802-3-ethernet"];
            let mac = section
                .iter()
                .find_map(|section| get(section, "mac-address"));
            let mac = mac.and_then(|word| found.place(path, word));
            match (name, mac) {
                _ if unused => {}
                (Some(name), mac) => {
                    found.interface(name);
                    mac.into_iter().for_each(|mac| found.is(name, mac));
                }
                (None, Some(mac)) => found.card(mac),
                // Any card that has a cable.
                (None, None) => {}
            }
        }
        "vlan" | "macvlan" => {
            let parent = get(kind, "parent").map_or("", |parent| parent.text);
            // Or the UUID of another connection.
            found.interface(parent);
            name.into_iter().for_each(|name| found.made(name));
        }
        _ => name.into_iter().for_each(|name| found.made(name)),
    }
}
