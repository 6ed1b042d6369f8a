//! What goes wrong once a restore has begun.

use std::path::PathBuf;

use crate::exit::Code;

/// What every failure after arming leaves behind, said once at its end.
const LEFT: &str = "the target does not boot in this state; the same command resumes";

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
    #[error("{target}: {action} {len} bytes at byte {offset} failed; {}", LEFT)]
    Target {
        /// Its path.
        target: PathBuf,
        /// What was being done.
        action: &'static str,
        /// Where, in bytes.
        offset: u64,
        /// How much.
        len: u64,
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
         written: the disk, its cable or the memory is faulty; {}",
        LEFT
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
            Self::Image { .. } | Self::Thread { .. } | Self::Stopped => None,
        }
    }
}
