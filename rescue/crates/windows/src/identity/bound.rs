//! What is bound to the old hardware and does not come along with a disk.

use hive::{Hive, Key};

use super::fact::{self, Fact, Source};
use super::system::System;

/// Network cards and devices beyond this many are not looked at.
const MANY: usize = 1000;
/// The class of network adapters, below which connections have their names.
const NETWORK: &str = "Control\\Network\\{4D36E972-E325-11CE-BFC1-08002BE10318}";
/// The class of security devices; a TPM is one.
const SECURITY_DEVICES: &str = "{d94ee5d8-d189-4994-83d2-f68d7d41b0e6}";
/// `DigitalProductId4`: 64 UTF-16 units with the kind of the product key
/// ("Retail", "OEM:DM", "Volume:GVLK"); measured on a genuine 8.1. The key itself
/// lies elsewhere in it and is not looked at.
const KIND: std::ops::Range<usize> = 0x3F8..0x478;

/// What stays behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    /// Addresses that were set by hand, each for one network card.
    pub addresses: Fact<Vec<StaticAddress>>,
    /// Whether it had a TPM: a device of that class in `Enum\ACPI`.
    pub tpm: Fact<bool>,
    /// The kind of its product key: "Retail", "OEM:DM", "Volume:GVLK", "Volume:MAK".
    pub licence: Fact<String>,
}

/// An address that was set by hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaticAddress {
    /// "10.0.0.5".
    pub address: String,
    /// What Windows calls the connection: "Ethernet".
    pub connection: Option<String>,
}

impl Bound {
    pub(super) fn read(system: &System<'_>, software: &Source<'_>) -> Self {
        Self {
            addresses: found(system, addresses),
            tpm: found(system, |hive, set| tpm(hive, set).map(Some)),
            licence: licence(software),
        }
    }
}

fn found<T>(system: &System<'_>, look: impl Fn(&Hive, &str) -> hive::Result<Option<T>>) -> Fact<T> {
    let hive = match system.source() {
        Ok(hive) => *hive,
        Err(why) => return Fact::Unknown(why.clone()),
    };
    let set = system.path("");
    set.then(|set| Fact::from_result(look(hive, set.trim_end_matches('\\'))))
}

fn addresses(hive: &Hive, set: &str) -> hive::Result<Option<Vec<StaticAddress>>> {
    let cards = format!("{set}\\Services\\Tcpip\\Parameters\\Interfaces");
    let Some(cards) = hive.find(&cards)? else {
        return Ok(None);
    };
    let mut out = Vec::new();
    for card in cards.subkeys()?.into_iter().take(MANY) {
        if card.dword("EnableDHCP")? != Some(0) {
            continue;
        }
        let name = format!("{set}\\{NETWORK}\\{}\\Connection", card.name());
        let name = hive.find(&name)?.map(|key| key.text("Name")).transpose()?;
        let connection = name.flatten();
        for address in lines(&card, "IPAddress")? {
            // (What is not set is an address of zeros.)
            if !address.is_empty() && address != "0.0.0.0" {
                out.push(StaticAddress {
                    address,
                    connection: connection.clone(),
                });
            }
        }
    }
    Ok(Some(out))
}

fn lines(key: &Key<'_>, name: &str) -> hive::Result<Vec<String>> {
    Ok(match key.value(name)?.map(|value| value.decode()) {
        Some(Ok(hive::Data::Lines(lines))) => lines,
        Some(Ok(hive::Data::Text(text))) => vec![text],
        Some(Err(error)) => return Err(error),
        Some(Ok(_)) | None => Vec::new(),
    })
}

fn tpm(hive: &Hive, set: &str) -> hive::Result<bool> {
    let Some(acpi) = hive.find(&format!("{set}\\Enum\\ACPI"))? else {
        return Ok(false);
    };
    for device in acpi.subkeys()?.into_iter().take(MANY) {
        for instance in device.subkeys()?.into_iter().take(MANY) {
            let class = instance.text("ClassGUID")?.unwrap_or_default();
            if class.eq_ignore_ascii_case(SECURITY_DEVICES) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

fn licence(software: &Source<'_>) -> Fact<String> {
    let version = "Microsoft\\Windows NT\\CurrentVersion";
    let data = fact::bytes(software, version, "DigitalProductId4");
    data.then(|data| match data.get(KIND) {
        Some(kind) => {
            let units = kind.chunks_exact(2);
            let units = units.filter_map(|pair| Some(u16::from_le_bytes(pair.try_into().ok()?)));
            let units: Vec<u16> = units.take_while(|unit| *unit != 0).collect();
            let text = String::from_utf16_lossy(&units);
            let plain = text.chars().all(|c| c.is_ascii_graphic());
            match plain && !text.is_empty() {
                true => Fact::Known(text),
                false => Fact::Absent,
            }
        }
        None => Fact::Absent,
    })
}
