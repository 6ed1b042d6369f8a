//! What can be wrong with a hive, or with what was asked of it.

use crate::Problem;

/// The result of everything that reads or edits a hive.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Positions are bytes from the start of the hive file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A structure is not as Windows writes it.
    #[error("{what} at byte {position}: expected {expected}, found {found}")]
    Damaged {
        /// The structure or field.
        what: &'static str,
        /// Where it is, in bytes from the start of the file.
        position: u64,
        /// What a sound hive has there.
        expected: String,
        /// What is there.
        found: String,
    },
    /// A key that was asked for is not there.
    #[error("the hive has no key {path:?}; see what there is with `rescue hive dump`")]
    NoSuchKey {
        /// The path as it was given.
        path: String,
    },
    /// An edit that Windows would not make either.
    #[error("cannot {what}: {why}")]
    Refused {
        /// What was asked, in words.
        what: String,
        /// The reason.
        why: String,
    },
    /// Hives end at 2 GiB: the upper half of the offsets means memory only.
    #[error("the hive is full: {need} bytes more would take it past {limit} bytes")]
    Full {
        /// Bytes wanted.
        need: u64,
        /// The largest size of all bins together.
        limit: u64,
    },
    /// The tree is inconsistent: reading may go on, editing may not.
    #[error(
        "the hive is inconsistent in {} place(s) and is not edited; the first: {}. \
         Take the hive from another image, or from Windows\\System32\\config\\RegBack",
        .problems.len(),
        .problems.first().map(ToString::to_string).unwrap_or_default()
    )]
    Unsound {
        /// What is wrong, in the order of the tree.
        problems: Vec<Problem>,
    },
}

/// `Err(Error::Damaged)`, in one line.
pub(crate) fn damaged<T>(
    what: &'static str,
    position: u64,
    expected: impl Into<String>,
    found: impl Into<String>,
) -> Result<T> {
    Err(Error::Damaged {
        what,
        position,
        expected: expected.into(),
        found: found.into(),
    })
}

/// `Err(Error::Refused)`, in one line.
pub(crate) fn refused<T>(what: impl Into<String>, why: impl Into<String>) -> Result<T> {
    Err(Error::Refused {
        what: what.into(),
        why: why.into(),
    })
}
