//! What the machine is called and what it is for, in the hive SYSTEM.

use super::fact::{self, Fact, Source};
use crate::control_sets;

/// A SYSTEM hive and the control set that Windows starts with.
#[derive(Debug)]
pub(super) struct System<'h> {
    source: Source<'h>,
    /// "ControlSet001".
    set: Fact<String>,
}

impl<'h> System<'h> {
    pub(super) fn new(source: &Source<'h>) -> Self {
        let set = match source {
            Ok(hive) => Fact::from_result(control_sets::current(hive).map(Some)),
            Err(why) => Fact::Unknown(why.clone()),
        };
        Self {
            source: source.clone(),
            set,
        }
    }

    pub(super) fn source(&self) -> &Source<'h> {
        &self.source
    }

    /// The path of a key of the control set.
    pub(super) fn path(&self, below: &str) -> Fact<String> {
        let set = self.set.clone();
        set.map(|set| format!("{set}\\{below}"))
    }

    pub(super) fn text(&self, below: &str, name: &str) -> Fact<String> {
        let path = self.path(below);
        path.then(|path| fact::text(&self.source, &path, name))
    }

    pub(super) fn number(&self, below: &str, name: &str) -> Fact<u64> {
        let path = self.path(below);
        path.then(|path| fact::number(&self.source, &path, name))
    }
}

/// What the machine calls itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// NetBIOS name.
    pub computer: Fact<String>,
    /// Its name in DNS.
    pub host: Fact<String>,
    /// The DNS domain that makes its name a full one.
    pub domain: Fact<String>,
}

impl Names {
    pub(super) fn read(system: &System<'_>) -> Self {
        let tcpip = |name: &str| system.text("Services\\Tcpip\\Parameters", name);
        // "NV …" holds from the next start on, and is what was set last.
        let either = |name: &str| match tcpip(&format!("NV {name}")) {
            Fact::Absent => tcpip(name),
            found => found,
        };
        let computer = system.text("Control\\ComputerName\\ComputerName", "ComputerName");
        Self {
            computer,
            host: either("Hostname"),
            domain: either("Domain"),
        }
    }
}

/// What a Windows is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A client edition.
    Workstation,
    /// A server that keeps no domain.
    Server,
    /// A server that keeps a domain: its identity is in `NTDS.dit`.
    DomainController,
}

impl Role {
    pub(super) fn read(system: &System<'_>) -> Fact<Self> {
        let text = system.text("Control\\ProductOptions", "ProductType");
        let text = text.or_unknown("SYSTEM has no ProductOptions\\ProductType");
        text.then(|text| {
            let is = |name: &str| text.eq_ignore_ascii_case(name);
            match () {
                () if is("WinNT") => Fact::Known(Self::Workstation),
                () if is("ServerNT") => Fact::Known(Self::Server),
                () if is("LanmanNT") => Fact::Known(Self::DomainController),
                () => Fact::Unknown(format!("ProductType {text:?} is none that is known")),
            }
        })
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Workstation => "workstation",
            Self::Server => "server",
            Self::DomainController => "domain controller",
        })
    }
}
