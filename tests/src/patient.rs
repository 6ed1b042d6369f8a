//! The machines that tests capture, made by `scripts/make-patient`.

use crate::artefact;
use anyhow::{Context, Result, ensure};
use qemu::{Disk, Exit, Machine, Vm};
use serde_json::Value;
use std::path::PathBuf;
use std::time::Duration;

/// A minimal Debian boots in a few seconds where the processor runs it.
const BOOT: Duration = Duration::from_secs(60);

/// A patient's disk and what makes it itself.
#[derive(Debug)]
pub struct Patient {
    /// The raw disk; never started with writes kept.
    pub disk: PathBuf,
    identity: Value,
}

/// What a patient says about itself at the end of its boot.
#[derive(Debug, Clone)]
pub struct Facts(Value);

impl Patient {
    /// The patient called `name`: `bios`, `uefi` or `data`.
    ///
    /// # Errors
    /// When it has not been made.
    pub fn named(name: &str) -> Result<Self> {
        let file = artefact(&format!("patients/{name}.json"))?;
        let text = std::fs::read_to_string(&file).context("reading a patient's facts")?;
        Ok(Self {
            disk: artefact(&format!("patients/{name}.raw"))?,
            identity: serde_json::from_str(&text).context("parsing a patient's facts")?,
        })
    }

    /// Checks that `facts` come from this machine, on whatever hardware.
    ///
    /// # Errors
    /// With the first fact that differs.
    pub fn is(&self, facts: &Facts) -> Result<()> {
        for name in ["machine_id", "hostname", "host_keys"] {
            let (was, is) = (&self.identity[name], &facts.0[name]);
            ensure!(was.is_string(), "the patient's facts have no {name}");
            ensure!(was == is, "{name} was {was}, is now {is}");
        }
        Ok(())
    }
}

impl Facts {
    /// Starts `machine` with `disk` (writes are forgotten), logs in, waits for its
    /// facts, and lets it power off.
    ///
    /// # Errors
    /// When it does not come that far, with the console's tail.
    pub fn of(machine: Machine, disk: Disk) -> Result<Self> {
        let mut vm = machine.disk(disk.throw_away_writes()).start()?;
        let facts = Self::told_by(&mut vm)?;
        vm.send("systemctl poweroff\n")?;
        let exit = vm.wait_exit(BOOT)?;
        ensure!(exit == Exit::PoweredOff, "instead of powering off: {exit}");
        Ok(facts)
    }

    /// Logs in to a patient that is starting and waits for its facts; leaves a
    /// shell of root on the console.
    ///
    /// # Errors
    /// When it does not come that far, with the console's tail.
    pub fn told_by(vm: &mut Vm) -> Result<Self> {
        vm.wait_for("login:", BOOT)?;
        vm.send("root\n")?;
        vm.wait_for("root@patient-", BOOT)?;
        let facts = vm.wait_event("facts", BOOT, |event| event["event"] == "facts")?;
        Ok(Self(facts))
    }

    /// One fact by its name; null when it was not told.
    #[must_use]
    pub fn get(&self, name: &str) -> &Value {
        &self.0[name]
    }

    /// True when `driver` is between the root disk and the root of the device tree.
    #[must_use]
    pub fn runs_on(&self, driver: &str) -> bool {
        let drivers = self.0["drivers"].as_array();
        drivers.is_some_and(|all| all.iter().any(|d| d == driver))
    }

    /// `bios` or `uefi`.
    #[must_use]
    pub fn firmware(&self) -> &str {
        self.0["firmware"].as_str().unwrap_or("unknown")
    }

    /// Whether Secure Boot is on.
    #[must_use]
    pub fn secure_boot(&self) -> bool {
        self.0["secure_boot"] == true
    }
}
