//! Driver packages made in the shape of real ones: read, ranked, and damaged.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod mutated;
mod packages;
mod ranked;
mod reads;
