//! Restores that nobody watches: a plan in TOML, found on the medium, on a
//! file system labelled RESCUE, or at the address on the kernel command line.
//!
//! An unattended restore never guesses: exactly one disk must fit its plan,
//! and a disk that already carries the machine is not restored again.

pub mod find;
pub mod machine;
pub mod once;
pub mod report;
pub mod run;
pub mod target;

use crate::exit::Code;

// `imagebuilder customize` checks plans too, so they are read in the crate `site`.
pub use run::NotDone;
pub use site::plan::{self, Key, OnFailure, Place, Plan, PlanError, Then, address, place, size};
pub use target::TargetError;

/// The exit code of an error of this module.
#[must_use]
pub fn code(error: &(dyn std::error::Error + 'static)) -> Option<Code> {
    if error.is::<PlanError>() {
        return Some(Code::BadPlan);
    }
    if error.is::<TargetError>() {
        return Some(Code::Ambiguous);
    }
    if let Some(error) = error.downcast_ref() {
        return Some(match error {
            once::OnceError::Used { .. } => Code::AlreadyRestored,
            once::OnceError::NoAnswer { .. } => Code::NotAllowed,
        });
    }
    Some(match error.downcast_ref()? {
        NotDone::AlreadyRestored { .. } | NotDone::Undecidable { .. } => Code::AlreadyRestored,
        NotDone::WhichDisk { .. } | NotDone::NoSuchDisk { .. } => Code::BadPlan,
    })
}
