//! Network configuration that follows the card.
//!
//! What the system configures by the name or the address of a card is configured for a card of this machine: addresses are
//! replaced where configuration looks for cards by them, and the new card gets the old name from a `.link` file, so that
//! nothing else needs to change: static addresses, bonds, VLANs, firewalls. What fits any card stays.

mod found;
mod ifupdown;
mod ini;
mod keyfile;
mod mac;
mod netplan;
mod networkd;
mod plan;
mod rules;
mod sysconfig;

pub use mac::Mac;

use std::collections::BTreeMap;

use crate::devices::kernel_words;
use crate::edits::{Edits, TextEdit};
use crate::files::{Files, below, text};
use crate::text::Draft;
use found::{Found, Interface, Slot};

/// A wired network card of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nic {
    /// Its permanent address.
    pub mac: Mac,
    /// What udev of the restored system would call it by itself ("enp1s0"), when that is known.
    pub name: Option<String>,
    /// Where it is, as udev calls that ("pci-0000:00:02.0"), when that is known.
    pub bus: Option<String>,
    /// Whether there is a cable in it with something at the other end, when that is known.
    pub link: Option<bool>,
}

/// What the network configuration in `files` needs on a machine with these `cards`, in the order of their bus.
#[must_use]
pub fn follow(files: &dyn Files, cards: &[Nic]) -> Edits {
    let mut told = Edits::default();
    let mut found = Found::default();
    // Who names cards comes first: what is known first counts.
    networkd::read(files, &mut found, &mut told);
    rules::read(files, &mut found, &mut told);
    netplan::read(files, &mut found, &mut told);
    sysconfig::read(files, &mut found, &mut told);
    keyfile::read(files, &mut found, &mut told);
    ifupdown::read(files, &mut found, &mut told);
    let interfaces = found.interfaces();
    if interfaces.is_empty() {
        return told;
    }
    let naming = Naming::of(files, &mut told);
    let cards = naming.called(cards);
    let assigned = plan::assign(&interfaces, &cards, &mut told);
    let mut moved: BTreeMap<Mac, Mac> = BTreeMap::new();
    let mut slots: Vec<(&Slot, Mac)> = Vec::new();
    for (at, card) in assigned {
        let (Some(interface), Some(card)) = (interfaces.get(at), cards.get(card)) else {
            continue;
        };
        for old in interface.macs.iter().filter(|old| **old != card.mac) {
            let new = *moved.entry(*old).or_insert(card.mac);
            if new != card.mac {
                told.warn(format!(
                    "Several interfaces are for the card {old}, which is not in this machine: only one of them gets another."
                ));
            }
        }
        naming.name(interface, card, cards.len(), &found, &mut told);
        let of = |slot: &&Slot| slot.is_of(interface) && card.bus.as_ref() != Some(&slot.bus);
        slots.extend(found.slots.iter().filter(of).map(|slot| (slot, card.mac)));
    }
    readdress(&found, &moved, &naming.slots(&slots), &mut told);
    cloud_init(files, &mut told);
    told
}

/// A setting, and what it becomes.
type Moved<'f> = (&'f Slot, String);

/// New addresses in all places that have the old ones, and instead of places on the bus.
fn readdress(found: &Found, moved: &BTreeMap<Mac, Mac>, slots: &[Moved<'_>], told: &mut Edits) {
    for (path, text) in &found.texts {
        let mut draft = Draft::new(path, text);
        for place in found.places.iter().filter(|place| place.path == *path) {
            if let Some(new) = moved.get(&place.mac) {
                let new = new.written_as(&place.text);
                let now = format!("the card {} is {new} now", place.text);
                draft.replace(place.range.clone(), new, now);
            }
        }
        for (slot, new) in slots.iter().filter(|(slot, _)| slot.path == *path) {
            let now = format!("the card at {} is that with {new} now", slot.bus);
            draft.replace(slot.range.clone(), new.clone(), now);
        }
        let copies = copies(path);
        let copies: Vec<&str> = copies.iter().map(String::as_str).collect();
        draft.finish(told, &copies);
    }
}

/// Where initramfs have copies of udev's rules and of `.link` files (udev's hook of
/// initramfs-tools; dracut, modules udev-rules and systemd-udevd).
fn copies(path: &str) -> Vec<String> {
    let name = path.rsplit('/').next().unwrap_or_default();
    let folder = match name.rsplit('.').next() {
        Some("link") => "systemd/network",
        Some("rules") => "udev/rules.d",
        _ => return Vec::new(),
    };
    let roots = ["/usr/lib", "/lib", "/etc"].iter();
    roots
        .map(|root| format!("{root}/{folder}/{name}"))
        .collect()
}

/// cloud-init writes its file anew when it believes to be on a new machine.
fn cloud_init(files: &dyn Files, told: &mut Edits) {
    let changed = |file: &TextEdit| file.path.contains("cloud-init");
    let Some(file) = told.files.iter().find(|file| changed(file)) else {
        return;
    };
    let path = file.path.clone();
    let off = |text: &str| {
        let squeezed: String = text.split_whitespace().collect();
        squeezed.contains("network:{config:disabled}")
            || squeezed.contains("network:config:disabled")
    };
    let configs = below(files, "/etc/cloud/cloud.cfg.d", ".cfg", told);
    let texts: Vec<String> = configs
        .iter()
        .filter_map(|p| text(files, p, told))
        .collect();
    if !texts.iter().any(|text| off(text)) {
        told.warn(format!(
            "{path} is cloud-init's: it may write it anew, for the card that it then finds."
        ));
    }
}

/// How this system names cards.
struct Naming {
    /// Whether the kernel's names stay: `net.ifnames=0`.
    kernel: bool,
    /// Whether udev knows `.link` files.
    links: bool,
    /// systemd's version, when that can be told.
    version: Option<u32>,
}

impl Naming {
    fn of(files: &dyn Files, told: &mut Edits) -> Self {
        let mut quiet = Edits::default();
        let words = kernel_words(files, &mut quiet);
        let folders = [
            "/usr/lib/systemd",
            "/lib/systemd",
            "/usr/lib64/systemd",
            "/usr/lib/x86_64-linux-gnu/systemd",
            "/usr/lib/aarch64-linux-gnu/systemd",
        ];
        let libraries = folders
            .iter()
            .flat_map(|folder| below(files, folder, ".so", told));
        let version = libraries.filter_map(|path| {
            let rest = path.split_once("/libsystemd-shared-")?.1;
            rest.split(|c: char| !c.is_ascii_digit())
                .next()?
                .parse()
                .ok()
        });
        let version: Vec<u32> = version.collect();
        let default = ["/usr/lib", "/lib"].iter().any(|lib| {
            let path = format!("{lib}/systemd/network/99-default.link");
            text(files, &path, &mut quiet).is_some()
        });
        Self {
            kernel: words.iter().any(|word| word == "net.ifnames=0"),
            links: default || !version.is_empty(),
            version: version.into_iter().max(),
        }
    }

    /// The cards, by the names that they get by themselves.
    fn called(&self, cards: &[Nic]) -> Vec<Nic> {
        let numbered = cards.iter().enumerate().map(|(at, card)| Nic {
            name: match self.kernel {
                true => Some(format!("eth{at}")),
                false => card.name.clone(),
            },
            ..card.clone()
        });
        numbered.collect()
    }

    /// `card` gets the name of `interface`, unless it has it anyway.
    fn name(
        &self,
        interface: &Interface,
        card: &Nic,
        cards: usize,
        found: &Found,
        told: &mut Edits,
    ) {
        let Some(name) = interface.name.as_deref() else {
            return;
        };
        if card.name.as_deref() == Some(name) || found.given.contains(name) {
            return;
        }
        if interface.macs.contains(&card.mac) && card.name.is_none() {
            return;
        }
        if !self.links {
            return told.warn(format!(
                "The card {} has to be called {name}, and this system knows no .link files: give it that name by a rule of udev.",
                card.mac
            ));
        }
        if name.starts_with("eth") && cards > 1 {
            told.warn(format!(
                "{name} is a name that the kernel gives to cards too: whether the card {} gets it may depend on which is found first.",
                card.mac
            ));
        }
        self.link(name, card.mac, told);
    }

    /// What settings become that take a card by its place.
    fn slots<'f>(&self, slots: &[(&'f Slot, Mac)]) -> Vec<Moved<'f>> {
        let key = self.key();
        let slots = slots.iter();
        slots
            .map(|(slot, mac)| (*slot, format!("{key}={mac}")))
            .collect()
    }

    /// By which setting a card is found by its address. (See [`Self::link`].)
    fn key(&self) -> &'static str {
        match self.version {
            Some(version) if version >= 245 => "PermanentMACAddress",
            _ => "MACAddress",
        }
    }

    /// The file that gives the card `mac` the name `name`. No `NamePolicy=`, which would come first
    /// (systemd.link(5), "Name="). The permanent address is not that of bridges and VLANs on top of
    /// the card as well; systemd knows it since version 245 (its NEWS), and takes a file
    /// without any other match for one that fits every card.
    fn link(&self, name: &str, mac: Mac, told: &mut Edits) {
        let file = format!("{}{name}.link", networkd::OURS);
        let key = self.key();
        let path = format!("{}/{file}", networkd::FOLDER);
        told.file(TextEdit {
            copies: copies(&path),
            text: format!(
                "# Written by rescue: the network configuration was made for a card of this name on other hardware.\n\
                 [Match]\n{key}={mac}\n\n[Link]\nName={name}\n"
            ),
            new: true,
            edits: vec![format!("the card {mac} is called {name}")],
            path,
        });
    }
}
