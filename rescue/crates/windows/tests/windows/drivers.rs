//! Which driver the Windows on the disk has for a controller.

use std::collections::BTreeSet;

use hive::Hive;
use windows::drivers::{Database, Device, Generation, HYPER_V_STORAGE, Match, PciDevice};

use crate::fixtures::{self, hive};

/// A function whose board is the maker's own.
pub(crate) fn pci(vendor: u16, device: u16, class: u32) -> Device {
    Device::Pci(PciDevice {
        vendor,
        device,
        subsystem_vendor: vendor,
        subsystem_device: 1,
        revision: 0,
        class,
    })
}

pub(crate) fn hyper_v() -> [Device; 2] {
    let bus = Device::Acpi {
        id: "VMBus".to_owned(),
        class: None,
    };
    [bus, Device::VmBus(HYPER_V_STORAGE)]
}

fn service(hive: &Hive, device: &Device) -> Option<String> {
    Database::of(hive).unwrap().service(device).unwrap()
}

/// Every row of the map, which a script in another language extracted.
#[test]
fn the_map_of_ids_is_found_again() {
    for (name, windows, count) in [
        ("joined-8.1/SYSTEM", "win8.1-x64", 987),
        ("dirty-10/SYSTEM", "win10-1709-x64", 1032),
    ] {
        let hive = hive(name);
        let database = Database::of(&hive).unwrap();
        assert_eq!(database.generation(), Generation::Eight);
        let rows = fixtures::map_rows(windows);
        assert_eq!(rows.len(), count, "{windows}");
        for row in rows {
            let device = Device::Named(vec![row.id.clone()]);
            let matches = database.matches(&device).unwrap();
            let expected = Match {
                id: row.id,
                service: row.service,
                inf: Some(row.inf),
            };
            assert!(
                matches.contains(&expected),
                "{name}: {expected:?} in {matches:?}"
            );
        }
    }
}

/// Each device that these Windows had runs with the driver that is looked up.
#[test]
fn devices_of_the_machine_have_what_is_looked_up() {
    for (name, not_here) in [
        (
            "joined-8.1/SYSTEM",
            &["E1G60", "VBoxGuest", "VBoxVideoW8"][..],
        ),
        (
            "dirty-10/SYSTEM",
            &["BCM43XX", "ST_Accel", "e1iexpress", "igfx", "nvlddmkm"],
        ),
    ] {
        let hive = hive(name);
        let database = Database::of(&hive).unwrap();
        let (mut compared, mut elsewhere) = (0, BTreeSet::new());
        for bus in ["PCI", "ACPI", "VMBUS"] {
            for (device, running) in instances(&hive, bus) {
                let matches = database.matches(&device).unwrap();
                let Some(best) = matches.iter().find(|found| found.service.is_some()) else {
                    elsewhere.insert(running);
                    continue;
                };
                let services = matches.iter().filter_map(|found| found.service.as_ref());
                let mut services = services.map(|s| s.to_lowercase());
                assert!(
                    services.any(|s| s == running.to_lowercase()),
                    "{device}: {best:?}"
                );
                compared += 1;
            }
        }
        // Network, graphics and sensors do not count for booting: a hive of their own has them.
        let elsewhere: Vec<_> = elsewhere.iter().map(String::as_str).collect();
        assert_eq!(elsewhere, not_here, "{name}");
        assert!(compared > 10, "{name}: {compared}");
    }
}

/// Devices of a bus with their services, as `Enum` keeps them.
fn instances(hive: &Hive, bus: &str) -> Vec<(Device, String)> {
    let key = hive.find(&format!("ControlSet001\\Enum\\{bus}")).unwrap();
    let Some(key) = key else {
        return Vec::new();
    };
    let devices = key.subkeys().unwrap().into_iter();
    let instances = devices.flat_map(|device| device.subkeys().unwrap());
    let with_driver = instances.filter_map(|instance| {
        let service = instance.text("Service").unwrap()?;
        let ids = ["HardwareID", "CompatibleIDs"]
            .into_iter()
            .flat_map(|name| {
                let value = instance.value(name).unwrap();
                let data = value.map(|value| value.decode().unwrap());
                data.and_then(|data| data.lines().map(<[String]>::to_vec))
                    .unwrap_or_default()
            });
        Some((Device::Named(ids.collect()), service))
    });
    with_driver.collect()
}

#[test]
fn controllers_and_their_drivers() {
    let (old, new) = (hive("joined-8.1/SYSTEM"), hive("dirty-10/SYSTEM"));
    for (device, in_old, in_new) in [
        (
            pci(0x8086, 0x2922, 0x01_0601),
            Some("storahci"),
            Some("storahci"),
        ),
        (
            pci(0x8086, 0x7010, 0x01_0180),
            Some("intelide"),
            Some("intelide"),
        ),
        (
            pci(0x144D, 0xA808, 0x01_0802),
            Some("stornvme"),
            Some("stornvme"),
        ),
        (
            pci(0x1000, 0x0060, 0x01_0400),
            Some("megasas"),
            Some("megasas"),
        ),
        (
            pci(0x1000, 0x005B, 0x01_0400),
            Some("megasas"),
            Some("megasas"),
        ),
        (
            pci(0x1000, 0x0054, 0x01_0000),
            Some("LSI_SAS"),
            Some("LSI_SAS"),
        ),
        (pci(0x15AD, 0x07C0, 0x01_0000), None, None),
        (pci(0x1AF4, 0x1001, 0x01_0000), None, None),
        (pci(0x1AF4, 0x1042, 0x01_0000), None, None),
    ] {
        assert_eq!(service(&old, &device).as_deref(), in_old, "8.1: {device}");
        assert_eq!(service(&new, &device).as_deref(), in_new, "10: {device}");
    }
    for hive in [&old, &new] {
        let services = hyper_v().map(|device| service(hive, &device));
        assert_eq!(
            services,
            [Some("vmbus".to_owned()), Some("storvsc".to_owned())]
        );
    }
}

/// An AHCI controller in RAID mode that the generic driver must not have.
#[test]
fn excluded_devices_get_another_driver() {
    let hive = hive("joined-8.1/SYSTEM");
    let excluded = "PCI\\VEN_8086&DEV_2653&SUBSYS_0F001179".to_owned();
    let generic = "PCI\\CC_010601".to_owned();
    let of = |ids: Vec<String>| service(&hive, &Device::Named(ids));
    assert_eq!(of(vec![generic.clone()]).as_deref(), Some("storahci"));
    assert_eq!(of(vec![excluded, generic]), None);
}

#[test]
fn processors_are_told() {
    for name in ["joined-8.1/SYSTEM", "dirty-10/SYSTEM"] {
        let found = windows::firmware::processor(&fixtures::hive(name)).unwrap();
        assert_eq!(found, Some(windows::firmware::Processor::Amd64), "{name}");
    }
}
