//! Everything a restore is going to do, before the first write.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use disk::{LayoutRefusal, ReadAt, SectorSize, Table, TableError};
use image::{DiskImage, Image, Repository};

use super::answers::Here;
use super::carries::{Carried, already_carries};
use super::engine::CHECKPOINT_EVERY;
use super::journal::{self, Journal};
use super::options::{Options, Resume};
use super::preflight;
use super::refusal::{PickError, PlanError, Reason, Refusal};
use super::summary::Summary;
use super::systems;
use super::units::Units;
use super::watched::Watched;
use super::withheld::{Withheld, withhold};
use crate::adapt::Adaptation;
use crate::firmware::{self, Becomes, Starter};
use crate::identity::Expected;
use crate::inventory::{Disk, DiskKind, NodeId, Use, contents};

/// A restore that can be begun. Prints as what it will do, in plain words;
/// serialises as the same for programs.
#[derive(Debug)]
pub struct Plan {
    pub(super) repository: Repository,
    pub(super) disk: DiskImage,
    pub(super) target: Disk,
    /// What the target's path led to.
    pub(super) node: NodeId,
    pub(super) options: Options,
    pub(super) withheld: Withheld,
    pub(super) units: Units,
    /// Digest of what is restored and onto what: the journal's name for it.
    pub(super) digest: [u8; 32],
    /// The journal of the same restore, interrupted.
    pub(super) resume: Option<Journal>,
    /// How often progress is put on record; tests do it all the time.
    pub(super) checkpoint_every: Duration,
    /// What is changed for the hardware.
    pub(super) adaptation: Adaptation,
    /// The machine it is for.
    pub(super) here: Here,
    /// What becomes of it for another firmware.
    pub(super) becomes: Becomes,
    /// The only firmware that starts it afterwards, where it has systems.
    pub(super) only: Option<Starter>,
    /// What makes the systems on it themselves.
    pub(super) identity: Option<Expected>,
    /// The families of the systems on it.
    pub(super) families: Vec<String>,
    pub(super) summary: Summary,
}

/// Plans to bring the disk `disk` of `image` back onto `target`. Reads the
/// repository and the target; writes nothing.
///
/// # Errors
/// [`PlanError::Refused`] with every reason that can be found at once; or
/// what cannot be read.
pub fn plan(
    repository: &Repository,
    image: &Image,
    disk: &DiskImage,
    target: &Disk,
    options: &Options,
) -> Result<Plan, PlanError> {
    let mut reasons = objections(repository, disk, target, options);
    let fitted = match target.sectors() {
        Ok(sector) if disk.sector_size == sector && target.size >= disk.size => {
            fit(repository, disk, target.size, sector)?.map_err(|why| reasons.push(why))
        }
        _ => Err(()),
    };
    let (Ok(mut fitted), true) = (fitted, reasons.is_empty()) else {
        return Err(PlanError::Refused(Refusal {
            target: target.path.display().to_string(),
            reasons,
        }));
    };
    let needs = preflight::check(repository, disk)?;
    let source = Arc::new(Watched::new(repository, disk)?);
    let systems = systems::plan(&source, image, disk, target, &mut fitted, options)?;
    let unreadable = |source| PlanError::Target {
        target: target.path.display().to_string(),
        source,
    };
    let device = target.open().map_err(unreadable)?;
    let node = device.node().map_err(unreadable)?;
    let found = contents(&device, disk.sector_size);
    let units = Units::new(&disk.regions);
    let (adaptation, becomes) = (&systems.adaptation, &systems.becomes);
    let digest = digest(repository, image, disk, target.size, adaptation, becomes);
    let journal = Journal::find(&device).map_err(unreadable)?;
    let (resume, other) = sort_journal(journal, digest, &units, options.resume);
    let carries = already_carries(repository, disk, target)? == Carried::Yes;
    let mut summary = Summary::new(repository, image, disk, target, options);
    summary.changes = fitted.changes;
    summary.warnings.extend(fitted.warning);
    summary.warnings.extend(image.doubts());
    summary.describe_systems(&systems);
    summary.fetch_bytes = needs.stored_bytes;
    let here = Here::of(options, &image.manifest.machine);
    let only = only_starter(&systems, &fitted.table);
    summary.warnings.extend(here.does_not_start(only));
    summary.describe_target(&found, carries);
    summary.describe_journal(resume.as_ref(), other.as_ref());
    Ok(Plan {
        repository: repository.clone(),
        disk: disk.clone(),
        target: target.clone(),
        node,
        options: options.clone(),
        withheld: fitted.withheld,
        units,
        digest,
        resume,
        checkpoint_every: CHECKPOINT_EVERY,
        adaptation: systems.adaptation,
        here,
        becomes: systems.becomes,
        only,
        identity: Expected::of(&image.manifest, disk.index),
        families: systems.families,
        summary,
    })
}

/// The only firmware that starts the disk when it is restored, where it has systems.
fn only_starter(systems: &systems::Systems, before: &Table) -> Option<Starter> {
    let new = systems.becomes.table();
    let table = new.map_or(before, |(table, _)| table);
    let has_systems = !systems.families.is_empty();
    firmware::only(table).filter(|_| has_systems)
}

/// The disk of `image` that is meant: number `wanted`, or the only one.
///
/// # Errors
/// There is no such disk, or several and none was named.
pub fn pick_disk(image: &Image, wanted: Option<u32>) -> Result<&DiskImage, PickError> {
    let disks = &image.manifest.disks;
    let list = || {
        let line = |d: &DiskImage| {
            let size = disk::human_bytes(d.size);
            format!("{} ({}, {size})", d.index, d.source)
        };
        disks.iter().map(line).collect::<Vec<_>>().join(", ")
    };
    match (wanted, disks.as_slice()) {
        (None, [only]) => Ok(only),
        (None, _) => Err(PickError::Several { disks: list() }),
        (Some(index), _) => disks
            .iter()
            .find(|disk| disk.index == index)
            .ok_or_else(|| PickError::None {
                index,
                disks: list(),
            }),
    }
}

/// What speaks against the target without looking at the image's contents.
fn objections(
    repository: &Repository,
    disk: &DiskImage,
    target: &Disk,
    options: &Options,
) -> Vec<Reason> {
    let mut reasons: Vec<Reason> = target.uses.iter().cloned().map(reason_of).collect();
    let known = reasons.contains(&Reason::Protected(Use::Repository));
    if !known && holds_repository(repository, target, options) {
        reasons.push(Reason::Protected(Use::Repository));
    }
    if target.size < disk.size {
        reasons.push(Reason::TooSmall {
            needed: disk.size,
            available: target.size,
        });
    }
    if target.sectors().ok() != Some(disk.sector_size) {
        reasons.push(Reason::SectorSize {
            image: disk.sector_size,
            target: target.sector_size,
        });
    }
    if target.read_only {
        reasons.push(Reason::ReadOnly);
    }
    reasons
}

fn reason_of(held: Use) -> Reason {
    if held.is_protected() {
        Reason::Protected(held)
    } else {
        Reason::Busy(held)
    }
}

/// Whether the repository's folder lies on the target, or the target in it.
pub(super) fn holds_repository(repository: &Repository, target: &Disk, options: &Options) -> bool {
    let Some(folder) = local_folder(&repository.location()) else {
        return false;
    };
    match target.kind {
        DiskKind::RawFile => lies_in(&target.path, &folder),
        DiskKind::Device => options
            .machine
            .disks_under(&folder)
            .is_ok_and(|disks| disks.contains(&target.name)),
    }
}

/// Whether `path` is under `folder`, under whatever name.
pub(super) fn lies_in(path: &Path, folder: &Path) -> bool {
    let node = |path: &Path| {
        let metadata = std::fs::metadata(path).ok()?;
        Some((metadata.dev(), metadata.ino()))
    };
    let folder = node(folder);
    folder.is_some() && path.ancestors().skip(1).any(|above| node(above) == folder)
}

/// The folder of a repository on this machine, all links resolved.
fn local_folder(location: &str) -> Option<PathBuf> {
    let path = location.strip_prefix("file://").unwrap_or(location);
    Path::new(path).canonicalize().ok()
}

/// What becomes of the image's table on the target.
pub(super) struct Fitted {
    /// The image's.
    pub(super) table: Table,
    pub(super) withheld: Withheld,
    pub(super) changes: Vec<String>,
    warning: Option<String>,
}

fn fit(
    repository: &Repository,
    disk: &DiskImage,
    target_size: u64,
    sector: SectorSize,
) -> Result<Result<Fitted, Reason>, PlanError> {
    let source = repository.read_at(disk)?;
    let (table, warning) = match usable_table(&source, disk)? {
        Ok(found) => found,
        Err(why) => return Ok(Err(layout_reason(why))),
    };
    let layout = match disk::plan_layout(&table, &source, target_size, sector) {
        Ok(layout) => layout,
        Err(why) => return Ok(Err(layout_reason(why))),
    };
    let withheld = withheld_of(&source, &table, &layout, sector)?;
    let changes = layout.changes;
    Ok(Ok(Fitted {
        table,
        withheld,
        changes,
        warning,
    }))
}

/// The image's table, and what to say of it. One that cannot be used was
/// captured as data, and goes back as data.
fn usable_table(
    source: &dyn ReadAt,
    disk: &DiskImage,
) -> Result<Result<(Table, Option<String>), LayoutRefusal>, PlanError> {
    let none = || Table::empty(disk.sector_size, source.size());
    if disk.table == image::TableKind::None {
        // Why, the notes of the image say.
        return Ok(Ok((none(), None)));
    }
    match disk::read_table(source, disk.sector_size) {
        Ok(table) => Ok(Ok((table, None))),
        Err(TableError::Read { source, .. }) => Err(PlanError::reading(source)),
        Err(error @ TableError::WrongSectorSize { .. }) => Ok(Err(error.into())),
        Err(error) => {
            let warning = format!(
                "The image's partition table cannot be used, so it is restored as it is: {error}."
            );
            Ok(Ok((none(), Some(warning))))
        }
    }
}

fn withheld_of(
    source: &dyn ReadAt,
    table: &Table,
    layout: &disk::Layout,
    sector: SectorSize,
) -> Result<Withheld, PlanError> {
    withhold(source, table, layout, sector).map_err(PlanError::reading)
}

fn layout_reason(why: LayoutRefusal) -> Reason {
    let why = crate::ui::chain(&why.into()).replace('\n', ": ");
    Reason::Layout { why }
}

/// The same for the same image, disk and target size; different otherwise. Also for
/// changes at the same places: what an interrupted restore changed is taken back only
/// there (that the bytes may be others does not matter: times are among them).
pub(super) fn digest(
    repository: &Repository,
    image: &Image,
    disk: &DiskImage,
    target_size: u64,
    adaptation: &Adaptation,
    becomes: &Becomes,
) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("rescue 2025 restore journal digest 1");
    let mut add = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    add(repository.config().repo_id.to_string().as_bytes());
    add(image.id.as_str().as_bytes());
    add(&disk.index.to_le_bytes());
    add(&disk.size.to_le_bytes());
    add(&target_size.to_le_bytes());
    for region in &disk.regions {
        add(&region.start.to_le_bytes());
        add(&region.len.to_le_bytes());
        add(region.root.chunk.as_bytes());
    }
    for patch in &adaptation.patches {
        add(&patch.at.to_le_bytes());
        add(&(patch.after.len() as u64).to_le_bytes());
    }
    let new = match becomes {
        Becomes::Same => None,
        Becomes::Uefi(conversion) => {
            add(conversion.names.disk.as_bytes());
            Some(conversion.esp.extent)
        }
        Becomes::Bios(to_bios) => {
            add(b"bios");
            Some(to_bios.made.extent)
        }
    };
    if let Some(extent) = new {
        add(&extent.start.to_le_bytes());
        add(&extent.len.to_le_bytes());
    }
    *hasher.finalize().as_bytes()
}

/// The journal to continue from, or else the one that will be dropped.
fn sort_journal(
    found: Option<Journal>,
    digest: [u8; 32],
    units: &Units,
    resume: Resume,
) -> (Option<Journal>, Option<Journal>) {
    let Some(found) = found else {
        return (None, None);
    };
    let same =
        found.digest == digest && found.units == units.count() && found.unit_shift == units.shift();
    match (same, resume) {
        (true, Resume::IfSame) => (Some(found), None),
        _ => (None, Some(found)),
    }
}

impl Plan {
    /// The disk it will overwrite.
    #[must_use]
    pub fn target(&self) -> &Disk {
        &self.target
    }

    /// What is restored onto what, and where it is changed for the hardware: the same
    /// for the same.
    #[must_use]
    pub const fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// Whether a system will not start for want of a driver, and somebody goes on.
    #[must_use]
    pub const fn lacks_driver(&self) -> bool {
        self.adaptation.lacks_driver
    }

    /// What it says, as data.
    #[must_use]
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// "partition 2": the part of the disk that holds byte `offset`.
    pub(super) fn place(&self, offset: u64) -> String {
        let regions = &self.disk.regions;
        let at = regions.partition_point(|region| region.start <= offset);
        let region = at.checked_sub(1).and_then(|at| regions.get(at));
        region.map_or_else(|| format!("byte {offset}"), image::Region::title)
    }

    /// Whether progress can be kept on the target.
    pub(super) const fn has_journal(&self) -> bool {
        journal::has_room(self.disk.size)
    }
}
