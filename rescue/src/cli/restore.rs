//! `rescue restore`

use std::io::{BufRead, IsTerminal};
use std::path::PathBuf;

use ::site::plan::{Adapt as Wish, Firmware as FirmwareWish};
use anyhow::Context as _;
use disk::SectorSize;

use super::Context;
use crate::adapt::Drivers;
use crate::boot_entries::BootEntries;
use crate::event::{Event, Phase};
use crate::firmware::Firmware;
use crate::inventory::{Disk, DiskKind, Hardware, Machine};
use crate::restore::{self, Adapt, Discard, NotConfirmed, Options, Plan, Resume, Verify};
use crate::trust::{self, Trust};
use crate::volumes::Passphrases;
use crate::web::{self, Access};

/// Bring an image back onto a disk.
///
/// Prints the plan first, and asks for the disk's serial number before it
/// writes. An interrupted restore is continued by the same command.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// "latest", an image's id or the beginning of one, or a name.
    #[arg(value_name = "IMAGE")]
    image: String,

    /// The repository: a folder, an https:// or http:// address.
    #[arg(long, value_name = "REPO")]
    from: String,

    #[command(flatten)]
    access: Access,

    #[command(flatten)]
    trust: Trust,

    /// The disk to overwrite: a whole block device, or an existing raw file.
    #[arg(long, value_name = "DISK")]
    to: PathBuf,

    /// Which disk of the image, when it has several (from 0).
    #[arg(long, value_name = "N")]
    disk: Option<u32>,

    /// Print the plan and stop: nothing is written.
    #[arg(long)]
    plan: bool,

    /// Do not ask: the disk may be erased.
    #[arg(long)]
    yes: bool,

    /// Read everything back and compare before the disk is made bootable.
    #[arg(long)]
    verify: bool,

    /// Tell the disk first that it holds nothing (TRIM).
    #[arg(long)]
    discard: bool,

    /// Begin again even if an interrupted restore could be continued.
    #[arg(long)]
    start_over: bool,

    /// Whether the systems in the image are changed so that they start on other
    /// hardware: "yes"; "no"; or "auto", on the rescue medium only.
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    adapt: Wish,

    /// For which firmware a disk is restored: "keep", what started it before; "uefi", which
    /// converts one that a BIOS started (GPT, EFI system partition, boot store or GRUB); "bios",
    /// by which a Linux that UEFI started starts by a BIOS, too; or "auto", this machine's,
    /// where systems are adapted to its hardware.
    #[arg(long, value_name = "WHICH", default_value = "auto")]
    firmware: FirmwareWish,

    /// Change them for the machine with these controllers instead of this one:
    /// lines of its /sys/bus/pci/devices/*/modalias, "bios" or "uefi", and "nic MAC" for
    /// each network card.
    #[arg(long, value_name = "FILE", conflicts_with = "adapt")]
    hardware: Option<PathBuf>,

    /// A folder with unpacked drivers (.inf, .sys, .cat) for Windows: what it has none
    /// for is brought in.
    #[arg(long, value_name = "DIR")]
    drivers: Option<PathBuf>,

    /// A file with the passphrase of an encrypted (LUKS) volume, so that the Linux in it is
    /// adapted too; can be given several times.
    #[arg(long, value_name = "FILE")]
    passphrase_file: Vec<PathBuf>,

    /// Whether the firmware gets boot entries for the disk, where UEFI started this
    /// machine: "yes"; "no"; or "auto", on the rescue medium only.
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    boot_entries: Wish,

    /// Another folder of the firmware's variables, for tests.
    #[arg(long, value_name = "DIR", hide = true)]
    efivars: Option<PathBuf>,

    /// Another folder with GRUB for a BIOS (i386-pc) than the medium's.
    #[arg(long, value_name = "DIR", hide = true)]
    grub: Option<PathBuf>,

    /// Restore even what will not start on that hardware.
    #[arg(long)]
    force: bool,

    /// Sector size a raw file stands for: 512 or 4096.
    #[arg(long, value_name = "BYTES", default_value = "512", value_parser = super::parse_sector)]
    sector_size: SectorSize,
}

impl Args {
    fn options(&self, target: &Disk) -> anyhow::Result<Options> {
        let drivers = self.drivers.as_deref().map(Drivers::read).transpose()?;
        let adapt = match &self.hardware {
            Some(file) => Adapt::To {
                hardware: Hardware::of_file(file)?,
                force: self.force,
                drivers,
                passphrases: Passphrases::default(),
            },
            None => Adapt::here(self.adapt, target, self.force, drivers),
        };
        let adapt = adapt.unlocking(Passphrases::read(&self.passphrase_file)?);
        // What is restored for another machine, or into a file, does not start here.
        let elsewhere = self.hardware.is_some() || target.kind == DiskKind::RawFile;
        let boot_entries = match self.boot_entries {
            Wish::Auto if elsewhere && self.efivars.is_none() => BootEntries::No,
            wish => BootEntries::here(wish, self.efivars.as_deref()),
        };
        let firmware = match &self.hardware {
            _ if elsewhere && self.firmware == FirmwareWish::Auto => Firmware::Keep,
            _ => Firmware::here(self.firmware, adapt != Adapt::No),
        };
        if firmware != Firmware::Keep && adapt == Adapt::No {
            anyhow::bail!(
                "--firmware uefi or bios changes systems, and nothing is adapted here: give --adapt \
                 yes for this machine's hardware, or --hardware FILE for another's"
            );
        }
        if self.drivers.is_some() && adapt == Adapt::No {
            anyhow::bail!(
                "--drivers has no use here, where nothing is adapted: give --adapt yes for this \
                 machine's hardware, or --hardware FILE for another's"
            );
        }
        Ok(Options {
            adapt,
            boot_entries,
            firmware,
            grub: self.grub.clone(),
            verify: if self.verify {
                Verify::ReadBack
            } else {
                Verify::No
            },
            discard: if self.discard {
                Discard::Target
            } else {
                Discard::No
            },
            resume: if self.start_over {
                Resume::StartOver
            } else {
                Resume::IfSame
            },
            machine: Machine::host(),
        })
    }
}

pub(crate) fn run(args: Args, context: &Context) -> anyhow::Result<()> {
    let sink = &*context.sink;
    sink.emit(Event::Phase {
        phase: Phase::Planning,
        total: None,
    });
    let web = args.access.web()?;
    let repository = args.trust.open(store::open(&args.from, &web)?)?;
    let image = repository.image(&args.image)?;
    trust::tell(&image, sink);
    let target = Machine::host().disk_at(&args.to, args.sector_size)?;
    let options = args.options(&target)?;
    let disk = restore::pick_disk(&image, args.disk)?;
    let plan = restore::plan(&repository, &image, disk, &target, &options)?;
    show(&plan, context)?;
    if args.plan {
        return Ok(());
    }
    if !args.yes {
        confirm(&target, "erase")?;
    }
    let report = web::watched(&web.silence, sink, || restore::execute(plan, sink))?;
    sink.emit(Event::Fact {
        name: "report".to_owned(),
        value: serde_json::to_value(&report).context("writing the report")?,
    });
    sink.emit(Event::Done {
        summary: report.to_string(),
    });
    match context.json {
        true => Ok(()),
        false => super::print(&crate::ui::report::screen(&report, &[])),
    }
}

fn show(plan: &Plan, context: &Context) -> anyhow::Result<()> {
    if context.json {
        context.sink.emit(Event::Fact {
            name: "plan".to_owned(),
            value: serde_json::to_value(plan).context("writing the plan")?,
        });
        return Ok(());
    }
    super::print(&plan.to_string())
}

/// Asks for the serial number (the path of a disk that has none), to "erase" it.
pub(super) fn confirm(target: &Disk, to: &str) -> anyhow::Result<()> {
    let wanted = target.confirmation();
    let refused = |reason: &str| NotConfirmed {
        target: target.path.display().to_string(),
        reason: reason.to_owned(),
    };
    let input = std::io::stdin();
    if !input.is_terminal() {
        let reason = format!(
            "nobody to ask: standard input is no terminal; give --yes to {to} it all the same"
        );
        return Err(refused(&reason).into());
    }
    let what = match target.serial {
        Some(_) => "serial number",
        None => "path (it has no serial number)",
    };
    super::print(&format!(
        "\nTo {to} {}, type its {what}, {wanted}: ",
        target.describe()
    ))?;
    let mut line = String::new();
    input
        .lock()
        .read_line(&mut line)
        .context("reading the answer")?;
    match line.trim() {
        typed if typed == wanted => Ok(()),
        "" => Err(refused("nothing was typed").into()),
        _ => Err(refused("what was typed is something else").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unattended::plan::parse;
    use clap::Args as _;

    /// Flags that are no keys of a plan's `[restore]`, and why.
    const NO_KEY: [(&str, &str); 8] = [
        ("to", "[target] says which disk"),
        ("plan", "a plan that only plans does nothing"),
        ("yes", "a plan is a yes"),
        ("efivars", "for tests"),
        ("grub", "the medium has one"),
        ("passphrase_file", "a plan has `passphrases` itself"),
        (
            "hardware",
            "the medium restores onto the machine it runs on",
        ),
        (
            "sector_size",
            "for raw files; the medium restores onto disks",
        ),
    ];

    #[test]
    fn every_flag_is_a_key_of_the_unattended_plan() {
        let command = Args::augment_args(clap::Command::new("restore"));
        for argument in command.get_arguments() {
            let id = argument.get_id().as_str();
            if NO_KEY.iter().any(|(flag, _)| *flag == id) {
                continue;
            }
            let key = id.replace('_', "-");
            let text = format!("[restore]\n{key} = []\n[target]\nonly-disk = true\n");
            // No key takes a list: one that is known says so instead.
            let error = parse("plan", &text).unwrap_err().to_string();
            assert!(!error.contains("unknown field"), "--{key}: {error}");
        }
        let text = "[restore]\nno-such = []\n[target]\nonly-disk = true\n";
        let error = parse("plan", text).unwrap_err().to_string();
        assert!(error.contains("unknown field"), "{error}");
    }
}
