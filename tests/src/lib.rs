//! What the end-to-end tests share: the artefacts they drive, the patients they
//! capture, and how to look at disks afterwards.
//!
//! Tests named `vm_…` start virtual machines and need what `scripts/test` builds.

#![forbid(unsafe_code)]

mod artefact;
mod patient;

pub use artefact::{artefact, medium, rescue_program, scratch};
pub use patient::{Facts, Patient};
