//! A Linux that does not run: where it names disks and network cards, and what
//! these names have to become before it starts on other hardware.
//!
//! Pure: files are read through [`Files`], what comes out are [`Edits`]. Every file is
//! changed word by word; what is not one of these words stays as it is to the byte.
//! docs/LINUX_NAMES.md has which files, what of them, and the sources.
#![forbid(unsafe_code)]

pub mod devices;
pub mod esp;
pub mod fstab;
pub mod names;
pub mod network;

mod cmdline;
mod crypttab;
mod edits;
mod files;
mod grub;
mod loader;
mod lvm;
mod mdadm;
mod text;

pub use edits::{Edits, Moved, TextEdit};
pub use files::{Files, Unread};
