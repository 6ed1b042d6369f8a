//! Which disk this machine was booted from, when it runs the rescue medium.

use std::fs;
use std::path::Path;

use disk::ReadAt;
use serde::Deserialize;

/// Byte offset of an ISO 9660 primary volume descriptor (ECMA-119 §6.7.1:
/// logical sector 16), and in it the volume identifier (§8.4.7).
const DESCRIPTOR: u64 = 16 * 2048;
const VOLUME_ID: std::ops::Range<usize> = 40..72;

/// What docs/MEDIUM.md says of `/etc/rescue/medium.json`, as far as it is
/// needed here.
#[derive(Debug, Deserialize)]
struct MediumFile {
    volume: String,
}

/// Whether `device` carries the volume this machine was booted from.
pub(super) fn is_medium(root: &Path, device: &Path) -> bool {
    let Some(wanted) = booted_volume(root) else {
        return false;
    };
    fs::File::open(device).is_ok_and(|file| volume_id(&file).is_some_and(|id| id == wanted))
}

/// The volume identifier of the medium this runs from; `None` elsewhere.
fn booted_volume(root: &Path) -> Option<String> {
    let bytes = fs::read(root.join("etc/rescue/medium.json")).ok()?;
    let medium: MediumFile = serde_json::from_slice(&bytes).ok()?;
    Some(medium.volume.trim_end().to_owned())
}

/// The volume identifier of an ISO 9660 filesystem.
fn volume_id(device: &impl ReadAt) -> Option<String> {
    let mut sector = [0; 2048];
    device.read_exact_at(&mut sector, DESCRIPTOR).ok()?;
    let magic = sector.get(..6)?;
    if magic != b"\x01CD001" {
        return None;
    }
    let id = String::from_utf8_lossy(sector.get(VOLUME_ID)?);
    Some(id.trim_end().to_owned())
}
