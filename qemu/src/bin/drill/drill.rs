//! One drill: one machine, from blank disks to a proof.

use crate::args::Args;
use crate::image::Image;
use crate::picture::Gallery;
use crate::profile::{Profile, firmware_name};
use crate::report::{Compared, Drill, Step, Verdict};
use crate::repository::Repository;
use crate::say::{Event, Say};
use crate::unlock::Passphrases;
use crate::{identity, medium, start};
use anyhow::{Context, Result, bail};
use qemu::{Accel, Disk, Firmware, Machine};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// What all drills of one run share.
#[derive(Debug)]
pub(crate) struct Setting<'a> {
    pub(crate) args: &'a Args,
    pub(crate) image: &'a Image,
    pub(crate) repository: &'a Repository,
    pub(crate) medium: &'a Path,
    pub(crate) rescue: &'a Path,
    pub(crate) passphrases: &'a Passphrases,
    pub(crate) accel: Accel,
    pub(crate) say: &'a Say,
}

/// A drill while it runs.
#[derive(Debug)]
pub(crate) struct Running<'a> {
    pub(crate) setting: &'a Setting<'a>,
    pub(crate) profile: &'a Profile,
    pub(crate) firmware: Firmware,
    /// Its own folder; goes with the drill.
    pub(crate) folder: PathBuf,
    /// One file for each disk of the image, in their order.
    pub(crate) disks: Vec<PathBuf>,
    pub(crate) gallery: Gallery,
    pub(crate) begun: Instant,
    pub(crate) told: Drill,
}

/// It came to a verdict before its end: the image is not good, in a sentence with
/// the lines that say so.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub(crate) struct Failed {
    pub(crate) reason: String,
    pub(crate) evidence: Vec<String>,
}

/// It says nothing about the image: the hardware or the host cannot do it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct CannotRun(pub(crate) String);

/// Runs one drill to its verdict.
pub(crate) fn run(setting: &Setting<'_>, profile: &Profile) -> Drill {
    let begun = Instant::now();
    let mut told = Drill::of(profile);
    let outcome = tempfile::Builder::new()
        .prefix("drill-")
        .tempdir_in(&setting.args.scratch)
        .with_context(|| format!("making a folder in {}", setting.args.scratch.display()))
        .and_then(|folder| {
            let mut running = Running {
                setting,
                profile,
                firmware: Firmware::Bios,
                folder: folder.path().to_owned(),
                disks: Vec::new(),
                gallery: Gallery::new(folder.path().to_owned()),
                begun,
                told: told.clone(),
            };
            let outcome = running.run();
            running.end_step();
            told = running.told;
            told.pictures = running.gallery.finish(&profile.name);
            if setting.args.keep_disks {
                let kept = folder.keep();
                told.notes
                    .push(format!("the disks are in {}", kept.display()));
            }
            outcome
        });
    told.judge(outcome);
    told.seconds = begun.elapsed().as_secs_f64();
    setting.say.tell(&Event::Verdict {
        hardware: &profile.name,
        verdict: told.verdict.name(),
        reason: told.reason.as_deref(),
        seconds: told.seconds,
    });
    told
}

impl Running<'_> {
    fn run(&mut self) -> Result<()> {
        self.firmware = firmware(self.setting, self.profile)?;
        self.told.firmware = firmware_name(self.firmware).to_owned();
        self.make_disks()?;
        medium::restore(self)?;
        let before = identity::on_disks(self)?;
        if before.is_empty() {
            let text = "nothing on the restored disks tells who the machine is: not compared";
            self.told.notes.push(text.to_owned());
        }
        start::prove(self)?;
        self.step("checking", "is it still itself after its start?");
        let after = identity::on_disks(self)?;
        self.told
            .compared
            .extend(identity::compare(&before, &after));
        self.judge_identity()
    }

    /// A machine that is somebody else has not come back.
    fn judge_identity(&self) -> Result<()> {
        let differs = |c: &&Compared| c.same == Some(false);
        let different: Vec<String> = self
            .told
            .compared
            .iter()
            .filter(differs)
            .map(|c| {
                format!(
                    "{}: expected {}, found {} ({})",
                    c.what, c.expected, c.found, c.by
                )
            })
            .collect();
        match different.first() {
            None => Ok(()),
            Some(first) => Err(Failed {
                reason: format!("it came up, but is not itself: {first}"),
                evidence: different.clone(),
            }
            .into()),
        }
    }

    fn make_disks(&mut self) -> Result<()> {
        self.step(
            "preparing",
            "making blank disks as large as those of the image",
        );
        for disk in &self.setting.image.disks {
            let file = self.folder.join(format!("disk{}.raw", disk.index));
            let made = File::create_new(&file).and_then(|f| f.set_len(disk.size));
            made.with_context(|| format!("making {}", file.display()))?;
            self.disks.push(file);
        }
        if self.disks.is_empty() {
            bail!("the image has no disk");
        }
        Ok(())
    }

    /// The machine with its disks, without network.
    pub(crate) fn machine(&self, boots_from_disks: bool) -> Machine {
        let mut machine = Machine::new(self.firmware)
            .accel(self.setting.accel)
            .memory_mib(self.profile.memory_mib)
            .cpus(self.profile.processors);
        if self.firmware != Firmware::Bios {
            // What the medium tells the firmware is there when the system starts.
            machine = machine.uefi_vars(self.folder.join("variables.fd"));
        }
        for (file, disk) in self.disks.iter().zip(&self.setting.image.disks) {
            let mut hangs = Disk::raw(file)
                .bus(self.profile.bus)
                .sector(disk.sector_size)
                .serial(serial(disk.index));
            if !boots_from_disks {
                hangs = hangs.never_boots();
            }
            machine = machine.disk(hangs);
        }
        machine
    }

    pub(crate) fn at(&self) -> f64 {
        self.begun.elapsed().as_secs_f64()
    }

    /// The next step begins.
    pub(crate) fn step(&mut self, name: &'static str, text: &str) {
        self.end_step();
        self.setting.say.tell(&Event::Step {
            hardware: &self.profile.name,
            step: name,
            text,
        });
        self.told.steps.push(Step {
            name: name.to_owned(),
            text: text.to_owned(),
            at: self.at(),
            seconds: 0.0,
        });
    }

    fn end_step(&mut self) {
        let now = self.at();
        if let Some(last) = self.told.steps.last_mut() {
            last.seconds = now - last.at;
        }
    }

    pub(crate) fn note(&mut self, text: &str) {
        let hardware = &self.profile.name;
        self.setting.say.tell(&Event::Note { hardware, text });
    }

    pub(crate) fn warn(&mut self, text: &str) {
        let hardware = &self.profile.name;
        self.setting.say.tell(&Event::Warning { hardware, text });
        self.told.warnings.push(text.to_owned());
    }
}

/// The serial number of the disk that disk `index` of the image goes to.
pub(crate) fn serial(index: u32) -> String {
    format!("DRILL-{index}")
}

/// What the machine starts by.
fn firmware(setting: &Setting<'_>, profile: &Profile) -> Result<Firmware> {
    let offers = |firmware| profile.firmware.contains(&firmware);
    let wanted = match setting.args.firmware {
        Some(start) => Some(start.firmware()),
        None => setting.image.started_by(),
    };
    match wanted {
        None => profile.firmware.first().copied().context("a firmware"),
        Some(wanted) if offers(wanted) => Ok(wanted),
        Some(wanted) => {
            let has: Vec<&str> = profile.firmware.iter().map(|f| firmware_name(*f)).collect();
            let why = match setting.args.firmware {
                Some(_) => "is wanted",
                None => "started this image's machine",
            };
            Err(CannotRun(format!(
                "{} {why}, and the hardware {} starts by {} only; take other hardware, \
                 or give --firmware to try it all the same",
                firmware_name(wanted),
                profile.name,
                has.join(" or ")
            ))
            .into())
        }
    }
}

impl Drill {
    fn judge(&mut self, outcome: Result<()>) {
        let Err(error) = outcome else {
            self.verdict = Verdict::Passed;
            return;
        };
        let of_image = error.downcast_ref::<Failed>();
        self.verdict = match of_image {
            Some(_) => Verdict::Failed,
            None => Verdict::NotRun,
        };
        if let Some(failed) = of_image {
            self.evidence.clone_from(&failed.evidence);
        }
        self.reason = Some(format!("{error:#}"));
    }
}
