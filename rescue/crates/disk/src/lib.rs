//! Units, positioned I/O, partition tables and layout planning.
//!
//! Everything here is pure: it takes bytes or a [`ReadAt`], never opens a
//! device, never prints. Offsets are bytes from the start of whatever the
//! [`ReadAt`] covers unless a type says otherwise.
//!
//! [`read_table`] says what is on a disk, [`regions`] tiles it into partitions
//! and gaps, [`plan_layout`] fits the table to the disk it is restored to, [`to_gpt`] makes a
//! GPT of an MBR on the way.
#![forbid(unsafe_code)]

mod bytes;
mod io;
mod layout;
mod regions;
mod table;
#[cfg(test)]
mod testing;
mod units;

pub use io::{MemDisk, ReadAt, Window, WriteAt};
pub use layout::{
    BiosBoot, Converted, DiskEnds, Growth, Layout, LayoutRefusal, TableWrite, ToGpt, ToGptRefusal,
    WriteRole, add_bios_boot, add_esp, bios_boot_places, grow_last, plan_layout, to_gpt,
};
pub use regions::{Region, RegionKind, regions};
pub use table::{
    Note, NoteKind, Partition, Structure, StructureRole, Table, TableError, TableKind, is_esp,
    read_table,
};
pub use units::{Extent, SectorSize, UnsupportedSectorSize, complement, human_bytes, normalize};
