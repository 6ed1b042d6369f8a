//! A Windows 10 that was captured while it ran: what it changed last is only in the
//! logs of `SYSTEM`.
//!
//! Genuine: `SYSTEM` with its two logs (`dirty-10`), byte for byte. Of other machines:
//! `SAM`, `SECURITY` and `SOFTWARE` (the joined 8.1's, so they do not belong to this
//! `SYSTEM`) and the boot store, whose entry for Windows was pointed, with our own
//! code, at the partition that `MountedDevices` of this `SYSTEM` calls `C:`.

use super::device::{self, Device};
use super::hives::{WHEN, fixture};
use super::layout::Layout;
use super::{Firmware, tree, write};
use anyhow::{Context, Result, bail};
use hive::Hive;
use std::fs;
use std::path::Path;
use uuid::Uuid;
use windows::ids::{IdMap, PartitionId};

const LOGS: [&str; 2] = ["LOG1", "LOG2"];

/// A disk of such a Windows.
#[derive(Debug, Clone, Copy, Default)]
pub struct Dirty {
    /// The file `SYSTEM` ends where its bins do, so that it has to grow for what the
    /// logs hold. (The genuine one has room to spare.)
    pub tight: bool,
}

impl Dirty {
    /// Makes the disk: GPT as [`Firmware::Uefi`]'s.
    ///
    /// # Errors
    /// As [`make`](super::make).
    pub fn make(self, disk: &Path) -> Result<()> {
        let work = crate::scratch()?;
        let mut system = fixture("dirty-10/SYSTEM")?;
        let mut logs = Vec::new();
        for log in LOGS {
            logs.push(fixture(&format!("dirty-10/SYSTEM.{log}"))?);
        }
        let read: Vec<&[u8]> = logs.iter().map(Vec::as_slice).collect();
        let (replayed, told) = Hive::open(system.clone(), &read)?;
        let store = store(&replayed)?;
        let layout = Layout::of(Firmware::Uefi, &store)?;
        let folder = work.path().join("windows");
        tree::windows(&folder, replayed.as_bytes(), false)?;
        if self.tight {
            system.truncate(usize::try_from(4096 + u64::from(told.bins_before))?);
        }
        let config = folder.join("Windows/System32/config");
        fs::write(config.join("SYSTEM"), &system).context("writing SYSTEM")?;
        for (log, bytes) in LOGS.iter().zip(&logs) {
            let file = config.join(format!("SYSTEM.{log}"));
            fs::write(file, bytes).context("writing a log")?;
        }
        write(disk, &layout, &folder, &store, work.path())
    }
}

/// The boot store, with Windows on the partition that is `C:`.
fn store(system: &Hive) -> Result<Vec<u8>> {
    let hive = Hive::open(fixture(Firmware::Uefi.store())?, &[])?.0;
    let Some(Device::Gpt { partition, disk }) = device::default_system(&hive)? else {
        bail!("the boot store does not name a GPT partition");
    };
    let c = system.key("MountedDevices")?.value(r"\DosDevices\C:")?;
    let c = c.context("the hive has no C:")?.data()?.into_owned();
    let c = c.strip_prefix(b"DMIO:ID:").context("C: is not on GPT")?;
    let c = Uuid::from_bytes_le(c.try_into().context("C: has no GUID")?);
    let id = |partition| PartitionId::Gpt { disk, partition };
    let names = IdMap::new(vec![(id(partition), id(c))])?;
    let mut edit = hive.edit(WHEN)?;
    windows::bcd::repoint(&mut edit, &names)?;
    Ok(edit.finish()?)
}
