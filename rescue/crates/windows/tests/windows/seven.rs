//! The way of Windows 7. No genuine hive of one is at hand: these tests take the
//! genuine Windows 8.1 and make of it what is known of 7's (no `DriverDatabase`,
//! no `HardwareConfig`, no overrides, unused drivers at 3, `msahci` in place of
//! `storahci`, and a `CriticalDeviceDatabase` with the rows of the map that were
//! extracted from a genuine Windows 7).

use std::collections::BTreeSet;

use hive::{Edit, Hive, ValueType, dword, sz};
use windows::adapt::{Refusal, apply, verify};
use windows::drivers::{Database, Device, Generation, PciDevice};

use crate::adapt::{Case, places};
use crate::drivers::{hyper_v, pci};
use crate::fixtures::{self, WHEN, finished, hive};
use crate::oracle;

const SERVICES: &str = "ControlSet001\\Services";
const CRITICAL: &str = "ControlSet001\\Control\\CriticalDeviceDatabase";

fn text(edit: &mut Edit, key: &str, value: &str, text: &str) {
    edit.set_value(key, value, ValueType::SZ, &sz(text))
        .unwrap();
}

fn start(edit: &mut Edit, service: &str, number: u32) {
    let key = format!("{SERVICES}\\{service}");
    edit.set_value(&key, "Start", ValueType::DWORD, &dword(number))
        .unwrap();
}

/// A Windows 7 that ran on an IDE controller; `more` changes it further.
fn seven(more: impl FnOnce(&mut Edit)) -> Hive {
    let mut edit = hive("joined-8.1/SYSTEM").edit(WHEN).unwrap();
    for key in ["DriverDatabase", "HardwareConfig"] {
        assert!(edit.delete_key(key).unwrap());
    }
    for name in ["storahci", "stornvme"] {
        assert!(edit.delete_key(&format!("{SERVICES}\\{name}")).unwrap());
    }
    let services = edit.hive().key(SERVICES).unwrap().subkeys().unwrap();
    let overridden = services
        .iter()
        .filter(|s| s.subkey("StartOverride").unwrap().is_some());
    let overridden: Vec<String> = overridden.map(|s| s.name().to_string()).collect();
    for service in overridden {
        edit.delete_key(&format!("{SERVICES}\\{service}\\StartOverride"))
            .unwrap();
        start(&mut edit, &service, 3);
    }
    for service in ["intelide", "atapi"] {
        start(&mut edit, service, 0);
    }
    driver(&mut edit, "msahci");
    edit.create_key(CRITICAL).unwrap();
    for row in fixtures::map_rows("win7sp1-x86") {
        let key = format!("{CRITICAL}\\{}", row.id.replace('\\', "#"));
        edit.create_key(&key).unwrap();
        text(&mut edit, &key, "Service", &row.service.unwrap_or_default());
    }
    more(&mut edit);
    finished(edit)
}

/// A driver of a device that this Windows never had.
fn driver(edit: &mut Edit, name: &str) {
    let key = format!("{SERVICES}\\{name}");
    edit.create_key(&key).unwrap();
    for (value, number) in [("Type", 1), ("Start", 3), ("ErrorControl", 3)] {
        edit.set_value(&key, value, ValueType::DWORD, &dword(number))
            .unwrap();
    }
    let path = sz(&format!("\\SystemRoot\\system32\\drivers\\{name}.sys"));
    edit.set_value(&key, "ImagePath", ValueType::EXPAND_SZ, &path)
        .unwrap();
}

fn ahci() -> Device {
    pci(0x8086, 0x2922, 0x01_0601)
}

fn nvme() -> Device {
    pci(0x144D, 0xA808, 0x01_0802)
}

#[test]
fn controllers_and_their_drivers() {
    let hive = seven(|_| {});
    let database = Database::of(&hive).unwrap();
    assert_eq!(database.generation(), Generation::Seven);
    let with_board = Device::Pci(PciDevice {
        vendor: 0x1000,
        device: 0x0060,
        subsystem_vendor: 0x1170,
        subsystem_device: 0x002F,
        revision: 4,
        class: 0x01_0400,
    });
    for (device, service) in [
        (ahci(), Some("msahci")),
        (pci(0x8086, 0x7010, 0x01_0180), Some("intelide")),
        // Windows 7 lists this one only with the boards of some makers.
        (pci(0x1000, 0x0060, 0x01_0400), None),
        (with_board, Some("megasas")),
        (pci(0x1000, 0x0054, 0x01_0000), Some("LSI_SAS")),
        (nvme(), None),
        (pci(0x1AF4, 0x1001, 0x01_0000), None),
    ] {
        let found = database.service(&device).unwrap();
        assert_eq!(found.as_deref(), service, "{device}");
    }
}

#[test]
fn host_generic_drivers_are_loaded_where_they_have_files() {
    let old = seven(|_| {});
    let case = Case::of([ahci()]).without(["megasas", "vmbus"]);
    let plan = case.plan(&old);
    assert!(
        plan.refusals.is_empty() && plan.warnings.is_empty(),
        "{plan:?}"
    );
    assert_eq!(plan.drivers[0].service.as_deref(), Some("msahci"));
    let raised = [
        "amdsata", "hpsamd", "iastorv", "lsi_sas", "lsi_sas2", "megasr", "msahci", "nvstor",
        "pciide", "storvsc", "vsmraid",
    ];
    let raised = raised.map(|name| format!("controlset001\\services\\{name}@start"));
    assert_eq!(places(&plan), BTreeSet::from(raised.clone()));
    let mut edit = old.clone().edit(WHEN).unwrap();
    apply(&plan, &mut edit, false).unwrap();
    let new = finished(edit);
    verify(&old, &new, &plan).unwrap();
    assert_eq!(oracle::changes(&old, &new), BTreeSet::from(raised));
    assert!(case.plan(&new).edits.is_empty());
}

/// Windows 7 with Microsoft's update for NVMe, or one that lost an entry.
#[test]
fn host_entries_that_are_missing_are_made() {
    let old = seven(|edit| {
        driver(edit, "stornvme");
        edit.delete_key(&format!("{CRITICAL}\\PCI#CC_010601"))
            .unwrap();
    });
    let case = Case::of([ahci(), nvme()]);
    let plan = case.plan(&old);
    assert!(plan.refusals.is_empty(), "{:?}", plan.refusals);
    let mut edit = old.clone().edit(WHEN).unwrap();
    apply(&plan, &mut edit, false).unwrap();
    let new = finished(edit);
    verify(&old, &new, &plan).unwrap();
    assert!(case.plan(&new).edits.is_empty());
    let seen = oracle::changes(&old, &new);
    for (id, service, class) in [
        (
            "PCI#CC_010601",
            "msahci",
            "{4D36E96A-E325-11CE-BFC1-08002BE10318}",
        ),
        (
            "PCI#CC_010802",
            "stornvme",
            "{4D36E97B-E325-11CE-BFC1-08002BE10318}",
        ),
    ] {
        let entry = new.key(&format!("{CRITICAL}\\{id}")).unwrap();
        assert_eq!(entry.text("Service").unwrap().as_deref(), Some(service));
        assert_eq!(entry.text("ClassGUID").unwrap().as_deref(), Some(class));
        assert!(seen.contains(&format!("{CRITICAL}\\{id}").to_lowercase()));
        let key = format!("{SERVICES}\\{service}");
        assert_eq!(new.key(&key).unwrap().dword("Start").unwrap(), Some(0));
    }
}

#[test]
fn a_driver_without_a_file_makes_no_entry() {
    let old = seven(|edit| driver(edit, "stornvme"));
    for case in [
        Case::of([nvme()]).without(["stornvme"]),
        Case::of(hyper_v()).without(["vmbus"]),
    ] {
        let plan = case.plan(&old);
        assert_eq!(plan.refusals.len(), 1, "{:?}", plan.refusals);
        assert!(places(&plan).iter().all(|place| place.ends_with("@start")));
    }
    let plan = Case::of([nvme()]).plan(&seven(|_| {}));
    assert!(matches!(plan.refusals[..], [Refusal::NoDriver { .. }]));
    assert!(plan.refusals[0].to_string().contains("KB2990941"));
}

/// An AHCI controller's ports are served by atapi, which was not used so far.
#[test]
fn the_driver_of_ports_is_loaded_too() {
    let old = seven(|edit| start(edit, "atapi", 4));
    let plan = Case::of([ahci()]).plan(&old);
    assert!(places(&plan).contains("controlset001\\services\\atapi@start"));
    assert!(plan.warnings[0].contains("atapi was switched off"));
}
