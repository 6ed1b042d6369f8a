//! Drivers brought into genuine hives of Windows 8.1 and 10, and what they look
//! like beside those that Windows brought in itself.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[allow(dead_code, reason = "shared with the tests of the crate hive")]
#[path = "../../../hive/tests/hives/fixtures.rs"]
mod fixtures;
mod genuine;
#[allow(dead_code, reason = "shared with the tests of the INF reader")]
#[path = "../inf/packages.rs"]
mod packages;
mod plans;
mod writes;
