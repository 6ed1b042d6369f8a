//! The partition table, with the ids that the boot store names.

use super::Firmware;
use super::device::{self, BOOT_MANAGER, Device};
use crate::tool;
use anyhow::{Context, Result, bail};
use hive::Hive;
use std::fmt::Write as _;
use std::path::Path;

pub(super) const SECTOR: u64 = 512;
/// Sectors of a MiB.
const MIB: u64 = 2048;

/// Where the partition begins that a BIOS starts from, in bytes.
pub(super) const START: u64 = MIB * SECTOR;
/// Where Windows begins on a disk that a BIOS starts from another partition, in bytes.
pub(super) const SPLIT_AT: u64 = 41 << 20;

/// A partition, in sectors.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) start: u64,
    pub(super) size: u64,
    /// What `sfdisk` is told of it.
    script: String,
}

#[derive(Debug)]
pub(super) struct Layout {
    header: String,
    pub(super) parts: Vec<Part>,
    /// The partition of Windows.
    pub(super) windows: Device,
    /// Another one that Windows knows a volume of.
    pub(super) other: Option<Device>,
}

impl Layout {
    pub(super) fn of(firmware: Firmware, store: &[u8]) -> Result<Self> {
        let store = Hive::open(store.to_vec(), &[])?.0;
        match firmware {
            Firmware::Uefi => Self::gpt(&store),
            Firmware::Bios | Firmware::BiosLaptop => Self::mbr(&store),
            Firmware::BiosSplit => Self::split(&store),
        }
    }

    fn gpt(store: &Hive) -> Result<Self> {
        let esp = device::device(store, BOOT_MANAGER, "11000001")?;
        let windows = device::default_system(store)?;
        let (Some(esp @ Device::Gpt { partition, disk }), Some(windows)) = (esp, windows) else {
            bail!("the boot store does not name GPT partitions");
        };
        let recovery = device::another(store, &[esp, windows])?;
        let recovery = recovery.context("the boot store names no recovery partition")?;
        let id = |device: Device| match device {
            Device::Gpt { partition, .. } => partition.to_string(),
            Device::Mbr { .. } => String::new(),
        };
        let part = |start: u64, size: u64, kind: &str, id: &str, more: &str| Part {
            start: start * MIB,
            size: size * MIB,
            script: format!("type={kind}, uuid={id}{more}"),
        };
        let data = "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7";
        let kept = ", attrs=\"RequiredPartition GUID:63\"";
        Ok(Self {
            header: format!("label: gpt\nlabel-id: {disk}\n"),
            parts: vec![
                part(
                    1,
                    64,
                    "C12A7328-F81F-11D2-BA4B-00A0C93EC93B",
                    &partition.to_string(),
                    "",
                ),
                // No store names it.
                part(65, 16, "E3C9E316-0B5C-4DB8-817D-F92DF00215AE", MSR, ""),
                part(81, 176, data, &id(windows), ""),
                part(
                    257,
                    32,
                    "DE94BBA4-06D1-4D40-A16A-BFD50179D6AC",
                    &id(recovery),
                    kept,
                ),
            ],
            windows,
            other: Some(recovery),
        })
    }

    fn mbr(store: &Hive) -> Result<Self> {
        let windows = device::default_system(store)?;
        let Some(windows @ Device::Mbr { offset, signature }) = windows else {
            bail!("the boot store does not name an MBR partition");
        };
        let part = |start: u64, size: u64, script: &str| Part {
            start,
            size,
            script: script.to_owned(),
        };
        // "System Reserved", where there is one, is what the machine starts from.
        let manager = device::device(store, BOOT_MANAGER, "11000001")?;
        let reserved = manager.filter(|device| *device != windows);
        let start = offset / SECTOR;
        let parts = match reserved {
            Some(Device::Mbr { offset, .. }) => {
                let first = offset / SECTOR;
                let reserved = part(first, start - first, "type=7, bootable");
                vec![reserved, part(start, 192 * MIB, "type=7")]
            }
            _ => vec![part(start, 192 * MIB, "type=7, bootable")],
        };
        Ok(Self {
            header: format!("label: dos\nlabel-id: {signature:#010x}\n"),
            parts,
            windows,
            other: reserved,
        })
    }

    fn split(store: &Hive) -> Result<Self> {
        let windows = device::default_system(store)?;
        let Some(windows @ Device::Mbr { offset, signature }) = windows else {
            bail!("the boot store does not name an MBR partition");
        };
        let first = START;
        let start = Device::Mbr {
            offset: first,
            signature,
        };
        Ok(Self {
            header: format!("label: dos\nlabel-id: {signature:#010x}\n"),
            parts: vec![
                Part {
                    start: first / SECTOR,
                    size: (offset - first) / SECTOR,
                    script: "type=7, bootable".to_owned(),
                },
                Part {
                    start: offset / SECTOR,
                    size: 192 * MIB,
                    script: "type=7".to_owned(),
                },
            ],
            windows,
            other: Some(start),
        })
    }

    /// Bytes of the disk: some are left behind the last partition.
    pub(super) fn size(&self) -> u64 {
        let end = self.parts.iter().map(|part| part.start + part.size).max();
        (end.unwrap_or(0) + 4 * MIB) * SECTOR
    }

    pub(super) fn write_table(&self, disk: &Path, work: &Path) -> Result<()> {
        let mut script = self.header.clone();
        for part in &self.parts {
            let Part {
                start,
                size,
                script: rest,
            } = part;
            writeln!(script, "start={start}, size={size}, {rest}").context("a script")?;
        }
        let file = work.join("table");
        std::fs::write(&file, script).context("writing a script for sfdisk")?;
        let run = "sfdisk -q --no-reread --no-tell-kernel \"$0\" <\"$1\"";
        let words = ["sh".as_ref(), "-c".as_ref(), run.as_ref()];
        let files = [disk.as_os_str(), file.as_os_str()];
        tool("fdisk", &[&words[..], &files].concat()).map(drop)
    }
}

/// The id of the Microsoft reserved partition.
const MSR: &str = "7c3e5a10-52f1-4d5a-9a4f-0d4d5352aa01";
