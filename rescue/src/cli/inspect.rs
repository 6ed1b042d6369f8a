//! `rescue inspect`

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;
use disk::{ReadAt, SectorSize, Window, human_bytes};
use serde::Serialize;

use super::Context;
use crate::event::Event;
use crate::inventory::{Contents, Disk, DiskFile, Machine, Part, contents};

/// Show what is on a disk, or list the machine's disks.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A block device or a raw file; all disks when not given.
    #[arg(value_name = "DISK")]
    disk: Option<PathBuf>,

    /// Sector size a raw file stands for: 512 or 4096.
    #[arg(long, value_name = "BYTES", default_value = "512", value_parser = super::parse_sector)]
    sector_size: SectorSize,
}

pub(crate) fn run(args: Args, context: &Context) -> anyhow::Result<()> {
    let machine = Machine::host();
    match &args.disk {
        None => list(&machine.disks()?, context),
        Some(path) => one(machine.disk_at(path, args.sector_size)?, context),
    }
}

fn emit(context: &Context, name: &str, value: &impl Serialize) -> anyhow::Result<()> {
    context.sink.emit(Event::Fact {
        name: name.to_owned(),
        value: serde_json::to_value(value).context("writing the answer")?,
    });
    Ok(())
}

fn list(disks: &[Disk], context: &Context) -> anyhow::Result<()> {
    if context.json {
        return emit(context, "disks", &disks);
    }
    let mut text = String::new();
    if disks.is_empty() {
        text.push_str("This machine has no disk that its kernel knows.\n");
    }
    for disk in disks {
        writeln!(text, "{}  {}", disk.path.display(), disk.describe())?;
        writeln!(text, "    {}", now_on(disk))?;
        for held in &disk.uses {
            writeln!(text, "    {held}")?;
        }
    }
    super::print(&text)
}

/// What is on a disk, in a line; a disk that cannot be read is no failure of
/// a list.
fn now_on(disk: &Disk) -> String {
    match (disk.sectors(), disk.open()) {
        (Ok(sector), Ok(device)) => contents(&device, sector).describe(),
        (Err(error), _) => error.to_string(),
        (_, Err(error)) => format!("cannot be read: {error}"),
    }
}

/// What `inspect DISK` knows. Field names are part of the interface.
#[derive(Debug, Serialize)]
struct Inspection {
    disk: Disk,
    contents: Contents,
    /// One per partition, in the same order; one for a disk without table.
    usage: Vec<Usage>,
}

/// How much of a partition its filesystem uses.
#[derive(Debug, Serialize)]
struct Usage {
    /// The partition's number; 0 for a whole disk.
    number: u32,
    /// Bytes in use; all of them where the filesystem cannot be read.
    used: u64,
    /// How far that can be trusted.
    consistency: fsmap::Consistency,
    /// Why a map fell back, what was unusual.
    notes: Vec<String>,
}

fn one(disk: Disk, context: &Context) -> anyhow::Result<()> {
    let sector = disk.sectors()?;
    let device = disk
        .open()
        .with_context(|| format!("cannot open {}", disk.path.display()))?;
    let contents = contents(&device, sector);
    let usage = usage(&device, &contents)?;
    let inspection = Inspection {
        disk,
        contents,
        usage,
    };
    if context.json {
        return emit(context, "inspection", &inspection);
    }
    super::print(&inspection.text()?)
}

fn usage(device: &DiskFile, contents: &Contents) -> anyhow::Result<Vec<Usage>> {
    if contents.partitions.is_empty() {
        return Ok(match contents.whole {
            Some(_) => vec![usage_of(device, 0)?],
            None => Vec::new(),
        });
    }
    let parts = contents.partitions.iter().map(|part| &part.partition);
    parts
        .map(|p| {
            let window = Window::new(device, p.start, p.len)
                .with_context(|| format!("partition {} is not inside the disk", p.number))?;
            usage_of(&window, p.number)
        })
        .collect()
}

fn usage_of(device: &dyn ReadAt, number: u32) -> anyhow::Result<Usage> {
    let map = fsmap::map(device).with_context(|| format!("reading partition {number}"))?;
    let free = map
        .free
        .iter()
        .fold(0u64, |sum, e| sum.saturating_add(e.len));
    Ok(Usage {
        number,
        used: device.size().saturating_sub(free),
        consistency: map.consistency,
        notes: map.notes,
    })
}

impl Inspection {
    fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        let disk = &self.disk;
        writeln!(text, "{}  {}", disk.path.display(), disk.describe())?;
        let sectors = (disk.sector_size, disk.physical_sector);
        writeln!(
            text,
            "  sectors    {} bytes, physical {}",
            sectors.0, sectors.1
        )?;
        if let Some(wwn) = &disk.wwn {
            writeln!(text, "  wwn        {wwn}")?;
        }
        for held in &disk.uses {
            writeln!(text, "  in use     {held}")?;
        }
        let id = self.contents.disk_id.as_deref();
        let id = id.map_or(String::new(), |id| format!(", disk id {id}"));
        writeln!(text, "  table      {}{id}", self.contents.table)?;
        if self.contents.whole.is_some() {
            writeln!(text, "  holds      {}", self.contents.describe())?;
            // (A disk without a table has one: of itself.)
            for note in self.usage.iter().flat_map(|usage| &usage.notes) {
                writeln!(text, "       {note}")?;
            }
        }
        for note in &self.contents.notes {
            writeln!(text, "  note       {note}")?;
        }
        for (at, part) in self.contents.partitions.iter().enumerate() {
            part_text(&mut text, part, self.usage.get(at))?;
        }
        Ok(text)
    }
}

fn part_text(text: &mut String, part: &Part, usage: Option<&Usage>) -> std::fmt::Result {
    let p = &part.partition;
    let fs = part.signature.as_ref();
    let kind = fs.map_or("unknown", |s| s.kind.as_str());
    let name = fs.and_then(|s| s.label.as_deref()).or(p.name.as_deref());
    let (number, start, size) = (p.number, p.start, human_bytes(p.len));
    write!(text, "  {number:>3}  {size:>10}  {kind:<8} {}", p.type_name)?;
    if let Some(name) = name {
        write!(text, " {name:?}")?;
    }
    write!(text, ", at byte {start}")?;
    if let Some(usage) = usage {
        write!(text, ", {} used", human_bytes(usage.used))?;
    }
    writeln!(text)?;
    for note in usage.map_or(&[][..], |usage| &usage.notes) {
        writeln!(text, "       {note}")?;
    }
    Ok(())
}
