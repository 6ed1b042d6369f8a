//! Which Windows it is, and whose profiles it has, in the hive SOFTWARE.

use super::fact::{self, Fact, Source};
use super::sid::Sid;

const VERSION: &str = "Microsoft\\Windows NT\\CurrentVersion";
/// The first build of Windows 11, whose ProductName still says "Windows 10".
const ELEVEN: u32 = 22000;
/// Profiles beyond this many are not looked at.
const PROFILES: usize = 10_000;

/// Which Windows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Product {
    /// "Windows 11 Pro".
    pub name: Fact<String>,
    /// "Professional".
    pub edition: Fact<String>,
    /// 22631
    pub build: Fact<u32>,
    /// The update's number within the build; none before Windows 10.
    pub revision: Fact<u32>,
}

impl Product {
    pub(super) fn read(software: &Source<'_>) -> Self {
        let build = fact::text(software, VERSION, "CurrentBuild");
        let build = match build {
            Fact::Absent => fact::text(software, VERSION, "CurrentBuildNumber"),
            found => found,
        };
        let build = build.then(|text| match text.parse() {
            Ok(build) => Fact::Known(build),
            Err(_) => Fact::Unknown(format!("CurrentBuild is {text:?}, expected a number")),
        });
        let revision = fact::number(software, VERSION, "UBR")
            .then(|number| Fact::from_result(u32::try_from(number).map(Some)));
        let name = fact::text(software, VERSION, "ProductName");
        let name = name.map(|name| marketed(&name, build.known().copied()));
        Self {
            name,
            edition: fact::text(software, VERSION, "EditionID"),
            build,
            revision,
        }
    }

    /// "Windows 11 Pro (build 22631.2861)", as far as it is known.
    #[must_use]
    pub fn title(&self) -> Option<String> {
        let name = self.name.known()?;
        Some(match (self.build.known(), self.revision.known()) {
            (Some(build), Some(revision)) => format!("{name} (build {build}.{revision})"),
            (Some(build), None) => format!("{name} (build {build})"),
            (None, _) => name.clone(),
        })
    }
}

fn marketed(name: &str, build: Option<u32>) -> String {
    match name.strip_prefix("Windows 10") {
        Some(rest) if build.is_some_and(|build| build >= ELEVEN) => format!("Windows 11{rest}"),
        _ => name.to_owned(),
    }
}

pub(super) fn machine_guid(software: &Source<'_>) -> Fact<String> {
    fact::text(software, "Microsoft\\Cryptography", "MachineGuid")
}

/// SIDs of the accounts with a profile: of the machine, of domains.
pub(super) fn profiles(software: &Source<'_>) -> Fact<Vec<Sid>> {
    let hive = match software {
        Ok(hive) => hive,
        Err(why) => return Fact::Unknown(why.clone()),
    };
    let read = || {
        let Some(key) = hive.find(&format!("{VERSION}\\ProfileList"))? else {
            return Ok(None);
        };
        let keys = key.subkeys()?.into_iter().take(PROFILES);
        // (A name may have an ending: ".bak".)
        let sids = keys.filter_map(|key| key.name().to_string().parse::<Sid>().ok());
        Ok(Some(sids.filter(|sid| sid.split().is_some()).collect()))
    };
    Fact::from_result(read().map_err(|e: hive::Error| format!("ProfileList: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_11_is_told_by_its_build() {
        assert_eq!(marketed("Windows 10 Pro", Some(22000)), "Windows 11 Pro");
        assert_eq!(marketed("Windows 10 Pro", Some(21999)), "Windows 10 Pro");
        assert_eq!(marketed("Windows 10 Pro", None), "Windows 10 Pro");
        let server = "Windows Server 2025 Standard";
        assert_eq!(marketed(server, Some(26100)), server);
    }
}
