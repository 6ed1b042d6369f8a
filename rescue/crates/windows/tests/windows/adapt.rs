//! Genuine Windows 8.1 and 10, planned for other hardware.

use std::collections::BTreeSet;

use hive::{Edit, Hive, ValueType, dword, multi_sz, sz};
use windows::adapt::{
    ApplyError, Bus, Change, Controller, Machine, Plan, Refusal, VerifyError, apply, is_older,
    plan, verify,
};
use windows::drivers::{Device, HYPER_V_PCI};
use windows::ids::{IdMap, PartitionId};

use crate::drivers::{hyper_v, pci};
use crate::fixtures::{WHEN, finished, hive};
use crate::oracle;

const SERVICES: &str = "ControlSet001\\Services";
const CONTROL: &str = "ControlSet001\\Control";
const DISKS: &str = "ControlSet001\\Control\\Class\\{4d36e967-e325-11ce-bfc1-08002be10318}";

/// A machine, and a Windows that has all files of its drivers but some.
#[derive(Default)]
pub(crate) struct Case {
    devices: Vec<Device>,
    missing: Vec<String>,
    bus: Bus,
    ids: IdMap,
    stay_on_crash: bool,
}

impl Case {
    pub(crate) fn of(devices: impl Into<Vec<Device>>) -> Self {
        let devices = devices.into();
        Self {
            devices,
            ..Self::default()
        }
    }

    pub(crate) fn without<const N: usize>(self, missing: [&str; N]) -> Self {
        let missing = missing.map(str::to_owned).into();
        Self { missing, ..self }
    }

    pub(crate) fn plan(&self, system: &Hive) -> Plan {
        let device = |device: &Device| Controller {
            device: device.clone(),
            boots: true,
        };
        let controllers: Vec<Controller> = self.devices.iter().map(device).collect();
        let exists = |path: &str| {
            let path = path.to_lowercase();
            assert!(path.starts_with("system32\\"), "{path}");
            let is = |name: &String| path.ends_with(&format!("\\{}.sys", name.to_lowercase()));
            !self.missing.iter().any(is)
        };
        let machine = Machine {
            controllers: &controllers,
            bus: self.bus,
            ids: &self.ids,
            exists: &exists,
            stay_on_crash: self.stay_on_crash,
        };
        plan(system, &machine).unwrap()
    }
}

fn ahci() -> Device {
    pci(0x8086, 0x2922, 0x01_0601)
}

/// The places that a plan is going to change, as the oracle names them; keys
/// that go with all in them by their names only.
pub(crate) fn places(plan: &Plan) -> BTreeSet<String> {
    let place = |change: &Change| match change {
        Change::DeleteKey { key } | Change::CreateKey { key } => key.to_lowercase(),
        Change::Set { key, value, .. } | Change::DeleteValue { key, value } => {
            format!("{key}@{value}").to_lowercase()
        }
    };
    plan.edits
        .iter()
        .map(|planned| place(&planned.change))
        .collect()
}

/// Applies a plan and reads the hive again; nothing is left to be planned.
fn applied(old: &Hive, plan: &Plan, case: &Case) -> Hive {
    let mut edit = old.clone().edit(WHEN).unwrap();
    assert_eq!(apply(plan, &mut edit, false).unwrap(), plan.edits.len());
    let new = finished(edit);
    verify(old, &new, plan).unwrap();
    let again = case.plan(&new);
    assert!(again.edits.is_empty(), "{:?}", again.edits);
    new
}

/// A genuine hive that was changed before.
fn changed(name: &str, change: impl FnOnce(&mut Edit)) -> Hive {
    let mut edit = hive(name).edit(WHEN).unwrap();
    change(&mut edit);
    finished(edit)
}

fn set(edit: &mut Edit, key: &str, value: &str, kind: ValueType, data: &[u8]) {
    edit.create_key(key).unwrap();
    edit.set_value(key, value, kind, data).unwrap();
}

/// Which services have overrides, in small letters.
fn overridden(hive: &Hive) -> BTreeSet<String> {
    let services = hive.key(SERVICES).unwrap().subkeys().unwrap();
    let with = services
        .iter()
        .filter(|s| s.subkey("StartOverride").unwrap().is_some());
    with.map(|s| s.name().to_string().to_lowercase()).collect()
}

/// Each controller gets the driver that Windows has for it, and the plan is the
/// same for all: no override stays.
#[test]
fn controllers_that_windows_knows() {
    for (name, overrides) in [("joined-8.1/SYSTEM", 42), ("dirty-10/SYSTEM", 44)] {
        let old = hive(name);
        assert_eq!(overridden(&old).len(), overrides, "{name}");
        for (devices, services) in [
            (vec![ahci()], vec!["storahci"]),
            (vec![pci(0x8086, 0x7010, 0x01_0180)], vec!["intelide"]),
            (vec![pci(0x144D, 0xA808, 0x01_0802)], vec!["stornvme"]),
            (vec![pci(0x1000, 0x0060, 0x01_0400)], vec!["megasas"]),
            (vec![pci(0x1000, 0x005B, 0x01_0400)], vec!["megasas"]),
            (vec![pci(0x1000, 0x0054, 0x01_0000)], vec!["LSI_SAS"]),
            (hyper_v().to_vec(), vec!["vmbus", "storvsc"]),
        ] {
            let plan = Case::of(devices).plan(&old);
            assert!(plan.refusals.is_empty(), "{:?}", plan.refusals);
            assert!(plan.warnings.is_empty(), "{:?}", plan.warnings);
            let found: Vec<_> = plan.drivers.iter().map(|d| d.service.as_deref()).collect();
            let expected: Vec<_> = services.into_iter().map(Some).collect();
            assert_eq!(found, expected, "{name}");
            assert_eq!(plan.edits.len(), overrides, "{name}");
            let is_override = |place: &String| place.ends_with("\\startoverride");
            assert!(places(&plan).iter().all(is_override));
        }
    }
}

#[test]
fn host_overrides_go_and_nothing_else_changes() {
    for name in ["joined-8.1/SYSTEM", "dirty-10/SYSTEM"] {
        let old = hive(name);
        let case = Case::of([ahci()]);
        let plan = case.plan(&old);
        let new = applied(&old, &plan, &case);
        assert!(overridden(&new).is_empty());
        let places = places(&plan);
        let seen = oracle::changes(&old, &new);
        // The keys themselves, and what was in them.
        let keys: BTreeSet<_> = seen.iter().filter(|p| !p.contains('@')).cloned().collect();
        assert_eq!(keys, places, "{name}");
        let inside = |place: &String| {
            let key = place.split('@').next().unwrap();
            places.contains(key)
        };
        assert!(seen.iter().all(inside), "{name}");
    }
}

#[test]
fn controllers_that_nobody_has_a_driver_for() {
    for name in ["joined-8.1/SYSTEM", "dirty-10/SYSTEM"] {
        let old = hive(name);
        for (device, supply) in [
            (pci(0x15AD, 0x07C0, 0x01_0000), "pvscsi of VMware Tools"),
            (pci(0x1AF4, 0x1001, 0x01_0000), "viostor of virtio-win"),
            (pci(0x1AF4, 0x1042, 0x01_0000), "viostor of virtio-win"),
            (
                pci(0x1234, 0x5678, 0x01_0700),
                "the maker's driver for this version",
            ),
        ] {
            let plan = Case::of([device.clone()]).plan(&old);
            assert_eq!(plan.drivers[0].service, None);
            assert_eq!(plan.refusals.len(), 1, "{device}");
            let text = plan.refusals[0].to_string();
            assert!(
                text.contains(&device.to_string()) && text.contains(supply),
                "{text}"
            );
            let mut edit = old.clone().edit(WHEN).unwrap();
            let refused = apply(&plan, &mut edit, false);
            assert!(matches!(
                refused,
                Err(ApplyError::Refused(Refusal::NoDriver { .. }))
            ));
            assert!(edit.hive().as_bytes() == old.as_bytes(), "nothing was done");
            assert!(apply(&plan, &mut edit, true).unwrap() >= 42, "forced");
        }
    }
}

/// A controller without Windows' disk needs no driver to start.
#[test]
fn other_controllers_only_warn() {
    let old = hive("joined-8.1/SYSTEM");
    let controllers = [
        (ahci(), true),
        (pci(0x1AF4, 0x1001, 0x01_0000), false),
        (pci(0x1000, 0x0054, 0x01_0000), false),
    ]
    .map(|(device, boots)| Controller { device, boots });
    let machine = Machine {
        controllers: &controllers,
        bus: Bus::Internal,
        ids: &IdMap::default(),
        exists: &|path| !path.to_lowercase().ends_with("lsi_sas.sys"),
        stay_on_crash: false,
    };
    let plan = plan(&old, &machine).unwrap();
    assert!(plan.refusals.is_empty(), "{:?}", plan.refusals);
    assert_eq!(plan.warnings.len(), 2, "{:?}", plan.warnings);
    assert!(plan.warnings[0].contains("viostor"));
    assert!(plan.warnings[1].contains("Windows\\System32\\drivers\\lsi_sas.sys is not"));
}

/// A driver whose file is missing must not be loaded at the start.
#[test]
fn drivers_without_files_stay_as_they_are() {
    let old = hive("joined-8.1/SYSTEM");
    let case = Case::of([ahci()]).without(["megasas", "stornvme", "disk"]);
    let plan = case.plan(&old);
    let kept = places(&plan);
    assert_eq!(plan.edits.len(), 40);
    for name in ["megasas", "stornvme"] {
        assert!(!kept.contains(&format!("controlset001\\services\\{name}\\startoverride")));
    }
    // And Windows does not start without this one.
    assert_eq!(
        plan.refusals[0].to_string(),
        "Windows cannot start without its driver disk, which is there, but its file \
         Windows\\System32\\drivers\\disk.sys is not; the image seems to be damaged or not one \
         of a whole Windows"
    );
    let plan = Case::of([ahci()]).without(["storahci"]).plan(&old);
    assert_eq!(plan.refusals.len(), 1);
    let text = plan.refusals[0].to_string();
    assert!(text.contains("the driver storahci of the disk's controller PCI\\VEN_8086&DEV_2922"));
    assert!(text.contains("Windows\\System32\\drivers\\storahci.sys is not"));
}

/// Whichever file is missing, its driver and no other stays as it is.
#[test]
fn any_driver_without_a_file_stays_as_it_is() {
    let old = hive("joined-8.1/SYSTEM");
    let all = places(&Case::of([ahci()]).plan(&old));
    assert_eq!(all.len(), 42);
    for place in &all {
        let key = place.trim_end_matches("\\startoverride");
        let image = old.key(key).unwrap().text("ImagePath").unwrap().unwrap();
        let file = image.rsplit('\\').next().unwrap().to_lowercase();
        let file = file.trim_end_matches(".sys");
        let mut left = places(&Case::of([ahci()]).without([file]).plan(&old));
        assert!(left.insert(place.clone()), "{place} without {file}");
        assert_eq!(left, all, "{file}");
    }
}

#[test]
fn a_driver_that_is_no_service_is_told() {
    let old = changed("joined-8.1/SYSTEM", |edit| {
        assert!(edit.delete_key(&format!("{SERVICES}\\storahci")).unwrap());
    });
    let plan = Case::of([ahci()]).plan(&old);
    let text = plan.refusals[0].to_string();
    assert!(text.contains("storahci") && text.contains("is not a service of this Windows"));
}

#[test]
fn every_control_set_is_edited() {
    let old = changed("dirty-10/SYSTEM", |edit| {
        let key = "ControlSet002\\Services\\storahci";
        set(edit, key, "Type", ValueType::DWORD, &dword(1));
        set(edit, key, "Start", ValueType::DWORD, &dword(3));
        let sub = format!("{key}\\StartOverride");
        set(edit, &sub, "0", ValueType::DWORD, &dword(3));
    });
    let case = Case::of([ahci()]);
    let plan = case.plan(&old);
    // The other set lacks what every start needs, but it does not count.
    assert!(plan.refusals.is_empty(), "{:?}", plan.refusals);
    let new = applied(&old, &plan, &case);
    let service = new.key("ControlSet002\\Services\\storahci").unwrap();
    assert_eq!(service.dword("Start").unwrap(), Some(0));
    assert_eq!(service.subkey_count(), 0);
}

/// NVMe disks behind Hyper-V's PCI bus, whose driver Windows loads late otherwise.
#[test]
fn a_late_driver_that_the_machine_needs_is_loaded_at_the_start() {
    let old = hive("dirty-10/SYSTEM");
    let [bus, _] = hyper_v();
    let case = Case::of([
        bus,
        Device::VmBus(HYPER_V_PCI),
        pci(0x1414, 0xB111, 0x01_0802),
    ]);
    let plan = case.plan(&old);
    let services: Vec<_> = plan.drivers.iter().map(|d| d.service.as_deref()).collect();
    assert_eq!(services, [Some("vmbus"), Some("vpci"), Some("stornvme")]);
    let new = applied(&old, &plan, &case);
    let key = format!("{SERVICES}\\vpci");
    assert_eq!(old.key(&key).unwrap().dword("Start").unwrap(), Some(3));
    assert_eq!(new.key(&key).unwrap().dword("Start").unwrap(), Some(0));
}

#[test]
fn a_driver_that_was_switched_off_is_switched_on() {
    let key = format!("{SERVICES}\\LSI_SAS");
    let old = changed("joined-8.1/SYSTEM", |edit| {
        set(edit, &key, "Start", ValueType::DWORD, &dword(4));
    });
    let case = Case::of([pci(0x1000, 0x0054, 0x01_0000)]);
    let plan = case.plan(&old);
    assert!(plan.warnings[0].contains("LSI_SAS was switched off in ControlSet001"));
    let new = applied(&old, &plan, &case);
    assert_eq!(new.key(&key).unwrap().dword("Start").unwrap(), Some(0));
    assert!(overridden(&new).is_empty());
    // One that the machine does not need stays off, with its overrides.
    let plan = Case::of([ahci()]).plan(&old);
    assert!(
        !places(&plan)
            .iter()
            .any(|place| place.contains("lsi_sas\\"))
    );
}

#[test]
fn host_dangling_filters_go_and_sound_ones_stay() {
    let volumes = "ControlSet001\\Control\\Class\\{71a27cdd-812a-11d0-bec7-08002be2092f}";
    let scsi = "ControlSet001\\Control\\Class\\{4d36e97b-e325-11ce-bfc1-08002be10318}";
    let old = changed("dirty-10/SYSTEM", |edit| {
        // One without a service in the middle, and one that stands alone.
        let upper = multi_sz(&["nosuchfilter", "partmgr"]);
        set(edit, DISKS, "UpperFilters", ValueType::MULTI_SZ, &upper);
        set(
            edit,
            scsi,
            "LowerFilters",
            ValueType::MULTI_SZ,
            &multi_sz(&["gone"]),
        );
    });
    // Dell's filter of disks has a service, whose file is missing here.
    let case = Case::of([ahci()]).without(["stdcfltn"]);
    let plan = case.plan(&old);
    let new = applied(&old, &plan, &case);
    let lines = |key: &str, value: &str| {
        let value = new.key(key).unwrap().value(value).unwrap()?;
        value.decode().unwrap().lines().map(<[String]>::to_vec)
    };
    assert_eq!(lines(DISKS, "UpperFilters").unwrap(), ["partmgr"]);
    assert_eq!(lines(DISKS, "LowerFilters").unwrap(), ["EhStorClass"]);
    assert_eq!(
        lines(volumes, "LowerFilters").unwrap(),
        ["fvevol", "rdyboost", "iorate"]
    );
    assert_eq!(lines(scsi, "LowerFilters"), None);
    let seen = oracle::changes(&old, &new);
    let others: Vec<_> = seen
        .iter()
        .filter(|p| !p.contains("startoverride"))
        .collect();
    let expected = [
        format!("{DISKS}@lowerfilters").to_lowercase(),
        format!("{DISKS}@upperfilters").to_lowercase(),
        format!("{scsi}@lowerfilters").to_lowercase(),
    ];
    assert_eq!(others, expected.iter().collect::<Vec<_>>());
}

#[test]
fn host_what_is_only_done_when_it_applies() {
    let old = changed("joined-8.1/SYSTEM", |edit| {
        let (one, name) = (dword(1), "PortableOperatingSystem");
        set(edit, CONTROL, name, ValueType::DWORD, &one);
        set(
            edit,
            "Setup",
            "SystemSetupInProgress",
            ValueType::DWORD,
            &one,
        );
        set(
            edit,
            "Setup",
            "CmdLine",
            ValueType::SZ,
            &sz("oobe\\windeploy.exe"),
        );
        let directory = "ControlSet001\\Services\\NTDS\\Parameters";
        let (name, file) = ("DSA Database file", sz("C:\\Windows\\NTDS\\ntds.dit"));
        edit.create_key(directory).unwrap();
        set(edit, directory, name, ValueType::SZ, &file);
    });
    let c = PartitionId::Mbr {
        signature: 0xD1CE_CF67,
        offset: 0x15F0_0000,
    };
    let moved = PartitionId::Mbr {
        signature: 0xD1CE_CF67,
        offset: 0x1600_0000,
    };
    let case = Case {
        bus: Bus::Usb,
        ids: IdMap::new([(c, moved)]).unwrap(),
        stay_on_crash: true,
        ..Case::of([pci(0x8086, 0x1E31, 0x0C_0330)])
    };
    let plan = case.plan(&old);
    assert!(plan.refusals.is_empty(), "{:?}", plan.refusals);
    assert_eq!(plan.drivers[0].service.as_deref(), Some("USBXHCI"));
    let warned = |text: &str| plan.warnings.iter().any(|warning| warning.contains(text));
    assert!(warned("Setup\\SystemSetupInProgress") && warned("oobe\\windeploy.exe"));
    assert!(warned("SMBIOS UUID"));
    assert!(warned("USN rollback"));
    let new = applied(&old, &plan, &case);
    let seen = oracle::changes(&old, &new);
    let others: BTreeSet<_> = seen
        .into_iter()
        .filter(|p| !p.contains("startoverride"))
        .collect();
    let expected = [
        "controlset001\\control@portableoperatingsystem",
        "controlset001\\control\\crashcontrol@autoreboot",
        "hardwareconfig\\{6b3a28a1-7adf-ad46-ade0-0cbafc6176b5}@bootdriverflags",
        "hardwareconfig\\{94be0e73-89b4-1246-a39b-1c46e786b15b}@bootdriverflags",
        "mounteddevices@\\??\\volume{8bff1c84-9188-11e5-824f-806e6f6e6963}",
        "mounteddevices@\\dosdevices\\c:",
    ];
    let expected: BTreeSet<_> = expected.into_iter().map(str::to_owned).collect();
    assert_eq!(others, expected);
    let config = "HardwareConfig\\{94be0e73-89b4-1246-a39b-1c46e786b15b}";
    let flags = new.key(config).unwrap().dword("BootDriverFlags").unwrap();
    assert_eq!(flags, Some(0x14));
    // Without a reason none of that is planned.
    let plain = Case::of([ahci()]).plan(&hive("joined-8.1/SYSTEM"));
    let is_override = |place: &String| place.ends_with("\\startoverride");
    assert!(places(&plain).iter().all(is_override) && plain.warnings.is_empty());
}

#[test]
fn the_drivers_of_every_start_are_checked() {
    let old = changed("dirty-10/SYSTEM", |edit| {
        edit.delete_key(&format!("{SERVICES}\\volmgr")).unwrap();
        let key = format!("{SERVICES}\\volume");
        set(edit, &key, "Start", ValueType::DWORD, &dword(3));
    });
    let plan = Case::of([ahci()]).without(["mountmgr"]).plan(&old);
    let texts: Vec<String> = plan.refusals.iter().map(ToString::to_string).collect();
    assert_eq!(texts.len(), 2, "{texts:?}");
    assert!(texts[0].contains("driver volmgr, which is not a service"));
    assert!(texts[1].contains("driver mountmgr, which is there, but its file"));
    assert!(places(&plan).contains("controlset001\\services\\volume@start"));
}

#[test]
fn a_controller_that_was_disabled_is_told() {
    let device = "ControlSet001\\Enum\\PCI\\VEN_8086&DEV_2922&SUBSYS_00018086&REV_00\\1";
    let old = changed("joined-8.1/SYSTEM", |edit| {
        set(edit, device, "ConfigFlags", ValueType::DWORD, &dword(0x401));
    });
    let plan = Case::of([ahci()]).plan(&old);
    assert_eq!(plan.warnings.len(), 1);
    assert!(plan.warnings[0].contains("switched off in Windows' device manager"));
}

#[test]
fn verifying_sees_what_is_missing_and_what_is_too_much() {
    let old = hive("dirty-10/SYSTEM");
    let plan = Case::of([ahci()]).plan(&old);
    assert!(matches!(
        verify(&old, &old, &plan),
        Err(VerifyError::Missing { .. })
    ));
    let spoil = |change: &dyn Fn(&mut Edit)| {
        let mut edit = old.clone().edit(WHEN).unwrap();
        apply(&plan, &mut edit, false).unwrap();
        change(&mut edit);
        verify(&old, &finished(edit), &plan)
    };
    spoil(&|_| {}).unwrap();
    // The last one leaves nothing but the time of a key.
    let unplanned: [&dyn Fn(&mut Edit); 5] = [
        &|edit| set(edit, CONTROL, "x", ValueType::DWORD, &dword(1)),
        &|edit| {
            set(
                edit,
                &format!("{SERVICES}\\disk"),
                "Start",
                ValueType::DWORD,
                &dword(1),
            )
        },
        &|edit| assert!(edit.create_key("New").unwrap()),
        &|edit| assert!(edit.delete_key(&format!("{SERVICES}\\vpci")).unwrap()),
        &|edit| {
            set(edit, CONTROL, "x", ValueType::DWORD, &dword(1));
            assert!(edit.delete_value(CONTROL, "x").unwrap());
        },
    ];
    for change in unplanned {
        assert!(matches!(spoil(change), Err(VerifyError::Unplanned { .. })));
    }
}

#[test]
fn windows_before_vista_is_told_from_later_ones() {
    let system = hive("joined-8.1/SYSTEM");
    assert!(!is_older(&system).unwrap());
    let mut edit = system.edit(WHEN).unwrap();
    edit.delete_key(&format!("{SERVICES}\\volmgr")).unwrap();
    assert!(!is_older(edit.hive()).unwrap(), "a damaged one");
    edit.create_key(&format!("{SERVICES}\\ftdisk")).unwrap();
    assert!(is_older(edit.hive()).unwrap());
}
