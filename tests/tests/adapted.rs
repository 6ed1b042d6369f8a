//! A Windows restored onto other controllers starts its drivers there and is who it
//! was. No Windows is at hand: the disk is a phony one with genuine hives, and the
//! checker is none of our code.

use anyhow::{Context, Result, ensure};
use qemu::{Bus, Disk, Firmware as Starts, Machine, Nic, NicModel};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use tests::phony::{
    Asked, Captured, Firmware, NVME, check, fact, judge, judge_with, keys, strings,
};
use tests::rescue::{code, rescue};
use tests::{Unattended, Web, is_left_out};

const MEGASAS: &str = "pci:v00001000d0000005Dsv00001028sd00001F49bc01sc04i00";
/// virtio-scsi's.
const VIOSCSI: &str = "pci:v00001AF4d00001048sv00001AF4sd00001100bc01sc00i00";
/// VMware's, for which no Windows has a driver of its own.
const PVSCSI: &str = "pci:v000015ADd000007C0sv000015ADsd000007C0bc01sc07i00";

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
    let drivers = driver_folder(captured.folder())?;
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

/// Intel's PRO/1000 of QEMU and VirtualBox.
const E1000: &str = "pci:v00008086d0000100Esv00008086sd0000001Ebc02sc00i00";

/// Windows does not boot with a network card, but it shall have its driver.
#[test]
fn host_drivers_of_other_devices_are_laid_down_for_windows_to_install() -> Result<()> {
    let captured = Captured::new(Firmware::Uefi, false)?;
    let folder = captured.folder();
    let drivers = driver_folder(folder)?;
    let net = drivers.join("net/e1g");
    fs::create_dir_all(net.join("sub"))?;
    let packages = Path::new(env!("CARGO_MANIFEST_DIR"));
    let packages = packages.join("../rescue/crates/windows/tests/packages/e1g");
    fs::copy(packages.join("e1gx.inf"), net.join("e1gx.inf")).context("the test's package")?;
    for file in ["e1gx.sys", "e1gx.cat", "sub/read.me"] {
        fs::write(net.join(file), format!("no real {file}"))?;
    }
    let drivers = drivers.to_str().context("a path in Unicode")?;
    let words = ["--verify", "--drivers", drivers];
    let target = captured.target()?;
    let both = format!("{VIOSCSI}\n{E1000}");
    let done = captured.restore(&target, &both, &words)?.succeeded()?;
    let plan = fact(&done.lines, "plan")?;
    let told = strings(&plan["adapt"]).join("\n");
    ensure!(told.contains("Laid down for Windows to install"), "{told}");
    let edits = strings(&plan["adapt_edits"]).join("\n");
    ensure!(edits.contains("SOFTWARE: add "), "{edits}");
    let staged = [
        "--staged",
        r"%SystemRoot%\Drivers\rescue\vioscsi\vioscsi.inf",
        "--staged",
        r"%SystemRoot%\Drivers\rescue\staged-net-e1g\e1gx.inf",
    ];
    judge_with(&captured, &target, &keys(&plan)?, &["vioscsi"], &staged)?;
    for (file, text) in [
        ("e1gx.sys", "no real e1gx.sys"),
        ("sub/read.me", "no real sub/read.me"),
    ] {
        let path = format!("Windows/Drivers/rescue/staged-net-e1g/{file}");
        ensure!(
            tests::phony::read(&target, &path)? == text.as_bytes(),
            "{path}"
        );
    }
    // On a machine without such a card nothing of it is there.
    let target = captured.target()?;
    let done = captured.restore(&target, NVME, &words)?.succeeded()?;
    let plan = fact(&done.lines, "plan")?;
    let warned = strings(&plan["warnings"]).join("\n");
    ensure!(
        warned.contains("Nothing in the folder of drivers is for"),
        "{warned}"
    );
    judge(&captured, &target, &keys(&plan)?, &["stornvme"])?;
    ensure!(!tests::phony::list(&target, "Windows")?.contains(&"Drivers".to_owned()));
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
    let (folder, from) = (captured.folder(), web.url_for_guest());
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
    // Another case of the test above: for `scripts/test --all`.
    if is_left_out() {
        return Ok(());
    }
    in_a_machine(Starts::Uefi, Firmware::Uefi, Bus::VirtioScsi, "vioscsi")
}

#[test]
fn vm_a_windows_from_ide_is_adapted_to_megasas() -> Result<()> {
    // Another case of the test above: for `scripts/test --all`.
    if is_left_out() {
        return Ok(());
    }
    in_a_machine(Starts::Bios, Firmware::Bios, Bus::Megasas, "megasas")
}
