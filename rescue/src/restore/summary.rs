//! A plan in plain words, and the same for programs.

use std::fmt;

use disk::{SectorSize, human_bytes};
use image::{Consistency, DiskImage, Image, Manifest, Region, Repository};
use serde::{Serialize, Serializer};

use super::journal::Journal;
use super::options::{Discard, Options, Verify};
use super::plan::Plan;
use crate::boot_entries::Told;
use crate::firmware;
use crate::inventory::{Contents, Disk};

/// What a restore is going to do. Field names are part of the interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Where the image comes from.
    pub repository: String,
    /// The image's id.
    pub image: String,
    /// What the operator calls it.
    pub name: String,
    /// When it was captured (RFC 3339, UTC).
    pub created: String,
    /// Host name, vendor and product, as far as known.
    pub machine: String,
    /// Which of the image's disks.
    pub disk: u32,
    /// How many it has.
    pub disks: usize,
    /// Bytes of the image's disk.
    pub disk_size: u64,
    /// Its sector size.
    pub sector_size: SectorSize,
    /// What will be overwritten.
    pub target: Disk,
    /// What is on the target now and will be lost.
    pub now: String,
    /// The target carries this very disk already.
    pub already_carries: bool,
    /// The partitions that come.
    pub partitions: Vec<PartitionLine>,
    /// Stored bytes to read from the repository, at most.
    pub fetch_bytes: u64,
    /// Bytes of data to write, gaps included.
    pub data_bytes: u64,
    /// Bytes that will be zero.
    pub zero_bytes: u64,
    /// Bytes left as they are.
    pub free_bytes: u64,
    /// What is changed in the partition table.
    pub changes: Vec<String>,
    /// What becomes of a disk that is converted for another firmware.
    pub firmware: Option<firmware::Told>,
    /// What is changed in the systems for the hardware, in sentences.
    pub adapt: Vec<String>,
    /// The same, thing by thing.
    pub adapt_edits: Vec<String>,
    /// What the firmware is told of the disk.
    pub boot: Told,
    /// Continuing an interrupted restore of the same image: bytes it did.
    pub resumes_at: Option<u64>,
    /// Whether all of it will be read back.
    pub verify: bool,
    /// Whether the whole target is discarded first.
    pub discard: bool,
    /// What the operator should think about.
    pub warnings: Vec<String>,
}

/// One partition of the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PartitionLine {
    /// Its number.
    pub number: u32,
    /// Its type in words.
    pub kind: String,
    /// Its name or label.
    pub name: Option<String>,
    /// What it holds.
    pub filesystem: Option<String>,
    /// First byte on the disk.
    pub start: u64,
    /// Length in bytes.
    pub size: u64,
    /// Bytes of data.
    pub data_bytes: u64,
}

impl Summary {
    pub(super) fn new(
        repository: &Repository,
        image: &Image,
        disk: &DiskImage,
        target: &Disk,
        options: &Options,
    ) -> Self {
        let manifest = &image.manifest;
        let sum = |bytes: fn(&Region) -> u64| {
            let regions = disk.regions.iter();
            regions.fold(0u64, |sum, r| sum.saturating_add(bytes(r)))
        };
        Self {
            repository: repository.location(),
            image: image.id.to_string(),
            name: manifest.name.clone(),
            created: manifest.created.to_string(),
            machine: machine(manifest),
            disk: disk.index,
            disks: manifest.disks.len(),
            disk_size: disk.size,
            sector_size: disk.sector_size,
            target: target.clone(),
            now: String::new(),
            already_carries: false,
            partitions: disk.regions.iter().filter_map(partition_line).collect(),
            fetch_bytes: 0,
            data_bytes: sum(|r| r.data_bytes),
            zero_bytes: sum(|r| r.zero_bytes),
            free_bytes: sum(|r| r.free_bytes),
            changes: Vec::new(),
            firmware: None,
            adapt: Vec::new(),
            adapt_edits: Vec::new(),
            boot: Told::default(),
            resumes_at: None,
            verify: options.verify == Verify::ReadBack,
            discard: options.discard == Discard::Target,
            warnings: warnings(disk, target),
        }
    }

    /// Bytes of data and zeros: what progress counts.
    #[must_use]
    pub fn work_bytes(&self) -> u64 {
        self.data_bytes.saturating_add(self.zero_bytes)
    }

    pub(super) fn describe_target(&mut self, found: &Contents, carries: bool) {
        self.now = found.describe();
        self.already_carries = carries;
    }

    pub(super) fn describe_journal(&mut self, resume: Option<&Journal>, other: Option<&Journal>) {
        self.resumes_at = resume.map(|journal| journal.done_bytes);
        if let Some(other) = other {
            self.warnings.push(format!(
                "An unfinished restore of image {} is on the target; it is dropped.",
                other.image
            ));
        }
    }
}

/// "web1 (Dell Inc. PowerEdge R740)"; the image's name where it was captured from
/// files, which do not say what machine they come from.
fn machine(manifest: &Manifest) -> String {
    let machine = &manifest.machine;
    let hardware = [machine.vendor.as_deref(), machine.product.as_deref()];
    let hardware: Vec<&str> = hardware.into_iter().flatten().collect();
    match (machine.hostname.as_deref(), hardware.is_empty()) {
        (Some(host), true) => host.to_owned(),
        (Some(host), false) => format!("{host} ({})", hardware.join(" ")),
        (None, false) => hardware.join(" "),
        (None, true) => manifest.name.clone(),
    }
}

fn partition_line(region: &Region) -> Option<PartitionLine> {
    let info = region.partition()?;
    let fs = region.fs.as_ref();
    Some(PartitionLine {
        number: info.number,
        kind: info.type_name.clone(),
        name: info.name.clone().or_else(|| fs?.label.clone()),
        filesystem: fs.map(|fs| fs.kind.clone()),
        start: region.start,
        size: region.len,
        data_bytes: region.data_bytes,
    })
}

fn warnings(disk: &DiskImage, target: &Disk) -> Vec<String> {
    let mut out = Vec::new();
    for region in &disk.regions {
        let Some(fs) = &region.fs else { continue };
        let title = region.title();
        match fs.consistency {
            Consistency::JournalOverlay => out.push(format!(
                "{title}: the filesystem was not cleanly unmounted when it was captured; it \
                 will replay its journal on first use."
            )),
            Consistency::Raw if fs.notes.is_empty() => out.push(format!(
                "{title}: captured whole, because its free space could not be told."
            )),
            Consistency::Clean | Consistency::Raw => {}
        }
        out.extend(fs.notes.iter().map(|note| format!("{title}: {note}")));
    }
    out.extend(disk.notes.iter().cloned());
    if disk.physical_sector < target.physical_sector && disk.sector_size == SectorSize::B512 {
        let misaligned = disk.regions.iter().filter(|region| {
            let unit = u64::from(target.physical_sector).max(1);
            region.partition().is_some() && !region.start.is_multiple_of(unit)
        });
        out.extend(misaligned.map(|region| {
            format!(
                "{} does not begin at a physical sector of the target ({} bytes): it will be \
                 slow to write.",
                region.title(),
                target.physical_sector
            )
        }));
    }
    out
}

impl Serialize for Plan {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.summary.serialize(serializer)
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.summary.fmt(f)
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Restore image {} ({:?})", self.image, self.name)?;
        writeln!(f, "  machine   {}, captured {}", self.machine, self.created)?;
        writeln!(f, "  from      {}", self.repository)?;
        let size = human_bytes(self.disk_size);
        let sector = self.sector_size;
        let (disk, disks) = (self.disk, self.disks);
        writeln!(
            f,
            "  disk      {disk} of {disks} (from 0), {size}, {sector}-byte sectors"
        )?;
        let target = &self.target;
        writeln!(f, "onto {}: {}", target.path.display(), target.describe())?;
        writeln!(f, "  ALL DATA ON IT WILL BE LOST. On it now: {}.", self.now)?;
        if self.already_carries {
            writeln!(
                f,
                "  It already carries this machine's disk, perhaps changed since."
            )?;
        }
        self.fmt_partitions(f)?;
        self.fmt_work(f)?;
        for warning in &self.warnings {
            writeln!(f, "  Note: {warning}")?;
        }
        Ok(())
    }
}

impl Summary {
    fn fmt_partitions(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.partitions.is_empty() {
            return writeln!(f, "No partitions: the disk is restored as one piece.");
        }
        writeln!(f, "Partitions that come:")?;
        for part in &self.partitions {
            let fs = part.filesystem.as_deref().unwrap_or("unknown");
            let name = part.name.as_deref().map(|name| format!(" {name:?}"));
            let name = name.unwrap_or_default();
            let size = human_bytes(part.size);
            let data = human_bytes(part.data_bytes);
            let (number, kind) = (part.number, &part.kind);
            writeln!(
                f,
                "  {number:>3}  {size:>10}  {fs:<8} {kind}{name}: {data} of data"
            )?;
        }
        Ok(())
    }

    fn fmt_work(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (data, zero) = (human_bytes(self.data_bytes), human_bytes(self.zero_bytes));
        let (free, fetch) = (human_bytes(self.free_bytes), human_bytes(self.fetch_bytes));
        writeln!(
            f,
            "Work: {fetch} to fetch, {data} of data to write, {zero} of zeros; {free} is free."
        )?;
        if let Some(done) = self.resumes_at {
            writeln!(
                f,
                "  An interrupted restore of this image continues: {} are done.",
                human_bytes(done)
            )?;
        }
        for change in &self.changes {
            writeln!(f, "  {change}")?;
        }
        if self.discard {
            writeln!(f, "  The whole target is discarded (TRIM) first.")?;
        }
        for line in self.adapt.iter().chain(&self.boot.lines) {
            writeln!(f, "  {line}")?;
        }
        let verify = if self.verify {
            "Everything written is read back and compared before the disk is made bootable."
        } else {
            "Every chunk's hash is checked before it is written; nothing is read back (--verify)."
        };
        writeln!(f, "  {verify}")
    }
}
