//! The command line: one file per subcommand, errors mapped to exit codes here.

mod adapt;
mod capture;
mod edit_volume;
mod hive;
mod identity;
mod images;
mod inspect;
mod key;
mod look;
mod restore;
mod show;
mod sign;
mod text;
mod verify;
mod worker;

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};

use crate::event::{Event, Sink};
use crate::exit;
use crate::ui;

/// Capture whole machines, and bring them back on any hardware.
///
/// An image is one machine's disks at one moment. Images live in a
/// repository: a folder, or a web server that serves one.
#[derive(Debug, Parser)]
#[command(name = "rescue", version, max_term_width = 100)]
#[command(after_help = "\
Examples:
  rescue capture /dev/sda --to /mnt/backup --name web1
  rescue images --from /mnt/backup
  rescue restore latest --from /mnt/backup --to /dev/nvme0n1 --plan
  rescue restore latest --from /mnt/backup --to /dev/nvme0n1

Nothing is written to a disk before the plan was shown and the disk's serial
number confirmed (or --yes given).")]
struct Cli {
    /// Print versioned JSON lines instead of text.
    #[arg(long, global = true)]
    json: bool,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Capture(capture::Args),
    Images(images::Args),
    Show(show::Args),
    Verify(verify::Args),
    Restore(restore::Args),
    Adapt(adapt::Args),
    Inspect(inspect::Args),
    Identity(identity::Args),
    Sign(sign::Args),
    Key(key::Args),
    Hive(hive::Args),
    #[command(hide = true)]
    Look(look::Args),
    #[command(hide = true)]
    EditVolume(edit_volume::Args),
    #[command(hide = true)]
    Worker(worker::Args),
}

/// What every subcommand gets beside its own arguments.
pub(crate) struct Context {
    /// Whether the output is JSON.
    pub(crate) json: bool,
    /// Where progress goes.
    pub(crate) sink: Box<dyn Sink>,
}

/// Parses `--sector-size`.
pub(crate) fn parse_sector(text: &str) -> Result<disk::SectorSize, String> {
    let bytes: u32 = text.parse().map_err(|_| "512 or 4096".to_owned())?;
    disk::SectorSize::try_from(bytes).map_err(|e| e.to_string())
}

/// Writes an answer to standard output; unlike `print!`, a closed pipe is an
/// error and no panic.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.context("writing to standard output")
}

/// Parses the command line, runs it, maps the outcome to an exit code.
#[must_use]
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let context = Context {
        json: cli.json,
        sink: ui::sink_for(cli.json),
    };
    let outcome = match cli.command {
        Command::Capture(args) => capture::run(args, &context),
        Command::Images(args) => images::run(args, &context),
        Command::Show(args) => show::run(args, &context),
        Command::Verify(args) => verify::run(args, &context),
        Command::Adapt(args) => adapt::run(args, &context),
        Command::Restore(args) => restore::run(args, &context),
        Command::Inspect(args) => inspect::run(args, &context),
        Command::Identity(args) => identity::run(args, &context),
        Command::Sign(args) => sign::run(args, &context),
        Command::Key(args) => key::run(args, &context),
        Command::Hive(args) => hive::run(args, &context),
        Command::Look(args) => look::run(args, &context),
        Command::EditVolume(args) => edit_volume::run(args, &context),
        Command::Worker(args) => worker::run(args, &context),
    };
    match outcome {
        Ok(()) => exit::Code::Success.into(),
        Err(error) => {
            let code = exit::classify(&error);
            context.sink.emit(Event::Failed {
                error: ui::chain(&error),
                code: code as u8,
            });
            code.into()
        }
    }
}
