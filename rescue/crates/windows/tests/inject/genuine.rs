//! The same package as Windows wrote it and as we do.
//!
//! The test's `stornvme.inf` is written after what the hive of Windows 8.1 says
//! of its own.

use std::collections::BTreeMap;

use hive::{Hive, ValueType};
use windows::drivers::{Device, PciDevice};
use windows::inf::{DeviceIds, DriverSet};
use windows::inject::{Machine, plan};

use crate::fixtures::named;
use crate::packages::{ALL, FILES, amd64, bytes, pci};
use crate::writes::{applied, planned};

type Values = BTreeMap<(String, String), (ValueType, Vec<u8>)>;

/// All values below a key, by the path from there and their names.
fn values(hive: &Hive, path: &str) -> Values {
    let mut values = Values::new();
    for item in hive.key(path).unwrap().walk("") {
        let (path, key) = item.unwrap();
        for value in key.values().unwrap() {
            let name = (path.clone(), value.name().to_string());
            values.insert(
                name,
                (value.value_type(), value.data().unwrap().into_owned()),
            );
        }
    }
    values
}

fn with_stornvme() -> (Hive, Hive) {
    let system = named("joined-8.1/SYSTEM").open().0;
    let ids = DeviceIds {
        hardware: vec![],
        compatible: vec![r"PCI\CC_010802".into()],
    };
    let injection = planned(&system, &ids, &amd64(6, 3, 9600));
    let after = applied(&system, &injection);
    (system, after)
}

const LABEL: &str = "rescue-stornvme.inf_amd64_0000000000000000";

#[test]
fn the_package_is_described_as_windows_describes_it() {
    let (system, after) = with_stornvme();
    let packages = r"DriverDatabase\DriverPackages";
    let genuine = values(
        &system,
        &format!(r"{packages}\stornvme.inf_amd64_d74da410998ca284"),
    );
    let mut ours = values(&after, &format!(r"{packages}\{LABEL}"));
    let at = |name: &str| (String::new(), name.to_owned());
    // Theirs are in-box packages, ours is one that was brought in.
    let (mut theirs, version) = (
        genuine[&at("Version")].clone(),
        ours[&at("Version")].clone(),
    );
    assert_eq!((theirs.1[0], version.1[0]), (0xFF, 0x00));
    theirs.1[0] = 0;
    assert_eq!(version, theirs);
    assert_eq!(ours[&at("")].1, hive::sz("rescue-stornvme.inf"));
    ours.remove(&at("InfName")).unwrap();
    // It says that Windows checked the signature, which we do not claim.
    for (name, content) in &genuine {
        let claimed = ["SignerScore", "StatusFlags"].contains(&name.1.as_str());
        assert_eq!(ours.remove(name).is_none(), claimed, "{name:?} {content:?}");
    }
    assert_eq!(ours, Values::new());
}

#[test]
fn the_values_are_the_same_but_for_its_own_name() {
    let (system, after) = with_stornvme();
    let packages = r"DriverDatabase\DriverPackages";
    let genuine = values(
        &system,
        &format!(r"{packages}\stornvme.inf_amd64_d74da410998ca284"),
    );
    let ours = values(&after, &format!(r"{packages}\{LABEL}"));
    let below = |values: Values| values.into_iter().filter(|((path, _), _)| !path.is_empty());
    let (genuine, ours): (Values, Values) = (below(genuine).collect(), below(ours).collect());
    assert!(genuine.len() > 15);
    assert_eq!(ours, genuine);
}

#[test]
fn its_files_and_ids_are_entered_like_those_of_a_package_that_was_brought_in() {
    let (system, after) = with_stornvme();
    let types = |hive: &Hive, path: &str| -> Vec<_> {
        let values = values(hive, path).into_iter();
        values.map(|((_, name), (kind, _))| (name, kind)).collect()
    };
    let files = r"DriverDatabase\DriverInfFiles";
    let theirs = types(&system, &format!(r"{files}\oem1.inf"));
    assert_eq!(
        types(&after, &format!(r"{files}\rescue-stornvme.inf")),
        theirs
    );
    let content = |hive: &Hive, path: &str, name: &str| {
        let value = hive.key(path).unwrap().value(name).unwrap();
        value.map(|value| (value.value_type(), value.data().unwrap().into_owned()))
    };
    let ids = r"DriverDatabase\DeviceIds";
    for (genuine, name, own) in [
        (r"PCI\VEN_80ee&DEV_cafe", "oem1.inf", r"PCI\CC_010802"),
        (
            "{4d36e97b-e325-11ce-bfc1-08002be10318}",
            "lsi_sas.inf",
            "{4d36e97b-e325-11ce-bfc1-08002be10318}",
        ),
    ] {
        let theirs = content(&system, &format!(r"{ids}\{genuine}"), name);
        let ours = content(&after, &format!(r"{ids}\{own}"), "rescue-stornvme.inf");
        assert!(theirs.is_some());
        assert_eq!(ours, theirs, "{own}");
    }
}

#[test]
fn the_service_keeps_to_what_windows_wrote_for_it() {
    let (system, after) = with_stornvme();
    let path = r"ControlSet001\Services\stornvme";
    let (genuine, ours) = (values(&system, path), values(&after, path));
    for ((key, name), (kind, data)) in &ours {
        let theirs = &genuine[&(key.clone(), name.clone())];
        assert_eq!(*kind, theirs.0, "{name}");
        // Letters of the group and of the path count without case.
        let text = |data: &[u8]| hive::Data::decode(*kind, data);
        let lower = |data: &[u8]| format!("{:?}", text(data)).to_lowercase();
        assert_eq!(lower(data), lower(&theirs.1), "{name}");
    }
    assert_eq!(ours.len() + 1, genuine.len(), "all but StartOverride");
}

/// What `machine.inf` of Windows has for LSI_SAS, by what came of it in the hive.
const MACHINE: &str = "[PciIoSpaceNotRequired]\n[PciIoSpaceNotRequired.HW]\nAddReg=no.io\n\
    [no.io]\nHKR,\"e5b3b5ac-9725-4f78-963f-03dfb1d828c7\",IoNotRequired,0x10001,1\n";

#[test]
fn what_an_included_inf_says_is_written_where_windows_writes_it() {
    let system = named("joined-8.1/SYSTEM").open().0;
    let infs = [
        (ALL[4].to_owned(), bytes(ALL[4])),
        ("inbox/machine.inf".to_owned(), MACHINE.into()),
    ];
    let set = DriverSet::new(FILES.map(str::to_owned), infs);
    let target = amd64(10, 0, 16299);
    let (candidates, errors) = set.candidates(&pci("8086", "9A0B", "00008086", "0104"), &target);
    assert_eq!(errors, []);
    let machine = Machine {
        target: &target,
        system: &system,
        windows: "Windows",
    };
    let after = applied(&system, &plan(&candidates[0], &set, machine).unwrap());
    let lsi = "lsi_sas.inf_amd64_bef2937de3107062\\Configurations\\LSI_SAS_Inst";
    let own = "rescue-iastorvd.inf_amd64_0000000000000000\\Configurations\\iaStorVD_inst";
    let values = |hive: &Hive, path: &str| {
        let path = format!("DriverDatabase\\DriverPackages\\{path}");
        values(hive, &path)
    };
    let (theirs, ours) = (values(&system, lsi), values(&after, own));
    let device = "Device\\e5b3b5ac-9725-4f78-963f-03dfb1d828c7";
    for (path, name) in [
        ("", "IncludedInfs"),
        (device, "IoNotRequired"),
        ("", "ConfigFlags"),
    ] {
        let name = (path.to_owned(), name.to_owned());
        assert_eq!(ours[&name], theirs[&name], "{name:?}");
    }
}

/// A PCI device of a key `VEN_…&DEV_…&SUBSYS_…&REV_…`, its class from its ids.
fn device(name: &str, ids: &[String]) -> Option<Device> {
    let number = |text: &str, mark: &str| {
        let (_, rest) = text.split_once(mark)?;
        let digits = rest.split('&').next()?;
        u32::from_str_radix(digits, 16).ok()
    };
    let half = |mark: &str| number(name, mark)?.try_into().ok();
    let board = number(name, "SUBSYS_")?;
    let class = ids.iter().find_map(|id| number(id, "PCI\\CC_"))?;
    Some(Device::Pci(PciDevice {
        vendor: half("VEN_")?,
        device: half("DEV_")?,
        subsystem_vendor: (board & 0xFFFF).try_into().ok()?,
        subsystem_device: (board >> 16).try_into().ok()?,
        revision: number(name, "REV_")?.try_into().ok()?,
        class,
    }))
}

#[test]
fn devices_have_the_ids_that_windows_gave_them() {
    let mut seen = 0;
    for name in ["joined-8.1/SYSTEM", "dirty-10/SYSTEM"] {
        let system = named(name).open().0;
        for device_key in system
            .key(r"ControlSet001\Enum\PCI")
            .unwrap()
            .subkeys()
            .unwrap()
        {
            for instance in device_key.subkeys().unwrap() {
                let lines = |name: &str| -> Vec<String> {
                    let value = instance.value(name).unwrap().unwrap().decode().unwrap();
                    value.lines().unwrap().to_vec()
                };
                let theirs = DeviceIds {
                    hardware: lines("HardwareID"),
                    compatible: lines("CompatibleIDs"),
                };
                let key = device_key.name().to_string();
                let device = device(&key, &theirs.compatible).unwrap();
                assert_eq!(DeviceIds::from(&device), theirs, "{name}: {key}");
                seen += 1;
            }
        }
    }
    assert!(seen > 20, "{seen}");
}
