//! Drivers that the boot loader has to load.
//!
//! Windows 8 and later keep, in `Services\<driver>\StartOverride`, that hardware
//! which did without a driver shall go on without it; that is what stops a
//! Windows on another controller (0x7B). Windows makes the overrides anew at the
//! next good start. Windows 7 keeps no overrides, but drivers that it does not
//! need are at `Start` 3, and only devices in `CriticalDeviceDatabase` get a
//! driver early enough. (Measured on genuine hives; Microsoft's script that
//! moves Azure machines to NVMe and virt-v2v do the same.)

use hive::{Result, ValueType, sz};

use super::machine::Controller;
use super::plan::{Change, DriverFor, Planner, Refusal};
use crate::control_sets;
use crate::drivers::{Database, Device, Generation, Service, critical_key, driver_to_supply};

/// What Windows 7 has for controllers that have no id of their own: id, service,
/// class.
const SEVEN: [(&str, &str, &str); 8] = [
    ("PCI\\CC_0101", "pciide", HDC),
    ("PCI\\CC_010601", "msahci", HDC),
    ("PCI\\CC_010802", "stornvme", SCSI_ADAPTER),
    ("Internal_IDE_Channel", "atapi", HDC),
    ("Primary_IDE_Channel", "atapi", HDC),
    ("Secondary_IDE_Channel", "atapi", HDC),
    ("ACPI\\VMBus", "vmbus", SYSTEM),
    (
        "VMBUS\\{ba6163d9-04a1-4d29-b605-72e2ffb1dc7f}",
        "storvsc",
        SCSI_ADAPTER,
    ),
];
const HDC: &str = "{4D36E96A-E325-11CE-BFC1-08002BE10318}";
const SCSI_ADAPTER: &str = "{4D36E97B-E325-11CE-BFC1-08002BE10318}";
const SYSTEM: &str = "{4D36E97D-E325-11CE-BFC1-08002BE10318}";

/// In-box drivers of Windows 7 that do no harm without their hardware.
const SEVEN_GENERIC: [&str; 15] = [
    "msahci", "pciide", "intelide", "atapi", "iaStorV", "LSI_SAS", "LSI_SAS2", "megasas", "MegaSR",
    "amdsata", "storvsc", "vmbus", "nvstor", "vsmraid", "HpSAMD",
];
const NOT_THERE: &str = "not a service of this Windows";

/// A service that a controller needs.
#[derive(Debug)]
pub(super) struct Wanted {
    service: String,
    device: Device,
    boots: bool,
    /// For Windows 7: an entry that the database has to have, id and class.
    entry: Option<(&'static str, &'static str)>,
}

/// The services that the machine's controllers need.
pub(super) fn find(planner: &mut Planner<'_>, database: &Database<'_>) -> Result<Vec<Wanted>> {
    let mut wanted = Vec::new();
    for controller in planner.machine.controllers {
        let found = one(planner, database, controller)?;
        planner.plan.drivers.push(DriverFor {
            device: controller.device.clone(),
            service: found.as_ref().map(|wanted| wanted.service.clone()),
        });
        match found {
            Some(found) => wanted.push(found),
            None => without_driver(planner, controller),
        }
        if let Some(channel) = channel(&controller.device, planner.generation) {
            let boots = controller.boots;
            let device = channel;
            wanted.extend(one(planner, database, &Controller { device, boots })?);
        }
    }
    Ok(wanted)
}

/// What hangs below IDE controllers, and below the AHCI driver of Windows 7.
fn channel(device: &Device, generation: Generation) -> Option<Device> {
    let Device::Pci(pci) = device else {
        return None;
    };
    let has_channels = match pci.subclass() {
        0x0101 => true,
        0x0106 => generation == Generation::Seven,
        _ => false,
    };
    let ids = ["Internal_IDE_Channel".to_owned()];
    has_channels.then(|| Device::Named(ids.into()))
}

fn one(
    planner: &Planner<'_>,
    database: &Database<'_>,
    controller: &Controller,
) -> Result<Option<Wanted>> {
    let device = controller.device.clone();
    let wanted = |service, entry| Wanted {
        service,
        device: device.clone(),
        boots: controller.boots,
        entry,
    };
    if let Some(service) = database.service(&device)? {
        return Ok(Some(wanted(service, None)));
    }
    if planner.generation == Generation::Eight {
        return Ok(None);
    }
    let set = control_sets::current(planner.system)?;
    for id in device.ids() {
        let known = SEVEN
            .iter()
            .find(|(known, ..)| id.eq_ignore_ascii_case(known));
        let Some((id, service, class)) = known else {
            continue;
        };
        let found = Service::find(planner.system, &set, service)?;
        if found.is_some_and(|service| service.is_there(planner.machine.exists)) {
            return Ok(Some(wanted((*service).to_owned(), Some((id, class)))));
        }
    }
    Ok(None)
}

fn without_driver(planner: &mut Planner<'_>, controller: &Controller) {
    let device = controller.device.clone();
    let supply = driver_to_supply(&device);
    if controller.boots {
        planner.refuse(Refusal::NoDriver { device, supply });
    } else {
        planner.warn(format!(
            "this Windows has no driver for the controller {device}; its disks are missing until \
             {supply} is installed"
        ));
    }
}

/// Makes the boot loader load them, in one control set.
pub(super) fn enable(
    planner: &mut Planner<'_>,
    set: &str,
    wanted: &[Wanted],
    counts: bool,
) -> Result<()> {
    for driver in Service::drivers(planner.system, set)? {
        if driver.overridden && driver.boots() && driver.is_there(planner.machine.exists) {
            forget_overrides(planner, &driver);
        }
    }
    for wanted in wanted {
        enable_wanted(planner, set, wanted, counts)?;
    }
    if planner.generation == Generation::Seven {
        for name in SEVEN_GENERIC {
            if let Some(service) = Service::find(planner.system, set, name)? {
                let why = "it does no harm without its hardware, and Windows needs it on such";
                start(planner, &service, why);
            }
        }
    }
    Ok(())
}

fn forget_overrides(planner: &mut Planner<'_>, driver: &Service) {
    let change = Change::DeleteKey {
        key: format!("{}\\StartOverride", driver.key),
    };
    let why = format!(
        "{} is loaded at the start again, also on hardware that did without it",
        driver.name
    );
    planner.add(change, why);
}

/// Sets `Start` to 0 when the driver's file is there.
fn start(planner: &mut Planner<'_>, service: &Service, why: &str) {
    if !service.boots() && service.is_there(planner.machine.exists) {
        planner.set_number(&service.key, "Start", 0, why);
        if service.overridden {
            forget_overrides(planner, service);
        }
    }
}

fn enable_wanted(
    planner: &mut Planner<'_>,
    set: &str,
    wanted: &Wanted,
    counts: bool,
) -> Result<()> {
    let found = Service::find(planner.system, set, &wanted.service)?;
    let file = found.as_ref().and_then(|service| service.file.clone());
    let there = found.filter(|service| service.is_there(planner.machine.exists));
    let Some(service) = there else {
        if counts {
            let missing = file.map_or(NOT_THERE.to_owned(), |file| missing_file(&file));
            not_there(planner, wanted, missing);
        }
        return Ok(());
    };
    if service.start == Some(4) {
        planner.warn(format!(
            "the driver {} was switched off in {set}, and is switched on for {}",
            service.name, wanted.device
        ));
    }
    // What the flags of the bus make the boot loader load needs no more.
    if service.boot_flags & planner.machine.bus.boot_flags() == 0 {
        start(planner, &service, &format!("it serves {}", wanted.device));
    }
    match wanted.entry {
        Some((id, class)) => database_entry(planner, set, id, &service.name, class),
        None => Ok(()),
    }
}

/// In the words of messages.
pub(super) fn missing_file(file: &str) -> String {
    format!("there, but its file Windows\\{file} is not")
}

fn not_there(planner: &mut Planner<'_>, wanted: &Wanted, missing: String) {
    let (device, service) = (wanted.device.clone(), wanted.service.clone());
    let supply = driver_to_supply(&device);
    if wanted.boots {
        planner.refuse(Refusal::NoDriverFile {
            device,
            service,
            missing,
            supply,
        });
    } else {
        planner.warn(format!(
            "the driver {service} of the controller {device} is {missing}; its disks are missing \
             until it is installed"
        ));
    }
}

/// An entry of Windows 7's database.
fn database_entry(
    planner: &mut Planner<'_>,
    set: &str,
    id: &str,
    service: &str,
    class: &str,
) -> Result<()> {
    let key = critical_key(set, id);
    if planner.system.find(&key)?.is_some() {
        return Ok(());
    }
    let why = format!("Windows 7 finds the driver {service} in time only by this entry");
    let parent = key.rsplit_once('\\').map(|(parent, _)| parent.to_owned());
    if let Some(parent) = parent
        && planner.system.find(&parent)?.is_none()
    {
        planner.add(Change::CreateKey { key: parent }, why.clone());
    }
    planner.add(Change::CreateKey { key: key.clone() }, why.clone());
    for (value, text) in [("Service", service), ("ClassGUID", class)] {
        let change = Change::Set {
            key: key.clone(),
            value: value.to_owned(),
            kind: ValueType::SZ,
            data: sz(text),
        };
        planner.add(change, why.clone());
    }
    Ok(())
}

/// Of a driver that is no service.
pub(super) fn no_service() -> String {
    NOT_THERE.to_owned()
}
