//! Which disk this machine was booted from, when it runs the rescue medium.

use std::fs;
use std::path::Path;

use disk::ReadAt;
use serde::Deserialize;

/// Byte offset of an ISO 9660 primary volume descriptor (ECMA-119 §6.7.1:
/// logical sector 16), and in it the volume identifier (§8.4.7).
const DESCRIPTOR: u64 = 16 * 2048;
const VOLUME_ID: std::ops::Range<usize> = 40..72;

/// Sizes of sectors, in bytes.
const SECTORS: [u64; 2] = [512, 4096];

/// What docs/MEDIUM.md says of `/etc/rescue/medium.json`, as far as it is
/// needed here.
#[derive(Debug, Deserialize)]
struct MediumFile {
    volume: String,
    /// The GUID of the GPT of a stick.
    disk: Option<String>,
}

/// Whether `device` carries the medium this machine was booted from.
pub(super) fn is_medium(root: &Path, device: &Path) -> bool {
    let Some(wanted) = booted_from(root) else {
        return false;
    };
    let Ok(file) = fs::File::open(device) else {
        return false;
    };
    let volume = volume_id(&file).is_some_and(|id| id == wanted.volume.trim_end());
    let disk = wanted.disk.as_deref().map(str::to_lowercase);
    volume || (disk.is_some() && SECTORS.iter().any(|s| disk_guid(&file, *s) == disk))
}

/// The medium this runs from; `None` elsewhere.
fn booted_from(root: &Path) -> Option<MediumFile> {
    let bytes = fs::read(root.join("etc/rescue/medium.json")).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// The disk GUID of a GPT (UEFI 2.10, table 5.5: byte 56 of the header in
/// sector 1), as text: the first three fields are little-endian.
fn disk_guid(device: &impl ReadAt, sector: u64) -> Option<String> {
    let mut header = [0; 92];
    device.read_exact_at(&mut header, sector).ok()?;
    if !header.starts_with(b"EFI PART") {
        return None;
    }
    let [a, b, c, d, e, f, g, h, rest @ ..]: [u8; 16] = header.get(56..72)?.try_into().ok()?;
    let order = [d, c, b, a, f, e, h, g];
    let hex: String = order
        .iter()
        .chain(&rest)
        .map(|x| format!("{x:02x}"))
        .collect();
    let part = |range: std::ops::Range<usize>| hex.get(range).unwrap_or_default();
    let parts = [
        part(0..8),
        part(8..12),
        part(12..16),
        part(16..20),
        part(20..32),
    ];
    Some(parts.join("-"))
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
