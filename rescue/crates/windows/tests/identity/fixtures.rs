//! The genuine hives: `shared/fixtures/windows` beside the checkout, or in
//! `$RESCUE_FIXTURES`. Without them these tests fail.

use std::path::{Path, PathBuf};
use std::process::Command;

use hive::Hive;
use windows::identity::{Hives, Identity};

/// The hives of one machine, as far as there are any.
#[derive(Debug, Clone, Default)]
pub(crate) struct Machine {
    pub(crate) system: Option<Hive>,
    pub(crate) software: Option<Hive>,
    pub(crate) sam: Option<Hive>,
    pub(crate) security: Option<Hive>,
}

impl Machine {
    pub(crate) fn joined() -> Self {
        Self {
            system: Some(hive("joined-8.1/SYSTEM", &[])),
            software: Some(hive("joined-8.1/SOFTWARE", &[])),
            ..Self::joined_secrets()
        }
    }

    /// Only SAM and SECURITY.
    pub(crate) fn joined_secrets() -> Self {
        Self {
            sam: Some(hive("joined-8.1/SAM", &[])),
            security: Some(hive("joined-8.1/SECURITY", &[])),
            ..Self::default()
        }
    }

    pub(crate) fn server() -> Self {
        Self {
            sam: Some(hive("server-logs/SAM", &[".LOG1", ".LOG2"])),
            security: Some(hive("server-logs/SECURITY", &[".LOG1", ".LOG2"])),
            ..Self::default()
        }
    }

    pub(crate) fn ten() -> Self {
        Self {
            system: Some(hive("dirty-10/SYSTEM", &[".LOG1", ".LOG2"])),
            ..Self::default()
        }
    }

    /// The identity, with the secrets in hexadecimal digits for hashes.
    pub(crate) fn identity(&self) -> Identity {
        fn source<'h>(hive: &'h Option<Hive>, name: &str) -> Result<&'h Hive, String> {
            hive.as_ref().ok_or_else(|| format!("there is no {name}"))
        }
        let hives = Hives {
            system: source(&self.system, "SYSTEM"),
            software: source(&self.software, "SOFTWARE"),
            sam: source(&self.sam, "SAM"),
            security: source(&self.security, "SECURITY"),
        };
        Identity::read(&hives, &|_, secret| hex(secret))
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A hive of the collection as Windows would load it.
pub(crate) fn hive(name: &str, logs: &[&str]) -> Hive {
    let logs: Vec<Vec<u8>> = logs
        .iter()
        .map(|log| unpacked(&format!("{name}{log}")))
        .collect();
    let logs: Vec<&[u8]> = logs.iter().map(Vec::as_slice).collect();
    Hive::open(unpacked(name), &logs).unwrap().0
}

pub(crate) fn unpacked(name: &str) -> Vec<u8> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../shared/fixtures");
    let folder = std::env::var_os("RESCUE_FIXTURES").map_or(beside, PathBuf::from);
    let packed = folder.join(format!("windows/{name}.xz"));
    let output = Command::new("xz").arg("-dc").arg(&packed).output();
    let output = output.expect("xz runs (package xz-utils)");
    assert!(
        output.status.success(),
        "no {}: put the fixtures beside the checkout, or name their folder in RESCUE_FIXTURES",
        packed.display()
    );
    output.stdout
}
