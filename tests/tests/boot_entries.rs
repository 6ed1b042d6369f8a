//! The firmware is told of a restored disk, and what it says then is read by
//! efibootmgr and by virt-firmware, which are none of our code.

use anyhow::{Context, Result, ensure};
use qemu::{Bus, Disk, Exit, Machine};
use serde_json::Value;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tests::phony::{self, Firmware};
use tests::rescue::{Run, capture};
use tests::{Facts, Patient, Unattended, blank_disk, is_left_out, scratch, tool};
use uuid::Uuid;

const GLOBAL: &str = "8be4df61-93ca-11d2-aa0d-00e098032b8c";
const PATIENCE: Duration = Duration::from_secs(60);
const WINDOWS: &str = r"\EFI\Microsoft\Boot\bootmgfw.efi";
const OTHER: Uuid = Uuid::from_u128(0x0ddd_0000_0000_0000_0000_0000_0000_0001);

/// A partition as firmware names it: number, first sector, sectors, GUID.
#[derive(Clone, Copy)]
struct Esp {
    start: u64,
    size: u64,
    guid: Uuid,
}

/// A load option after UEFI 2.10, 3.1.3, written a second time here.
fn option(title: &str, esp: Esp, file: &str) -> Vec<u8> {
    let utf16 = |text: &str| -> Vec<u8> {
        let units = text.encode_utf16().chain([0]);
        units.flat_map(u16::to_le_bytes).collect()
    };
    let mut path = vec![4, 1, 42, 0, 1, 0, 0, 0];
    path.extend(esp.start.to_le_bytes());
    path.extend(esp.size.to_le_bytes());
    path.extend(esp.guid.to_bytes_le());
    path.extend([2, 2, 4, 4]);
    let name = utf16(file);
    path.extend((name.len() as u16 + 4).to_le_bytes());
    path.extend(name);
    path.extend([0x7f, 0xff, 4, 0]);
    let mut all = vec![1, 0, 0, 0];
    all.extend((path.len() as u16).to_le_bytes());
    all.extend(utf16(title));
    all.extend(path);
    all
}

/// A captured phony Windows disk, and a folder that looks like efivarfs.
struct Captured {
    disk: phony::Captured,
    esp: Esp,
}

impl Captured {
    fn new() -> Result<Self> {
        let disk = phony::Captured::new(Firmware::Uefi, false)?;
        fs::create_dir(disk.folder().join("efivars"))?;
        let esp = esp_of(&disk.disk)?;
        Ok(Self { disk, esp })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.disk.folder().join(name)
    }

    /// Sets a variable.
    fn set(&self, name: &str, value: &[u8]) -> Result<()> {
        let file = self.path("efivars").join(format!("{name}-{GLOBAL}"));
        let all = [&[7, 0, 0, 0], value].concat();
        fs::write(file, all).context("writing a variable")
    }

    fn get(&self, name: &str) -> Option<Vec<u8>> {
        let file = self.path("efivars").join(format!("{name}-{GLOBAL}"));
        fs::read(file).ok()
    }

    fn restore(&self, more: &[&str]) -> Result<Run> {
        let words: Vec<&OsStr> = more.iter().map(OsStr::new).collect();
        self.disk.restore_with(&self.disk.target()?, &words)
    }

    /// The words that name the folder of variables.
    fn efivars(&self) -> Result<[String; 2]> {
        let folder = self.path("efivars");
        let folder = folder.to_str().context("a path in Unicode")?;
        Ok(["--efivars".to_owned(), folder.to_owned()])
    }

    /// What efibootmgr says.
    fn efibootmgr(&self) -> Result<String> {
        let output = Command::new("efibootmgr")
            .arg("-v")
            .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
            .env(
                "EFIVARFS_PATH",
                format!("{}/", self.path("efivars").display()),
            )
            .output()
            .context("running efibootmgr; install the package efibootmgr")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "efibootmgr: {said}");
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// The first partition of `disk`, as sgdisk tells.
fn esp_of(disk: &Path) -> Result<Esp> {
    let words = [
        "sgdisk".as_ref(),
        "-i".as_ref(),
        "1".as_ref(),
        disk.as_os_str(),
    ];
    let said = tool("gdisk", &words)?;
    let field = |name: &str| {
        let line = said.lines().find_map(|line| line.strip_prefix(name));
        let word = line.and_then(|line| line.split_whitespace().next());
        word.with_context(|| format!("sgdisk does not tell {name}: {said}"))
    };
    Ok(Esp {
        start: field("First sector: ")?.parse()?,
        size: field("Partition size: ")?.parse()?,
        guid: field("Partition unique GUID: ")?.parse()?,
    })
}

fn report(run: &Run) -> Result<&Value> {
    let fact = |line: &&Value| line["name"] == "report";
    let found = run.lines.iter().find(fact).context("no report")?;
    Ok(&found["value"])
}

fn sentences(value: &Value) -> String {
    let all = value.as_array().cloned().unwrap_or_default();
    let all: Vec<&str> = all.iter().filter_map(Value::as_str).collect();
    all.join("\n")
}

#[test]
fn host_the_firmware_is_told_of_a_restored_disk() -> Result<()> {
    let captured = Captured::new()?;
    let moved = Esp {
        start: 4096,
        ..captured.esp
    };
    let other = Esp {
        guid: OTHER,
        ..captured.esp
    };
    let kept = option("Other disk", other, r"\EFI\gone\grubx64.efi");
    captured.set("Boot0000", &kept)?;
    captured.set("Boot0001", &option("Before", moved, WINDOWS))?;
    captured.set(
        "Boot0002",
        &option("Removed", captured.esp, r"\EFI\old\grubx64.efi"),
    )?;
    captured.set("BootOrder", &[0, 0, 2, 0, 1, 0])?;
    captured.set("BootCurrent", &[0, 0])?;

    let [flag, folder] = captured.efivars()?;
    let planned = captured.restore(&["--plan", &flag, &folder])?.succeeded()?;
    let plan = planned.lines.iter().find(|line| line["name"] == "plan");
    let lines = sentences(&plan.context("no plan")?["value"]["boot"]["lines"]);
    for words in [
        "gets the boot entry Boot0003 \"Windows Boot Manager\"",
        "Boot0001 \"Before\" is removed",
        "Boot0002 \"Removed\" is removed",
    ] {
        ensure!(lines.contains(words), "{lines}");
    }
    ensure!(captured.get("Boot0003").is_none(), "the plan wrote");

    let done = captured
        .restore(&["--verify", &flag, &folder])?
        .succeeded()?;
    let boot = &report(&done)?["boot"];
    ensure!(boot["entries"][0]["number"] == "Boot0003", "{boot}");
    ensure!(boot["entries"][0]["place"] == 1, "{boot}");
    ensure!(sentences(&boot["lines"]).contains("read back"), "{boot}");
    let answers = &report(&done)?["answers"];
    let boots = sentences(&answers["will_boot"]["lines"]);
    ensure!(boots.contains("boot entry Boot0003"), "{answers}");

    let said = captured.efibootmgr()?;
    ensure!(said.contains("BootOrder: 0003,0000\n"), "{said}");
    let line = said.lines().find(|line| line.starts_with("Boot0003*"));
    let line = line
        .with_context(|| format!("no Boot0003: {said}"))?
        .to_lowercase();
    let Esp { start, size, guid } = captured.esp;
    let device = format!("hd(1,gpt,{guid},{start:#x},{size:#x})");
    for words in ["windows boot manager", &device, &WINDOWS.to_lowercase()] {
        ensure!(line.contains(words), "{line} lacks {words}");
    }
    ensure!(
        !said.contains("Before") && !said.contains("Removed"),
        "{said}"
    );
    let now = captured.get("Boot0000").context("Boot0000 is gone")?;
    ensure!(now[4..] == kept, "the other disk's entry changed");

    // Once more: nothing is new, and nothing is lost.
    let before = captured.get("Boot0003");
    let done = captured.restore(&[&flag, &folder])?.succeeded()?;
    ensure!(report(&done)?["boot"]["entries"][0]["made"] == false);
    ensure!(captured.get("Boot0003") == before && captured.get("Boot0004").is_none());
    Ok(())
}

#[test]
fn host_the_firmware_is_left_alone_unless_asked() -> Result<()> {
    let captured = Captured::new()?;
    let [flag, folder] = captured.efivars()?;
    let words = ["--boot-entries", "no", &flag, &folder];
    let done = captured.restore(&words)?.succeeded()?;
    ensure!(report(&done)?["boot"]["entries"] == serde_json::json!([]));
    ensure!(fs::read_dir(captured.path("efivars"))?.count() == 0);
    Ok(())
}

/// The restore succeeds and says what starts the disk. (The folder is one in which
/// nobody can write, root neither.)
#[test]
fn host_variables_that_cannot_be_written_are_a_warning() -> Result<()> {
    let captured = Captured::new()?;
    let done = captured
        .restore(&["--efivars", "/proc/self"])?
        .succeeded()?;
    let report = report(&done)?;
    ensure!(
        report["boot"]["entries"] == serde_json::json!([]),
        "{report}"
    );
    let warnings = sentences(&report["answers"]["to_know"]);
    ensure!(
        warnings.contains("No boot entry can be made")
            && warnings.to_lowercase().contains(r"\efi\boot\bootx64.efi"),
        "{warnings}"
    );
    Ok(())
}

fn virt_fw_vars() -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = root.join("../target/oracles/bin/virt-fw-vars");
    ensure!(program.exists(), "no virt-fw-vars: run scripts/oracles");
    Ok(program)
}

/// The variables in the flash of a machine that is off, as virt-fw-vars reads them.
fn variables(vars: &Path, folder: &Path) -> Result<Value> {
    let (program, json) = (virt_fw_vars()?, folder.join("variables.json"));
    let words: [&OsStr; 5] = [
        program.as_os_str(),
        "--input".as_ref(),
        vars.as_os_str(),
        "--output-json".as_ref(),
        json.as_os_str(),
    ];
    tool("python3-venv", &words)?;
    let text = fs::read_to_string(&json).context("reading variables")?;
    serde_json::from_str(&text).context("parsing variables")
}

/// Names and values of those that UEFI itself defines.
fn flash(vars: &Path, folder: &Path) -> Result<Vec<(String, Vec<u8>)>> {
    let all = variables(vars, folder)?;
    let all = all["variables"].as_array().context("no variables")?.iter();
    let global = all.filter(|variable| variable["guid"] == GLOBAL);
    let read = |variable: &Value| {
        let text = |field: &str| variable[field].as_str().context("no text");
        let hex = text("data")?;
        let bytes = (0..hex.len()).step_by(2);
        let bytes = bytes.map(|at| u8::from_str_radix(hex.get(at..at + 2).unwrap_or("-"), 16));
        let bytes: Result<Vec<u8>, _> = bytes.collect();
        Ok((text("name")?.to_owned(), bytes?))
    };
    global.map(read).collect()
}

/// The patient `uefi`, captured into the repository of a plan, and a blank target.
fn captured_patient(folder: &Path) -> Result<(Patient, Unattended, PathBuf)> {
    let patient = Patient::named("uefi")?;
    let plan = Unattended::new(folder, "label:RESCUE/repo")?;
    let repository = plan.repository();
    capture(&patient.disk, &repository, &["--name", "patient"])?;
    let target = folder.join("target.raw");
    blank_disk(&target, fs::metadata(&patient.disk)?.len())?;
    Ok((patient, plan, target))
}

/// The medium restores under UEFI; the firmware then starts the disk by the entry, and
/// has it still.
#[test]
fn vm_uefi_firmware_starts_a_restored_disk_by_the_entry_that_was_made() -> Result<()> {
    let folder = scratch()?;
    let (patient, plan, target) = captured_patient(folder.path())?;
    let esp = esp_of(&patient.disk)?;
    let vars = folder.path().join("vars.fd");
    let machine = || Machine::new(qemu::Firmware::Uefi).uefi_vars(&vars);
    let disk = || Disk::raw(&target).bus(Bus::Nvme);

    let outcome = plan.run(machine(), disk().never_boots())?.succeeded()?;
    let boot = outcome.fact("report")?["boot"].clone();
    let entry = &boot["entries"][0];
    let number = entry["number"]
        .as_str()
        .with_context(|| format!("no entry: {boot}"))?;
    let (title, file) = (entry["title"].as_str(), entry["file"].as_str());
    let (title, file) = title.zip(file).context("an entry has a title and a file")?;
    ensure!(file.to_lowercase().ends_with("shimx64.efi"), "{entry}");
    ensure!(entry["place"] == 1 && entry["made"] == true, "{entry}");
    let expected = (number.to_owned(), option(title, esp, file));
    let before = flash(&vars, folder.path())?;
    ensure!(
        before.contains(&expected),
        "{expected:?} is not in {before:?}"
    );

    let digits = number.trim_start_matches("Boot");
    let value = u16::from_str_radix(digits, 16).context("a number")?;
    let mut vm = machine().disk(disk().throw_away_writes()).start()?;
    patient.is(&Facts::told_by(&mut vm)?)?;
    vm.send(&format!(
        "od -An -tx1 /sys/firmware/efi/efivars/BootCurrent-{GLOBAL}\n"
    ))?;
    let [low, high] = value.to_le_bytes();
    vm.wait_for(&format!("06 00 00 00 {low:02x} {high:02x}"), PATIENCE)?;
    vm.send("systemctl poweroff\n")?;
    let exit = vm.wait_exit(PATIENCE)?;
    ensure!(exit == Exit::PoweredOff, "instead of powering off: {exit}");
    let after = flash(&vars, folder.path())?;
    ensure!(
        after.contains(&expected),
        "{expected:?} is not in {after:?}"
    );
    Ok(())
}

/// Flash that holds no more: the restore ends well, and says what starts the disk.
/// (The variable that fills it is the test's own.)
#[test]
fn vm_full_memory_of_the_firmware_is_a_warning() -> Result<()> {
    // Another case of the test above: for `scripts/test --all`.
    if is_left_out() {
        return Ok(());
    }
    let folder = scratch()?;
    let (_, plan, target) = captured_patient(folder.path())?;
    let vars = folder.path().join("vars.fd");
    let machine = || Machine::new(qemu::Firmware::Uefi).uefi_vars(&vars);
    let disk = || Disk::raw(&target).bus(Bus::Nvme).never_boots();
    // The firmware's own variables come first.
    let mut vm = plan.start(machine(), disk())?;
    vm.wait_event("first sign of PID 1", PATIENCE, |event| event["v"] == 1)?;
    vm.kill()?;
    fill(&vars, folder.path())?;
    let outcome = plan.run(machine(), disk())?.succeeded()?;
    let report = outcome.fact("report")?;
    ensure!(
        report["boot"]["entries"] == serde_json::json!([]),
        "{report}"
    );
    let warnings = sentences(&report["warnings"]);
    ensure!(
        warnings.contains("No boot entry can be made") && warnings.contains("BOOTX64.EFI"),
        "{warnings}"
    );
    Ok(())
}

/// Fills the flash `vars`, which a firmware has used before, but for 3 KiB: Linux
/// leaves the last 5 KiB to the firmware.
fn fill(vars: &Path, folder: &Path) -> Result<()> {
    /// Bytes of the store, and of what is before each variable in it.
    const STORE: usize = 0x4_0000;
    const HEADER: usize = 60;
    const LEFT: usize = 3 << 10;
    const PIECE: usize = 7 << 10;
    let all = variables(vars, folder)?;
    let all = all["variables"].as_array().context("no variables")?.iter();
    let size = |variable: &Value| {
        let text = |field: &str| variable[field].as_str().unwrap_or_default().len();
        HEADER + (text("name") + 1) * 2 + text("data") / 2 + 8
    };
    let mut free = STORE.saturating_sub(0x64 + LEFT + all.map(size).sum::<usize>());
    let mut filling = Vec::new();
    while free > 200 {
        let len = PIECE.min(free - 100);
        let name = format!("Filling{:02}", filling.len());
        filling.push(serde_json::json!({
            "name": name, "guid": OTHER.to_string(), "attr": 7, "data": "5a".repeat(len),
        }));
        free = free.saturating_sub(len + 100);
    }
    let json = folder.join("filling.json");
    let text = serde_json::json!({"version": 2, "variables": filling}).to_string();
    fs::write(&json, text).context("writing variables")?;
    let program = virt_fw_vars()?;
    let words: [&OsStr; 5] = [
        program.as_os_str(),
        "--inplace".as_ref(),
        vars.as_os_str(),
        "--set-json".as_ref(),
        json.as_os_str(),
    ];
    tool("python3-venv", &words).map(drop)
}
