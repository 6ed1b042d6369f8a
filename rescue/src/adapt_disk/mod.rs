//! Adapting the systems of a disk that is in the machine, without restoring it: it was
//! cloned, moved, or brought back by another tool.
//!
//! The order protects what is there: everything is planned from the disk as it is; what
//! will be overwritten is kept in a file elsewhere, on stable storage; the disk is opened
//! for nobody else and compared with what was planned for; then it is written, read back,
//! and its systems have to be who they were.

mod undo;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use disk::ReadAt;
use image::{DiskImage, IdentityKey, Manifest, System};
use serde::Serialize;

pub use undo::{Undo, UndoError};

use crate::adapt::volume::{CHANGES_MOST, Overlay};
use crate::adapt::{self, Adaptation, Brought, Patch};
use crate::capture;
use crate::event::{Event, Phase, Sink};
use crate::exit::Code;
use crate::identity::{self, Looker};
use crate::inventory::{Disk, Hardware};
use crate::restore::{OpenTarget, Target};
use crate::volumes::Passphrases;

/// Why a disk was not adapted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdaptError {
    /// A system will not start.
    #[error("{target} is left as it is: {}", .why.join("; "))]
    WillNotStart {
        /// The disk.
        target: String,
        /// What stands against it.
        why: Vec<String>,
    },
    /// Something uses it.
    #[error("{target} is left as it is: it is in use ({why})")]
    InUse {
        /// The disk.
        target: String,
        /// By what.
        why: String,
    },
    /// It changed while it was looked at.
    #[error(
        "{target} is left as it is: at byte {at} it is not what it was when the changes were \
         planned; something writes on it"
    )]
    Changed {
        /// The disk.
        target: String,
        /// Where.
        at: u64,
    },
    /// Reading or writing failed.
    #[error("{doing} {target} at byte {at}: {source}{}", advice(.undo))]
    Io {
        /// The disk.
        target: String,
        /// "writing".
        doing: &'static str,
        /// Where.
        at: u64,
        /// The system's error.
        source: io::Error,
        /// Where what was there is kept, once something was written.
        undo: Option<PathBuf>,
    },
    /// What was written does not read back.
    #[error("{target} reads back differently at byte {at}{}", advice(.undo))]
    Differs {
        /// The disk.
        target: String,
        /// Where.
        at: u64,
        /// Where what was there is kept.
        undo: Option<PathBuf>,
    },
    /// A system is not who it was.
    #[error("{target}: {}{}", .changes.join("; "), advice(.undo))]
    Identity {
        /// The disk.
        target: String,
        /// What is not as it was.
        changes: Vec<String>,
        /// Where what was there is kept.
        undo: Option<PathBuf>,
    },
}

fn advice(undo: &Option<PathBuf>) -> String {
    match undo {
        Some(file) => format!(
            ". The disk may be changed in part: rescue adapt DISK --undo {} brings back what \
             was there",
            file.display()
        ),
        None => String::new(),
    }
}

impl AdaptError {
    /// The exit code it maps to.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::WillNotStart { .. } => Code::WillNotStart,
            Self::InUse { .. } | Self::Changed { .. } => Code::TargetBusy,
            Self::Io { .. } => Code::TargetWrite,
            Self::Differs { .. } => Code::VerifyMismatch,
            Self::Identity { .. } => Code::IdentityChanged,
        }
    }
}

/// What is going to be changed on a disk.
#[derive(Debug, Serialize)]
pub struct Plan {
    /// The disk, in words.
    pub target: String,
    /// The systems on it.
    pub systems: Vec<System>,
    /// What is changed, in sentences.
    pub adapt: Vec<String>,
    /// The same, thing by thing.
    pub edits: Vec<String>,
    /// What the operator should know.
    pub warnings: Vec<String>,
    /// Whether there may be a Linux that does not get what it needs, as the warnings say.
    pub unadapted: bool,
    /// Bytes that are written.
    pub bytes: u64,
    #[serde(skip)]
    disk: Disk,
    #[serde(skip)]
    manifest: Manifest,
    #[serde(skip)]
    passphrases: Passphrases,
    #[serde(skip)]
    patches: Vec<Patch>,
}

/// Plans what the systems on `disk` need on `hardware`; nothing is written.
///
/// # Errors
/// When the disk cannot be read, and [`AdaptError::WillNotStart`] unless it is to be
/// done all the same (`force`).
pub fn plan(
    disk: Disk,
    hardware: &Hardware,
    brought: Brought<'_>,
    force: bool,
    sink: &dyn Sink,
) -> anyhow::Result<Plan> {
    let source = capture::plan(disk.clone(), sink)?;
    let key = IdentityKey::new(capture::entropy()?);
    let passphrases = brought.passphrases.clone();
    let (manifest, notes) = capture::described(&source, &key, &passphrases)?;
    let (device, _) = source.places();
    let described = only_disk(&manifest)?;
    let found = adapt::plan(
        &Looker::default(),
        &device,
        &manifest,
        described,
        hardware,
        brought,
        None,
    );
    let mut warnings = notes;
    warnings.extend(found.warnings.iter().cloned());
    if !found.refusals.is_empty() {
        if !force {
            return Err(AdaptError::WillNotStart {
                target: disk.path.display().to_string(),
                why: found.refusals,
            }
            .into());
        }
        warnings.extend(found.refusals.iter().cloned());
    }
    let patches = merged(device, &found)?;
    Ok(Plan {
        target: disk.describe(),
        systems: manifest.systems.clone(),
        adapt: found.lines,
        edits: found.edits,
        warnings,
        unadapted: found.unadapted,
        bytes: patches.iter().map(|p| p.after.len() as u64).sum(),
        disk,
        manifest,
        passphrases,
        patches,
    })
}

fn only_disk(manifest: &Manifest) -> anyhow::Result<&DiskImage> {
    manifest
        .disks
        .first()
        .context("a disk without a description: a bug, report it")
}

/// Patches that lie over others, as one of each place.
fn merged(device: Arc<dyn ReadAt>, found: &Adaptation) -> anyhow::Result<Vec<Patch>> {
    let over = Overlay::new(device, CHANGES_MOST);
    over.apply(&found.patches)?;
    Ok(over.into_patches(&[])?)
}

impl Plan {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.patches.is_empty()
    }

    /// The disk.
    #[must_use]
    pub const fn disk(&self) -> &Disk {
        &self.disk
    }

    /// Does it; what will be overwritten is kept in the new file `backup` first.
    ///
    /// # Errors
    /// [`AdaptError`], and [`UndoError`] when that file cannot be made.
    pub fn write(self, backup: &Path, sink: &dyn Sink) -> anyhow::Result<()> {
        let target = open(&self.disk)?;
        let undo = Undo::new(&self.disk, self.patches);
        undo.check(&target, Side::Before)?;
        undo.save(backup)?;
        sink.emit(Event::Phase {
            phase: Phase::Adapting,
            total: Some(self.bytes),
        });
        undo.put(&target, Side::After, Some(backup), sink)?;
        drop(target);
        who(&self.disk, &self.manifest, &self.passphrases, backup)
    }
}

/// Which of a patch's bytes are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Before,
    After,
}

/// Opens the disk for nobody else.
///
/// # Errors
/// [`AdaptError::InUse`], or the system's.
pub(crate) fn open(disk: &Disk) -> anyhow::Result<impl Target + use<>> {
    let target = disk.path.display().to_string();
    if let Some(held) = disk.uses.first() {
        let why = held.to_string();
        return Err(AdaptError::InUse { target, why }.into());
    }
    let opened = OpenTarget::open(disk, u64::from(disk.sector_size));
    let opened = opened.map_err(|source| match source.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::ResourceBusy => AdaptError::InUse {
            target,
            why: "another program has it open".to_owned(),
        },
        _ => AdaptError::Io {
            target,
            doing: "opening",
            at: 0,
            source,
            undo: None,
        },
    })?;
    Ok(opened)
}

/// Whether the systems are who they were.
fn who(
    disk: &Disk,
    manifest: &Manifest,
    passphrases: &Passphrases,
    backup: &Path,
) -> anyhow::Result<()> {
    let expected = identity::Expected::of(manifest, 0);
    let device: Arc<dyn ReadAt> = Arc::new(disk.open()?);
    let described = only_disk(manifest)?;
    let Some(expected) = expected else {
        return Ok(());
    };
    let compared = expected.compare(&Looker::default(), &device, described, passphrases);
    let mut changes = compared.changes;
    changes.extend(compared.unknown);
    if changes.is_empty() {
        return Ok(());
    }
    Err(AdaptError::Identity {
        target: disk.path.display().to_string(),
        changes,
        undo: Some(backup.to_owned()),
    }
    .into())
}
