//! Phony Windows disks, and the checker that judges them with none of our code:
//! it is content with what is right, and sees each damage.

use anyhow::{Context, Result, ensure};
use hive::{Edit, FileTime, Hive, ValueType};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tests::phony::{
    Asked, Firmware, check, fixture, list, make, read, replace, replace_on_esp, windows_start,
};
use windows::adapt::{self, Change};
use windows::drivers::Device;
use windows::ids::{IdMap, PartitionId};
use windows::inf::{DeviceIds, DriverSet, Target};
use windows::inject::{Machine, apply, plan};

const SYSTEM: &str = "Windows/System32/config/SYSTEM";
const SAM: &str = "Windows/System32/config/SAM";

/// A disk and a copy of it, to be damaged.
struct Pair {
    _folder: TempDir,
    before: PathBuf,
    after: PathBuf,
}

impl Pair {
    fn new(firmware: Firmware) -> Result<Self> {
        let folder = tests::scratch()?;
        let (before, after) = (
            folder.path().join("before.raw"),
            folder.path().join("after.raw"),
        );
        make(&before, firmware, false)?;
        let pair = Self {
            _folder: folder,
            before,
            after,
        };
        pair.renew()?;
        Ok(pair)
    }

    fn renew(&self) -> Result<()> {
        let words = ["cp", "--sparse=always"].map(AsRef::as_ref);
        let files = [self.before.as_os_str(), self.after.as_os_str()];
        tests::tool("coreutils", &[&words[..], &files].concat()).map(drop)
    }

    fn wrong(&self, asked: Asked<'_>) -> Result<Vec<String>> {
        check(&self.before, &self.after, asked)
    }

    /// Damages the copy; what the checker says then must name all of `what`.
    fn damaged(&self, what: &[&str], damage: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        damage(&self.after)?;
        let wrong = self.wrong(Asked {
            boot: &["disk"],
            ..Asked::default()
        })?;
        let named = |what: &&str| wrong.iter().any(|line| line.contains(what));
        ensure!(what.iter().all(named), "{what:?}: {wrong:?}");
        self.renew()
    }
}

/// Edits `SYSTEM` of a disk.
fn edited(disk: &Path, change: impl FnOnce(&mut Edit) -> Result<()>) -> Result<()> {
    let hive = Hive::open(read(disk, SYSTEM)?, &[])?.0;
    let mut edit = hive.edit(FileTime::from_unix(1_790_000_000))?;
    change(&mut edit)?;
    replace(disk, &[(SYSTEM, &edit.finish()?)])
}

fn flip(disk: &Path, at: u64) -> Result<()> {
    let file = File::options().read(true).write(true).open(disk)?;
    let mut byte = [0];
    file.read_exact_at(&mut byte, at)?;
    Ok(file.write_all_at(&[byte[0] ^ 0x01], at)?)
}

/// A letter of the boot key, which hivexregedit does not export: the class of a key.
fn change_boot_key(disk: &Path) -> Result<()> {
    let mut bytes = read(disk, SYSTEM)?;
    let hive = Hive::open(bytes.clone(), &[])?.0;
    let class = hive.key(r"ControlSet001\Control\Lsa\JD")?.class()?;
    let units = class.context("no class")?.units().to_vec();
    let class: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
    let places = bytes.windows(class.len()).enumerate();
    let places: Vec<usize> = places
        .filter(|(_, w)| *w == class)
        .map(|(at, _)| at)
        .collect();
    ensure!(
        places.len() == 1,
        "the class is there {} times",
        places.len()
    );
    let letter = bytes.get_mut(places[0]).context("a letter")?;
    *letter = if *letter == b'0' { b'1' } else { b'0' };
    replace(disk, &[(SYSTEM, &bytes)])
}

fn sgdisk(disk: &Path, option: &str) -> Result<()> {
    let words = ["sgdisk".as_ref(), option.as_ref(), disk.as_os_str()];
    tests::tool("gdisk", &words).map(drop)
}

#[test]
fn host_a_phony_uefi_disk_is_right_and_its_damages_are_seen() -> Result<()> {
    let pair = Pair::new(Firmware::Uefi)?;
    let wrong = pair.wrong(Asked {
        boot: &["disk", "partmgr", "VBoxGuest"],
        ..Asked::default()
    })?;
    assert_eq!(wrong, Vec::<String>::new());
    // In this hive stornvme is not used by the hardware.
    let wrong = pair.wrong(Asked {
        boot: &["stornvme"],
        ..Asked::default()
    })?;
    assert_eq!(wrong, ["ControlSet001: stornvme has no StartOverride"]);
    pair.damaged(&["SAM: sha256"], |disk| {
        let mut sam = read(disk, SAM)?;
        *sam.last_mut().context("an empty SAM")? ^= 1;
        replace(disk, &[(SAM, &sam)])
    })?;
    pair.damaged(&[r"SYSTEM: ControlSet001\Control\Lsa differs"], |disk| {
        edited(disk, |edit| {
            let key = r"ControlSet001\Control\Lsa";
            edit.set_value(key, "LmCompatibilityLevel", ValueType::DWORD, &[0; 4])?;
            Ok(())
        })
    })?;
    pair.damaged(&["disk starts at boot (Start=3)"], |disk| {
        edited(disk, |edit| {
            let key = r"ControlSet001\Services\disk";
            edit.set_value(key, "Start", ValueType::DWORD, &[3, 0, 0, 0])?;
            Ok(())
        })
    })?;
    pair.damaged(&["disk has its file"], |disk| {
        edited(disk, |edit| {
            let (key, path) = (
                r"ControlSet001\Services\disk",
                hive::sz(r"System32\drivers\gone.sys"),
            );
            edit.set_value(key, "ImagePath", ValueType::EXPAND_SZ, &path)?;
            Ok(())
        })
    })?;
    pair.damaged(&["secrets:"], change_boot_key)?;
    let new = "3:11111111-2222-4333-8444-555555555555";
    let named = [
        "C: is where Windows is",
        "21000001 is a partition of the disk",
    ];
    pair.damaged(&named, |disk| {
        sgdisk(disk, &format!("--partition-guid={new}"))
    })?;
    let new = "--disk-guid=11111111-2222-4333-8444-555555555555";
    pair.damaged(&["11000001 is a partition of the disk"], |disk| {
        sgdisk(disk, new)
    })?;
    pair.damaged(&["on an EFI system partition"], |disk| {
        sgdisk(disk, "--typecode=1:0700")
    })
}

#[test]
fn host_a_phony_bios_disk_is_right_and_its_damages_are_seen() -> Result<()> {
    let pair = Pair::new(Firmware::Bios)?;
    let wrong = pair.wrong(Asked {
        boot: &["disk", "partmgr", "VBoxGuest"],
        ..Asked::default()
    })?;
    assert_eq!(wrong, Vec::<String>::new());
    // The disk's signature is at 0x1B8, the flag of the first partition at 0x1BE.
    let named = [
        "C: is where Windows is",
        "21000001 is a partition of the disk",
    ];
    pair.damaged(&named, |disk| flip(disk, 0x1B8))?;
    pair.damaged(&["partition is active"], |disk| {
        Ok(File::options()
            .write(true)
            .open(disk)?
            .write_all_at(&[0], 0x1BE)?)
    })?;
    let start = windows_start(&pair.before)?;
    pair.damaged(&["the boot sector says it is at"], |disk| {
        flip(disk, start + 0x1C)
    })?;
    pair.damaged(&["MountedDevices: there is a C:"], |disk| {
        edited(disk, |edit| {
            edit.delete_value("MountedDevices", r"\DosDevices\C:")?;
            Ok(())
        })
    })
}

/// The ids of a paravirtual SCSI controller.
fn vioscsi() -> DeviceIds {
    DeviceIds {
        hardware: vec![r"PCI\VEN_1AF4&DEV_1048&SUBSYS_11001AF4&REV_01".into()],
        compatible: vec![],
    }
}

/// A driver that Windows does not have is brought in as the product does it, and
/// the checker finds it there and nothing else changed.
#[test]
fn host_a_driver_is_brought_into_a_phony_disk() -> Result<()> {
    let pair = Pair::new(Firmware::Uefi)?;
    let inf = "vioscsi/vioscsi.inf";
    let packages =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../rescue/crates/windows/tests/packages");
    let bytes = fs::read(packages.join(inf)).context("reading the test's package")?;
    let files = [inf, "vioscsi/vioscsi.sys", "vioscsi/vioscsi.cat"].map(str::to_owned);
    let set = DriverSet::new(files, [(inf.to_owned(), bytes)]);
    let system = Hive::open(read(&pair.after, SYSTEM)?, &[])?.0;
    let software = read(&pair.after, "Windows/System32/config/SOFTWARE")?;
    let software = Hive::open(software, &[])?.0;
    let target = Target::read(&system, &software)?.context("which Windows is it?")?;
    let (candidates, _) = set.candidates(&vioscsi(), &target);
    let best = candidates.first().context("no driver fits")?;
    let machine = Machine {
        target: &target,
        system: &system,
        windows: "Windows",
    };
    let injection = plan(best, &set, machine)?;
    let asked = Asked {
        allow: &[r"ControlSet001\Services\vioscsi", "DriverDatabase"],
        boot: &["vioscsi", "disk"],
    };
    assert_eq!(pair.wrong(asked)?, ["ControlSet001: vioscsi is no service"]);
    edited(&pair.after, |edit| {
        Ok(apply(&injection.system, edit).map(drop)?)
    })?;
    let wrong = pair.wrong(asked)?;
    assert_eq!(
        wrong,
        [r"ControlSet001: vioscsi has its file System32\drivers\vioscsi.sys"]
    );
    let to = r"\Windows\System32\drivers\vioscsi.sys";
    ensure!(injection.files.iter().any(|file| file.to == to));
    replace(&pair.after, &[(&to.replace('\\', "/"), b"no driver")])?;
    assert_eq!(pair.wrong(asked)?, Vec::<String>::new());
    let wrong = pair.wrong(Asked {
        allow: &["DriverDatabase"],
        ..asked
    })?;
    ensure!(
        wrong
            .iter()
            .any(|line| line.contains(r"Services\vioscsi differs")),
        "{wrong:?}"
    );
    Ok(())
}

const DISK: &str = "0b2394a9-095e-487d-8d48-719ecd4d78ca";
/// The partitions of the boot store: their numbers on the disk, old GUIDs, new ones.
const PARTITIONS: [(u32, &str, &str); 3] = [
    (
        1,
        "36be3955-63bf-4068-a6ab-00195cca3a22",
        "11111111-0000-4000-8000-000000000001",
    ),
    (
        3,
        "8e0f2c38-e4ea-47ba-b7fc-9d8c74dccf0b",
        "11111111-0000-4000-8000-000000000003",
    ),
    (
        4,
        "6cdfcd69-de75-4490-8f99-5a84bf264917",
        "11111111-0000-4000-8000-000000000004",
    ),
];
const NEW_DISK: &str = "11111111-0000-4000-8000-0000000000ff";

fn new_names() -> Result<IdMap> {
    let id = |disk: &str, partition: &str| -> Result<PartitionId> {
        let (disk, partition) = (disk.parse()?, partition.parse()?);
        Ok(PartitionId::Gpt { disk, partition })
    };
    let pairs = PARTITIONS.iter();
    let pairs = pairs.map(|(_, old, new)| Ok((id(DISK, old)?, id(NEW_DISK, new)?)));
    Ok(IdMap::new(pairs.collect::<Result<Vec<_>>>()?)?)
}

/// The keys that a plan changes.
fn keys(plan: &adapt::Plan) -> Vec<String> {
    let keys = plan.edits.iter().map(|planned| match &planned.change {
        Change::DeleteKey { key }
        | Change::CreateKey { key }
        | Change::Set { key, .. }
        | Change::DeleteValue { key, .. } => key.clone(),
    });
    keys.collect()
}

/// The disk gets other GUIDs and another controller; Windows is adapted by the
/// product's own code, step by step, and only then the checker is content.
#[test]
fn host_a_phony_disk_is_adapted_to_other_names_and_another_controller() -> Result<()> {
    let pair = Pair::new(Firmware::Uefi)?;
    let disk = &pair.after;
    sgdisk(disk, &format!("--disk-guid={NEW_DISK}"))?;
    for (number, _, new) in PARTITIONS {
        sgdisk(disk, &format!("--partition-guid={number}:{new}"))?;
    }
    let system = Hive::open(read(disk, SYSTEM)?, &[])?.0;
    let mut files = Vec::new();
    for folder in ["System32", r"System32\drivers"] {
        let names = list(disk, &format!("/Windows/{}", folder.replace('\\', "/")))?;
        files.extend(
            names
                .iter()
                .map(|name| format!("{folder}\\{name}").to_lowercase()),
        );
    }
    let nvme = Device::Named(vec![
        r"PCI\VEN_144D&DEV_A808".into(),
        r"PCI\CC_010802".into(),
    ]);
    let machine = adapt::Machine {
        controllers: &[adapt::Controller {
            device: nvme,
            boots: true,
        }],
        bus: adapt::Bus::Internal,
        ids: &new_names()?,
        exists: &|path| files.contains(&path.to_lowercase()),
        stay_on_crash: false,
    };
    let plan = adapt::plan(&system, &machine)?;
    ensure!(plan.refusals.is_empty(), "{:?}", plan.refusals);
    let allowed = keys(&plan);
    let allowed: Vec<&str> = allowed.iter().map(String::as_str).collect();
    let asked = Asked {
        allow: &allowed,
        boot: &["stornvme", "disk", "partmgr"],
    };
    let wrong = pair.wrong(asked)?;
    for what in [
        "stornvme has no StartOverride",
        "MountedDevices: C:",
        "BCD: the boot manager",
    ] {
        ensure!(
            wrong.iter().any(|line| line.contains(what)),
            "{what}: {wrong:?}"
        );
    }
    edited(disk, |edit| Ok(adapt::apply(&plan, edit, false).map(drop)?))?;
    let wrong = pair.wrong(asked)?;
    ensure!(
        !wrong.is_empty() && wrong.iter().all(|line| line.starts_with("BCD:")),
        "{wrong:?}"
    );
    let store = Hive::open(fixture("bcd/uefi-gpt-10")?, &[])?.0;
    let mut edit = store.edit(FileTime::from_unix(1_790_000_000))?;
    windows::bcd::repoint(&mut edit, machine.ids)?;
    replace_on_esp(disk, "::/EFI/Microsoft/Boot/BCD", &edit.finish()?)?;
    assert_eq!(pair.wrong(asked)?, Vec::<String>::new());
    Ok(())
}
