//! Why files of a FAT volume cannot be read or written.

use std::io;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FatError {
    /// Another file system, or none.
    #[error("it is no FAT")]
    NotFat,
    /// Full.
    #[error("there is no room on it ({doing})")]
    NoRoom {
        /// What needed room.
        doing: String,
    },
    /// A file is longer than makes sense.
    #[error("{path} has more than {most} bytes")]
    Large {
        /// Which.
        path: String,
        /// Bytes that it may have.
        most: u64,
    },
    /// What is to stay of a file is not there.
    #[error("{path} has fewer than the {expected} bytes that are to stay in it")]
    Short {
        /// Which.
        path: String,
        /// Bytes that it should have.
        expected: u64,
    },
    /// Writing would change other files: the volume is damaged.
    #[error("it is damaged: {path} would not be the same afterwards; check it (fsck.fat, chkdsk)")]
    Shared {
        /// The first of them.
        path: String,
    },
    /// It holds more than is looked at.
    #[error("it has more {what} than an EFI system partition has")]
    TooMuch {
        /// Files, or bytes in them.
        what: &'static str,
    },
    /// Something cannot be read or written.
    #[error("{doing}: {source}")]
    Failed {
        /// What was done.
        doing: String,
        /// Why it failed.
        source: io::Error,
    },
}

impl FatError {
    /// fatfs has no kinds for its errors, only texts.
    pub(super) fn of(doing: &str, source: io::Error) -> Self {
        let doing = doing.to_owned();
        let full = [io::ErrorKind::WriteZero, io::ErrorKind::StorageFull];
        match full.contains(&source.kind()) || source.to_string() == "No space left on device" {
            true => Self::NoRoom { doing },
            false => Self::Failed { doing, source },
        }
    }

    pub(super) fn map(error: fsmap::Error) -> Self {
        Self::Failed {
            doing: "reading it".to_owned(),
            source: io::Error::other(error.to_string()),
        }
    }
}
