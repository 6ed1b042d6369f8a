//! What is inside of partitions that are no file systems: LVM2, md RAID and
//! LUKS, read and patched in our own code, without a device mapper.
//!
//! [`volumes`] opens what is on the partitions of a disk, whatever lies on
//! whatever (md, LUKS on it, LVM in that). Each [`Volume`] reads like a device,
//! and says of a [`Change`] of its bytes which bytes of the disk become others
//! ([`Layer::lower`]). Nothing here writes, and nothing opens a device.
//!
//! Offsets and sizes are bytes unless a field says otherwise.
#![forbid(unsafe_code)]

mod bytes;
mod error;
mod find;
mod keys;
mod layer;
mod luks;
mod lvm;
mod map;
mod md;
mod note;
mod volume;

pub use error::{Absent, StackError};
pub use find::volumes;
pub use keys::{Keys, NoKeys, Secret};
pub use layer::{Change, Layer};
pub use note::{LuksProblem, LvProblem, MdProblem, Note};
pub use volume::{Found, Part, Through, Volume};
