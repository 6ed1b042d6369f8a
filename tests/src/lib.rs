//! What the end-to-end tests share: the artefacts they drive, the patients they
//! capture, and how to look at disks afterwards.
//!
//! Tests named `vm_…` start virtual machines and need what `scripts/test` builds.

#![forbid(unsafe_code)]

mod artefact;
pub mod builder;
mod compare;
mod event;
pub mod guest;
pub mod lab;
mod left;
pub mod matrix;
mod ntp;
pub mod parts;
mod patient;
pub mod phony;
mod random;
pub mod rescue;
mod sample;
mod stick;
pub mod switch;
pub mod terminal;
mod tls;
mod unattended;
mod volume;
pub mod walk;
mod web;

pub use artefact::{all, artefact, boot_files, is_left_out, medium, rescue_program, scratch};
pub use compare::{Compared, same_blocks};
pub use event::{fact, outcome, phase};
pub use left::{Left, left_behind};
pub use ntp::TimeServer;
pub use patient::{Facts, Patient};
pub use random::Random;
pub use sample::{Sample, tool};
pub use stick::Stick;
pub use tls::{Asks, Authority, TlsServer, Valid};
pub use unattended::{Outcome, TARGET, Unattended, blank_disk};
pub use volume::{make_ntfs, make_volume};
pub use web::{Post, Web};
