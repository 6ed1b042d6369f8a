//! What is planned, and what is refused.

use windows::adapt::{Bus, Controller, Refusal};
use windows::drivers::{Device, PciDevice};
use windows::ids::IdMap;
use windows::inf::{DriverSet, Target};
use windows::inject::{Change, Error, Injection, Machine, plan};

use crate::fixtures::named;
use crate::packages::{ALL, FILES, amd64, bytes, pci};
use crate::writes::{applied, planned, vioscsi};

fn copies(injection: &Injection) -> Vec<(&str, &str)> {
    let files = injection.files.iter();
    files
        .map(|file| (file.from.as_str(), file.to.as_str()))
        .collect()
}

#[test]
fn files_go_where_windows_boots_from_and_to_a_folder_of_their_own() {
    let system = named("joined-8.1/SYSTEM").open().0;
    let injection = planned(&system, &vioscsi(), &amd64(6, 3, 9600));
    assert_eq!(
        copies(&injection),
        [
            (
                "vioscsi/vioscsi.cat",
                r"\Windows\Drivers\rescue\vioscsi\vioscsi.cat"
            ),
            (
                "vioscsi/vioscsi.inf",
                r"\Windows\Drivers\rescue\vioscsi\vioscsi.inf"
            ),
            (
                "vioscsi/vioscsi.sys",
                r"\Windows\Drivers\rescue\vioscsi\vioscsi.sys"
            ),
            (
                "vioscsi/vioscsi.cat",
                r"\Windows\System32\CatRoot\{F750E6C3-38EE-11D1-85E5-00C04FC295EE}\rescue-vioscsi.cat"
            ),
            (
                "vioscsi/vioscsi.sys",
                r"\Windows\System32\drivers\vioscsi.sys"
            ),
        ]
    );
    assert!(
        injection.notes[0].contains("100.94.104.24700 of 2023-11-20"),
        "{:?}",
        injection.notes
    );
}

#[test]
fn a_driver_that_runs_from_the_store_is_moved_and_said_so() {
    let system = named("dirty-10/SYSTEM").open().0;
    let vmd = pci("8086", "A77F", "00008086", "0104");
    let injection = planned(&system, &vmd, &amd64(10, 0, 16299));
    let copies = copies(&injection);
    assert!(copies.contains(&(
        "iastorvd/iaStorVD.sys",
        r"\Windows\System32\drivers\iaStorVD.sys"
    )));
    assert!(copies.contains(&(
        "iastorvd/tools/helper.exe",
        r"\Windows\Drivers\rescue\iastorvd\tools\Helper.exe"
    )));
    let said = injection.notes.join("\n");
    assert!(
        said.contains("until it installs the package it is in System32\\drivers"),
        "{said}"
    );
    assert!(said.contains("needed from machine.inf"), "{said}");
    // The helper is no driver: it is Windows' to install.
    assert!(
        !injection
            .system
            .iter()
            .any(|edit| edit.key.contains(r"001\Services\HelperService"))
    );
}

#[test]
fn windows_is_left_a_script_that_runs_once() {
    let system = named("joined-8.1/SYSTEM").open().0;
    let first_boot = planned(&system, &vioscsi(), &amd64(6, 3, 9600)).first_boot;
    let script = first_boot.script().replace("\r\n", "\n");
    assert!(
        script.contains(r#"pnputil.exe" -i -a "%SystemRoot%\Drivers\rescue\vioscsi\vioscsi.inf""#),
        "{script}"
    );
    // A driver that crashes Windows is not installed at every start.
    let place = |words: &str| script.find(words).unwrap();
    assert!(
        place("delete rescue-drivers") < place("pnputil"),
        "{script}"
    );
    let key = r#"reg.exe" delete "HKLM\SYSTEM\ControlSet001\Services\rescue-drivers" /f"#;
    assert!(place(key) < place("pnputil"), "{script}");
    assert_eq!(
        first_boot.script().matches('\n').count(),
        first_boot.script().matches("\r\n").count()
    );
    let keys = first_boot.system.iter().map(|edit| edit.key.as_str());
    assert!(
        keys.clone()
            .all(|key| key == r"ControlSet001\Services\rescue-drivers")
    );
    let pvscsi = pci("15AD", "07C0", "07C015AD", "0107");
    let other = planned(&system, &pvscsi, &amd64(6, 3, 9600)).first_boot;
    assert_eq!(other.system, first_boot.system);
    let both = first_boot.clone().with(&other).with(&first_boot);
    assert_eq!(both.script().matches("pnputil").count(), 2);
    let undo = first_boot.undo();
    assert_eq!((undo.len(), &undo[0].change), (1, &Change::Delete));
}

fn refused(change: impl Fn(&str) -> String, without: &str, target: &Target) -> Error {
    let system = named("joined-8.1/SYSTEM").open().0;
    let text = change(&String::from_utf8(bytes(ALL[2])).unwrap());
    let paths = FILES.iter().filter(|path| **path != without);
    let paths = paths.map(|path| (*path).to_owned());
    let set = DriverSet::new(paths, [(ALL[2].to_owned(), text.into_bytes())]);
    let (candidates, errors) = set.candidates(&vioscsi(), target);
    assert_eq!(errors, []);
    let machine = Machine {
        target,
        system: &system,
        windows: "Windows",
    };
    plan(&candidates[0], &set, machine).unwrap_err()
}

#[test]
fn what_would_not_boot_is_refused() {
    let target = amd64(6, 3, 9600);
    let same = str::to_owned;
    let error = refused(same, "vioscsi/vioscsi.sys", &target).to_string();
    assert_eq!(
        error,
        "vioscsi/vioscsi.inf: the package has no vioscsi.sys; take the whole package"
    );
    let net = |text: &str| {
        text.replace("4D36E97B", "4D36E972")
            .replace("SCSIAdapter", "Net")
    };
    let error = refused(net, "", &target);
    assert!(matches!(error, Error::NotBootCritical { .. }), "{error}");
    let filter = |text: &str| text.replace("vioscsi, 0x00000002", "vioscsi, 0");
    let error = refused(filter, "", &target);
    assert!(matches!(error, Error::NoDriver { .. }), "{error}");
}

#[test]
fn a_name_that_a_script_would_read_otherwise_is_refused() {
    let system = named("joined-8.1/SYSTEM").open().0;
    let target = amd64(6, 3, 9600);
    for name in ["%TEMP%.inf", "a&b.inf", "größe.inf"] {
        let files = [name, "vioscsi.sys", "vioscsi.cat"].map(str::to_owned);
        let set = DriverSet::new(files, [(name.to_owned(), bytes(ALL[2]))]);
        let (candidates, _) = set.candidates(&vioscsi(), &target);
        let machine = Machine {
            target: &target,
            system: &system,
            windows: "Windows",
        };
        let error = plan(&candidates[0], &set, machine).unwrap_err();
        assert!(matches!(error, Error::OddName { .. }), "{error}");
    }
}

#[test]
fn another_hive_is_refused() {
    let system = named("joined-8.1/SAM").open().0;
    let (set, target) = (crate::packages::set(), amd64(6, 3, 9600));
    let (candidates, _) = set.candidates(&vioscsi(), &target);
    let machine = Machine {
        target: &target,
        system: &system,
        windows: "Windows",
    };
    assert_eq!(
        plan(&candidates[0], &set, machine),
        Err(Error::NoControlSet)
    );
}

#[test]
fn the_windows_is_told_by_its_hives() {
    let [system, software] =
        ["SYSTEM", "SOFTWARE"].map(|name| named(&format!("joined-8.1/{name}")).open().0);
    let found = Target::read(&system, &software).unwrap().unwrap();
    let product = windows::inf::Product::Workstation;
    assert_eq!(
        found,
        Target {
            product,
            ..amd64(6, 3, 9600)
        }
    );
    assert_eq!(Target::read(&software, &system).unwrap(), None);
}

/// What the rest of the crate makes of a machine with this controller.
fn adapted(system: &hive::Hive) -> windows::adapt::Plan {
    let device = Device::Pci(PciDevice {
        vendor: 0x1AF4,
        device: 0x1048,
        subsystem_vendor: 0x1AF4,
        subsystem_device: 0x1100,
        revision: 1,
        class: 0x01_0000,
    });
    let machine = windows::adapt::Machine {
        controllers: &[Controller {
            device,
            boots: true,
        }],
        bus: Bus::Internal,
        ids: &IdMap::default(),
        exists: &|_| true,
        stay_on_crash: false,
    };
    windows::adapt::plan(system, &machine).unwrap()
}

#[test]
fn the_machine_starts_with_what_was_brought_in() {
    let system = named("joined-8.1/SYSTEM").open().0;
    let refused = adapted(&system).refusals;
    assert!(
        matches!(refused.as_slice(), [Refusal::NoDriver { .. }]),
        "{refused:?}"
    );
    let after = applied(&system, &planned(&system, &vioscsi(), &amd64(6, 3, 9600)));
    let plan = adapted(&after);
    assert_eq!(plan.refusals, []);
    assert_eq!(plan.drivers[0].service.as_deref(), Some("vioscsi"));
    let of_it = |edit: &&windows::adapt::Planned| edit.change.to_string().contains("vioscsi");
    assert_eq!(plan.edits.iter().find(of_it), None);
}
