//! What can go wrong where objects live.

/// A [`std::result::Result`] with a store's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// Every variant names the object and the place.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No object of that name.
    #[error("{location}: no object {name}")]
    NotFound {
        /// Which store.
        location: String,
        /// Which object.
        name: String,
    },
    /// The object ends before the range asked for.
    #[error("{location}: object {name} is {size} bytes long, expected at least {expected}")]
    ShortObject {
        /// Which store.
        location: String,
        /// Which object.
        name: String,
        /// Its size in bytes.
        size: u64,
        /// The end of the range asked for.
        expected: u64,
    },
    /// The object is larger than the reader allows for its kind.
    #[error("{location}: object {name} is {size} bytes long, at most {cap} make sense")]
    TooLarge {
        /// Which store.
        location: String,
        /// Which object.
        name: String,
        /// Its size in bytes.
        size: u64,
        /// The largest size the caller allows.
        cap: u64,
    },
    /// The place cannot be written.
    #[error("{location} is read-only; cannot write {name}")]
    ReadOnly {
        /// Which store.
        location: String,
        /// Which object.
        name: String,
    },
    /// No room left.
    #[error(
        "{location} is full; writing {name} failed. Free some space and run the same command again"
    )]
    Full {
        /// Which store.
        location: String,
        /// Which object.
        name: String,
    },
    /// The place cannot be reached (network down, server gone, mount lost).
    #[error("cannot reach {location}: {reason}")]
    Unreachable {
        /// Which store.
        location: String,
        /// What the network said.
        reason: String,
    },
    /// Any other error of the place.
    #[error("{location}: {action} {name}")]
    Io {
        /// Which store.
        location: String,
        /// Which object.
        name: String,
        /// What was being done: "reading", "writing", …
        action: &'static str,
        /// The system's error.
        source: std::io::Error,
    },
}
