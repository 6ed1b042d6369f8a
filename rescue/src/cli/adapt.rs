//! `rescue adapt`

use std::path::PathBuf;

use anyhow::Context as _;
use disk::SectorSize;
use serde_json::json;

use super::{Context, restore};
use crate::adapt::{Brought, Drivers};
use crate::adapt_disk::{self, Plan, Undo};
use crate::event::{Event, Phase};
use crate::inventory::{Hardware, Machine};
use crate::volumes::Passphrases;

/// Make the systems of a disk start on other hardware, without restoring it.
///
/// For a disk that was cloned, moved, or brought back by another tool. What a restore
/// changes for this machine is changed on the disk itself: drivers that are started at
/// boot, names of devices. Who the systems are stays, and is compared afterwards.
///
/// Prints the plan first, and asks for the disk's serial number before it writes. What
/// will be overwritten is kept in a file first; --undo brings it back.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  rescue adapt /dev/nvme0n1 --plan
  rescue adapt /dev/nvme0n1 --backup /mnt/stick/before.undo
  rescue adapt /dev/nvme0n1 --undo /mnt/stick/before.undo")]
pub(crate) struct Args {
    /// The disk: a whole block device that nothing uses, or a raw file.
    #[arg(value_name = "DISK")]
    disk: PathBuf,

    /// Print the plan and stop: nothing is written.
    #[arg(long)]
    plan: bool,

    /// Do not ask: the disk may be changed.
    #[arg(long)]
    yes: bool,

    /// Change them for the machine with these controllers instead of this one: lines of
    /// its /sys/bus/pci/devices/*/modalias, and "nic MAC" for each network card.
    #[arg(long, value_name = "FILE")]
    hardware: Option<PathBuf>,

    /// A folder with unpacked drivers (.inf, .sys, .cat) for Windows: what it has none
    /// for is brought in.
    #[arg(long, value_name = "DIR")]
    drivers: Option<PathBuf>,

    /// A file with the passphrase of an encrypted (LUKS) volume, so that the Linux in it is
    /// adapted too; can be given several times.
    #[arg(long, value_name = "FILE")]
    passphrase_file: Vec<PathBuf>,

    /// Where what will be overwritten is kept: a new file, not on that disk, and on the rescue
    /// medium not in its memory. [default: rescue-adapt.undo; none on the rescue medium]
    #[arg(long, value_name = "FILE")]
    backup: Option<PathBuf>,

    /// Bring back what such a file has kept.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["hardware", "drivers", "passphrase_file", "backup", "force"])]
    undo: Option<PathBuf>,

    /// Also what will not start on that hardware.
    #[arg(long)]
    force: bool,

    /// Sector size a raw file stands for: 512 or 4096.
    #[arg(long, value_name = "BYTES", default_value = "512", value_parser = super::parse_sector)]
    sector_size: SectorSize,
}

pub(crate) fn run(args: Args, context: &Context) -> anyhow::Result<()> {
    let sink = &*context.sink;
    sink.emit(Event::Phase {
        phase: Phase::Planning,
        total: None,
    });
    let machine = Machine::host();
    let disk = machine.disk_at(&args.disk, args.sector_size)?;
    if let Some(file) = &args.undo {
        let undo = Undo::load(file, &disk)?;
        if args.plan {
            return done(context, "nothing was written: --plan");
        }
        if !args.yes {
            restore::confirm(&disk, "change")?;
        }
        let bytes = undo.bring_back(&disk, sink)?;
        let text = format!("{bytes} bytes are what they were before, and were read back");
        return done(context, &text);
    }
    let hardware = match &args.hardware {
        Some(file) => Hardware::of_file(file)?,
        None => machine.hardware(&disk),
    };
    let drivers = args.drivers.as_deref().map(Drivers::read).transpose()?;
    let passphrases = Passphrases::read(&args.passphrase_file)?;
    let brought = Brought {
        drivers: drivers.as_ref(),
        passphrases: &passphrases,
    };
    let plan = adapt_disk::plan(disk, &hardware, brought, args.force, sink)?;
    show(&plan, context)?;
    if plan.is_empty() && plan.unadapted {
        anyhow::bail!("nothing is changed: what could not be done, and why, is in the warnings");
    }
    if plan.is_empty() {
        return done(context, "Nothing has to be changed for this hardware.");
    }
    if args.plan {
        return Ok(());
    }
    let backup = match args.backup {
        Some(file) => file,
        None if crate::init::site::is_medium() => anyhow::bail!(
            "--backup FILE has to say where what will be overwritten is kept: this system's own \
             files are gone when it is switched off"
        ),
        None => "rescue-adapt.undo".into(),
    };
    if !args.yes {
        restore::confirm(plan.disk(), "change")?;
    }
    let (bytes, systems) = (plan.bytes, plan.systems.len());
    plan.write(&backup, sink)?;
    let text = format!(
        "{bytes} bytes were changed and read back; {}. What was there is kept in {}.",
        match systems {
            0 => "no system is known there".to_owned(),
            1 => "the system is who it was".to_owned(),
            many => format!("all {many} systems are who they were"),
        },
        backup.display()
    );
    done(context, &text)
}

fn done(context: &Context, text: &str) -> anyhow::Result<()> {
    context.sink.emit(Event::Done {
        summary: text.to_owned(),
    });
    match context.json {
        true => Ok(()),
        false => super::print(&format!("{text}\n")),
    }
}

fn show(plan: &Plan, context: &Context) -> anyhow::Result<()> {
    for text in &plan.warnings {
        context.sink.emit(Event::Warning { text: text.clone() });
    }
    if context.json {
        context.sink.emit(Event::Fact {
            name: "plan".to_owned(),
            value: json!(plan),
        });
        return Ok(());
    }
    let mut text = format!("Adapting the systems of {}\n", plan.target);
    for system in &plan.systems {
        text.push_str(&format!("  {}\n", super::text::printable(&system.title())));
    }
    for (title, lines) in [
        ("What changes:", &plan.adapt),
        ("Thing by thing:", &plan.edits),
    ] {
        if !lines.is_empty() {
            text.push_str(&format!("{title}\n"));
        }
        for line in lines {
            text.push_str(&format!("  - {}\n", super::text::printable(line)));
        }
    }
    super::print(&text).context("writing the plan")
}
