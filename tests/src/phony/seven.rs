//! A Windows 7 generation: no genuine hive of one is at hand, so it is made of the
//! genuine 8.1 and of what was extracted from a genuine 7.
//!
//! Genuine: `SAM` and `SECURITY`, all of `SYSTEM` and `SOFTWARE` that is not named
//! here, the boot store of a Windows 7 (`bcd/BCDvm`), the 929 rows of
//! `windows-pci-storage-map.tsv` that were read from a genuine 7's
//! `CriticalDeviceDatabase` (id, service, class; its other 1619 keys are of other
//! devices and missing). Made: the service `msahci`, whose like 8.1 calls `storahci`
//! (and `stornvme`, which Microsoft's update KB2990941 brings); `Start` 3 in place
//! of `StartOverride`; the values of `SOFTWARE` that tell the version; the devices in
//! the boot store, so that it has a partition "System Reserved". Gone:
//! `DriverDatabase`, `HardwareConfig`, `storahci`.

use super::device::{BOOT_MANAGER, device};
use super::hives::{MACHINE, WHEN, fixture, fixtures};
use super::layout::Layout;
use super::{Firmware, hives, tree, write};
use anyhow::{Context, Result, ensure};
use hive::{Edit, Hive, ValueType, dword, sz};
use std::fs;
use std::path::Path;

const SERVICES: &str = "ControlSet001\\Services";
const CRITICAL: &str = "ControlSet001\\Control\\CriticalDeviceDatabase";
const HDC: &str = "{4D36E96A-E325-11CE-BFC1-08002BE10318}";
const SCSI_ADAPTER: &str = "{4D36E97B-E325-11CE-BFC1-08002BE10318}";
/// Where its Windows begins, in bytes; "System Reserved" is before it.
const WINDOWS_AT: u64 = 33 << 20;
/// What 8.1 has and 7 has not.
const LATER: [&str; 2] = ["storahci", "stornvme"];

/// A disk of a Windows 7 that ran on an IDE controller.
#[derive(Debug, Clone, Copy, Default)]
pub struct Seven {
    /// Whether Microsoft's update for NVMe is in it: the driver, without an entry in
    /// the database.
    pub nvme: bool,
    /// Whether it lost its entry for AHCI.
    pub without_ahci: bool,
    /// Whether its registry says that it is one of 32 bits.
    pub x86: bool,
}

impl Seven {
    /// Makes the disk: MBR, "System Reserved", Windows.
    ///
    /// # Errors
    /// As [`make`](super::make).
    pub fn make(self, disk: &Path) -> Result<()> {
        let work = crate::scratch()?;
        let store = store()?;
        let layout = Layout::of(Firmware::Bios, &store)?;
        ensure!(
            layout.parts.len() == 2,
            "the store names no second partition"
        );
        let later = hives::system(&layout)?;
        let folder = work.path().join("windows");
        tree::windows(&folder, &later, false)?;
        for name in LATER {
            let file = folder.join(format!("Windows/System32/drivers/{name}.sys"));
            fs::remove_file(file).with_context(|| format!("{name} has no file"))?;
        }
        for name in self.made() {
            tree::marker(&folder, &format!("Windows/System32/drivers/{name}.sys"))?;
        }
        let config = folder.join("Windows/System32/config");
        fs::write(config.join("SYSTEM"), self.system(later)?).context("writing SYSTEM")?;
        fs::write(config.join("SOFTWARE"), software()?).context("writing SOFTWARE")?;
        write(disk, &layout, &folder, &store, work.path())
    }

    /// The drivers whose services are made.
    fn made(self) -> impl Iterator<Item = &'static str> {
        ["msahci"]
            .into_iter()
            .chain(self.nvme.then_some("stornvme"))
    }

    fn system(self, later: Vec<u8>) -> Result<Vec<u8>> {
        let mut edit = Hive::open(later, &[])?.0.edit(WHEN)?;
        for key in ["DriverDatabase", "HardwareConfig"] {
            ensure!(edit.delete_key(key)?, "the 8.1 has no {key}");
        }
        for name in LATER {
            edit.delete_key(&format!("{SERVICES}\\{name}"))?;
        }
        let mut overridden = Vec::new();
        for service in edit.hive().key(SERVICES)?.subkeys()? {
            if service.subkey("StartOverride")?.is_some() {
                overridden.push(service.name().to_string());
            }
        }
        for service in overridden {
            edit.delete_key(&format!("{SERVICES}\\{service}\\StartOverride"))?;
            number(&mut edit, &service, "Start", 3)?;
        }
        for service in ["intelide", "atapi"] {
            number(&mut edit, service, "Start", 0)?;
        }
        for service in self.made() {
            driver(&mut edit, service)?;
        }
        self.database(&mut edit)?;
        if self.x86 {
            let key = r"ControlSet001\Control\Session Manager\Environment";
            edit.set_value(key, "PROCESSOR_ARCHITECTURE", ValueType::SZ, &sz("x86"))?;
        }
        Ok(edit.finish()?)
    }

    fn database(self, edit: &mut Edit) -> Result<()> {
        edit.create_key(CRITICAL)?;
        let map = fixtures().join("../design/windows-pci-storage-map.tsv");
        let map = fs::read_to_string(&map).with_context(|| format!("reading {}", map.display()))?;
        for row in map.lines() {
            let columns: Vec<&str> = row.split('\t').collect();
            let &["win7sp1-x86", id, _, service, class, ..] = columns.as_slice() else {
                continue;
            };
            if self.without_ahci && id == r"PCI\CC_010601" {
                continue;
            }
            let class = if class == "hdc" { HDC } else { SCSI_ADAPTER };
            let key = format!("{CRITICAL}\\{}", id.replace('\\', "#"));
            edit.create_key(&key)?;
            edit.set_value(&key, "Service", ValueType::SZ, &sz(service))?;
            edit.set_value(&key, "ClassGUID", ValueType::SZ, &sz(class))?;
        }
        Ok(())
    }
}

fn number(edit: &mut Edit, service: &str, value: &str, number: u32) -> Result<()> {
    let key = format!("{SERVICES}\\{service}");
    edit.set_value(&key, value, ValueType::DWORD, &dword(number))?;
    Ok(())
}

/// A driver of a device that this Windows never had.
fn driver(edit: &mut Edit, name: &str) -> Result<()> {
    let key = format!("{SERVICES}\\{name}");
    edit.create_key(&key)?;
    for (value, data) in [("Type", 1), ("Start", 3), ("ErrorControl", 3)] {
        number(edit, name, value, data)?;
    }
    let path = sz(&format!("\\SystemRoot\\system32\\drivers\\{name}.sys"));
    edit.set_value(&key, "ImagePath", ValueType::EXPAND_SZ, &path)?;
    Ok(())
}

/// `SOFTWARE` that tells to be of a Windows 7 with Service Pack 1.
fn software() -> Result<Vec<u8>> {
    let hive = Hive::open(fixture(&format!("{MACHINE}/SOFTWARE"))?, &[])?.0;
    let mut edit = hive.edit(WHEN)?;
    let key = r"Microsoft\Windows NT\CurrentVersion";
    for (value, text) in [
        ("ProductName", "Windows 7 Enterprise"),
        ("CurrentVersion", "6.1"),
        ("CurrentBuild", "7601"),
        ("CurrentBuildNumber", "7601"),
        ("CSDVersion", "Service Pack 1"),
        ("BuildLabEx", "7601.17514.amd64fre.win7sp1_rtm.101119-1850"),
    ] {
        edit.set_value(key, value, ValueType::SZ, &sz(text))?;
    }
    Ok(edit.finish()?)
}

/// The boot store: its Windows 7 is the default entry and is on a partition of its
/// own, and the boot manager is on the first.
fn store() -> Result<Vec<u8>> {
    const WINDOWS: &str = "{efd09c92-55fb-11e2-aa98-9d073f340da7}";
    const RESUME: &str = "{efd09c91-55fb-11e2-aa98-9d073f340da7}";
    const MEMORY_TEST: &str = "{b2721d73-1db4-4c62-bf78-c548a880142d}";
    let hive = Hive::open(fixture(Firmware::Bios.store())?, &[])?.0;
    let data = |object: &str, element: &str| -> Result<Vec<u8>> {
        let key = hive.key(&format!("Objects\\{object}\\Elements\\{element}"))?;
        let value = key
            .value("Element")?
            .context("an element without a value")?;
        Ok(value.data()?.into_owned())
    };
    let mut changes = Vec::new();
    for (object, element) in [
        (WINDOWS, "11000001"),
        (WINDOWS, "21000001"),
        (RESUME, "11000001"),
        (RESUME, "21000001"),
    ] {
        // The offset is the first thing in the descriptor, which is the first.
        let mut moved = data(object, element)?;
        let offset = moved.get_mut(0x20..0x28).context("a short element")?;
        ensure!(
            *offset == (1u64 << 20).to_le_bytes(),
            "{object} is elsewhere"
        );
        offset.copy_from_slice(&WINDOWS_AT.to_le_bytes());
        changes.push((object, element, ValueType::BINARY, moved));
    }
    let first = data(MEMORY_TEST, "11000001")?;
    changes.push((BOOT_MANAGER, "11000001", ValueType::BINARY, first));
    changes.push((BOOT_MANAGER, "23000003", ValueType::SZ, sz(WINDOWS)));
    let mut edit = hive.clone().edit(WHEN)?;
    for (object, element, kind, data) in changes {
        let key = format!("Objects\\{object}\\Elements\\{element}");
        edit.set_value(&key, "Element", kind, &data)?;
    }
    let store = edit.finish()?;
    let known = device(&Hive::open(store.clone(), &[])?.0, BOOT_MANAGER, "11000001")?;
    ensure!(known.is_some(), "the boot manager has no partition");
    Ok(store)
}
