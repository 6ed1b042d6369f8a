//! What is changed in genuine hives of Windows 8.1 and 10 and boot stores, and
//! that nothing else is.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod adapt;
mod bcd;
mod drivers;
mod fixtures;
mod mounted;
mod oracle;
mod seven;
