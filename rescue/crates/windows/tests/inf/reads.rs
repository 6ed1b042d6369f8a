//! What each package says, read out of it.

use hive::{Data, FileTime};
use windows::inf::{Arch, DirId, Inf, Target, Write};

use crate::packages::{ALL, amd64, bytes, inf};

#[test]
fn every_package_has_its_driver() {
    let drivers = [
        "viostor", "viostor", "vioscsi", "pvscsi", "iaStorVD", "megasas2", "stornvme",
    ];
    for (name, driver) in ALL.into_iter().zip(drivers) {
        let (inf, target) = (inf(name), amd64(10, 0, 20348));
        let version = inf.version(&target).unwrap();
        assert_eq!(version.class, "SCSIAdapter", "{name}");
        assert!(version.driver_ver.date.file_time() > FileTime::from_unix(0));
        for model in inf.models(&target).unwrap() {
            let install = inf.install(&model.install, &target, &[]).unwrap();
            let service = install.driver().unwrap();
            assert_eq!(
                (service.name.as_str(), service.start),
                (driver, 0),
                "{name}"
            );
            let named = format!("{driver}.sys");
            assert!(service.binary.name().eq_ignore_ascii_case(&named), "{name}");
            assert!(
                !model.description.contains('%'),
                "{name}: {}",
                model.description
            );
        }
    }
}

#[test]
fn what_the_inf_says_of_the_bus_is_kept() {
    let bus = |name: &str, section: &str| {
        let install = inf(name)
            .install(section, &amd64(10, 0, 20348), &[])
            .unwrap();
        let registry = install.driver().unwrap().registry.clone();
        let entry = registry
            .into_iter()
            .find(|entry| entry.name == "BusType")
            .unwrap();
        assert_eq!(entry.subkey, "Parameters");
        match entry.write {
            Write::Set(kind, data) => Data::decode(kind, &data).dword(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(bus("viostor/w10/viostor.inf", "install"), Some(1));
    assert_eq!(bus("vioscsi/vioscsi.inf", "install"), Some(10));
    assert_eq!(bus("pvscsi/pvscsi.inf", "pvscsi_inst"), Some(10));
    assert_eq!(bus("iastorvd/iaStorVD.inf", "iaStorVD_inst"), Some(8));
}

#[test]
fn a_package_that_runs_from_the_store_and_needs_others() {
    let inf = inf("iastorvd/iaStorVD.inf");
    let install = inf
        .install("iaStorVD_inst", &amd64(10, 0, 19045), &[])
        .unwrap();
    assert_eq!(install.section, "iaStorVD_inst.NT");
    assert_eq!(install.not_followed, ["machine.inf"]);
    assert_eq!(install.driver().unwrap().binary.dir, DirId::PACKAGE);
    assert_eq!(install.services.len(), 2);
    let sources: Vec<_> = install.files.iter().map(|f| f.source.as_str()).collect();
    assert_eq!(sources, ["iaStorVD.sys", "tools/Helper.exe"]);
    let filters = install
        .hardware
        .iter()
        .find(|e| e.name == "Filters")
        .unwrap();
    let wanted = hive::multi_sz(&["first", "second"]);
    assert_eq!(filters.write, Write::Set(hive::ValueType::MULTI_SZ, wanted));
    let forced = install
        .hardware
        .iter()
        .find(|e| e.name == "ForcedConfig")
        .unwrap();
    let wanted = vec![1, 2, 3, 0xFF];
    assert_eq!(forced.write, Write::Set(hive::ValueType::BINARY, wanted));
    assert_eq!(inf.models(&amd64(10, 0, 14393)).unwrap(), []);
}

#[test]
fn files_and_catalogues_by_architecture() {
    let inf = inf("pvscsi/pvscsi.inf");
    let read = |arch| {
        let target = Target {
            arch,
            ..amd64(6, 1, 7601)
        };
        let install = inf.install("pvscsi_inst", &target, &[]).unwrap();
        let catalog = inf.version(&target).unwrap().catalog.unwrap();
        (install.files[0].source.clone(), catalog)
    };
    assert_eq!(
        read(Arch::Amd64),
        ("amd64/pvscsi.sys".into(), "pvscsi64.cat".into())
    );
    assert_eq!(
        read(Arch::X86),
        ("x86/pvscsi.sys".into(), "pvscsi32.cat".into())
    );
}

#[test]
fn the_encoding_makes_no_difference() {
    for name in ALL {
        let text = String::from_utf8(bytes(name)).unwrap();
        let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let wide = Inf::parse(name, &[&[0xFF, 0xFE][..], &wide].concat(), Inf::ENGLISH).unwrap();
        let (target, narrow) = (amd64(10, 0, 20348), inf(name));
        let models = narrow.models(&target).unwrap();
        assert!(!models.is_empty());
        assert_eq!(wide.models(&target).unwrap(), models);
    }
    let german = Inf::parse("v.inf", &bytes(ALL[0]), 0x0407).unwrap();
    let model = &german.models(&amd64(10, 0, 20348)).unwrap()[0];
    assert_eq!(model.description, "Paravirtueller Festplattencontroller");
}
