//! Units, positioned I/O, partition tables and layout planning.
//!
//! Everything here is pure: it takes bytes or a [`ReadAt`], never opens a
//! device, never prints. Offsets are bytes from the start of whatever the
//! [`ReadAt`] covers unless a type says otherwise.
#![forbid(unsafe_code)]

mod io;
mod units;

pub use io::{MemDisk, ReadAt, Window, WriteAt};
pub use units::{Extent, SectorSize, UnsupportedSectorSize, complement, human_bytes, normalize};
