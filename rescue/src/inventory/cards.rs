//! The machine's wired network cards.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Machine;

/// A wired network card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Card {
    /// Its address: "52:54:00:12:34:56".
    pub mac: String,
    /// Where it is, as udev calls that ("pci-0000:00:03.0"), when that is known.
    #[serde(default)]
    pub bus: Option<String>,
    /// Whether something is at the other end of its cable, when that is known.
    pub link: Option<bool>,
}

/// Ethernet, in `/sys/class/net/*/type` (ARPHRD_ETHER of the kernel's `if_arp.h`).
const ETHERNET: &str = "1";

impl Machine {
    /// The cards, in the order of their places on the bus.
    #[must_use]
    pub fn cards(&self) -> Vec<Card> {
        let folder = self.root.join("sys/class/net");
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let cards = entries.filter_map(|entry| card(&entry.path()));
        let mut cards: Vec<(PathBuf, Card)> = cards.collect();
        cards.sort_by(|(a, _), (b, _)| a.cmp(b));
        cards.into_iter().map(|(_, card)| card).collect()
    }
}

/// A card and its place; `None` for what is none: loops, bridges, Wi-Fi.
fn card(folder: &Path) -> Option<(PathBuf, Card)> {
    let read = |name: &str| {
        let text = fs::read_to_string(folder.join(name)).ok()?;
        Some(text.trim().to_owned())
    };
    let device = fs::canonicalize(folder.join("device")).ok()?;
    let wireless = ["wireless", "phy80211"];
    if wireless.iter().any(|name| folder.join(name).exists()) || read("type")? != ETHERNET {
        return None;
    }
    let mac = read("address").filter(|mac| mac != "00:00:00:00:00:00")?;
    // (Only of a card that is up can it be read.)
    let link = read("carrier").map(|carrier| carrier == "1");
    let bus = bus(&device);
    Some((device, Card { mac, bus, link }))
}

/// udev's `ID_PATH` of a card of PCI, and of what is one card of a virtio device there; none of
/// those behind other buses (udev's builtin path_id).
fn bus(device: &Path) -> Option<String> {
    let names = device.components().rev().map(|part| part.as_os_str());
    let mut names = names.filter_map(|name| name.to_str());
    let name = names.find(|name| !name.starts_with("virtio"))?;
    let hex = |c: char| c.is_ascii_hexdigit() || [':', '.'].contains(&c);
    let is_pci = name.len() == "0000:00:03.0".len() && name.chars().all(hex);
    is_pci.then(|| format!("pci-{name}"))
}

/// The card that a line "nic 52:54:00:12:34:56" of a list tells of.
pub(super) fn listed(line: &str) -> Option<Card> {
    let mac = line.trim().strip_prefix("nic ")?.trim();
    let parts: Vec<&str> = mac.split(':').collect();
    let hex = |part: &&str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_hexdigit());
    (parts.len() == 6 && parts.iter().all(hex)).then(|| Card {
        mac: mac.to_ascii_lowercase(),
        bus: None,
        link: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn wired_cards_in_the_order_of_the_bus() {
        let root = tempfile::tempdir().unwrap();
        let net = root.path().join("sys/class/net");
        for (name, place, kind, mac) in [
            ("eth1", Some("0000:00:03.0"), "1", "52:54:00:00:00:03"),
            ("eth0", Some("0000:00:04.0"), "1", "52:54:00:00:00:04"),
            ("lo", None, "772", "00:00:00:00:00:00"),
            ("br0", None, "1", "52:54:00:00:00:05"),
            ("wlan0", Some("0000:00:02.0"), "1", "52:54:00:00:00:02"),
            ("ib0", Some("0000:00:05.0"), "32", "52:54:00:00:00:06"),
        ] {
            let folder = net.join(name);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("type"), format!("{kind}\n")).unwrap();
            fs::write(folder.join("address"), format!("{mac}\n")).unwrap();
            if let Some(place) = place {
                let device = root.path().join("sys/devices").join(place);
                fs::create_dir_all(&device).unwrap();
                symlink(device, folder.join("device")).unwrap();
            }
        }
        fs::create_dir(net.join("wlan0/phy80211")).unwrap();
        fs::write(net.join("eth0/carrier"), "1\n").unwrap();
        let card = |mac: &str, bus: Option<&str>, link| Card {
            mac: mac.to_owned(),
            bus: bus.map(str::to_owned),
            link,
        };
        let expected = [
            card("52:54:00:00:00:03", Some("pci-0000:00:03.0"), None),
            card("52:54:00:00:00:04", Some("pci-0000:00:04.0"), Some(true)),
        ];
        assert_eq!(Machine::at(root.path()).cards(), expected);
        let told = listed(" nic 52:54:00:AB:00:04").unwrap();
        assert_eq!(told, card("52:54:00:ab:00:04", None, None));
        let place = |path: &str| bus(Path::new(path));
        let card = "/sys/devices/pci0000:00/0000:00:03.0";
        assert_eq!(
            place(&format!("{card}/virtio1")).unwrap(),
            "pci-0000:00:03.0"
        );
        assert_eq!(place(&format!("{card}/usb1/1-1/1-1:1.0")), None);
        assert_eq!(listed("nic 52:54:00"), None);
        assert_eq!(listed("pci:v"), None);
    }
}
