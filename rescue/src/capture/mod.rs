//! Reading disks into a repository.
//!
//! ```text
//! reader ──4 MiB──> chunker ──pieces──> workers (hash, compress) ──> session
//!  (used runs only)   (cuts)     └──── in order, bounded ─────────────┘
//! ```
//!
//! [`plan`] looks at the disks (tables, used-block maps) and reads nothing
//! else; [`run`] moves the data. Memory does not depend on the disks' size but
//! for 12 bytes per stored chunk, about 80 MB per TB.

mod guards;
mod machine;
mod pipeline;
mod reader;
mod report;
mod source;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use disk::ReadAt;
use image::{
    ChunkId, Config, DiskImage, IdentityKey, ImageId, Locator, Machine, Manifest, PackId, Region,
    Repository, SecretKey, Session, StoredRegion, Timestamp,
};

pub use report::Report;
pub use source::{Source, plan};

use crate::event::{Event, Phase, Sink};
use crate::identity::{self, Closed, Looker, Place};
use crate::inventory::{self, DiskKind};
use crate::volumes::Passphrases;

/// What an image is to be called, when and by what chance it is made, and who
/// vouches for it.
#[derive(Debug)]
pub struct Label {
    /// The operator's name for it; the host name when `None`.
    pub name: Option<String>,
    /// When the capture began.
    pub created: Timestamp,
    /// Tells images of the same second apart.
    pub random: u32,
    /// The key to sign it with, if any.
    pub sign_key: Option<SecretKey>,
}

impl Label {
    /// A label for now.
    ///
    /// # Errors
    /// When the system's random source cannot be read.
    pub fn now(name: Option<String>) -> anyhow::Result<Self> {
        Ok(Self {
            name,
            created: now(),
            random: u32::from_le_bytes(entropy()?),
            sign_key: None,
        })
    }
}

/// This moment, as the system's clock tells it.
#[must_use]
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    Timestamp::from_unix(since.map_or(0, |d| d.as_secs()))
}

/// Bytes of the system's random source.
pub(crate) fn entropy<const N: usize>() -> anyhow::Result<[u8; N]> {
    use std::io::Read;
    let mut bytes = [0; N];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .context("cannot read random bytes from /dev/urandom")?;
    Ok(bytes)
}

/// Opens the repository at `location` for writing; makes it when the folder
/// holds none yet.
///
/// # Errors
/// As [`store::open_or_create`], [`Repository::open`], [`Repository::create`].
pub fn open_or_create(location: &str, sink: &dyn Sink) -> anyhow::Result<Repository> {
    let store = store::open_or_create(location)?;
    match Repository::open(store.clone()) {
        Err(image::Error::NotARepository { .. }) => {
            let repository = Repository::create(store, Config::new(entropy()?))?;
            sink.emit(Event::Note {
                text: format!("made a new repository in {}", repository.location()),
            });
            Ok(repository)
        }
        other => Ok(other?),
    }
}

/// Refuses disks that hold the repository, and disks in use unless
/// `allow_live`; then warns.
///
/// # Errors
/// The reasons, with what to do.
pub fn check_uses(
    disk: &inventory::Disk,
    repository: Option<&Path>,
    allow_live: bool,
    sink: &dyn Sink,
) -> anyhow::Result<()> {
    let holding = match repository {
        Some(path) => inventory::Machine::host()
            .disks_under(path)
            .unwrap_or_default(),
        None => Vec::new(),
    };
    if holding.contains(&disk.name) {
        bail!(
            "{} holds the repository itself: choose a repository on another disk",
            disk.path.display()
        );
    }
    let uses: Vec<String> = disk.uses.iter().map(ToString::to_string).collect();
    if uses.is_empty() {
        return Ok(());
    }
    let uses = uses.join(", ");
    if !allow_live {
        bail!(
            "{} is in use: {uses}. Boot the rescue medium and capture from there, or give \
             --allow-mounted to capture it as it is: then the image is at best what a power \
             cut would have left, and files being written may be torn",
            disk.path.display()
        );
    }
    sink.emit(Event::Warning {
        text: format!(
            "{} is in use ({uses}): the image is at best what a power cut would have left, \
             and what is written during the capture may be torn",
            disk.path.display()
        ),
    });
    Ok(())
}

/// Captures the planned disks as one image. What the `passphrases` open is looked into to
/// tell which systems are there; it is stored encrypted as it is, and they are not.
///
/// # Errors
/// The disks' or the repository's. Without a manifest there is no image: what
/// was stored before an error is used by the next capture.
pub fn run(
    repository: &Repository,
    sources: &[Source],
    mut label: Label,
    passphrases: &Passphrases,
    sink: &dyn Sink,
) -> anyhow::Result<Report> {
    let started = Instant::now();
    let mut session = Session::begin(repository)
        .with_context(|| format!("cannot begin an image in {}", repository.location()))?;
    let used: u64 = sources.iter().map(Source::used_bytes).sum();
    sink.emit(Event::Phase {
        phase: Phase::Capturing,
        total: Some(used),
    });
    pipeline::run(&mut session, repository.config(), sources, sink)?;
    let stored = session.finish().context("cannot complete the image")?;
    let (stats, skipped) = (stored.stats, stored.skipped.clone());
    // Files say nothing about the machine their disks came from, and this one is
    // only where they are.
    let machine = match sources
        .iter()
        .any(|source| source.disk.kind == DiskKind::Device)
    {
        true => machine::identify(Path::new("/")),
        false => Machine::default(),
    };
    let sign_key = label.sign_key.take();
    let mut manifest = manifest(sources, &stored.regions, label, machine)?;
    let (notes, closed) = identify(repository, &mut manifest, passphrases)?;
    for text in notes {
        sink.emit(Event::Warning { text });
    }
    if let Some(text) = closed.sentence() {
        sink.emit(Event::Note { text });
    }
    let image = match &sign_key {
        Some(key) => stored.commit_signed(manifest, key, now())?,
        None => stored.commit(manifest)?,
    };
    let report = Report::new(&image, stats, skipped, sources, started.elapsed());
    report.tell(sink);
    Ok(report)
}

/// The machine whose `/proc` and `/sys` are under `root`.
pub(crate) fn machine(root: &Path) -> Machine {
    machine::identify(root)
}

/// Writes into the manifest which systems are on its disks; what could not be
/// looked into, in sentences, and what was not to be.
///
/// What was stored is looked into, not the disk: that may be in use, and what
/// comes back is what was stored.
fn identify(
    repository: &Repository,
    manifest: &mut Manifest,
    passphrases: &Passphrases,
) -> anyhow::Result<(Vec<String>, Closed)> {
    let key = IdentityKey::new(entropy()?);
    let looker = Looker::default();
    let (mut notes, mut closed) = (Vec::new(), Closed::default());
    for disk in &manifest.disks {
        let places = Place::of(disk);
        let device: Arc<dyn ReadAt> = match repository.read_at(disk) {
            Ok(device) => Arc::new(device),
            Err(error) => {
                notes.push(format!(
                    "which systems disk {} holds is not known: {error}",
                    disk.index
                ));
                continue;
            }
        };
        let found = identity::on_disk(&looker, &device, disk.index, &places, &key, passphrases);
        closed.extend(found.closed);
        let systems = found.systems.into_iter();
        manifest.systems.extend(systems.map(|found| found.system));
        notes.extend(found.notes);
    }
    if !manifest.systems.is_empty() {
        manifest.identity_key = Some(key);
    }
    Ok((notes, closed))
}

/// What an image of the disk would say of it, with the systems on it (their hashes made
/// with `key`); what could not be looked into, in sentences.
pub(crate) fn described(
    source: &Source,
    key: &IdentityKey,
    passphrases: &Passphrases,
) -> anyhow::Result<(Manifest, Vec<String>)> {
    let nowhere = Locator {
        chunk: ChunkId::from_bytes([0; 32]),
        pack: PackId::from_bytes([0; 32]),
        offset: 0,
        stored_len: 0,
        raw_len: 0,
    };
    let stored = source.regions.iter().map(|region| StoredRegion {
        len: region.len,
        data_bytes: region.used_bytes(),
        zero_bytes: 0,
        free_bytes: 0,
        root: nowhere,
    });
    let stored: Vec<StoredRegion> = stored.collect();
    let sources = std::slice::from_ref(source);
    let mut manifest = manifest(sources, &stored, Label::now(None)?, Machine::default())?;
    let (device, places) = source.places();
    let looker = Looker::default();
    // (What is closed, whoever adapts it says.)
    let found = identity::on_disk(&looker, &device, 0, &places, key, passphrases);
    manifest.systems = found
        .systems
        .into_iter()
        .map(|found| found.system)
        .collect();
    manifest.identity_key = Some(key.clone());
    Ok((manifest, found.notes))
}

fn manifest(
    sources: &[Source],
    stored: &[StoredRegion],
    label: Label,
    machine: Machine,
) -> anyhow::Result<Manifest> {
    let mut stored = stored.iter();
    let mut disks = Vec::with_capacity(sources.len());
    for (index, source) in sources.iter().enumerate() {
        let mut disk: DiskImage = source.describe(u32::try_from(index)?);
        for region in &source.regions {
            let Some(stored) = stored.next().filter(|s| s.len == region.len) else {
                bail!("the repository stored other regions than were captured: a bug, report it");
            };
            disk.regions.push(Region {
                kind: region.kind.clone(),
                start: region.start,
                len: region.len,
                fs: region.fs.clone(),
                data_bytes: stored.data_bytes,
                zero_bytes: stored.zero_bytes,
                free_bytes: stored.free_bytes,
                root: stored.root,
            });
        }
        disks.push(disk);
    }
    let name = label
        .name
        .or_else(|| machine.hostname.clone())
        .or_else(|| sources.first().and_then(Source::stem))
        .unwrap_or_else(|| "unnamed".to_owned());
    Ok(Manifest {
        format: image::FORMAT,
        min_reader: image::FORMAT,
        id: ImageId::new(label.created, label.random),
        name,
        created: label.created,
        machine,
        tool: concat!("rescue ", env!("CARGO_PKG_VERSION")).to_owned(),
        disks,
        systems: Vec::new(),
        identity_key: None,
    })
}

/// The folder of a repository's location, when it is one.
#[must_use]
pub fn folder_of(location: &str) -> Option<PathBuf> {
    let path = location.strip_prefix("file://").unwrap_or(location);
    (!path.contains("://")).then(|| PathBuf::from(path))
}
