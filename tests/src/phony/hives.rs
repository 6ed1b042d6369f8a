//! The fixtures, and `SYSTEM` with this disk in its `MountedDevices`.

use super::device::Device;
use super::layout::Layout;
use anyhow::{Context, Result, ensure};
use hive::{FileTime, Hive, ValueType};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The hives of one machine.
pub(super) const MACHINE: &str = "joined-8.1";
/// When `SYSTEM` was changed; a constant, so that disks come out the same.
pub(super) const WHEN: FileTime = FileTime::from_unix(1_480_000_000);

/// `shared/fixtures` beside the checkout, or what `RESCUE_FIXTURES` names.
pub(super) fn fixtures() -> PathBuf {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/fixtures");
    std::env::var_os("RESCUE_FIXTURES").map_or(beside, PathBuf::from)
}

/// A file of `shared/fixtures/windows` beside the checkout, or of where
/// `RESCUE_FIXTURES` says, unpacked.
///
/// # Errors
/// When it is not there, or `xz` fails.
pub fn fixture(name: &str) -> Result<Vec<u8>> {
    let packed = fixtures().join(format!("windows/{name}.xz"));
    ensure!(
        packed.exists(),
        "no {}: put the fixtures beside the checkout, or name their folder in RESCUE_FIXTURES",
        packed.display()
    );
    let output = Command::new("xz").arg("-dc").arg(&packed).output();
    let output = output.context("running xz; install the package xz-utils")?;
    ensure!(
        output.status.success(),
        "xz -dc {} failed",
        packed.display()
    );
    Ok(output.stdout)
}

/// The machine's `SYSTEM`: the partition of `C:` becomes this disk's, the other
/// partition of the same disk becomes its recovery partition, or goes when
/// there is none. Drives that are no hard disks stay.
pub(super) fn system(layout: &Layout) -> Result<Vec<u8>> {
    let hive = Hive::open(fixture(&format!("{MACHINE}/SYSTEM"))?, &[])?.0;
    let key = "MountedDevices";
    let mut values = Vec::new();
    for value in hive.key(key)?.values()? {
        values.push((value.name().to_string(), value.data()?.into_owned()));
    }
    let is_c = |(name, _): &&(String, Vec<u8>)| name == r"\DosDevices\C:";
    let c = values
        .iter()
        .find(is_c)
        .context("the hive has no C:")?
        .1
        .clone();
    let mut edit = hive.edit(WHEN)?;
    for (name, data) in values.iter().filter(|(_, data)| data.len() == c.len()) {
        let device = match *data == c {
            true => Some(layout.windows),
            false => layout.other,
        };
        match device {
            Some(device) => edit.set_value(key, name, ValueType::BINARY, &mounted(device))?,
            None => edit.delete_value(key, name)?,
        };
    }
    Ok(edit.finish()?)
}

/// What `MountedDevices` has for a partition.
fn mounted(device: Device) -> Vec<u8> {
    match device {
        Device::Gpt { partition, .. } => {
            [b"DMIO:ID:".as_slice(), &partition.to_bytes_le()].concat()
        }
        Device::Mbr { offset, signature } => {
            [signature.to_le_bytes().as_slice(), &offset.to_le_bytes()].concat()
        }
    }
}
