//! Which package serves a device best.

use windows::inf::{Arch, DriverSet, Target};

use crate::packages::{ALL, FILES, amd64, bytes, pci, set};

fn best(ids: &windows::inf::DeviceIds, target: &Target) -> Option<(String, String)> {
    let set = set();
    let (candidates, errors) = set.candidates(ids, target);
    assert_eq!(errors, []);
    let best = candidates.first()?;
    assert!(
        best.missing.is_empty() && best.catalog.is_some(),
        "{best:?}"
    );
    let file = best.inf.file().to_owned();
    Some((file, best.model.install.clone()))
}

fn found(file: &str, section: &str) -> Option<(String, String)> {
    Some((file.to_owned(), section.to_owned()))
}

#[test]
fn the_windows_decides_among_packages_of_one_driver() {
    let disk = pci("1AF4", "1042", "11001AF4", "0100");
    assert_eq!(best(&disk, &amd64(10, 0, 20348)), found(ALL[0], "install"));
    assert_eq!(best(&disk, &amd64(6, 3, 9600)), found(ALL[0], "install"));
    assert_eq!(best(&disk, &amd64(6, 1, 7601)), found(ALL[1], "install"));
    assert_eq!(best(&disk, &amd64(6, 0, 6002)), None);
    let arm = Target {
        arch: Arch::Arm64,
        ..amd64(10, 0, 26100)
    };
    assert_eq!(best(&disk, &arm), found(ALL[0], "install"));
    let scsi = pci("1AF4", "1048", "11001AF4", "0100");
    assert_eq!(best(&scsi, &amd64(10, 0, 20348)), found(ALL[2], "install"));
    assert_eq!(best(&scsi, &arm), found(ALL[2], "install"));
}

#[test]
fn the_closer_id_counts_before_the_newer_package() {
    let target = amd64(10, 0, 20348);
    let dell = pci("1000", "005D", "1F491028", "0104");
    let set = set();
    let (candidates, _) = set.candidates(&dell, &target);
    assert_eq!(candidates[0].model.install, "MEGASAS2_OTHER");
    assert_eq!(candidates[0].model.manufacturer, "Another maker");
    assert_eq!(candidates[0].missing_catalog(), Some("megasas2.cat"));
    let other = pci("1000", "005D", "00001000", "0104");
    let (candidates, _) = set.candidates(&other, &target);
    assert_eq!(candidates[0].model.hardware_id, r"PCI\VEN_1000&DEV_005D");
    let vmd = pci("8086", "A77F", "00008086", "0104");
    assert_eq!(best(&vmd, &target), found(ALL[4], "iaStorVD_inst"));
    assert_eq!(best(&vmd, &amd64(10, 0, 14393)), None);
}

#[test]
fn what_is_incomplete_comes_last_and_says_so() {
    let disk = pci("1AF4", "1001", "00021AF4", "0100");
    let paths = ALL
        .iter()
        .chain(&FILES)
        .filter(|path| !path.ends_with("w10/VIOSTOR.SYS"));
    let infs = ALL.iter().map(|name| ((*name).to_owned(), bytes(name)));
    let mut infs: Vec<_> = infs.collect();
    infs.push(("broken.inf".to_owned(), b"MZ\x90".to_vec()));
    let set = DriverSet::new(paths.map(|path| (*path).to_owned()), infs);
    assert!(
        set.rejected()[0]
            .to_string()
            .starts_with("broken.inf, line 1")
    );
    let (candidates, _) = set.candidates(&disk, &amd64(10, 0, 20348));
    let files: Vec<_> = candidates
        .iter()
        .map(|c| (c.inf.file(), c.missing.len()))
        .collect();
    assert_eq!(files, [(ALL[1], 0), (ALL[0], 1)]);
    assert_eq!(candidates[1].missing, ["viostor.sys"]);
}

#[test]
fn of_equal_ids_the_later_date_counts_then_the_version() {
    let text = String::from_utf8(bytes(ALL[0])).unwrap();
    let with = |ver: &str| {
        text.replace("11/20/2023,100.94.104.24700", ver)
            .into_bytes()
    };
    let infs = [
        ("a/v.inf", with("11/20/2023,1.10.0.0")),
        ("b/v.inf", with("11/20/2023,1.9.0.0")),
        ("c/v.inf", with("10/30/2024,1.0.0.0")),
    ];
    let files =
        ["a", "b", "c"].map(|dir| ["viostor.sys", "viostor.cat"].map(|f| format!("{dir}/{f}")));
    let set = DriverSet::new(
        files.concat(),
        infs.map(|(name, bytes)| (name.to_owned(), bytes)),
    );
    let disk = pci("1AF4", "1001", "00021AF4", "0100");
    let (candidates, _) = set.candidates(&disk, &amd64(10, 0, 20348));
    let order: Vec<_> = candidates.iter().map(|c| c.inf.file()).collect();
    assert_eq!(order, ["c/v.inf", "a/v.inf", "b/v.inf"]);
}

#[test]
fn of_two_packages_the_closer_id_counts_before_the_later_date() {
    let text = String::from_utf8(bytes(ALL[0])).unwrap();
    let far = text.replace("&SUBSYS_00021AF4&REV_00", "");
    let far = far.replace("11/20/2023", "11/20/2025").into_bytes();
    let infs = [
        ("a/v.inf".to_owned(), far),
        ("b/v.inf".to_owned(), text.into_bytes()),
    ];
    let files = ["a", "b"].map(|dir| ["viostor.sys", "viostor.cat"].map(|f| format!("{dir}/{f}")));
    let set = DriverSet::new(files.concat(), infs);
    let mut disk = pci("1AF4", "1001", "00021AF4", "0100");
    disk.hardware[0] = r"PCI\VEN_1AF4&DEV_1001&SUBSYS_00021AF4&REV_00".to_owned();
    let (candidates, _) = set.candidates(&disk, &amd64(10, 0, 20348));
    let order: Vec<_> = candidates.iter().map(|c| c.inf.file()).collect();
    assert_eq!(order, ["b/v.inf", "a/v.inf"]);
    assert!(candidates[0].version.driver_ver < candidates[1].version.driver_ver);
}
