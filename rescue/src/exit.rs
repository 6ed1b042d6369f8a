//! Exit codes: one per class of failure, mapped in one place.
//!
//! An error anywhere in an [`anyhow::Error`]'s chain that knows its class
//! decides the code, the outermost first; anything else is [`Code::Failure`].

use std::process::ExitCode;

use crate::restore;

/// Why the command ended. The numbers are part of the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Code {
    /// Everything asked for was done, and checked.
    Success = 0,
    /// A failure of no class of its own (an I/O error of a source disk, …).
    Failure = 1,
    /// The command line is wrong. (clap uses 2 too.)
    Usage = 2,
    /// No such image in this repository.
    NoSuchImage = 10,
    /// Stored bytes are not what they were: a flipped bit, a torn object.
    Damaged = 11,
    /// An object the image needs is not in the repository.
    Missing = 12,
    /// The repository was written by a newer version.
    NewerFormat = 13,
    /// The repository cannot be reached, or is none.
    Repository = 14,
    /// The image is not signed by a key that is trusted.
    Untrusted = 15,
    /// The target is smaller than the image needs.
    TargetTooSmall = 20,
    /// The target's sector size is not the image's.
    SectorSize = 21,
    /// The target is mounted, swapped to, or held by something.
    TargetBusy = 22,
    /// The target holds the repository or is the rescue medium.
    TargetProtected = 23,
    /// Writing failed, or the target has no room left.
    TargetWrite = 24,
    /// More than one disk could be meant, or none fits.
    Ambiguous = 25,
    /// The target already carries this machine, and nobody asked to overwrite it again.
    AlreadyRestored = 26,
    /// What was read back is not what was written.
    VerifyMismatch = 27,
    /// The machine on the target is not itself: its identity is not the image's.
    IdentityChanged = 28,
    /// A system in the image would not start on this hardware.
    WillNotStart = 29,
    /// A confirmation was needed and not given.
    NotConfirmed = 30,
    /// The unattended plan is wrong or incomplete.
    BadPlan = 31,
    /// The server that the plan asks for leave (`[once]`) did not answer.
    NotAllowed = 32,
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code as u8)
    }
}

/// The code an error chain maps to.
#[must_use]
pub fn classify(error: &anyhow::Error) -> Code {
    error
        .chain()
        .find_map(classify_one)
        .unwrap_or(Code::Failure)
}

/// The class of one error of a chain, when it has one. An error type that has
/// a class of its own is named here.
fn classify_one(error: &(dyn std::error::Error + 'static)) -> Option<Code> {
    if let Some(code) = crate::unattended::code(error) {
        return Some(code);
    }
    if error.is::<crate::trust::TrustError>() {
        return Some(Code::Untrusted);
    }
    if let Some(error) = error.downcast_ref::<store::Error>() {
        return Some(of_store(error));
    }
    if let Some(error) = error.downcast_ref::<image::Error>() {
        return match error {
            image::Error::Store(error) => Some(of_store(error)),
            image::Error::NoSuchImage { .. } | image::Error::AmbiguousImage { .. } => {
                Some(Code::NoSuchImage)
            }
            image::Error::Damaged { .. } => Some(Code::Damaged),
            image::Error::Missing { .. } => Some(Code::Missing),
            image::Error::Untrusted { .. } => Some(Code::Untrusted),
            image::Error::Newer { .. } => Some(Code::NewerFormat),
            image::Error::NotARepository { .. } | image::Error::AlreadyARepository { .. } => {
                Some(Code::Repository)
            }
            _ => None,
        };
    }
    of_restore(error)
}

fn of_restore(error: &(dyn std::error::Error + 'static)) -> Option<Code> {
    if let Some(error) = error.downcast_ref::<restore::Error>() {
        return error.code();
    }
    if let Some(error) = error.downcast_ref::<restore::PlanError>() {
        return match error {
            restore::PlanError::Refused(refusal) => Some(refusal.code()),
            _ => None,
        };
    }
    if let Some(refusal) = error.downcast_ref::<restore::Refusal>() {
        return Some(refusal.code());
    }
    if let Some(error) = error.downcast_ref::<crate::adapt_disk::AdaptError>() {
        return Some(error.code());
    }
    if error.is::<restore::PickError>() {
        return Some(Code::Ambiguous);
    }
    error
        .is::<restore::NotConfirmed>()
        .then_some(Code::NotConfirmed)
}

fn of_store(error: &store::Error) -> Code {
    match error {
        store::Error::NotFound { .. } => Code::Missing,
        store::Error::ShortObject { .. } | store::Error::TooLarge { .. } => Code::Damaged,
        _ => Code::Repository,
    }
}
