//! What can go wrong with a repository.

use crate::{Distrust, ImageId, KeyId};

/// A [`std::result::Result`] with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// Why a repository or an image could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The place holds no repository.
    #[error(
        "{location} holds no repository: there is no object `config` in it. \
         `rescue capture … --to` makes one"
    )]
    NotARepository {
        /// Where it was looked for.
        location: String,
    },
    /// The place already holds a repository.
    #[error("{location} already holds a repository")]
    AlreadyARepository {
        /// Where.
        location: String,
    },
    /// No image of that id or name.
    #[error("no image {wanted:?} in {location}; {}", there_is(.available))]
    NoSuchImage {
        /// What was asked for.
        wanted: String,
        /// Where it was looked for.
        location: String,
        /// The images there are, newest first: id and name.
        available: Vec<String>,
    },
    /// More than one image's id begins like this.
    #[error("{wanted:?} could be any of {}; type more of the id", .matches.join(", "))]
    AmbiguousImage {
        /// What was asked for.
        wanted: String,
        /// The ids that begin with it.
        matches: Vec<String>,
    },
    /// Written by a newer version.
    #[error(
        "{object} has format version {found}, this program reads up to {supported}: \
         use a newer version of it"
    )]
    Newer {
        /// Which object.
        object: String,
        /// The version a reader must know.
        found: u32,
        /// The newest version this program knows.
        supported: u32,
    },
    /// Stored bytes are not what was written.
    #[error("{object} is damaged at byte {position}: expected {expected}, found {found}")]
    Damaged {
        /// Which object.
        object: String,
        /// Where in it, in bytes.
        position: u64,
        /// What should be there.
        expected: String,
        /// What is there.
        found: String,
    },
    /// An object that is referred to is not there.
    #[error("{object} is missing from {location}")]
    Missing {
        /// Which object.
        object: String,
        /// Which repository.
        location: String,
    },
    /// Something to be written exceeds what the format can hold.
    #[error("{what} is {value}, the format holds at most {cap}")]
    TooLarge {
        /// What.
        what: &'static str,
        /// How large it is.
        value: u64,
        /// The largest that can be stored.
        cap: u64,
    },
    /// Something to be written contradicts itself.
    #[error("cannot store this image: {reason}")]
    Invalid {
        /// What is wrong with it.
        reason: String,
    },
    /// Keys are trusted, and none of them vouches for this image.
    #[error("image {image} is not to be trusted: {why}; {}", .why.advice())]
    Untrusted {
        /// Which image.
        image: ImageId,
        /// Why not.
        why: Distrust,
    },
    /// There is a signature in the way.
    #[error(
        "image {image} is signed already, {}: --replace puts a new signature in its place",
        signed_by(.signer)
    )]
    SignedAlready {
        /// Which image.
        image: ImageId,
        /// Who signed it, when that can be read.
        signer: Option<KeyId>,
    },
    /// The compressor failed, which only a lack of memory explains.
    #[error("zstd failed while {action}")]
    Zstd {
        /// What was being done.
        action: &'static str,
        /// zstd's error.
        source: std::io::Error,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl Error {
    /// A [`Error::Damaged`] for byte `position` of `object`.
    pub(crate) fn damaged(
        object: &str,
        position: u64,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        Self::Damaged {
            object: object.to_owned(),
            position,
            expected: expected.into(),
            found: found.into(),
        }
    }

    /// A store error about an object that must exist because another one
    /// refers to it: "not found" and "too short" become what they mean here.
    #[must_use]
    pub fn required(error: store::Error) -> Self {
        match error {
            store::Error::NotFound { location, name } => Self::Missing {
                object: name,
                location,
            },
            store::Error::ShortObject {
                name,
                size,
                expected,
                ..
            } => Self::damaged(
                &name,
                size,
                format!("at least {expected} bytes"),
                format!("an end after {size}"),
            ),
            store::Error::TooLarge {
                name, size, cap, ..
            } => Self::damaged(
                &name,
                cap,
                format!("an end within {cap} bytes"),
                format!("{size} bytes"),
            ),
            other => Self::Store(other),
        }
    }

    /// Whether the error is about stored bytes (and not about reaching them).
    #[must_use]
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged { .. } | Self::Missing { .. })
    }
}

fn signed_by(signer: &Option<KeyId>) -> String {
    match signer {
        Some(key) => format!("by key {key}"),
        None => "by something that cannot be read".to_owned(),
    }
}

/// At most this many images are named in a message.
const LISTED: usize = 8;

fn there_is(available: &[String]) -> String {
    if available.is_empty() {
        return "it holds no image yet".to_owned();
    }
    let mut text = format!(
        "there is {}",
        available
            .iter()
            .take(LISTED)
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(", ")
    );
    if available.len() > LISTED {
        text.push_str(&format!(" and {} more", available.len() - LISTED));
    }
    text
}
