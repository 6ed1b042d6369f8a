//! Who genuine Windows are, against independent readers of their hives.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod damaged;
mod fixtures;
mod genuine;
mod oracles;
