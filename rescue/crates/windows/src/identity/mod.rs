//! Who a Windows is: what makes it itself, from its hives SYSTEM, SOFTWARE,
//! SAM and SECURITY.
//!
//! [`Identity::read`] takes the hives, logs already replayed; each may be
//! missing, and what is damaged is not known, with a reason. Nothing is
//! written. Secrets leave only as hashes that the caller's [`Hasher`] makes; what is
//! decrypted to see whether the hives belong together is forgotten at once.
//!
//! Where things are: "Identity" in `windows.md` of the design notes, checked on
//! hives of Windows 8.1, 10 and Server 2019; Windows 7 to 11 and Server 2025
//! keep them in the same places.

mod account;
mod bound;
mod checks;
mod condition;
mod fact;
mod lsa;
mod policy;
mod product;
mod secrets;
mod sid;
mod system;

pub use bound::{Bound, StaticAddress};
pub use checks::{Check, Outcome};
pub use condition::{Condition, Finding, Weight};
pub use fact::{Fact, Source};
pub use policy::{Domain, Policy};
pub use product::Product;
pub use secrets::{Hasher, MachinePassword, Secrets};
pub use sid::{NoSid, Sid};
pub use system::{Names, Role};

use checks::Evidence;
use system::System;

/// The hives of one Windows, each with its logs replayed, or why it is missing.
#[derive(Debug, Clone)]
pub struct Hives<'h> {
    /// `\Windows\System32\config\SYSTEM`
    pub system: Source<'h>,
    /// `…\SOFTWARE`
    pub software: Source<'h>,
    /// `…\SAM`
    pub sam: Source<'h>,
    /// `…\SECURITY`
    pub security: Source<'h>,
}

/// What the hives tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Which Windows it is.
    pub product: Product,
    /// What it is for.
    pub role: Fact<Role>,
    /// What it calls itself.
    pub names: Names,
    /// Its own SID, from SAM.
    pub machine_sid: Fact<Sid>,
    /// What SECURITY knows of it and its domain.
    pub policy: Policy,
    /// `MachineGuid` of SOFTWARE.
    pub machine_guid: Fact<String>,
    /// The password it shares with its domain.
    pub password: MachinePassword,
    /// Keyed hashes of everything secret.
    pub secrets: Secrets,
    /// Whether the hives are of one machine.
    pub checks: Vec<Check>,
    /// What else matters before it is brought back.
    pub condition: Condition,
    /// What stays behind with the old hardware.
    pub bound: Bound,
}

impl Identity {
    /// Reads it; `hash` makes the keyed hashes.
    #[must_use]
    pub fn read(hives: &Hives<'_>, hash: Hasher<'_>) -> Self {
        let system = System::new(&hives.system);
        let policy = Policy::read(&hives.security);
        let machine_sid = account::machine_sid(&hives.sam);
        let profiles = product::profiles(&hives.software);
        let role = Role::read(&system);
        let evidence = Evidence {
            machine: &machine_sid,
            policy: &policy,
            profiles: &profiles,
            role: &role,
            system: &system,
            security: &hives.security,
        };
        Self {
            checks: evidence.checks(),
            product: Product::read(&hives.software),
            names: Names::read(&system),
            machine_guid: product::machine_guid(&hives.software),
            password: MachinePassword::read(&system, &hives.security),
            secrets: Secrets::read(&system, &hives.sam, &hives.security, hash),
            condition: Condition::read(&system, &hives.software),
            bound: Bound::read(&system, &hives.software),
            machine_sid,
            policy,
            role,
        }
    }
}
