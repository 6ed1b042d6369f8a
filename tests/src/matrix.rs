//! The matrix: each guest, restored to each controller under each firmware.

use crate::guest::{Guest, new_card};
use crate::rescue::{capture, code, rescue};
use crate::{Unattended, Web, artefact, blank_disk, rescue_program, scratch};
use anyhow::{Context, Result, bail, ensure};
use qemu::{Bus, Disk, Firmware, Machine};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Instant, UNIX_EPOCH};

/// The controllers that guests are restored to.
pub const BUSES: [Bus; 6] = [
    Bus::Ahci,
    Bus::Nvme,
    Bus::VirtioBlk,
    Bus::VirtioScsi,
    Bus::Megasas,
    Bus::Pvscsi,
];

/// The firmware that they are restored under.
pub const FIRMWARE: [Firmware; 3] = [Firmware::Bios, Firmware::Uefi, Firmware::SecureBoot];

/// One field of the matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair {
    /// What is restored.
    pub guest: Guest,
    /// The controller of the new machine's disk.
    pub bus: Bus,
    /// The new machine's firmware.
    pub firmware: Firmware,
}

const fn pair(guest: Guest, bus: Bus, firmware: Firmware) -> Pair {
    Pair {
        guest,
        bus,
        firmware,
    }
}

/// Why the virtual firmware itself starts nothing from `bus`, where it does not.
#[must_use]
pub fn left_out(bus: Bus, firmware: Firmware) -> Option<&'static str> {
    match (bus, firmware) {
        (Bus::Megasas, Firmware::Uefi | Firmware::SecureBoot) => {
            Some("OVMF has no driver for megasas")
        }
        (Bus::Pvscsi, Firmware::Uefi | Firmware::SecureBoot) => {
            Some("Debian's OVMF is built without its driver for pvscsi")
        }
        _ => None,
    }
}

impl Pair {
    /// Every pair that the virtual firmware can start.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for guest in Guest::ALL {
            for bus in BUSES {
                for firmware in FIRMWARE {
                    if left_out(bus, firmware).is_none() {
                        all.push(pair(guest, bus, firmware));
                    }
                }
            }
        }
        all
    }

    /// A quarter of them, which CI restores: each guest three or four times, and each
    /// controller under each firmware that starts from it with one guest at least.
    #[must_use]
    pub fn quarter() -> Vec<Self> {
        let mut quarter = Vec::new();
        let all = Self::all();
        let columns = all.len() / Guest::ALL.len();
        for (row, of_guest) in all.chunks(columns).enumerate() {
            // Each row begins one column further than the one before.
            quarter.extend(of_guest.iter().skip(row % 4).step_by(4));
        }
        quarter
    }

    /// "lvm × nvme × uefi".
    #[must_use]
    pub fn name(self) -> String {
        let firmware = match self.firmware {
            Firmware::Bios => "bios",
            Firmware::Uefi => "uefi",
            Firmware::SecureBoot => "uefi+sb",
        };
        format!("{} × {} × {firmware}", self.guest.name(), self.bus_name())
    }

    fn bus_name(self) -> &'static str {
        match self.bus {
            Bus::Ide => "ide",
            Bus::Ahci => "ahci",
            Bus::Nvme => "nvme",
            Bus::VirtioBlk => "virtio-blk",
            Bus::VirtioScsi => "virtio-scsi",
            Bus::Megasas => "megasas",
            Bus::MptSas => "mptsas",
            Bus::Lsi => "lsi",
            Bus::Pvscsi => "pvscsi",
            Bus::Usb => "usb",
        }
    }

    /// The driver that Linux has for the controller.
    fn driver(self) -> &'static str {
        match self.bus {
            Bus::Ide => "ata_piix",
            Bus::Ahci => "ahci",
            Bus::Nvme => "nvme",
            Bus::VirtioBlk => "virtio_blk",
            Bus::VirtioScsi => "virtio_scsi",
            Bus::Megasas => "megaraid_sas",
            Bus::MptSas => "mptsas",
            Bus::Lsi => "sym53c8xx",
            Bus::Pvscsi => "vmw_pvscsi",
            Bus::Usb => "usb-storage",
        }
    }

    /// Restores the guest there and starts it, or sees it refused; says which in
    /// `target/matrix.md`.
    ///
    /// # Errors
    /// When it neither starts as itself nor is refused with a reason.
    pub fn holds(self) -> Result<()> {
        let begin = Instant::now();
        let ended = self.restored();
        let seconds = begin.elapsed().as_secs();
        let verdict = match &ended {
            Ok(Ended::Boots) => format!("boots, {seconds} s"),
            Ok(Ended::Refused(reason)) => format!("refused: {reason}"),
            Err(error) => {
                let error = format!("{error:#}");
                format!("FAILS: {}", error.lines().next().unwrap_or_default())
            }
        };
        record(&self.name(), &verdict)?;
        match ended? {
            Ended::Refused(reason) => ensure!(!reason.is_empty(), "refused without a reason"),
            Ended::Boots => {}
        }
        Ok(())
    }

    fn restored(self) -> Result<Ended> {
        let repository = captured(self.guest)?;
        let folder = scratch()?;
        let web = Web::serve(&repository)?;
        let target = folder.path().join("target.raw");
        blank_disk(&target, fs::metadata(self.guest.patient()?.disk)?.len())?;
        let vars = folder.path().join("vars.fd");
        let machine = || Machine::new(self.firmware).uefi_vars(&vars).nic(new_card());
        // The plan's disk is on a controller that the board has anyway: every other
        // card is in the slot where it will be later.
        let keys = self.guest.keys();
        let plan = Unattended::with(folder.path(), &web.url_for_guest(), &keys)?;
        let plan = plan.volume_on(Bus::Ahci);
        let disk = Disk::raw(&target).bus(self.bus);
        let outcome = plan.run(machine(), disk.clone().never_boots())?;
        if outcome.event["event"] == "failed" && outcome.event["code"] == code::WILL_NOT_START {
            return Ok(Ended::Refused(outcome.event.to_string()));
        }
        let report = outcome.succeeded()?.said_to_boot()?;
        let facts = self.guest.facts(machine(), disk)?;
        self.guest.is_well(&facts, self.firmware, "virtio_net")?;
        let driver = self.driver();
        ensure!(facts.runs_on(driver), "not on {driver}: {facts:?}");
        if self.firmware != Firmware::Bios {
            started_by_its_entry(&report, facts.get("boot"))?;
        }
        Ok(Ended::Boots)
    }
}

enum Ended {
    Boots,
    Refused(String),
}

/// Checks that the firmware started the system by the boot entry that the restore
/// told of. `boot` has the firmware's variables as the guest read them.
fn started_by_its_entry(report: &serde_json::Value, boot: &serde_json::Value) -> Result<()> {
    let entry = &report["boot"]["entries"][0];
    let number = entry["number"].as_str();
    let number = number.with_context(|| format!("no boot entry was made: {}", report["boot"]))?;
    let digits = number.trim_start_matches("Boot");
    let value = u16::from_str_radix(digits, 16).context("the number of a boot entry")?;
    let [low, high] = value.to_le_bytes();
    let current = &boot["BootCurrent"];
    ensure!(
        *current == format!("{low:02x}{high:02x}"),
        "started by {current} and not by {entry}: {boot}"
    );
    ensure!(boot[number].is_string(), "{number} is gone: {boot}");
    Ok(())
}

/// The repository with the image of `guest`, made when it is asked for first.
fn captured(guest: Guest) -> Result<PathBuf> {
    let patient = guest.patient()?;
    let program = fs::metadata(rescue_program()?).context("looking at the program")?;
    let made = program.modified()?.duration_since(UNIX_EPOCH)?;
    let stamp = fs::read_to_string(artefact(&format!("patients/{}.stamp", guest.name()))?)?;
    let version = format!("{} {} {:?}", stamp.trim(), program.len(), made);
    let scratch = scratch()?;
    let images = target()?.join("matrix");
    fs::create_dir_all(&images).context("making a folder for images")?;
    let folder = images.join(guest.name());
    let (repository, kept) = (folder.join("repository"), folder.join("version"));
    // Whoever comes at the same time waits, and does not take away what is being read.
    let lock = fs::File::create(folder.with_extension("lock")).context("making a lock")?;
    lock.lock().context("waiting for whoever captures, too")?;
    if fs::read_to_string(&kept).is_ok_and(|is| is == version) {
        return Ok(repository);
    }
    let new = scratch.path().join("repository");
    capture(&patient.disk, &new, &[])?;
    if folder.exists() {
        fs::remove_dir_all(&folder).context("removing an older image")?;
    }
    fs::create_dir_all(&folder).context("making a folder for an image")?;
    fs::rename(&new, &repository).context("keeping an image")?;
    fs::write(&kept, version).context("keeping an image's version")?;
    Ok(repository)
}

fn target() -> Result<PathBuf> {
    let patients = artefact("patients")?;
    let target = patients.parent().context("a folder above patients")?;
    Ok(target.to_owned())
}

/// Writes the line of the pair `name` into `target/matrix.md`, instead of an older one.
fn record(name: &str, verdict: &str) -> Result<()> {
    let line = format!("{name}: {verdict}");
    println!("{line}");
    let file = target()?.join("matrix.md");
    let text = fs::read_to_string(&file).unwrap_or_default();
    fs::write(&file, with_line(&text, name, &line)).context("writing target/matrix.md")
}

fn with_line(text: &str, name: &str, line: &str) -> String {
    let begins = format!("{name}: ");
    let others = text.lines().filter(|other| !other.starts_with(&begins));
    let mut lines: Vec<&str> = others.chain([line]).collect();
    lines.sort_unstable();
    lines.join("\n") + "\n"
}

/// Restores `guest` by the program without adapting it, into `target`.
///
/// # Errors
/// When that fails.
pub fn restore_as_it_was(guest: Guest, target: &Path) -> Result<()> {
    let repository = captured(guest)?;
    blank_disk(target, fs::metadata(guest.patient()?.disk)?.len())?;
    let words: [&OsStr; 8] = [
        "restore".as_ref(),
        "--from".as_ref(),
        repository.as_os_str(),
        "--to".as_ref(),
        target.as_os_str(),
        "--adapt=no".as_ref(),
        "--yes".as_ref(),
        "latest".as_ref(),
    ];
    rescue(&words)?.succeeded()?;
    Ok(())
}

/// Runs the pair when it is CI's or all were asked for.
///
/// # Errors
/// As [`Pair::holds`].
pub fn run(guest: Guest, bus: Bus, firmware: Firmware) -> Result<()> {
    let pair = pair(guest, bus, firmware);
    if let Some(reason) = left_out(bus, firmware) {
        bail!("{} is in no matrix: {reason}", pair.name());
    }
    if crate::is_left_out() && !Pair::quarter().contains(&pair) {
        return Ok(());
    }
    pair.holds()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_has_one_line() {
        let text = with_line("", "b × nvme × bios", "b × nvme × bios: FAILS: x");
        let text = with_line(&text, "a × nvme × bios", "a × nvme × bios: boots, 7 s");
        let text = with_line(&text, "b × nvme × bios", "b × nvme × bios: boots, 8 s");
        assert_eq!(
            text,
            "a × nvme × bios: boots, 7 s\nb × nvme × bios: boots, 8 s\n"
        );
    }

    #[test]
    fn a_quarter_has_every_guest_and_every_field_of_the_machines() {
        let all = Pair::all();
        assert_eq!(all.len(), 7 * (6 * 3 - 4));
        let quarter = Pair::quarter();
        assert!(quarter.len() * 4 >= all.len(), "{}", quarter.len());
        for guest in Guest::ALL {
            let count = quarter.iter().filter(|pair| pair.guest == guest).count();
            assert!(count >= 3, "{guest:?}: {count}");
        }
        let is_there = |one: &Pair| {
            let same = |pair: &&Pair| (pair.bus, pair.firmware) == (one.bus, one.firmware);
            quarter.iter().any(|pair| same(&pair))
        };
        assert!(all.iter().all(is_there));
    }
}
