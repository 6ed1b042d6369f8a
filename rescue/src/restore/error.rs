//! What goes wrong once a restore has begun.

use std::fmt;
use std::path::PathBuf;

use crate::exit::Code;

/// What a failure while data are written leaves behind, said once at its end.
const LEFT: &str = "the target does not boot in this state; the same command resumes";

/// What a failure of the target leaves behind: it depends on the stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Left {
    /// Nothing was written by this run.
    Untouched,
    /// Data are being written, and the journal knows how far.
    Unfinished,
    /// There is no journal: not yet, or not any more.
    NoJournal,
    /// The data on the target are wrong, and the journal calls them done.
    Wrong,
    /// The last write was begun or done.
    Complete,
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Untouched => "nothing was written; the same command resumes",
            Self::Unfinished => LEFT,
            Self::NoJournal => {
                "the target does not boot in this state; the same command starts over"
            }
            Self::Wrong => {
                "the target does not boot in this state; --start-over writes everything again"
            }
            Self::Complete => {
                "everything was sent to the target, which may boot but must not be trusted; \
                 restore it again"
            }
        })
    }
}

/// Why a restore stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The target is not the disk that was planned for.
    #[error("{target} changed since the plan was made: {what}; nothing was written, plan again")]
    Changed {
        /// Its path.
        target: PathBuf,
        /// What is different.
        what: String,
    },
    /// The target cannot be opened for this program alone.
    #[error("cannot open {target} for writing, shutting out others; nothing was written")]
    Open {
        /// Its path.
        target: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// Another program has the target.
    #[error("{target} is in use by another program (another restore?); nothing was written")]
    InUse {
        /// Its path.
        target: PathBuf,
    },
    /// The target failed.
    #[error("{target}: {action} {len} bytes at byte {offset} failed; {left}")]
    Target {
        /// Its path.
        target: PathBuf,
        /// What was being done.
        action: &'static str,
        /// Where, in bytes.
        offset: u64,
        /// How much.
        len: u64,
        /// What is on it now.
        left: Left,
        /// The system's error.
        source: std::io::Error,
    },
    /// The image cannot be read any further.
    #[error("reading the image for {place} failed; {}", LEFT)]
    Image {
        /// Which part of the disk.
        place: String,
        /// Why.
        source: image::Error,
    },
    /// What was read back is not what was written.
    #[error(
        "{target}: {len} bytes at byte {offset} ({place}) read back differently from what was \
         written: the disk, its cable or the memory is faulty; {left}"
    )]
    Mismatch {
        /// Its path.
        target: PathBuf,
        /// Where, in bytes.
        offset: u64,
        /// How much was compared.
        len: u64,
        /// Which part of the disk.
        place: String,
        /// What is on it now.
        left: Left,
    },
    /// A system on the disk is not what it was when it was captured.
    #[error(
        "the data are on {target}, but the machine on it is not the one that was captured: \
         {changes}; {}",
        Left::Complete
    )]
    Identity {
        /// Its path.
        target: PathBuf,
        /// What is different.
        changes: String,
    },
    /// No thread could be started.
    #[error("cannot start a thread for {what}; {}", LEFT)]
    Thread {
        /// Its work.
        what: &'static str,
        /// The system's error.
        source: std::io::Error,
    },
    /// A bug.
    #[error("the restore engine stopped without saying why; {}", LEFT)]
    Stopped,
}

impl Error {
    /// What is on the target now.
    #[must_use]
    pub fn left(&self) -> Left {
        match self {
            Self::Changed { .. } | Self::Open { .. } | Self::InUse { .. } => Left::Untouched,
            Self::Target { left, .. } | Self::Mismatch { left, .. } => *left,
            Self::Identity { .. } => Left::Complete,
            Self::Image { .. } | Self::Thread { .. } | Self::Stopped => Left::Unfinished,
        }
    }

    /// The exit code, where the failure has a class of its own; otherwise its
    /// cause decides.
    #[must_use]
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Changed { .. } | Self::InUse { .. } => Some(Code::TargetBusy),
            Self::Open { source, .. } if source.kind() == std::io::ErrorKind::ResourceBusy => {
                Some(Code::TargetBusy)
            }
            Self::Open { .. } => Some(Code::TargetWrite),
            Self::Target { .. } => Some(Code::TargetWrite),
            Self::Mismatch { .. } => Some(Code::VerifyMismatch),
            Self::Identity { .. } => Some(Code::IdentityChanged),
            Self::Image { .. } | Self::Thread { .. } | Self::Stopped => None,
        }
    }
}
