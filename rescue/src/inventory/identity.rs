//! Size, model, serial number and attachment of one disk, from sysfs.

use std::fs;
use std::path::{Path, PathBuf};

use super::graph::Node;
use super::types::{Bus, Disk, DiskKind};
use crate::init::iscsi::OUR_NAMES;

/// Sysfs counts a disk's size in units of 512 bytes, whatever its sectors.
const SYSFS_SECTOR: u64 = 512;

/// Everything about `node` but what holds it.
pub(super) fn describe(root: &Path, node: &Node) -> Disk {
    let dir = &node.dir;
    Disk {
        path: root.join("dev").join(node.name.replace('!', "/")),
        name: node.name.clone(),
        kind: DiskKind::Device,
        size: number(dir, "size")
            .unwrap_or(0)
            .saturating_mul(SYSFS_SECTOR),
        sector_size: sector(dir, "queue/logical_block_size"),
        physical_sector: sector(dir, "queue/physical_block_size"),
        model: model(dir),
        serial: serial(dir),
        wwn: wwn(dir),
        bus: bus(dir, &node.name),
        removable: flag(dir, "removable"),
        read_only: flag(dir, "ro") || is_our_lun(root, dir),
        rotational: flag(dir, "queue/rotational"),
        uses: Vec::new(),
    }
}

/// Whether it is a disk of an iSCSI server that this program logged in to, to
/// read a repository: from the moment it appears, whatever became of who asked.
fn is_our_lun(root: &Path, dir: &Path) -> bool {
    let sessions = root.join("sys/class/iscsi_session");
    let parts = dir.iter().filter_map(|part| part.to_str());
    parts
        .filter(|part| part.starts_with("session"))
        .filter_map(|part| text(&sessions.join(part), "initiatorname"))
        .any(|name| name.starts_with(OUR_NAMES))
}

/// An attribute as trimmed text; `None` when missing or empty.
pub(super) fn text(dir: &Path, attribute: &str) -> Option<String> {
    let bytes = fs::read(dir.join(attribute)).ok()?;
    printable(&bytes)
}

/// Trims, and drops what a terminal could not show.
fn printable(bytes: &[u8]) -> Option<String> {
    let text: String = String::from_utf8_lossy(bytes)
        .chars()
        .filter(|c| !c.is_control() && *c != char::REPLACEMENT_CHARACTER)
        .collect();
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

fn number(dir: &Path, attribute: &str) -> Option<u64> {
    text(dir, attribute)?.parse().ok()
}

fn flag(dir: &Path, attribute: &str) -> bool {
    number(dir, attribute).is_some_and(|n| n != 0)
}

fn sector(dir: &Path, attribute: &str) -> u32 {
    number(dir, attribute)
        .and_then(|n| u32::try_from(n).ok())
        .unwrap_or(512)
}

/// Vendor and model. "ATA" and "NVMe" are transports, no vendors.
fn model(dir: &Path) -> Option<String> {
    let vendor = text(dir, "device/vendor").filter(|v| !v.starts_with("0x") && v != "ATA");
    let model = text(dir, "device/model").or_else(|| text(dir, "device/name"));
    match (vendor, model) {
        (Some(vendor), Some(model)) => Some(format!("{vendor} {model}")),
        (vendor, model) => model.or(vendor),
    }
}

/// NVMe and MMC say it beside the model, virtio beside the size, SCSI and SATA
/// in the unit-serial page; a USB stick often only in its USB descriptor.
fn serial(dir: &Path) -> Option<String> {
    text(dir, "serial")
        .or_else(|| text(dir, "device/serial"))
        .or_else(|| unit_serial(dir))
        .or_else(|| usb_serial(dir))
}

/// SCSI vital product data page 0x80 (SPC-4 §7.8.18): a 4-byte header whose
/// last two bytes are the length, then the serial number.
fn unit_serial(dir: &Path) -> Option<String> {
    let page = fs::read(dir.join("device/vpd_pg80")).ok()?;
    let [_, 0x80, high, low, serial @ ..] = page.as_slice() else {
        return None;
    };
    let len = usize::from(u16::from_be_bytes([*high, *low]));
    printable(serial.get(..len).unwrap_or(serial))
}

fn usb_serial(dir: &Path) -> Option<String> {
    ancestors(dir)
        .find(|d| d.join("idVendor").exists())
        .and_then(|d| text(&d, "serial"))
}

fn ancestors(dir: &Path) -> impl Iterator<Item = PathBuf> {
    dir.ancestors().skip(1).map(Path::to_path_buf)
}

/// Only names that are unique in the world: "t10." ones repeat the serial.
fn wwn(dir: &Path) -> Option<String> {
    text(dir, "wwid")
        .or_else(|| text(dir, "device/wwid"))
        .filter(|w| ["naa.", "eui.", "uuid."].iter().any(|p| w.starts_with(p)))
}

/// From the device's place in the tree: the nearest controller decides, but a
/// USB bridge may present its disk as SCSI, so USB is looked for first.
fn bus(dir: &Path, name: &str) -> Bus {
    let place = dir.to_string_lossy();
    let has = |part: &str| place.contains(part);
    match name {
        _ if has("/usb") => Bus::Usb,
        _ if name.starts_with("nvme") => Bus::Nvme,
        _ if name.starts_with("mmcblk") => Bus::Mmc,
        _ if name.starts_with("xvd") => Bus::Xen,
        _ if has("/ata") => Bus::Sata,
        _ if has("/virtio") => Bus::Virtio,
        _ if has("/vmbus") || has("/VMBUS") => Bus::Vmbus,
        _ if has("/host") => Bus::Scsi,
        _ => Bus::Other,
    }
}
