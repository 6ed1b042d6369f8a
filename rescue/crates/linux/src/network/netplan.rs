//! netplan's YAML (netplan(5)), as far as it is written in blocks, which is how it is documented and how
//! installers and cloud-init write it.

use super::found::Found;
use super::mac::Mac;
use crate::edits::Edits;
use crate::files::{Files, below, text};
use crate::text::Word;

const FOLDER: &str = "/etc/netplan";

/// What the files say.
pub(super) fn read(files: &dyn Files, found: &mut Found, told: &mut Edits) {
    let paths = below(files, FOLDER, ".yaml", told);
    let texts = paths.into_iter().filter_map(|path| {
        let text = text(files, &path, told)?;
        Some((path, text))
    });
    let texts: Vec<(String, String)> = texts.collect();
    let mut cards = Vec::new();
    for (path, text) in &texts {
        cards.extend(ethernets(path, text, found, told));
        found.file(path, text);
    }
    for card in &cards {
        // An entry can be spread over files: with a match somewhere, the id is but a label.
        let label = cards
            .iter()
            .any(|other| other.id == card.id && other.matches);
        if card.matches || !label {
            card.said(found);
        }
    }
}

/// An entry of `ethernets`.
#[derive(Debug, Default, PartialEq, Eq)]
struct Card<'t> {
    id: &'t str,
    matches: bool,
    name: Option<&'t str>,
    mac: Option<Mac>,
    set_name: Option<&'t str>,
}

impl Card<'_> {
    fn said(&self, found: &mut Found) {
        match (self.matches, self.mac) {
            // The id is the name.
            (false, _) => found.interface(self.id),
            (true, Some(mac)) => {
                if let Some(name) = self.set_name {
                    found.interface(name);
                    found.is(name, mac);
                    found.given.insert(name.to_owned());
                } else if let Some(name) = self.name {
                    found.interface(name);
                    found.is(name, mac);
                } else {
                    found.card(mac);
                }
            }
            (true, None) => self.name.into_iter().for_each(|name| found.interface(name)),
        }
    }
}

/// A line: how far it is indented, its key, what is behind the colon.
fn line(line: Word<'_>) -> Option<(usize, &str, Word<'_>)> {
    let indent = line.text.len() - line.text.trim_start_matches(' ').len();
    let rest = line.trim();
    if rest.text.starts_with(['#', '-']) {
        return None;
    }
    // Keys with colons of their own are in quotes.
    let quote = rest.text.chars().next().filter(|c| "\"'".contains(*c));
    let (key, value) = match quote {
        Some(quote) => {
            let (key, after) = rest.from(1).split([quote])?;
            (key, after.trim().after(":")?)
        }
        None => {
            let colon = rest
                .text
                .find(": ")
                .or_else(|| rest.text.strip_suffix(':').map(str::len))?;
            (rest.to(colon), rest.from(colon.checked_add(1)?))
        }
    };
    Some((indent, key.trim().text, scalar(value)))
}

/// A value without quotation marks and comment.
fn scalar(value: Word<'_>) -> Word<'_> {
    let end = value.text.find(" #").unwrap_or(value.text.len());
    value.to(end).trim().unquoted()
}

/// The entries of `ethernets` in `text`; what others are made of it is told to `found` at once.
fn ethernets<'t>(path: &str, text: &'t str, found: &mut Found, told: &mut Edits) -> Vec<Card<'t>> {
    let mut cards: Vec<Card<'t>> = Vec::new();
    let mut above: Vec<(usize, &str)> = Vec::new();
    for (indent, key, value) in Word::all(text).lines().into_iter().filter_map(line) {
        while above.last().is_some_and(|(outer, _)| *outer >= indent) {
            above.pop();
        }
        let keys: Vec<&str> = above.iter().map(|(_, key)| *key).collect();
        above.push((indent, key));
        if value.text.starts_with('{')
            && (keys.is_empty()
                || matches!(
                    &*keys,
                    ["network"] | ["network", "ethernets"] | ["network", "ethernets", _]
                ))
        {
            let empty = value.text.replace(' ', "") == "{}";
            if !(empty || key == "nameservers" || key.starts_with("dhcp")) {
                told.warn(format!(
                    "{path} has braces in it: what it says about the card of {key} was not read."
                ));
            }
        }
        match (&*keys, key) {
            (["network", "ethernets"], _) => cards.push(Card {
                id: key,
                ..Card::default()
            }),
            (["network", "ethernets", _], "match") => {
                cards
                    .last_mut()
                    .into_iter()
                    .for_each(|card| card.matches = true);
            }
            (["network", "ethernets", _], "set-name") => {
                let name = Some(value.text);
                cards
                    .last_mut()
                    .into_iter()
                    .for_each(|card| card.set_name = name);
            }
            (["network", "ethernets", _, "match"], "macaddress") => {
                let mac = found.place(path, value);
                cards.last_mut().into_iter().for_each(|card| card.mac = mac);
            }
            (["network", "ethernets", _, "match"], "name") => {
                let name = Some(value.text);
                cards
                    .last_mut()
                    .into_iter()
                    .for_each(|card| card.name = name);
            }
            (
                [
                    "network",
                    "bonds" | "bridges" | "vlans" | "tunnels" | "vrfs" | "dummy-devices",
                ],
                _,
            ) => {
                found.made(key);
            }
            _ => {}
        }
    }
    cards
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read() {
        let text = "# x\nnetwork:\n  version: 2\n  ethernets:\n    ens3: # first\n      addresses:\n      - 10.0.0.2/24\n\
            \x20     nameservers: {addresses: [10.0.0.1]}\n    \"lan\":\n      match:\n        macaddress: \"52:54:00:AA:BB:cc\" # old\n\
            \x20     set-name: lan0\n      macaddress: 02:00:00:00:00:01\n    any:\n      match:\n        name: en*\n      dhcp4: true\n\
            \x20 bonds:\n    bond0:\n      interfaces: [ens3]\n";
        let (mut found, mut told) = (Found::default(), Edits::default());
        let cards = ethernets("/n.yaml", text, &mut found, &mut told);
        let mac = Mac::read("52:54:00:aa:bb:cc");
        assert_eq!(
            cards,
            [
                Card {
                    id: "ens3",
                    ..Card::default()
                },
                Card {
                    id: "lan",
                    matches: true,
                    mac,
                    set_name: Some("lan0"),
                    ..Card::default()
                },
                Card {
                    id: "any",
                    matches: true,
                    name: Some("en*"),
                    ..Card::default()
                },
            ]
        );
        assert_eq!(found.places.len(), 1);
        assert_eq!(&text[found.places[0].range.clone()], "52:54:00:AA:BB:cc");
        assert!(told.warnings.is_empty(), "{told:?}");
        ethernets(
            "/n",
            "network: {ethernets: {ens3: {}}}\n",
            &mut found,
            &mut told,
        );
        assert_eq!(told.warnings.len(), 1);
    }
}
