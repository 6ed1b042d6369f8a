//! Why a restore will not be started: found out before the first write.

use std::fmt;

use disk::{SectorSize, human_bytes};
use serde::Serialize;

use crate::exit::Code;
use crate::inventory::Use;

/// Why [`plan`](super::plan) returned no plan.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// The target will not do.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The image cannot be read.
    #[error("cannot read the image")]
    Image(#[from] image::Error),
    /// The target cannot be looked at.
    #[error("cannot read {target}")]
    Target {
        /// Its path.
        target: String,
        /// The system's error.
        source: std::io::Error,
    },
}

/// Which of an image's disks is meant cannot be told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PickError {
    /// It has several.
    #[error("the image has several disks: {disks}; name one with --disk N")]
    Several {
        /// All of them, in words.
        disks: String,
    },
    /// It has no such disk.
    #[error("the image has no disk {index}; it has: {disks}")]
    None {
        /// The number asked for.
        index: u32,
        /// All of them, in words.
        disks: String,
    },
}

/// The operator did not confirm that the target may be erased.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{target} is left as it is: that it may be written was not confirmed ({reason})")]
pub struct NotConfirmed {
    /// Its path.
    pub target: String,
    /// What was typed, or why nothing could be asked.
    pub reason: String,
}

impl PlanError {
    /// The error of reading a disk out of an image: the reader wraps the
    /// repository's errors, which know their exit codes.
    pub(super) fn reading(error: std::io::Error) -> Self {
        Self::Image(image_error(error))
    }
}

/// The repository's error in what a [`image::DiskReader`] said.
pub(super) fn image_error(error: std::io::Error) -> image::Error {
    match error.downcast::<image::Error>() {
        Ok(error) => error,
        Err(source) => image::Error::Store(store::Error::Io {
            location: "the image".to_owned(),
            name: "its disk".to_owned(),
            action: "reading",
            source,
        }),
    }
}

/// Everything that speaks against a target, together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("cannot restore to {target}: {}", list(.reasons))]
pub struct Refusal {
    /// The target's path.
    pub target: String,
    /// At least one.
    pub reasons: Vec<Reason>,
}

/// One thing that speaks against a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Reason {
    /// It is smaller than the image's disk.
    TooSmall {
        /// Bytes needed.
        needed: u64,
        /// Bytes there are.
        available: u64,
    },
    /// Its sectors are not the image's.
    SectorSize {
        /// Bytes of a sector in the image.
        image: SectorSize,
        /// Bytes of a sector of the target.
        target: u32,
    },
    /// Something uses it.
    Busy(Use),
    /// It must never be a target.
    Protected(Use),
    /// It cannot be written.
    ReadOnly,
    /// The image's table cannot be fitted to it.
    Layout {
        /// Why, as a sentence.
        why: String,
    },
    /// A system on it would not start on this hardware.
    WillNotStart {
        /// Why, and what would help, as a sentence.
        why: String,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooSmall { needed, available } => write!(
                f,
                "it has {available} bytes ({}), the image needs {needed} ({}): choose a disk \
                 of at least that size",
                human_bytes(*available),
                human_bytes(*needed)
            ),
            Self::SectorSize { image, target } => write!(
                f,
                "its sectors are {target} bytes long, the image's {image}: partition tables, \
                 boot loaders and filesystems count in sectors, so the copy would be \
                 unreadable; choose a disk with {image}-byte sectors"
            ),
            Self::Busy(held) => write!(f, "{held}: release it first"),
            Self::Protected(held) => write!(f, "{held}: choose another disk"),
            Self::ReadOnly => f.write_str("it is read-only"),
            Self::Layout { why } => f.write_str(why),
            Self::WillNotStart { why } => write!(
                f,
                "{why} (--force, in a plan force = true, restores it all the same)"
            ),
        }
    }
}

impl Reason {
    /// The exit code, and how much it weighs against the others' (lower
    /// first): what can least be changed decides.
    const fn code(&self) -> (u8, Code) {
        match self {
            Self::Protected(_) => (0, Code::TargetProtected),
            Self::TooSmall { .. } => (1, Code::TargetTooSmall),
            Self::SectorSize { .. } => (2, Code::SectorSize),
            Self::Busy(_) => (3, Code::TargetBusy),
            Self::ReadOnly => (4, Code::TargetWrite),
            Self::Layout { .. } => (5, Code::Failure),
            Self::WillNotStart { .. } => (6, Code::WillNotStart),
        }
    }
}

impl Refusal {
    /// The exit code of the gravest reason.
    #[must_use]
    pub fn code(&self) -> Code {
        let codes = self.reasons.iter().map(Reason::code);
        codes
            .min_by_key(|(weight, _)| *weight)
            .map_or(Code::Failure, |(_, code)| code)
    }
}

fn list(reasons: &[Reason]) -> String {
    let texts: Vec<String> = reasons.iter().map(ToString::to_string).collect();
    texts.join("; and ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gravest_reason_decides_the_code_and_all_are_told() {
        let refusal = Refusal {
            target: "/dev/sdx".to_owned(),
            reasons: vec![
                Reason::ReadOnly,
                Reason::TooSmall {
                    needed: 2048,
                    available: 1024,
                },
                Reason::Protected(Use::Repository),
            ],
        };
        assert_eq!(refusal.code(), Code::TargetProtected);
        let text = refusal.to_string();
        for part in ["read-only", "1024 bytes", "holds the repository"] {
            assert!(text.contains(part), "{text}");
        }
    }
}
