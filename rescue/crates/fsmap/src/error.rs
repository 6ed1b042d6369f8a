//! The one error callers see, and the reason a reader gives up mapping.

use std::io;

/// The device could not be read. Nothing else is an error: a filesystem that
/// cannot be understood is captured whole.
#[derive(Debug, thiserror::Error)]
#[error(
    "reading {what} ({len} bytes at byte {offset} of the partition): the device refused; \
     check the drive and its cable, or capture what is readable from a copy"
)]
pub struct Error {
    /// What was being read, in words.
    pub what: &'static str,
    /// Byte offset from the partition's start.
    pub offset: u64,
    /// Length of the read in bytes.
    pub len: u64,
    /// What the device said.
    #[source]
    pub source: io::Error,
}

/// Why a reader stopped before it had a map.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The device failed: the capture cannot go on either.
    Device(Error),
    /// The structures cannot be trusted: capture everything, and say this.
    Raw(String),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Device(error)
    }
}

/// `Err(Stop::Raw(why))`, for readers that give up.
pub(crate) fn raw<T>(why: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Raw(why.into()))
}
