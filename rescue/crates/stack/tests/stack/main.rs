//! Volumes against the tools that make them, and against structures made here.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a helper that fails is a test that fails"
)]

mod luks;
mod lvm;
mod made;
mod md;
mod mutated;
mod superblocks;
mod tools;
