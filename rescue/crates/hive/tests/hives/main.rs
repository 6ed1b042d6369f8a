//! Genuine hives of Windows 8.1, 10 and Server against independent readers,
//! and small hives made here.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod edits;
mod fixtures;
mod hivex;
mod made;
mod model;
mod mutated;
mod oracles;
mod reads;
mod replays;
