//! A Windows restored onto other controllers starts its drivers there and is who it
//! was. No Windows is at hand: the disk is a phony one with genuine hives, and the
//! checker is none of our code.

use anyhow::{Context, Result, ensure};
use qemu::{Bus, Disk, Firmware as Starts, Machine, Nic, NicModel};
use serde_json::Value;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tests::phony::{Asked, Firmware, check, make};
use tests::rescue::{Run, code, rescue};
use tests::{Unattended, Web, blank_disk, scratch};

const NVME: &str = "pci:v0000144Dd0000A808sv0000144Dsd0000A801bc01sc08i02";
const MEGASAS: &str = "pci:v00001000d0000005Dsv00001028sd00001F49bc01sc04i00";
/// virtio-scsi's.
const VIOSCSI: &str = "pci:v00001AF4d00001048sv00001AF4sd00001100bc01sc00i00";
/// VMware's, for which no Windows has a driver of its own.
const PVSCSI: &str = "pci:v000015ADd000007C0sv000015ADsd000007C0bc01sc07i00";

/// A captured phony disk.
struct Captured {
    folder: TempDir,
    disk: PathBuf,
    repository: PathBuf,
    size: u64,
}

impl Captured {
    fn new(firmware: Firmware, hibernated: bool) -> Result<Self> {
        let folder = scratch()?;
        let disk = folder.path().join("before.raw");
        make(&disk, firmware, hibernated)?;
        let repository = folder.path().join("repository");
        let words: [&OsStr; 6] = [
            "capture".as_ref(),
            disk.as_os_str(),
            "--to".as_ref(),
            repository.as_os_str(),
            "--name".as_ref(),
            "office".as_ref(),
        ];
        rescue(&words)?.succeeded()?;
        let size = fs::metadata(&disk)?.len();
        Ok(Self {
            folder,
            disk,
            repository,
            size,
        })
    }

    fn target(&self) -> Result<PathBuf> {
        let target = self.folder.path().join("after.raw");
        blank_disk(&target, self.size)?;
        Ok(target)
    }

    /// Restores onto `target` for a machine with one controller.
    fn restore(&self, target: &Path, controller: &str, more: &[&str]) -> Result<Run> {
        let list = self.folder.path().join("hardware");
        fs::write(&list, format!("{controller}\n"))?;
        let mut words: Vec<&OsStr> = vec![
            "restore".as_ref(),
            "office".as_ref(),
            "--from".as_ref(),
            self.repository.as_os_str(),
            "--to".as_ref(),
            target.as_os_str(),
            "--hardware".as_ref(),
            list.as_os_str(),
            "--yes".as_ref(),
        ];
        words.extend(more.iter().map(OsStr::new));
        rescue(&words)
    }
}

/// The fact `name` of those lines.
fn fact(lines: &[Value], name: &str) -> Result<Value> {
    let found = lines.iter().find(|line| line["name"] == name);
    let found = found.with_context(|| format!("no fact {name}: {lines:?}"))?;
    Ok(found["value"].clone())
}

fn strings(value: &Value) -> Vec<String> {
    let all = value.as_array().cloned().unwrap_or_default();
    all.iter()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

/// The keys that a plan says it changes: "…: delete [\ControlSet001\…]: why".
fn keys(plan: &Value) -> Result<Vec<String>> {
    let edits = strings(&plan["adapt_edits"]);
    let key = |edit: &String| {
        let (_, rest) = edit.split_once("[\\")?;
        Some(rest.split_once(']')?.0.to_owned())
    };
    let keys: Vec<String> = edits.iter().filter_map(key).collect();
    ensure!(keys.len() == edits.len() && !keys.is_empty(), "{edits:?}");
    let known = |key: &String| {
        let services = key.starts_with(r"ControlSet001\Services\");
        let database = key.starts_with(r"DriverDatabase\");
        services || database || key.starts_with(r"ControlSet001\Control\")
    };
    ensure!(keys.iter().all(known), "{keys:?}");
    Ok(keys)
}

/// Nothing is wrong with `after` but what was planned, and `boot` starts.
fn judge(captured: &Captured, after: &Path, keys: &[String], boot: &[&str]) -> Result<()> {
    let allow: Vec<&str> = keys.iter().map(String::as_str).collect();
    let asked = Asked {
        allow: &allow,
        boot,
    };
    let wrong = check(&captured.disk, after, asked)?;
    ensure!(wrong.is_empty(), "{wrong:#?}");
    Ok(())
}

#[test]
fn host_a_windows_disk_is_adapted_to_the_hardware_it_is_restored_for() -> Result<()> {
    for (firmware, controller, service) in [
        (Firmware::Uefi, NVME, "stornvme"),
        (Firmware::Bios, MEGASAS, "megasas"),
    ] {
        let captured = Captured::new(firmware, false)?;
        let target = captured.target()?;
        let done = captured.restore(&target, controller, &["--verify"])?;
        let done = done.succeeded()?;
        let plan = fact(&done.lines, "plan")?;
        let keys = keys(&plan)?;
        let told = strings(&plan["adapt"]).join("\n");
        ensure!(
            told.contains(&format!("is driven by its {service}.")),
            "{told}"
        );
        judge(&captured, &target, &keys, &[service, "disk", "partmgr"])?;
        let report = fact(&done.lines, "report")?;
        ensure!(strings(&report["same"]).len() == 1, "{report}");
        // Without it the drivers stay as they were.
        let plain = captured.target()?;
        let words = [
            "restore".as_ref(),
            "office".as_ref(),
            "--from".as_ref(),
            captured.repository.as_os_str(),
            "--to".as_ref(),
            plain.as_os_str(),
            "--yes".as_ref(),
        ];
        rescue(&words)?.succeeded()?;
        let wrong = check(
            &captured.disk,
            &plain,
            Asked {
                allow: &[],
                boot: &[service],
            },
        )?;
        let what = format!("{service} has no StartOverride");
        ensure!(wrong.iter().any(|line| line.contains(&what)), "{wrong:?}");
    }
    Ok(())
}

#[test]
fn host_a_controller_without_a_driver_is_refused_before_the_first_write() -> Result<()> {
    let captured = Captured::new(Firmware::Uefi, true)?;
    let target = captured.target()?;
    let words = ["VEN_15AD&DEV_07C0", "pvscsi", "--force"];
    captured
        .restore(&target, PVSCSI, &[])?
        .failed_with(code::WILL_NOT_START, &words)?;
    let written = fs::read(&target)?;
    ensure!(
        written.iter().all(|byte| *byte == 0),
        "something was written"
    );
    let forced = captured
        .restore(&target, PVSCSI, &["--force"])?
        .succeeded()?;
    let plan = fact(&forced.lines, "plan")?;
    let warnings = strings(&plan["warnings"]).join("\n");
    ensure!(
        warnings.contains("VEN_15AD&DEV_07C0") && warnings.contains("was hibernated"),
        "{warnings}"
    );
    // It does not wake up.
    let target = File::open(&target).map(|_| target)?;
    let asleep = tests::phony::read(&target, "hiberfil.sys")?;
    let before = tests::phony::read(&captured.disk, "hiberfil.sys")?;
    ensure!(before.starts_with(b"HIBR") && asleep.starts_with(&[0; 4096]));
    ensure!(
        asleep[4096..] == before[4096..],
        "only the first page changes"
    );
    Ok(())
}

/// The packages that the crate `windows` is tested with: INF files in the shape of
/// virtio-win's; what they install is made up here.
fn driver_folder(folder: &Path) -> Result<PathBuf> {
    let packages = Path::new(env!("CARGO_MANIFEST_DIR"));
    let packages = packages.join("../rescue/crates/windows/tests/packages/vioscsi");
    let drivers = folder.join("drivers/vioscsi");
    fs::create_dir_all(&drivers)?;
    let inf = "vioscsi.inf";
    fs::copy(packages.join(inf), drivers.join(inf)).context("the test's package")?;
    for file in ["vioscsi.sys", "vioscsi.cat"] {
        fs::write(drivers.join(file), format!("no real {file}"))?;
    }
    Ok(folder.join("drivers"))
}

#[test]
fn host_a_driver_that_a_windows_lacks_is_brought_in() -> Result<()> {
    let captured = Captured::new(Firmware::Uefi, true)?;
    let drivers = driver_folder(captured.folder.path())?;
    let drivers = drivers.to_str().context("a path in Unicode")?;
    let target = captured.target()?;
    captured
        .restore(&target, VIOSCSI, &[])?
        .failed_with(code::WILL_NOT_START, &["VEN_1AF4&DEV_1048", "virtio-win"])?;
    let done = captured.restore(&target, VIOSCSI, &["--verify", "--drivers", drivers])?;
    let done = done.succeeded()?;
    let plan = fact(&done.lines, "plan")?;
    judge(&captured, &target, &keys(&plan)?, &["vioscsi", "disk"])?;
    let found = tests::phony::read(&target, "Windows/System32/drivers/vioscsi.sys")?;
    ensure!(found == b"no real vioscsi.sys");
    Ok(())
}

/// Every file below `folder`.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        match path.is_dir() {
            true => all.extend(files(&path)?),
            false => all.push(path),
        }
    }
    Ok(all)
}

/// What is wrong with the repository is not blamed on the hardware.
#[test]
fn host_a_damaged_image_of_a_windows_is_told_as_such() -> Result<()> {
    let captured = Captured::new(Firmware::Uefi, false)?;
    let sized = files(&captured.repository)?.into_iter();
    let sized = sized.map(|path| (path.metadata().map_or(0, |m| m.len()), path));
    let (size, pack) = sized.max().context("a pack")?;
    let mut bytes = fs::read(&pack)?;
    // What tells where things are, at its ends, stays.
    let (from, to) = (64 << 10, size as usize - (64 << 10));
    bytes[from..to]
        .iter_mut()
        .step_by(512)
        .for_each(|byte| *byte ^= 1);
    fs::write(&pack, bytes)?;
    let target = captured.target()?;
    let run = captured.restore(&target, NVME, &[])?;
    let run = run.failed_with(code::DAMAGED, &["is damaged"])?;
    let written = fs::read(&target)?;
    let blank = written.iter().all(|byte| *byte == 0);
    ensure!(blank, "something was written: {}", run.said());
    Ok(())
}

/// Restores by the booted medium from a web server onto a disk on `bus`.
fn in_a_machine(starts: Starts, firmware: Firmware, bus: Bus, service: &str) -> Result<()> {
    let captured = Captured::new(firmware, false)?;
    let web = Web::serve(&captured.repository)?;
    let target = captured.target()?;
    let (folder, from) = (captured.folder.path(), web.url_for_guest());
    let plan = match bus {
        // Windows has no driver for it: the medium's neighbour brings one.
        Bus::VirtioScsi => {
            let keys = "drivers = \"label:RESCUE/drivers\"\n";
            let plan = Unattended::with(folder, &from, keys)?;
            driver_folder(&folder.join("volume"))?;
            plan
        }
        _ => Unattended::new(folder, &from)?,
    };
    let disk = Disk::raw(&target).bus(bus).never_boots();
    let machine = Machine::new(starts).nic(Nic::new(NicModel::Virtio));
    let outcome = plan.run(machine, disk)?.succeeded()?;
    let plan = outcome.fact("plan")?;
    judge(&captured, &target, &keys(&plan)?, &[service, "disk"])?;
    let report = outcome.fact("report")?;
    ensure!(strings(&report["same"]).len() == 1, "{report}");
    Ok(())
}

#[test]
fn vm_a_windows_from_ahci_is_adapted_to_nvme() -> Result<()> {
    in_a_machine(Starts::SecureBoot, Firmware::Uefi, Bus::Nvme, "stornvme")
}

#[test]
fn vm_a_windows_gets_the_driver_of_virtio_scsi() -> Result<()> {
    in_a_machine(Starts::Uefi, Firmware::Uefi, Bus::VirtioScsi, "vioscsi")
}

#[test]
fn vm_a_windows_from_ide_is_adapted_to_megasas() -> Result<()> {
    in_a_machine(Starts::Bios, Firmware::Bios, Bus::Megasas, "megasas")
}
