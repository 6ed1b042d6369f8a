//! The genuine hives: `shared/fixtures/windows` beside the checkout, or in
//! `$RESCUE_FIXTURES`. Without them these tests fail.

use std::path::{Path, PathBuf};
use std::process::Command;

use hive::{Hive, Replayed};

/// A hive of the collection and its logs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fixture {
    pub(crate) name: &'static str,
    pub(crate) logs: bool,
}

const fn hive(name: &'static str) -> Fixture {
    Fixture { name, logs: false }
}

const fn with_logs(name: &'static str) -> Fixture {
    Fixture { name, logs: true }
}

/// All of them.
pub(crate) const ALL: [Fixture; 10] = [
    hive("bcd/BCDlaptop"),
    hive("bcd/BCDvm"),
    hive("bcd/uefi-gpt-10"),
    hive("joined-8.1/SAM"),
    hive("joined-8.1/SECURITY"),
    hive("joined-8.1/SYSTEM"),
    hive("joined-8.1/SOFTWARE"),
    with_logs("dirty-10/SYSTEM"),
    with_logs("server-logs/SAM"),
    with_logs("server-logs/SECURITY"),
];

/// The one of this name.
pub(crate) fn named(name: &str) -> Fixture {
    let found = ALL.into_iter().find(|fixture| fixture.name == name);
    found.expect("a fixture of this name")
}

impl Fixture {
    /// The hive's file.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        unpacked(self.name)
    }

    /// The files of its logs.
    pub(crate) fn log_bytes(&self) -> Vec<Vec<u8>> {
        let suffixes: &[_] = if self.logs { &[".LOG1", ".LOG2"] } else { &[] };
        let names = suffixes
            .iter()
            .map(|suffix| format!("{}{suffix}", self.name));
        names.map(|name| unpacked(&name)).collect()
    }

    /// The hive as Windows would load it.
    pub(crate) fn open(&self) -> (Hive, Replayed) {
        let logs = self.log_bytes();
        let logs: Vec<&[u8]> = logs.iter().map(Vec::as_slice).collect();
        Hive::open(self.bytes(), &logs).unwrap_or_else(|e| panic!("{}: {e}", self.name))
    }
}

fn folder() -> PathBuf {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../shared/fixtures");
    let folder = std::env::var_os("RESCUE_FIXTURES").map_or(beside, PathBuf::from);
    let folder = folder.join("windows");
    assert!(
        folder.is_dir(),
        "no hives to test with in {}: put the fixtures beside the checkout, or name their \
         folder in RESCUE_FIXTURES",
        folder.display()
    );
    folder
}

fn unpacked(name: &str) -> Vec<u8> {
    let packed = folder().join(format!("{name}.xz"));
    let output = Command::new("xz").arg("-dc").arg(&packed).output();
    let output = output.expect("xz runs (package xz-utils)");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "xz -dc {}: {said}",
        packed.display()
    );
    output.stdout
}
