//! What the end-to-end tests share: the artefacts they drive, the patients they
//! capture, and how to look at disks afterwards.
//!
//! Tests named `vm_…` start virtual machines and need what `scripts/test` builds.

#![forbid(unsafe_code)]

mod artefact;
mod compare;
mod patient;
pub mod rescue;
mod volume;
mod web;

pub use artefact::{artefact, medium, rescue_program, scratch};
pub use compare::{Compared, same_blocks};
pub use patient::{Facts, Patient};
pub use volume::make_volume;
pub use web::Web;
