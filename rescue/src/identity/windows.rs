//! What makes a Windows itself, read from its hives by the crate `windows`.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use hive::{FileTime, Hive, Replayed};
use image::{IdentityKey, System};
use windows::identity::{Bound, Fact, Hives, Identity, Outcome, Weight};

use super::known::Known;
use super::look::Looked;
use crate::files::{Files, open_hive};

/// [`System::family`] of these.
pub(crate) const FAMILY: &str = "windows";

/// Where the hives are.
const CONFIG: &str = "/Windows/System32/config";
/// No hive has more bytes than this.
const HIVE: u64 = 512 << 20;
/// No log has more bytes than this.
const LOG: u64 = 128 << 20;
/// Days after which Windows changes the machine account's password when it was
/// not told otherwise.
const DAYS: u64 = 30;

/// A hive, or why there is none; what became of its logs.
struct Loaded {
    hive: Result<Hive, String>,
    state: String,
}

/// The system below `files`, when it is a Windows; disk and partition are for
/// the caller to fill in.
pub(super) fn read(files: &dyn Files, key: &IdentityKey) -> Option<Looked> {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = FileTime::from_unix(since_1970.unwrap_or_default().as_secs());
    // (A SYSTEM that is there and cannot be read is a Windows, too.)
    let system = load(files, "SYSTEM")?;
    let missing = |name: &str| Loaded {
        hive: Err(format!("there is no {CONFIG}/{name}")),
        state: "missing".to_owned(),
    };
    let hive = |name| load(files, name).unwrap_or_else(|| missing(name));
    let loaded = [
        ("SYSTEM", system),
        ("SOFTWARE", hive("SOFTWARE")),
        ("SAM", hive("SAM")),
        ("SECURITY", hive("SECURITY")),
    ];
    let [system, software, sam, security] = loaded
        .each_ref()
        .map(|(_, loaded)| loaded.hive.as_ref().map_err(String::clone));
    let hives = Hives {
        system,
        software,
        sam,
        security,
    };
    let identity = Identity::read(&hives, &|name, secret| key.hash(name, secret));
    let mut told = Told::default();
    told.names(&identity, key);
    told.facts(&identity, now);
    for (name, loaded) in &loaded {
        told.detail(&format!("hive {name}"), &loaded.state);
    }
    told.checks(&identity);
    Some(told.finish(&identity))
}

fn load(files: &dyn Files, name: &str) -> Option<Loaded> {
    let failed = |why: String| {
        Some(Loaded {
            hive: Err(why),
            state: "cannot be read".to_owned(),
        })
    };
    let path = format!("{CONFIG}/{name}");
    let bytes = match files.read(&path, HIVE) {
        Ok(bytes) => bytes?,
        Err(error) => return failed(error.to_string()),
    };
    let (opened, unread) = open_hive(&path, bytes, |log| files.read(log, LOG));
    match opened {
        Ok((hive, replayed)) => {
            let mut state = vec![replays(&replayed)];
            state.extend(unread.iter().map(ToString::to_string));
            Some(Loaded {
                hive: Ok(hive),
                state: state.join("; "),
            })
        }
        Err(error) => failed(format!("{path}: {error}")),
    }
}

fn replays(replayed: &Replayed) -> String {
    match (replayed.was_dirty, replayed.entries()) {
        (false, _) => "was written to the end".to_owned(),
        (true, 0) => "was not written to the end, and no log says how it goes on".to_owned(),
        (true, entries) => format!("was not written to the end; {entries} log entries replayed"),
    }
}

/// What is told, as it is collected.
#[derive(Default)]
struct Told {
    identity: BTreeMap<String, String>,
    details: Vec<(String, String)>,
    notes: Vec<String>,
    known: Vec<Known>,
    /// What is not known, by reason.
    unknown: BTreeMap<String, Vec<String>>,
}

impl Told {
    fn put(&mut self, name: &str, fact: &Fact<impl ToString>) {
        match fact {
            Fact::Known(known) => {
                self.identity.insert(name.to_owned(), known.to_string());
            }
            Fact::Absent => {}
            Fact::Unknown(why) => self.unknown(name, why),
        }
    }

    fn unknown(&mut self, name: &str, why: &str) {
        let names = self.unknown.entry(why.to_owned()).or_default();
        names.push(name.to_owned());
    }

    fn detail(&mut self, name: &str, value: &str) {
        self.details.push((name.to_owned(), value.to_owned()));
    }

    fn names(&mut self, identity: &Identity, key: &IdentityKey) {
        self.put("computer name", &identity.names.computer);
        self.put("host name", &identity.names.host);
        self.put("DNS suffix", &identity.names.domain);
        self.put("machine SID", &identity.machine_sid);
        let policy = &identity.policy;
        self.put("account domain", &policy.accounts.name);
        self.put("account domain SID", &policy.accounts.sid);
        let kind = match policy.joined {
            Fact::Known(false) => "workgroup",
            _ => "domain",
        };
        self.put(kind, &policy.primary.name);
        self.put("domain SID", &policy.primary.sid);
        self.put("domain DNS name", &policy.dns);
        self.put("domain forest", &policy.forest);
        self.put("domain GUID", &policy.guid);
        self.put("role", &identity.role);
        let changed = &identity.password.changed;
        self.put("machine password changed", changed);
        // What other programs know the machine by, as systemd's machine-id.
        let guid = "MachineGuid";
        match &identity.machine_guid {
            Fact::Known(id) => {
                let hash = key.hash(guid, id.as_bytes());
                self.identity.insert(guid.to_owned(), hash);
            }
            Fact::Absent => {}
            Fact::Unknown(why) => self.unknown(guid, why),
        }
        self.identity.extend(identity.secrets.hashes.clone());
        for why in &identity.secrets.unknown {
            if let Some((name, why)) = why.split_once(": ") {
                self.unknown(name, why);
            }
        }
    }

    fn facts(&mut self, identity: &Identity, now: FileTime) {
        let product = &identity.product;
        if let Some(title) = product.title() {
            let edition = product.edition.known().map(|e| format!(", edition {e}"));
            self.detail(
                "product",
                &format!("{title}{}", edition.unwrap_or_default()),
            );
        }
        if let Some(why) = product.name.why() {
            self.unknown("product", why);
        }
        let policy = &identity.policy;
        let name = policy.primary.name.known().map_or("?", String::as_str);
        match (&policy.joined, policy.dns.known()) {
            (Fact::Known(true), Some(dns)) => {
                self.detail("member of", &format!("domain {name} ({dns})"));
            }
            (Fact::Known(true), None) => self.detail("member of", &format!("domain {name}")),
            (Fact::Known(false), _) => {
                self.detail("member of", &format!("no domain (workgroup {name})"));
            }
            _ => {}
        }
        let condition = &identity.condition;
        for finding in condition.findings() {
            if finding.weight == Weight::Warning {
                self.known
                    .push(Known::words(finding.short, Some(&finding.text)));
                self.notes.push(finding.text);
            }
        }
        self.password(identity, now);
        self.bound(&identity.bound);
        if let Some(zone) = condition.time_zone.known() {
            self.detail("time zone", zone);
        }
        let clock = match condition.utc_clock {
            Fact::Known(true) => "UTC",
            Fact::Known(false) | Fact::Absent => "local time",
            Fact::Unknown(_) => "not known",
        };
        self.detail("hardware clock", clock);
    }

    fn password(&mut self, identity: &Identity, now: FileTime) {
        let password = &identity.password;
        let Some(changed) = password.changed.known() else {
            return;
        };
        let Some(age) = days(*changed, now) else {
            let text = format!("changed {changed}, which is in the future by this clock");
            self.known
                .push(Known::password(seconds(*changed), None, None));
            return self.detail("machine account's password", &text);
        };
        let text = format!("changed {changed}, {age} days ago");
        self.detail("machine account's password", &text);
        let limit = password.days.known().copied().unwrap_or(DAYS);
        let limit = (password.kept.known() != Some(&true)).then_some(limit);
        let note = limit.filter(|limit| age > *limit).map(|limit| {
            format!(
                "The password of the machine's account was changed {age} days ago, and Windows \
                 changes it every {limit} days: its domain may know a newer one. Should it refuse \
                 the machine (\"trust relationship failed\"), run Test-ComputerSecureChannel \
                 -Repair there with an account of the domain; it need not be joined anew."
            )
        });
        let known = Known::password(seconds(*changed), limit, note.as_deref());
        self.known.push(known);
        self.notes.extend(note);
    }

    /// What stays behind with the old hardware.
    fn bound(&mut self, bound: &Bound) {
        if bound.tpm.known() == Some(&true) {
            self.detail("TPM", "it had one");
            self.known.push(Known::tpm());
        }
        let addresses = bound.addresses.known().into_iter().flatten();
        let named = addresses.map(|a| match &a.connection {
            Some(name) => format!("{} ({name})", a.address),
            None => a.address.clone(),
        });
        let named: Vec<String> = named.collect();
        if !named.is_empty() {
            self.detail("static addresses", &named.join(", "));
            let first = named.iter().take(2).cloned().collect::<Vec<_>>().join(", ");
            let more = match named.len().saturating_sub(2) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            self.known.push(Known::words(
                format!("Static IP {first}{more}: another network card starts without it."),
                None,
            ));
        }
        if let Some(kind) = bound.licence.known() {
            self.detail("licence", kind);
            self.known.push(Known::licence(kind));
        }
    }

    fn checks(&mut self, identity: &Identity) {
        for check in &identity.checks {
            let text = check.to_string();
            if matches!(check.outcome, Outcome::Fails(_)) {
                self.known.push(Known::words(text.clone(), Some(&text)));
                self.notes.push(text.clone());
            }
            self.detail("check", &text);
        }
    }

    fn finish(mut self, identity: &Identity) -> Looked {
        for (why, names) in &self.unknown {
            self.notes
                .push(format!("not known: {} ({why})", names.join(", ")));
        }
        Looked {
            system: Some(System {
                disk: 0,
                partition: 0,
                family: FAMILY.to_owned(),
                name: Some(
                    identity
                        .product
                        .title()
                        .unwrap_or_else(|| "Windows".to_owned()),
                ),
                hostname: identity.names.computer.known().cloned(),
                identity: self.identity,
            }),
            details: self.details,
            notes: self.notes,
            known: self.known,
        }
    }
}

/// Seconds since 1970.
fn seconds(time: FileTime) -> u64 {
    let origin = FileTime::from_unix(0).0;
    time.0.saturating_sub(origin) / 10_000_000
}

/// Whole days from `then` to `now`; `None` when that is later.
fn days(then: FileTime, now: FileTime) -> Option<u64> {
    const DAY: u64 = 24 * 60 * 60 * 10_000_000;
    Some(now.0.checked_sub(then.0)? / DAY)
}
