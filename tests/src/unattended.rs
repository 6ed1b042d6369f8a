//! Restores on the medium that nobody watches.

use crate::{make_volume, medium, outcome};
use anyhow::{Context, Result, bail, ensure};
use qemu::{Bus, Disk, Exit, Firmware, Machine, Vm};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// For the medium to find its plan.
const BOOT: Duration = Duration::from_secs(60);
/// For a restore of a patient.
const RESTORE: Duration = Duration::from_secs(120);

/// The serial number of the disk that [`Unattended`] names as its target.
pub const TARGET: &str = "RESCUE-TARGET";

/// A volume labelled RESCUE with a plan on it, and a folder for what else it holds.
#[derive(Debug)]
pub struct Unattended {
    folder: PathBuf,
    bus: Bus,
}

/// How an unattended restore ended.
#[derive(Debug)]
pub struct Outcome {
    /// The last event: `done` or `failed`.
    pub event: Value,
    /// All events until then.
    pub events: Vec<Value>,
    /// How the machine ended.
    pub exit: Exit,
}

impl Unattended {
    /// Prepares in `folder` the plan to restore the latest image of `from`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn new(folder: &Path, from: &str) -> Result<Self> {
        Self::with(folder, from, "")
    }

    /// As [`Unattended::new`], with these lines more in `[restore]`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn with(folder: &Path, from: &str, keys: &str) -> Result<Self> {
        let volume = folder.join("volume");
        fs::create_dir_all(&volume).context("creating the volume's content")?;
        let plan = format!(
            "[restore]\nfrom = \"{from}\"\nimage = \"latest\"\nthen = \"poweroff\"\n{keys}\n\
             [target]\nserial = \"{TARGET}\"\n"
        );
        fs::write(volume.join("rescue.toml"), plan).context("writing a plan")?;
        Ok(Self {
            folder: folder.to_owned(),
            bus: Bus::VirtioBlk,
        })
    }

    /// The volume hangs on this controller instead of virtio-blk.
    #[must_use]
    pub fn volume_on(mut self, bus: Bus) -> Self {
        self.bus = bus;
        self
    }

    /// A folder that the medium will find as `label:RESCUE/repo`.
    #[must_use]
    pub fn repository(&self) -> PathBuf {
        self.folder.join("volume/repo")
    }

    /// The volume, made from its content when it is asked for first.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn volume(&self) -> Result<PathBuf> {
        let volume = self.folder.join("volume.raw");
        if !volume.exists() {
            make_volume(&volume, "RESCUE", &self.folder.join("volume"), 16)?;
        }
        Ok(volume)
    }

    /// Starts `machine` with the medium, the volume and `target`.
    ///
    /// # Errors
    /// When something is missing or QEMU refuses.
    pub fn start(&self, machine: Machine, target: Disk) -> Result<Vm> {
        let volume = Disk::raw(self.volume()?)
            .bus(self.bus)
            .serial("RESCUE-VOLUME");
        // UEFI itself leaves GRUB too little of 256 MiB.
        let memory = match machine.firmware() {
            Firmware::Bios => 256,
            _ => 384,
        };
        let machine = machine
            .memory_mib(memory)
            .cdrom(medium()?)
            .disk(target.serial(TARGET))
            .disk(volume.never_boots().throw_away_writes())
            .events();
        Ok(machine.start()?)
    }

    /// Starts `machine` and waits until it is over and off.
    ///
    /// # Errors
    /// When it does not come that far.
    pub fn run(&self, machine: Machine, target: Disk) -> Result<Outcome> {
        let mut vm = self.start(machine, target)?;
        vm.wait_event("first sign of PID 1", BOOT, |event| event["v"] == 1)?;
        let event = vm.wait_event("the outcome", RESTORE, outcome())?;
        let events = vm.events().to_vec();
        let exit = match event["event"] == "done" {
            true => vm.wait_exit(BOOT)?,
            // Somebody has to read why.
            false => vm.kill()?,
        };
        Ok(Outcome {
            event,
            events,
            exit,
        })
    }
}

impl Outcome {
    /// The last fact `name` that was told.
    ///
    /// # Errors
    /// When there was none.
    pub fn fact(&self, name: &str) -> Result<Value> {
        let mut events = self.events.iter().rev();
        let found = events.find(|event| event["event"] == "fact" && event["name"] == name);
        let found = found.with_context(|| format!("no fact {name}"))?;
        Ok(found["value"].clone())
    }

    /// The report, of a system that is said to boot on this machine.
    ///
    /// # Errors
    /// With the report when it says anything else.
    pub fn said_to_boot(&self) -> Result<Value> {
        let report = self.fact("report")?;
        let verdict = &report["answers"]["will_boot"]["verdict"];
        ensure!(*verdict == "yes", "{report}");
        Ok(report)
    }

    /// Passes a success on.
    ///
    /// # Errors
    /// With what the medium reported instead.
    pub fn succeeded(self) -> Result<Self> {
        ensure!(
            self.event["event"] == "done",
            "the restore failed: {}",
            self.event
        );
        ensure!(
            self.exit == Exit::PoweredOff,
            "it should power off: {}",
            self.exit
        );
        Ok(self)
    }

    /// Passes a failure with this exit code on.
    ///
    /// # Errors
    /// With what the medium reported instead.
    pub fn failed_with(self, code: i32) -> Result<Self> {
        if self.event["event"] != "failed" || self.event["code"] != code {
            bail!("expected a failure with code {code}: {}", self.event);
        }
        Ok(self)
    }
}

/// Makes `file` a blank disk of `bytes`.
///
/// # Errors
/// When it cannot be written.
pub fn blank_disk(file: &Path, bytes: u64) -> Result<()> {
    let blank = fs::File::create(file).with_context(|| format!("creating {}", file.display()))?;
    blank.set_len(bytes).context("sizing a blank disk")
}
