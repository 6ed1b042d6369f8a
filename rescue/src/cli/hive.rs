//! `rescue hive`

mod json;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Subcommand;
use hive::{Change, Hive, LogUse, Replayed, What};

use super::Context;
use super::text::printable;
use crate::event::Event;

/// Hives are read whole; Windows has none over 2 GiB.
const SIZE_LIMIT: u64 = 2 << 30;

/// Look into Windows registry hives (SYSTEM, SOFTWARE, SAM, BCD, …).
///
/// Nothing is written. Logs beside a hive (SYSTEM.LOG1, SYSTEM.LOG2) are
/// replayed in memory, as Windows would do it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print all keys and values, in the form of a .reg file.
    Dump {
        /// The hive.
        #[arg(value_name = "FILE")]
        file: PathBuf,

        /// A log of the hive; can be given twice. FILE.LOG1 and FILE.LOG2 are
        /// taken if not given.
        #[arg(long, value_name = "FILE")]
        log: Vec<PathBuf>,
    },
    /// Print what is different in B, compared with A.
    Diff {
        /// The old hive.
        #[arg(value_name = "A")]
        a: PathBuf,

        /// The new hive.
        #[arg(value_name = "B")]
        b: PathBuf,

        /// Also keys that differ in nothing but the time they were written.
        #[arg(long)]
        times: bool,
    },
}

pub(crate) fn run(args: Args, context: &Context) -> anyhow::Result<()> {
    match args.command {
        Command::Dump { file, log } => dump(&open(&file, &log, context)?, context),
        Command::Diff { a, b, times } => {
            let (old, new) = (open(&a, &[], context)?, open(&b, &[], context)?);
            let changes = hive::diff(&old, &new).context("comparing the hives")?;
            let told = changes
                .iter()
                .filter(|c| times || !matches!(c.what, What::Time(..)));
            diff(&told.collect::<Vec<_>>(), context)
        }
    }
}

fn open(file: &Path, logs: &[PathBuf], context: &Context) -> anyhow::Result<Hive> {
    let beside: Vec<PathBuf>;
    let logs = if logs.is_empty() {
        beside = logs_beside(file);
        &beside
    } else {
        logs
    };
    let bytes = logs.iter().map(|log| read(log));
    let bytes = bytes.collect::<anyhow::Result<Vec<_>>>()?;
    let slices: Vec<&[u8]> = bytes.iter().map(Vec::as_slice).collect();
    let (hive, replayed) = Hive::open(read(file)?, &slices)
        .with_context(|| format!("reading the hive {}", file.display()))?;
    tell(file, logs, &replayed, context);
    if let Err(problems) = hive.validate() {
        for problem in &problems {
            let text = printable(&format!("{}: {problem}", file.display()));
            context.sink.emit(Event::Warning { text });
        }
    }
    Ok(hive)
}

/// Logs as Windows names them: `.LOG1` and `.LOG2`, before Vista `.LOG`.
fn logs_beside(file: &Path) -> Vec<PathBuf> {
    let (Some(folder), Some(name)) = (file.parent(), file.file_name()) else {
        return Vec::new();
    };
    let names = [".LOG1", ".LOG2", ".LOG"].map(|suffix| {
        let mut name = name.to_owned();
        name.push(suffix);
        folder.join(name)
    });
    names.into_iter().filter(|log| log.is_file()).collect()
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    let reading = || format!("reading {}", file.display());
    let size = std::fs::metadata(file).with_context(reading)?.len();
    anyhow::ensure!(
        size <= SIZE_LIMIT,
        "{} has {size} bytes; hives end at {SIZE_LIMIT}",
        file.display()
    );
    std::fs::read(file).with_context(reading)
}

/// Says what the logs did, when the hive needed any.
fn tell(file: &Path, logs: &[PathBuf], replayed: &Replayed, context: &Context) {
    if !replayed.was_dirty {
        return;
    }
    let file = file.display();
    let mut texts = Vec::new();
    for (log, used) in logs.iter().zip(&replayed.logs) {
        let log = log.display();
        texts.push(match used {
            LogUse::Applied { entries, pages, .. } => {
                format!("{file}: {log} replayed: {entries} entries, {pages} pages")
            }
            LogUse::Unused { why } => format!("{file}: {log} does not count: {why}"),
            LogUse::NotNeeded => continue,
        });
    }
    if replayed.entries() == 0 {
        texts.push(format!(
            "{file} was not written to the end, and no log says how it goes on: \
             this is its state before the last changes"
        ));
    }
    for text in texts {
        let text = printable(&text);
        context.sink.emit(Event::Note { text });
    }
}

fn dump(hive: &Hive, context: &Context) -> anyhow::Result<()> {
    let mut out = Out::default();
    let written = match context.json {
        true => json::dump(hive, &mut out),
        false => hive.dump(&mut out).context("writing the dump"),
    };
    out.finish()?;
    written
}

fn diff(changes: &[&Change], context: &Context) -> anyhow::Result<()> {
    let mut out = Out::default();
    let written = changes.iter().try_for_each(|change| match context.json {
        true => json::change(change, &mut out),
        false => writeln!(out, "{change}").context("writing the differences"),
    });
    out.finish()?;
    written
}

/// Standard output for text that is made piece by piece: a large hive's is
/// larger than the hive.
#[derive(Default)]
struct Out {
    text: String,
    failed: Option<anyhow::Error>,
}

impl Out {
    /// Enough for one write.
    const PIECE: usize = 64 << 10;

    fn finish(mut self) -> anyhow::Result<()> {
        self.flush();
        self.failed.map_or(Ok(()), Err)
    }

    fn flush(&mut self) {
        if self.failed.is_none() {
            self.failed = super::print(&self.text).err();
        }
        self.text.clear();
    }
}

impl std::fmt::Write for Out {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.text.push_str(text);
        if self.text.len() >= Self::PIECE {
            self.flush();
        }
        match self.failed {
            Some(_) => Err(std::fmt::Error),
            None => Ok(()),
        }
    }
}
