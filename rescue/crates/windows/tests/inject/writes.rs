//! What is written, and only that.

use hive::{Data, FileTime, Hive, What, diff};
use windows::inf::{DeviceIds, Target};
use windows::inject::{Injection, Machine, apply, plan};

use crate::fixtures::named;
use crate::packages::{amd64, pci, set};

pub(crate) const WHEN: FileTime = FileTime::from_unix(1_790_000_000);

pub(crate) fn planned(system: &Hive, ids: &DeviceIds, target: &Target) -> Injection {
    let set = set();
    let (candidates, errors) = set.candidates(ids, target);
    assert_eq!(errors, []);
    let machine = Machine {
        target,
        system,
        windows: "Windows",
    };
    plan(&candidates[0], &set, machine).unwrap()
}

pub(crate) fn applied(system: &Hive, injection: &Injection) -> Hive {
    let mut edit = system.clone().edit(WHEN).unwrap();
    assert!(apply(&injection.system, &mut edit).unwrap() > 0);
    Hive::open(edit.finish().unwrap(), &[]).unwrap().0
}

pub(crate) fn vioscsi() -> DeviceIds {
    pci("1AF4", "1048", "11001AF4", "0100")
}

#[test]
fn the_service_is_as_its_inf_says() {
    for (fixture, target) in [
        ("joined-8.1/SYSTEM", amd64(6, 3, 9600)),
        ("dirty-10/SYSTEM", amd64(10, 0, 16299)),
    ] {
        let system = named(fixture).open().0;
        let injection = planned(&system, &vioscsi(), &target);
        assert_eq!(injection.driver, "vioscsi");
        let after = applied(&system, &injection);
        let key = after.key(r"ControlSet001\Services\vioscsi").unwrap();
        let dword = |name: &str| key.dword(name).unwrap();
        assert_eq!(
            (dword("Type"), dword("Start"), dword("ErrorControl")),
            (Some(1), Some(0), Some(1))
        );
        let image = key.value("ImagePath").unwrap().unwrap();
        assert_eq!(image.value_type(), hive::ValueType::EXPAND_SZ);
        assert_eq!(
            image.decode().unwrap().text(),
            Some(r"System32\drivers\vioscsi.sys")
        );
        assert_eq!(key.text("Group").unwrap().as_deref(), Some("SCSI miniport"));
        let parameters = key.subkey("Parameters").unwrap().unwrap();
        assert_eq!(parameters.dword("BusType").unwrap(), Some(10));
        let bus = parameters.subkey("PnpInterface").unwrap().unwrap();
        assert_eq!(bus.dword("5").unwrap(), Some(1));
        let ids = r"DriverDatabase\DeviceIds\PCI\VEN_1AF4&DEV_1048&SUBSYS_11001AF4&REV_01";
        let entry = after
            .key(ids)
            .unwrap()
            .value("rescue-vioscsi.inf")
            .unwrap()
            .unwrap();
        assert_eq!(entry.decode().unwrap(), Data::Bytes(vec![1, 0xFF, 0, 0]));
    }
}

#[test]
fn nothing_else_changes_and_twice_is_once() {
    let system = named("joined-8.1/SYSTEM").open().0;
    let injection = planned(&system, &vioscsi(), &amd64(6, 3, 9600));
    let after = applied(&system, &injection);
    let changes = diff(&system, &after).unwrap();
    assert!(changes.len() > 40, "{}", changes.len());
    let allowed = [r"ControlSet001\Services\vioscsi", r"DriverDatabase\"];
    let parents = [r"ControlSet001\Services", "DriverDatabase"];
    for change in changes {
        let is_time =
            matches!(change.what, What::Time(..)) && parents.contains(&change.key.as_str());
        let is_ours = allowed.iter().any(|prefix| change.key.starts_with(prefix));
        let adds = match &change.what {
            What::Time(..) | What::KeyAdded => true,
            What::Value(_, old, _) => old.is_none(),
            _ => false,
        };
        assert!(is_time || (is_ours && adds), "{change}");
    }
    let mut edit = after.clone().edit(FileTime(WHEN.0 + 1)).unwrap();
    let again = planned(&after, &vioscsi(), &amd64(6, 3, 9600));
    assert_eq!(again, injection);
    assert_eq!(apply(&again.system, &mut edit).unwrap(), 0);
    assert_eq!(edit.finish().unwrap(), after.as_bytes());
}

#[test]
fn an_override_would_count_more_than_the_start_type() {
    let system = named("joined-8.1/SYSTEM").open().0;
    let path = r"ControlSet001\Services\stornvme\StartOverride";
    assert!(system.find(path).unwrap().is_some());
    let ids = pci("144D", "A808", "A801144D", "0108");
    let ids = DeviceIds {
        compatible: vec![r"PCI\CC_010802".into()],
        ..ids
    };
    let after = applied(&system, &planned(&system, &ids, &amd64(6, 3, 9600)));
    assert!(after.find(path).unwrap().is_none());
    let key = after.key(r"ControlSet001\Services\stornvme").unwrap();
    assert_eq!(key.dword("Start").unwrap(), Some(0));
    // What Windows wrote and the INF does not speak of stays.
    assert_eq!(key.dword("Tag").unwrap(), Some(0x55));
}

/// No genuine hive of Windows 7 is at hand: this is one of 8.1 without the
/// driver database, which is what tells them apart, and with a second control set.
fn like_seven() -> Hive {
    let mut edit = named("joined-8.1/SYSTEM").open().0.edit(WHEN).unwrap();
    edit.delete_key("DriverDatabase").unwrap();
    edit.create_key(r"ControlSet002\Services").unwrap();
    Hive::open(edit.finish().unwrap(), &[]).unwrap().0
}

#[test]
fn windows_7_has_a_list_of_critical_devices() {
    let system = like_seven();
    let ids = pci("15AD", "07C0", "07C015AD", "0107");
    let after = applied(&system, &planned(&system, &ids, &amd64(6, 1, 7601)));
    assert!(after.find("DriverDatabase").unwrap().is_none());
    for set in ["ControlSet001", "ControlSet002"] {
        let path = format!(r"{set}\Control\CriticalDeviceDatabase\PCI#VEN_15AD&DEV_07C0");
        let key = after.key(&path).unwrap();
        assert_eq!(key.text("Service").unwrap().as_deref(), Some("pvscsi"));
        let class = key.text("ClassGUID").unwrap();
        assert_eq!(
            class.as_deref(),
            Some("{4D36E97B-E325-11CE-BFC1-08002BE10318}")
        );
        let service = after.key(&format!(r"{set}\Services\pvscsi")).unwrap();
        assert_eq!(service.dword("Start").unwrap(), Some(0));
        let device = service.subkey("Parameters").unwrap().unwrap();
        let device = device.subkey("Device").unwrap().unwrap();
        assert_eq!(device.text("DriverParameter").unwrap().as_deref(), Some(""));
    }
}

#[test]
fn windows_looks_for_drivers_in_one_folder_more() {
    let software = named("joined-8.1/SOFTWARE").open().0;
    let key = r"Microsoft\Windows\CurrentVersion";
    let path = |hive: &Hive| hive.key(key).unwrap().text("DevicePath").unwrap().unwrap();
    let system = named("joined-8.1/SYSTEM").open().0;
    let injection = planned(&system, &vioscsi(), &amd64(6, 3, 9600));
    let mut edit = software.clone().edit(WHEN).unwrap();
    assert_eq!(apply(&injection.software, &mut edit).unwrap(), 1);
    assert_eq!(apply(&injection.software, &mut edit).unwrap(), 0);
    let wanted = format!(r"{};%SystemRoot%\Drivers\rescue\vioscsi", path(&software));
    assert_eq!(path(edit.hive()), wanted);
    let value = edit
        .hive()
        .key(key)
        .unwrap()
        .value("DevicePath")
        .unwrap()
        .unwrap();
    let before = software
        .key(key)
        .unwrap()
        .value("DevicePath")
        .unwrap()
        .unwrap();
    assert_eq!(value.value_type(), before.value_type());
}
