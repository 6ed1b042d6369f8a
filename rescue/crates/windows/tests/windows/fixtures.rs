//! The genuine hives: `shared/fixtures/windows` beside the checkout, or in
//! `$RESCUE_FIXTURES`. Without them these tests fail.

use std::path::{Path, PathBuf};
use std::process::Command;

use hive::{Edit, FileTime, Hive};

/// What edited keys say they were written.
pub(crate) const WHEN: FileTime = FileTime(0x01DA_0000_0000_0000);

/// The boot stores.
pub(crate) const STORES: [&str; 3] = ["bcd/uefi-gpt-10", "bcd/BCDvm", "bcd/BCDlaptop"];

/// A hive as Windows would load it: with the logs beside it replayed.
pub(crate) fn hive(name: &str) -> Hive {
    let logs: Vec<Vec<u8>> = [".LOG1", ".LOG2"]
        .iter()
        .map(|suffix| format!("{name}{suffix}"))
        .filter(|name| packed(name).exists())
        .map(|name| unpacked(&name))
        .collect();
    let logs: Vec<&[u8]> = logs.iter().map(Vec::as_slice).collect();
    let opened = Hive::open(unpacked(name), &logs);
    opened.unwrap_or_else(|e| panic!("{name}: {e}")).0
}

/// An edit that is finished, read again.
pub(crate) fn finished(edit: Edit) -> Hive {
    let hive = Hive::open(edit.finish().unwrap(), &[]).unwrap().0;
    hive.validate().unwrap();
    hive
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

fn packed(name: &str) -> PathBuf {
    folder().join(format!("{name}.xz"))
}

fn unpacked(name: &str) -> Vec<u8> {
    let packed = packed(name);
    let output = Command::new("xz").arg("-dc").arg(&packed).output();
    let output = output.expect("xz runs (package xz-utils)");
    let said = String::from_utf8_lossy(&output.stderr);
    let packed = packed.display();
    assert!(output.status.success(), "xz -dc {packed}: {said}");
    output.stdout
}

/// A row of the map of ids to drivers that was extracted from five Windows:
/// `shared/design/windows-pci-storage-map.tsv`.
#[derive(Debug)]
pub(crate) struct MapRow {
    pub(crate) id: String,
    pub(crate) inf: String,
    pub(crate) service: Option<String>,
}

/// The rows of one Windows.
pub(crate) fn map_rows(windows: &str) -> Vec<MapRow> {
    let file = folder().join("../../design/windows-pci-storage-map.tsv");
    let text = std::fs::read_to_string(&file);
    let text = text.unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let rows = text
        .lines()
        .map(|line| line.split('\t').collect::<Vec<_>>());
    let rows = rows.filter(|columns| columns[0] == windows);
    let row = |columns: Vec<&str>| MapRow {
        id: columns[1].to_owned(),
        inf: columns[2].to_owned(),
        service: Some(columns[3].to_owned()).filter(|name| !name.is_empty()),
    };
    rows.map(row).collect()
}
