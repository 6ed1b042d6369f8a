//! The main job, shown: a machine is captured, lost, and comes back on other
//! hardware. `scripts/demo` builds what this needs and starts it.

use anyhow::{Context, Result, bail, ensure};
use qemu::{Bus, Disk, Exit, Firmware, Machine};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use tests::{Facts, Patient, make_volume, medium, rescue_program, scratch};

/// Larger than the patient's disk, so that the backup GPT has to move.
const TARGET_BYTES: u64 = 3 << 30;
const TARGET_SERIAL: &str = "NEW-NVME-1";
const RESTORE: Duration = Duration::from_secs(120);

const PLAN: &str = r#"# What the technician would answer, written down before.
[restore]
from = "label:RESCUE/repository"
image = "latest"
verify = true
then = "poweroff"

[target]
serial = "NEW-NVME-1"
"#;

/// Both machines, which have the host for themselves.
fn machine() -> Machine {
    Machine::new(Firmware::SecureBoot).cpus(2)
}

fn main() -> Result<()> {
    let start = Instant::now();
    let folder = scratch()?;
    let patient = Patient::named("uefi")?;
    let old = step(
        "the machine as it is: UEFI, Secure Boot, its disk on AHCI",
        || {
            Facts::of(
                machine(),
                Disk::raw(&patient.disk).bus(Bus::Ahci).serial("OLD-SATA-1"),
            )
        },
    )?;
    let stick = step(
        "capture its disk into a repository, and make a stick of it",
        || capture(folder.path(), &patient.disk),
    )?;
    let target = folder.path().join("new-disk.raw");
    step(
        "a new machine: blank NVMe disk; boot target/rescue.iso, nobody at the keyboard",
        || restore(&stick, &target),
    )?;
    let new = step(
        "the medium is gone; the new machine boots what was restored",
        || {
            let disk = Disk::raw(&target).bus(Bus::Nvme).serial(TARGET_SERIAL);
            Facts::of(machine(), disk)
        },
    )?;
    proof(&old, &new)?;
    patient.is(&new)?;
    println!(
        "\nThe machine is back as itself, {} s after the start.",
        start.elapsed().as_secs()
    );
    Ok(())
}

fn step<T>(title: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let start = Instant::now();
    println!("\n--- {title}");
    let done = work().with_context(|| title.to_owned())?;
    println!("    {:.1} s", start.elapsed().as_secs_f64());
    Ok(done)
}

/// Captures `disk`; returns a stick labelled RESCUE with the repository and the plan.
fn capture(folder: &Path, disk: &Path) -> Result<PathBuf> {
    let files = folder.join("stick");
    let repository = files.join("repository");
    std::fs::create_dir(&files).context("creating the stick's folder")?;
    let program = rescue_program()?;
    let status = Command::new(&program)
        .arg("capture")
        .arg(disk)
        .arg("--to")
        .arg(&repository)
        .args(["--name", "web1"])
        .status()
        .context("starting rescue")?;
    ensure!(status.success(), "rescue capture ended with {status}");
    std::fs::write(files.join("rescue.toml"), PLAN).context("writing the plan")?;
    let stick = folder.join("stick.raw");
    make_volume(&stick, "RESCUE", &files, 16)?;
    Ok(stick)
}

/// Boots the medium beside a blank disk and follows what it reports.
fn restore(stick: &Path, target: &Path) -> Result<()> {
    std::fs::File::create(target)
        .and_then(|file| file.set_len(TARGET_BYTES))
        .context("making the blank disk")?;
    let mut vm = machine()
        .memory_mib(512)
        .cdrom(medium()?)
        .disk(Disk::raw(stick).bus(Bus::Usb).never_boots())
        .disk(
            Disk::raw(target)
                .bus(Bus::Nvme)
                .serial(TARGET_SERIAL)
                .never_boots(),
        )
        .events()
        .start()?;
    let end = vm.wait_event("the restore's end", RESTORE, |event| {
        say(event);
        event["event"] == "done" || event["event"] == "failed"
    })?;
    if end["event"] == "failed" {
        bail!("{}", end["error"].as_str().unwrap_or("no reason was given"));
    }
    let exit = vm.wait_exit(RESTORE)?;
    ensure!(exit == Exit::PoweredOff, "instead of powering off: {exit}");
    Ok(())
}

/// The steps the medium reports; its progress would be too much here.
fn say(event: &Value) {
    let text = match event["event"].as_str() {
        Some("phase") => event["phase"].as_str(),
        Some("note" | "warning") => event["text"].as_str(),
        Some("done") => event["summary"].as_str(),
        _ => None,
    };
    if let Some(text) = text {
        let text = text.trim_end().replace('\n', "\n             ");
        println!("    [medium] {text}");
    }
}

/// Prints both machines side by side; what must be equal is, and the hardware is not.
fn proof(old: &Facts, new: &Facts) -> Result<()> {
    println!("\n{:<12} {:<34} {:<34}", "", "before", "after");
    for name in [
        "hostname",
        "machine_id",
        "host_keys",
        "root",
        "drivers",
        "firmware",
        "secure_boot",
    ] {
        let (was, is) = (short(old.get(name)), short(new.get(name)));
        println!("{name:<12} {was:<34} {is:<34}");
    }
    for name in ["hostname", "machine_id", "host_keys"] {
        ensure!(old.get(name) == new.get(name), "{name} is not what it was");
    }
    ensure!(
        old.runs_on("ahci") && new.runs_on("nvme"),
        "the disk is not on other hardware"
    );
    Ok(())
}

fn short(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Array(all) => all
            .iter()
            .filter_map(Value::as_str)
            .collect::<Vec<_>>()
            .join(" on "),
        other => other.to_string(),
    };
    match text.char_indices().nth(32) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text,
    }
}
