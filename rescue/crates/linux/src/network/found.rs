//! What files say about the machine's own interfaces.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::mac::Mac;
use crate::text::Word;

/// A place in a file where a card is named by its address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) path: String,
    pub(super) range: Range<usize>,
    pub(super) text: String,
    pub(super) mac: Mac,
}

/// A setting in a file that takes the card in a certain place of the bus: `Path=pci-0000:00:02.0`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) path: String,
    /// Of the whole setting.
    pub(super) range: Range<usize>,
    /// The place.
    pub(super) bus: String,
    /// What else the file says of that card.
    pub(super) name: Option<String>,
    pub(super) mac: Option<Mac>,
}

impl Slot {
    /// Whether it is for `interface`.
    pub(super) fn is_of(&self, interface: &Interface) -> bool {
        match (&self.name, &self.mac) {
            (None, None) => interface.bus.as_ref() == Some(&self.bus),
            (name, mac) => {
                (name.is_some() && interface.name == *name)
                    || mac.is_some_and(|mac| interface.macs.contains(&mac))
            }
        }
    }
}

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Files that were read.
    pub(super) texts: BTreeMap<String, String>,
    /// Places that may have to follow.
    pub(super) places: Vec<Place>,
    /// Settings that may have to follow.
    pub(super) slots: Vec<Slot>,
    /// Interfaces that are configured, by name.
    named: Vec<String>,
    /// Interfaces that are configured, by nothing but their card.
    addressed: Vec<Mac>,
    /// Which card has which name.
    macs: BTreeMap<String, Vec<Mac>>,
    /// Names that something in the system gives to the card with that address.
    pub(super) given: BTreeSet<String>,
    /// Bonds, bridges and the like.
    made: BTreeSet<String>,
}

/// An interface that is configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Interface {
    pub(super) name: Option<String>,
    /// The addresses that its card is said to have, the one that counts first.
    pub(super) macs: Vec<Mac>,
    /// Where on the bus its card is, when nothing else tells which it is.
    pub(super) bus: Option<String>,
}

impl Found {
    /// A file was read.
    pub(super) fn file(&mut self, path: &str, text: &str) {
        self.texts.insert(path.to_owned(), text.to_owned());
    }

    /// `word` of `path` is the address of a card.
    pub(super) fn place(&mut self, path: &str, word: Word<'_>) -> Option<Mac> {
        let mac = Mac::read(word.text)?;
        self.places.push(Place {
            path: path.to_owned(),
            range: word.range(),
            text: word.text.to_owned(),
            mac,
        });
        Some(mac)
    }

    /// The interface `name` is configured. Patterns, aliases and wireless cards are not looked at; a VLAN is one of its card.
    pub(super) fn interface(&mut self, name: &str) {
        let name = name.split([':', '.']).next().unwrap_or(name);
        if valid(name) && !self.named.iter().any(|n| n == name) {
            self.named.push(name.to_owned());
        }
    }

    /// The card `mac` is configured, whatever its name.
    pub(super) fn card(&mut self, mac: Mac) {
        if !self.addressed.contains(&mac) {
            self.addressed.push(mac);
        }
    }

    /// The card of `name` is `mac`; what is known first counts.
    pub(super) fn is(&mut self, name: &str, mac: Mac) {
        let macs = self.macs.entry(name.to_owned()).or_default();
        if !macs.contains(&mac) {
            macs.push(mac);
        }
    }

    /// `name` is something that the system makes itself.
    pub(super) fn made(&mut self, name: &str) {
        self.made.insert(name.to_owned());
    }

    /// The interfaces that have a card of their own, in the order of their names.
    pub(super) fn interfaces(&self) -> Vec<Interface> {
        let names = self.named.iter().filter(|name| !self.made.contains(*name));
        let mut all: Vec<Interface> = names
            .map(|name| Interface {
                name: Some(name.clone()),
                macs: self.macs.get(name).cloned().unwrap_or_default(),
                bus: None,
            })
            .collect();
        all.sort_by_key(|interface| natural(interface.name.as_deref().unwrap_or_default()));
        for &mac in &self.addressed {
            if !all.iter().any(|interface| interface.macs.contains(&mac)) {
                // Something may name it that is not configured by that name.
                let mut named = self.macs.iter();
                let name = named
                    .find(|(_, own)| own.contains(&mac))
                    .map(|(name, _)| name.clone());
                all.push(Interface {
                    name: name.filter(|name| !self.made.contains(name)),
                    macs: vec![mac],
                    bus: None,
                });
            }
        }
        for slot in &self.slots {
            let alone = slot.name.is_none() && slot.mac.is_none();
            if alone && !all.iter().any(|interface| slot.is_of(interface)) {
                all.push(Interface {
                    name: None,
                    macs: Vec::new(),
                    bus: Some(slot.bus.clone()),
                });
            }
        }
        all
    }
}

/// How names begin that only things have which the system makes itself, and wireless cards.
const OTHER: [&str; 21] = [
    "wl", "ww", "bond", "team", "vmbr", "virbr", "docker", "veth", "vlan", "vxlan", "dummy", "tun",
    "tap", "wg", "ppp", "sit", "gre", "ib", "lxc", "lxd", "ovs",
];

/// Whether `name` can be that of a wired card (systemd.link(5), "Name="), and not a pattern.
fn valid(name: &str) -> bool {
    let bridge = name
        .strip_prefix("br")
        .is_some_and(|n| n.starts_with(|c: char| c.is_ascii_digit()));
    let other = name == "lo" || bridge || OTHER.iter().any(|other| name.starts_with(other));
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let number = name.chars().all(|c| c.is_ascii_digit());
    !other && !number && name.len() <= 15 && name.chars().all(plain)
}

/// Letters and numbers in turn, so that "ens10" comes after "ens9".
fn natural(name: &str) -> Vec<(String, u64)> {
    let mut key = Vec::new();
    let mut rest = name;
    while !rest.is_empty() {
        let digit = |c: char| c.is_ascii_digit();
        let (letters, after) = rest.split_at(rest.find(digit).unwrap_or(rest.len()));
        let end = after.find(|c| !digit(c)).unwrap_or(after.len());
        let (number, after) = after.split_at(end);
        key.push((letters.to_owned(), number.parse().unwrap_or(u64::MAX)));
        rest = after;
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_are_in_the_order_of_their_names() {
        let mut found = Found::default();
        for name in [
            "ens10", "ens9", "ens9.5", "lo", "wlan0", "en*", "br7", "lan", "eth0:1", "/eth*",
        ] {
            found.interface(name);
        }
        found.made("lan");
        let (one, two, three) = (Mac([1; 6]), Mac([2; 6]), Mac([3; 6]));
        found.is("ens9", one);
        found.is("ens9", two);
        found.card(two);
        found.card(three);
        let all = found.interfaces();
        let told: Vec<_> = all.iter().map(|i| (i.name.as_deref(), &*i.macs)).collect();
        assert_eq!(
            told,
            [
                (Some("ens9"), &[one, two][..]),
                (Some("ens10"), &[]),
                (Some("eth0"), &[]),
                (None, &[three]),
            ]
        );
    }
}
