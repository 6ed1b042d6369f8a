//! The controllers that disks hang on, as an operating system has to have drivers
//! for them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};

use super::Machine;
use super::identity::text;
use super::types::{Bus, Disk, DiskKind};
use super::{Card, cards};

/// What a system that is restored onto a disk has to deal with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hardware {
    /// The storage controllers.
    pub controllers: Vec<Controller>,
    /// All other PCI functions: network, display, chipset.
    pub devices: Vec<Pci>,
    /// How the disk is attached.
    pub attached: Attached,
    /// The devices on the way to the disk that have drivers, as Linux names them in
    /// MODALIAS, the disk's own first.
    #[serde(default)]
    pub way: Vec<String>,
    /// The same of the other storage controllers.
    #[serde(default)]
    pub others: Vec<String>,
    /// The wired network cards, in the order of the bus.
    #[serde(default)]
    pub cards: Vec<Card>,
    /// Whether it is that of another machine than the one this runs on.
    pub elsewhere: bool,
    /// What the machine was started by, if that is known and the disk is one of it.
    pub started_by: Option<StartedBy>,
}

/// What a machine was started by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StartedBy {
    /// A BIOS.
    Bios,
    /// UEFI of 64 bits.
    Uefi,
    /// UEFI of 32 bits.
    Uefi32,
}

/// A storage controller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Controller {
    /// What it is.
    pub id: ControllerId,
    /// Whether the disk hangs on it, as far as that is known.
    pub boots: bool,
}

/// What identifies the driver of a controller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ControllerId {
    /// A PCI function.
    Pci(Pci),
    /// A class of devices on Hyper-V's bus, as a GUID without braces.
    VmBus(String),
}

/// The ids in the configuration space of a PCI function.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pci {
    /// Vendor.
    pub vendor: u16,
    /// Device.
    pub device: u16,
    /// Vendor of the board.
    pub subsystem_vendor: u16,
    /// Device of the board.
    pub subsystem_device: u16,
    /// Revision.
    pub revision: u8,
    /// Class, subclass, programming interface: 0x010601.
    pub class: u32,
}

/// How a disk is attached, as far as that needs drivers of its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Attached {
    /// To a controller of its own.
    #[default]
    Internal,
    /// By USB.
    Usb,
    /// An SD card or eMMC.
    Sd,
}

/// PCI's class of storage controllers.
const STORAGE: u32 = 1;
/// No list of controllers is longer, in bytes.
const LIST: u64 = 1 << 20;

impl Machine {
    /// The controllers of this machine, and those on the way to `disk`.
    #[must_use]
    pub fn hardware(&self, disk: &Disk) -> Hardware {
        let way = self.way_to(disk);
        let mut controllers = self.on_pci(&way);
        controllers.extend(on_vmbus(&way));
        let attached = attached(disk.bus, &way);
        if disk.kind == DiskKind::Device && attached == Attached::Internal {
            any_may_boot(&mut controllers, disk.name.starts_with("nvme"));
        }
        let functions = self.functions().into_iter().map(|(_, pci)| pci);
        Hardware {
            controllers,
            devices: functions.filter(|pci| pci.class >> 16 != STORAGE).collect(),
            attached,
            others: self.storage_aliases(&way),
            way: aliases(&way),
            cards: self.cards(),
            elsewhere: false,
            started_by: (disk.kind == DiskKind::Device).then(|| self.started_by()),
        }
    }

    /// What it was started by, as Linux tells it (`fw_platform_size`: bits).
    pub(crate) fn started_by(&self) -> StartedBy {
        let efi = self.root.join("sys/firmware/efi");
        match text(&efi, "fw_platform_size").as_deref() {
            _ if !efi.is_dir() => StartedBy::Bios,
            Some("32") => StartedBy::Uefi32,
            _ => StartedBy::Uefi,
        }
    }

    /// PCI functions that are storage controllers, with their folders.
    fn storage(&self) -> Vec<(PathBuf, Pci)> {
        let folder = self.root.join("sys/bus/pci/devices");
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let devices = entries.filter_map(|entry| fs::canonicalize(entry.path()).ok());
        let functions = devices.filter_map(|device| Some((device.clone(), function(&device)?)));
        functions
            .filter(|(_, pci)| pci.class >> 16 == STORAGE)
            .collect()
    }

    /// The aliases of storage controllers that are not on `way`.
    fn storage_aliases(&self, way: &Path) -> Vec<String> {
        let all = self.storage().into_iter();
        let others = all.filter(|(device, _)| !way.starts_with(device));
        let mut found: Vec<String> = others.filter_map(|(d, _)| text(&d, "modalias")).collect();
        found.sort_unstable();
        found
    }

    /// The folder of the disk in /sys/devices; empty when it is none of this machine.
    fn way_to(&self, disk: &Disk) -> PathBuf {
        let folder = self.root.join("sys/class/block").join(&disk.name);
        match disk.kind {
            DiskKind::Device => fs::canonicalize(folder).unwrap_or_default(),
            DiskKind::RawFile => PathBuf::new(),
        }
    }

    /// PCI functions with their folders, in the order of their addresses.
    fn functions(&self) -> Vec<(PathBuf, Pci)> {
        let mut found = self.storage();
        found.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        found
    }

    /// PCI functions that are storage controllers, in the order of their addresses.
    /// Of several on the way to the disk, the first is the one a system sees: what is
    /// behind it (Intel's VMD) is its driver's.
    fn on_pci(&self, way: &Path) -> Vec<Controller> {
        let mut found = self.functions();
        found.retain(|(_, pci)| pci.class >> 16 == STORAGE);
        let first = found
            .iter()
            .map(|(device, _)| device.clone())
            .filter(|device| way.starts_with(device))
            .min_by_key(|device| device.as_os_str().len());
        let behind = |device: &Path| {
            let first = first.as_deref();
            first.is_some_and(|first| device != first && device.starts_with(first))
        };
        let controller = |(device, pci): (PathBuf, Pci)| Controller {
            boots: first.as_ref() == Some(&device),
            id: ControllerId::Pci(pci),
        };
        found
            .into_iter()
            .filter(|(device, _)| !behind(device))
            .map(controller)
            .collect()
    }
}

/// What the devices on the way to a disk are called. (Bridges are the kernel's own.)
fn aliases(way: &Path) -> Vec<String> {
    let driven = way.ancestors().filter(|d| d.join("driver").exists());
    let named = driven.filter_map(|device| text(device, "modalias"));
    named.filter(|alias| !alias.contains("bc06sc")).collect()
}

/// A disk that hangs on no controller as far as /sys tells (NVMe with several paths is
/// a virtual device) may hang on any; an NVMe disk on any for NVMe.
fn any_may_boot(controllers: &mut [Controller], is_nvme: bool) {
    const NVME: u32 = 0x0108;
    /// Intel's VMD hides NVMe controllers behind itself.
    const RAID: u32 = 0x0104;
    if controllers.iter().any(|c| c.boots) {
        return;
    }
    for controller in controllers {
        controller.boots = match &controller.id {
            ControllerId::Pci(pci) if is_nvme => {
                let vmd = pci.class >> 8 == RAID && pci.vendor == 0x8086;
                pci.class >> 8 == NVME || vmd
            }
            _ => true,
        };
    }
}

/// The Hyper-V device that the disk is behind.
fn on_vmbus(way: &Path) -> Option<Controller> {
    let device = way.ancestors().find(|folder| {
        let bus = fs::canonicalize(folder.join("subsystem")).unwrap_or_default();
        bus.file_name().is_some_and(|name| name == "vmbus")
    })?;
    let class = text(device, "class_id")?;
    let class = class.trim_matches(['{', '}']).to_owned();
    Some(Controller {
        id: ControllerId::VmBus(class),
        boots: true,
    })
}

fn attached(bus: Bus, way: &Path) -> Attached {
    match bus {
        Bus::Usb => Attached::Usb,
        _ if way.to_string_lossy().contains("/mmc_host/") => Attached::Sd,
        _ => Attached::Internal,
    }
}

/// The ids of a PCI function, from its folder in /sys.
fn function(device: &Path) -> Option<Pci> {
    let number = |name: &str| {
        let text = text(device, name)?;
        u32::from_str_radix(text.strip_prefix("0x")?, 16).ok()
    };
    let short = |name: &str| u16::try_from(number(name)?).ok();
    Some(Pci {
        vendor: short("vendor")?,
        device: short("device")?,
        subsystem_vendor: short("subsystem_vendor").unwrap_or_default(),
        subsystem_device: short("subsystem_device").unwrap_or_default(),
        revision: u8::try_from(number("revision").unwrap_or_default()).unwrap_or_default(),
        class: number("class")?,
    })
}

impl Hardware {
    /// The storage controllers of another machine, by lines of its
    /// `/sys/bus/pci/devices/*/modalias`; the disk may hang on any of them. A line "bios"
    /// or "uefi" tells what starts it, a line "nic 52:54:00:12:34:56" of a network card.
    ///
    /// # Errors
    /// When the file cannot be read, or names no storage controller.
    pub fn of_file(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        let size = fs::metadata(path).with_context(|| format!("cannot read {shown}"))?;
        if size.len() > LIST {
            bail!("{shown} has {} bytes, expected at most {LIST}", size.len());
        }
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {shown}"))?;
        let found = text.lines().filter_map(|line| alias(line.trim()));
        let (storage, devices): (Vec<Pci>, Vec<Pci>) =
            found.partition(|pci| pci.class >> 16 == STORAGE);
        let controllers: Vec<Controller> = storage
            .into_iter()
            .map(|pci| Controller {
                id: ControllerId::Pci(pci),
                boots: true,
            })
            .collect();
        if controllers.is_empty() {
            bail!(
                "{shown} names no storage controller; on the machine that the image is for, \
                 cat /sys/bus/pci/devices/*/modalias prints what belongs in it"
            );
        }
        Ok(Self {
            controllers,
            devices,
            attached: Attached::Internal,
            way: Vec::new(),
            others: text.lines().flat_map(|line| others(line.trim())).collect(),
            cards: text.lines().filter_map(cards::listed).collect(),
            elsewhere: true,
            started_by: text.lines().find_map(started_by),
        })
    }
}

/// The names of a storage controller that a line has, and of what is behind it.
fn others(line: &str) -> Vec<String> {
    let Some(pci) = alias(line).filter(|pci| pci.class >> 16 == STORAGE) else {
        return Vec::new();
    };
    let mut names = vec![line.to_owned()];
    // (Virtio 1.2, 4.1.2: PCI device ids, from 0x1040 on or transitional, tell the kind.)
    let kind = match (pci.vendor, pci.device) {
        (0x1af4, 0x1001) => Some(2),
        (0x1af4, 0x1004) => Some(8),
        (0x1af4, id) => id.checked_sub(0x1040).filter(|kind| *kind < 0x40),
        _ => None,
    };
    names.extend(kind.map(|kind| format!("virtio:d{kind:08X}v00001AF4")));
    names
}

fn started_by(line: &str) -> Option<StartedBy> {
    match line.trim() {
        "bios" => Some(StartedBy::Bios),
        "uefi" => Some(StartedBy::Uefi),
        _ => None,
    }
}

/// "pci:v00008086d00002922sv00001AF4sd00001100bc01sc06i01", as MODALIAS is made in
/// Linux's `drivers/pci/pci-driver.c`. It does not tell the revision.
fn alias(line: &str) -> Option<Pci> {
    let mut rest = line.strip_prefix("pci:")?;
    let mut next = |key: &str, digits: usize| {
        let (number, after) = rest.strip_prefix(key)?.split_at_checked(digits)?;
        rest = after;
        u32::from_str_radix(number, 16).ok()
    };
    let [vendor, device] = [next("v", 8)?, next("d", 8)?];
    let [sub_vendor, sub_device] = [next("sv", 8)?, next("sd", 8)?];
    let [class, subclass, interface] = [next("bc", 2)?, next("sc", 2)?, next("i", 2)?];
    Some(Pci {
        vendor: u16::try_from(vendor).ok()?,
        device: u16::try_from(device).ok()?,
        subsystem_vendor: u16::try_from(sub_vendor).unwrap_or(u16::MAX),
        subsystem_device: u16::try_from(sub_device).unwrap_or(u16::MAX),
        revision: 0,
        class: class << 16 | subclass << 8 | interface,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    const AHCI: &str = "pci:v00008086d00002922sv00001AF4sd00001100bc01sc06i01";

    #[test]
    fn a_modalias_is_read() {
        let pci = alias(AHCI).unwrap();
        assert_eq!(
            (pci.vendor, pci.device, pci.class),
            (0x8086, 0x2922, 0x01_0601)
        );
        assert_eq!(
            (pci.subsystem_vendor, pci.subsystem_device),
            (0x1af4, 0x1100)
        );
        for bad in [
            "",
            "pci:",
            "usb:v1",
            &AHCI[..AHCI.len() - 1],
            &AHCI.replace("bc", "xx"),
        ] {
            assert_eq!(alias(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_list_must_name_a_storage_controller() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("list");
        fs::write(
            &file,
            format!("pci:x\n {AHCI}\n{}\n", AHCI.replace("bc01", "bc02")),
        )
        .unwrap();
        let hardware = Hardware::of_file(&file).unwrap();
        assert!(hardware.controllers.len() == 1 && hardware.controllers[0].boots);
        assert_eq!(hardware.devices.len(), 1);
        fs::write(&file, AHCI.replace("bc01", "bc02")).unwrap();
        let error = Hardware::of_file(&file).unwrap_err().to_string();
        assert!(error.contains("names no storage controller"), "{error}");
    }

    /// A machine with NVMe behind a VMD, and an AHCI controller without disks.
    fn machine(root: &Path) -> Machine {
        let pci = root.join("sys/devices/pci0000:00");
        let bus = root.join("sys/bus/pci/devices");
        fs::create_dir_all(&bus).unwrap();
        for (place, device, class) in [
            ("0000:00:0e.0", 0x9a0b, 0x01_0400),
            ("0000:00:0e.0/10000:00:01.0", 0x0a54, 0x01_0802),
            ("0000:00:1f.2", 0x2922, 0x01_0601),
            ("0000:00:1f.0", 0x2918, 0x06_0100),
        ] {
            let folder = pci.join(place);
            fs::create_dir_all(&folder).unwrap();
            let write = |name, value| fs::write(folder.join(name), value).unwrap();
            write("vendor", "0x8086\n".to_owned());
            write("device", format!("{device:#06x}\n"));
            write("class", format!("{class:#08x}\n"));
            write("revision", "0x02\n".to_owned());
            symlink(&folder, bus.join(folder.file_name().unwrap())).unwrap();
        }
        let disk = pci.join("0000:00:0e.0/10000:00:01.0/nvme/nvme0/nvme0n1");
        fs::create_dir_all(&disk).unwrap();
        fs::create_dir_all(root.join("sys/class/block")).unwrap();
        symlink(&disk, root.join("sys/class/block/nvme0n1")).unwrap();
        Machine::at(root)
    }

    #[test]
    fn the_outermost_controller_on_the_way_to_the_disk_boots() {
        let folder = tempfile::tempdir().unwrap();
        let machine = machine(folder.path());
        let file = folder.path().join("disk");
        fs::write(&file, [0; 512]).unwrap();
        let mut disk = super::super::types::raw_file(&file, 512, disk::SectorSize::B512);
        disk.kind = DiskKind::Device;
        disk.name = "nvme0n1".to_owned();
        let told = |disk: &Disk| -> Vec<(u16, bool)> {
            let all = machine.hardware(disk).controllers.into_iter();
            all.map(|c| match c.id {
                ControllerId::Pci(pci) => (pci.device, c.boots),
                ControllerId::VmBus(_) => (0, c.boots),
            })
            .collect()
        };
        assert_eq!(told(&disk), [(0x9a0b, true), (0x2922, false)]);
        // With several paths it is a virtual device.
        let lost = folder
            .path()
            .join("sys/devices/virtual/nvme-subsystem/x/nvme1n1");
        fs::create_dir_all(&lost).unwrap();
        symlink(&lost, folder.path().join("sys/class/block/nvme1n1")).unwrap();
        disk.name = "nvme1n1".to_owned();
        let nvme = [(0x9a0b, true), (0x0a54, true), (0x2922, false)];
        assert_eq!(told(&disk), nvme);
        disk.kind = DiskKind::RawFile;
        assert!(told(&disk).iter().all(|(_, boots)| !boots));
    }

    #[test]
    fn what_started_the_machine() {
        let folder = tempfile::tempdir().unwrap();
        let machine = Machine::at(folder.path());
        let efi = folder.path().join("sys/firmware/efi");
        assert_eq!(machine.started_by(), StartedBy::Bios);
        fs::create_dir_all(&efi).unwrap();
        for (bits, found) in [
            ("", StartedBy::Uefi),
            ("64\n", StartedBy::Uefi),
            ("32\n", StartedBy::Uefi32),
        ] {
            fs::write(efi.join("fw_platform_size"), bits).unwrap();
            assert_eq!(machine.started_by(), found);
        }
        let list = folder.path().join("list");
        for (line, found) in [("uefi\n", Some(StartedBy::Uefi)), ("", None)] {
            let ahci = "pci:v00008086d00002922sv00001AF4sd00001100bc01sc06i01";
            fs::write(&list, format!("{line}{ahci}\n")).unwrap();
            assert_eq!(Hardware::of_file(&list).unwrap().started_by, found);
        }
    }
}
