//! Rules of udev that name cards by their address (70-persistent-net.rules, as udev made it until
//! version 196, and rules in its manner; udev(7)).

use super::found::Found;
use crate::edits::Edits;
use crate::files::{Files, below, text};
use crate::text::Word;

const FOLDER: &str = "/etc/udev/rules.d";

/// What the files say.
pub(super) fn read(files: &dyn Files, found: &mut Found, told: &mut Edits) {
    for path in below(files, FOLDER, ".rules", told) {
        let Some(text) = text(files, &path, told) else {
            continue;
        };
        for line in Word::all(&text).lines() {
            if !line.text.trim_start().starts_with('#') {
                rule(&path, line, found, told);
            }
        }
        found.file(&path, &text);
    }
}

/// The value of `key` in `line`, after one of the operators.
fn value<'t>(line: Word<'t>, key: &str, operators: &[&str]) -> Option<Word<'t>> {
    line.pieces(|c| c == ',').into_iter().find_map(|piece| {
        let rest = piece.trim().after(key)?.trim();
        let value = operators.iter().find_map(|operator| rest.after(operator))?;
        Some(value.trim().unquoted())
    })
}

fn rule(path: &str, line: Word<'_>, found: &mut Found, told: &mut Edits) {
    let keys = ["ATTR{address}", "ATTRS{address}", "SYSFS{address}"];
    let address = keys.iter().find_map(|key| value(line, key, &["=="]));
    let name = value(line, "NAME", &["=", ":="]);
    let Some(name) = name.filter(|name| !name.text.starts_with('=')) else {
        return;
    };
    let net = value(line, "SUBSYSTEM", &["=="]).is_some_and(|subsystem| subsystem.text == "net");
    let place = ["KERNELS", "ID", "BUS"]
        .iter()
        .find_map(|key| value(line, key, &["=="]));
    match (address.and_then(|word| found.place(path, word)), place) {
        (Some(mac), _) => {
            found.is(name.text, mac);
            found.given.insert(name.text.to_owned());
        }
        (None, Some(place)) if net => told.warn(format!(
            "{path} names the card at {} {}, and this machine may have none there.",
            place.text, name.text
        )),
        _ => {}
    }
}
