//! Keyed hashes of what is secret, for comparing; the machine account's
//! password is the first of them.

use std::collections::BTreeMap;

use hive::{FileTime, Hive};

use super::account;
use super::fact::{self, Fact, Source};
use super::lsa;
use super::system::System;

/// Makes the hash of a secret of this name. What it gives is kept and shown, so
/// it has to be keyed.
pub type Hasher<'f> = &'f dyn Fn(&str, &[u8]) -> String;

/// Where the machine account's password is.
pub(super) const MACHINE: &str = "Policy\\Secrets\\$MACHINE.ACC";
/// The LSA's keys.
pub(super) const KEYS: &str = "Policy\\PolEKList";
/// Where bins begin.
const BINS: usize = 4096;

/// Secrets of SECURITY: name of the hash, key.
const STORED: [(&str, &str); 5] = [
    ("machine password", "Policy\\Secrets\\$MACHINE.ACC\\CurrVal"),
    (
        "previous machine password",
        "Policy\\Secrets\\$MACHINE.ACC\\OldVal",
    ),
    ("NL$KM", "Policy\\Secrets\\NL$KM\\CurrVal"),
    ("DPAPI_SYSTEM", "Policy\\Secrets\\DPAPI_SYSTEM\\CurrVal"),
    ("PolEKList", KEYS),
];

/// The keyed hashes, and what has none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Secrets {
    /// By name.
    pub hashes: BTreeMap<String, String>,
    /// Why there is no hash of something.
    pub unknown: Vec<String>,
}

impl Secrets {
    pub(super) fn read(
        system: &System<'_>,
        sam: &Source<'_>,
        security: &Source<'_>,
        hash: Hasher<'_>,
    ) -> Self {
        let mut secrets = Self::default();
        for (name, key) in STORED {
            secrets.add(name, fact::bytes(security, key, ""), hash);
        }
        secrets.add("SAM account F", fact::bytes(sam, account::KEY, "F"), hash);
        let boot_key = lsa::boot_key(system).map(|key| key.0.to_vec());
        secrets.add("boot key", boot_key, hash);
        secrets.add("SAM hive", bins(sam), hash);
        secrets.add("SECURITY hive", bins(security), hash);
        secrets
    }

    fn add(&mut self, name: &str, secret: Fact<Vec<u8>>, hash: Hasher<'_>) {
        match secret {
            // (An empty value holds no secret: there is no previous password.)
            Fact::Known(bytes) if !bytes.is_empty() => {
                self.hashes.insert(name.to_owned(), hash(name, &bytes));
            }
            Fact::Known(_) | Fact::Absent => {}
            Fact::Unknown(why) => self.unknown.push(format!("{name}: {why}")),
        }
    }
}

/// The whole hive but its base block: all keys, values, classes, times and
/// security descriptors as they are once the logs are replayed, wherever that
/// was done. (The base block has sequence numbers, which a replay changes.)
fn bins(source: &Source<'_>) -> Fact<Vec<u8>> {
    let of = |hive: &Hive| {
        let end = BINS.saturating_add(hive.bins_size() as usize);
        hive.as_bytes().get(BINS..end).map(<[u8]>::to_vec)
    };
    match source {
        Ok(hive) => Fact::from_result(Ok::<_, String>(of(hive))),
        Err(why) => Fact::Unknown(why.clone()),
    }
}

/// The password that the machine and its domain share; only when it changed is
/// told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachinePassword {
    /// When it was last changed; [`Fact::Absent`] when there is none.
    pub changed: Fact<FileTime>,
    /// Windows changes it after this many days (30 when nothing else is set).
    pub days: Fact<u64>,
    /// Whether Windows was told never to change it.
    pub kept: Fact<bool>,
}

impl MachinePassword {
    pub(super) fn read(system: &System<'_>, security: &Source<'_>) -> Self {
        let netlogon = |name| system.number("Services\\Netlogon\\Parameters", name);
        Self {
            changed: fact::time(security, &format!("{MACHINE}\\CupdTime"), ""),
            days: netlogon("MaximumPasswordAge"),
            kept: netlogon("DisablePasswordChange").map(|number| number != 0),
        }
    }
}
