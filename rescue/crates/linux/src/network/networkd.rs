//! systemd-networkd's files, and systemd-udevd's `.link` files (systemd.network(5), systemd.netdev(5), systemd.link(5)).

use super::found::{Found, Slot};
use super::ini::{self, Setting};
use super::mac::Mac;
use crate::edits::Edits;
use crate::files::{Files, below, text};
use crate::text::Word;

/// Where the administrator has them.
pub(super) const FOLDER: &str = "/etc/systemd/network";
/// How the names of the files begin that this crate adds.
pub(super) const OURS: &str = "10-rescue-";

/// What the files say.
pub(super) fn read(files: &dyn Files, found: &mut Found, told: &mut Edits) {
    for path in below(files, FOLDER, "", told) {
        let kind = path.rsplit('.').next().unwrap_or_default().to_owned();
        if !["network", "netdev", "link"].contains(&&*kind) {
            continue;
        }
        let Some(text) = text(files, &path, told) else {
            continue;
        };
        let settings = ini::settings(&text);
        match &*kind {
            "network" => network(&path, &settings, found),
            "link" => link(&path, &settings, found, told),
            _ => {
                let name = ini::value(&settings, "NetDev", "Name");
                name.into_iter().for_each(|name| found.made(name.text));
            }
        }
        if kind != "netdev" {
            let known = found.slots.iter().any(|slot| slot.path == path);
            bus(&path, &settings, known, told);
        }
        found.file(&path, &text);
    }
}

/// The addresses that it is for.
fn macs(path: &str, settings: &[Setting<'_>], found: &mut Found) -> Vec<Mac> {
    let keys = ["MACAddress", "PermanentMACAddress"];
    let values = keys
        .iter()
        .flat_map(|key| ini::values(settings, "Match", key));
    let words = values.flat_map(|value| value.words());
    words.filter_map(|word| found.place(path, word)).collect()
}

fn network(path: &str, settings: &[Setting<'_>], found: &mut Found) {
    let macs = macs(path, settings, found);
    let names = ini::values(settings, "Match", "Name").into_iter();
    let names: Vec<_> = names.flat_map(|value| value.words()).collect();
    slot(path, settings, &names, &macs, found);
    let excluded = names.first().is_some_and(|name| name.text.starts_with('!'));
    if excluded || ini::value(settings, "Match", "Kind").is_some() {
        return;
    }
    if let ([name], [mac]) = (&*names, &*macs) {
        found.is(name.text, *mac);
    }
    names.iter().for_each(|name| found.interface(name.text));
    if names.is_empty() {
        macs.into_iter().for_each(|mac| found.card(mac));
    }
}

/// Its `Path=`, where that is one place and the file is for one card; whether it is.
fn slot(
    path: &str,
    settings: &[Setting<'_>],
    names: &[Word<'_>],
    macs: &[Mac],
    found: &mut Found,
) -> bool {
    let mut paths = settings
        .iter()
        .filter(|(section, key, _)| *section == "Match" && key.text == "Path");
    let (Some((_, key, bus)), None) = (paths.next(), paths.next()) else {
        return false;
    };
    let pattern = |name: &Word<'_>| name.text.contains(['*', '!', '?', '[']);
    let one = names.len() <= 1 && macs.len() <= 1 && !names.iter().any(pattern);
    if !one || !is_place(bus.text) {
        return false;
    }
    found.slots.push(Slot {
        path: path.to_owned(),
        range: key.range().start..bus.range().end,
        bus: bus.text.to_owned(),
        name: names.first().map(|name| name.text.to_owned()),
        mac: macs.first().copied(),
    });
    true
}

/// Whether `bus` is one place, and no pattern: "pci-0000:00:02.0" (udev's `ID_PATH`).
fn is_place(bus: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-:._".contains(c);
    !bus.is_empty() && bus.chars().all(plain)
}

fn link(path: &str, settings: &[Setting<'_>], found: &mut Found, told: &mut Edits) {
    let macs = macs(path, settings, found);
    let name = ini::value(settings, "Link", "Name");
    if let (Some(name), Some(mac)) = (name, macs.first()) {
        found.is(name.text, *mac);
        found.given.insert(name.text.to_owned());
    }
    if let Some(name) = name
        && slot(path, settings, &[name], &macs, found)
    {
        found.given.insert(name.text.to_owned());
    }
    let first = path.rsplit('/').next().is_some_and(|file| file < OURS);
    let all = ["OriginalName", "Type"]
        .iter()
        .any(|key| ini::value(settings, "Match", key).is_some());
    if macs.is_empty() && all && first {
        told.warn(format!(
            "{path} comes before the files that give cards their names, and may be used instead of them."
        ));
    }
}

/// What is for the card in a certain place only is told.
fn bus(path: &str, settings: &[Setting<'_>], known: bool, told: &mut Edits) {
    let keys = ["Driver", "Path"];
    let keys = keys.iter().take(if known { 1 } else { 2 });
    for key in keys {
        if let Some(value) = ini::value(settings, "Match", key) {
            let any = value.text.split_whitespace().any(|word| word == "*");
            if !any && !value.text.is_empty() {
                told.warn(format!(
                    "{path} is for a card with {key}={} only, which this machine may not have.",
                    value.text
                ));
            }
        }
    }
}
