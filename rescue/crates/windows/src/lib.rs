//! A Windows that does not run: who it is, what it boots with, and what has to
//! change in it before it boots on other hardware.
//!
//! Everything here works on hives and bytes; nothing opens files or devices.
//! Facts come from `windows.md` of the design notes (its sources are cited
//! where they are used) and from measuring genuine hives.
#![forbid(unsafe_code)]

pub mod adapt;
pub mod bcd;
mod bytes;
pub mod control_sets;
pub mod drivers;
pub mod firmware;
pub mod identity;
pub mod ids;
pub mod inf;
pub mod inject;
pub mod mounted;
