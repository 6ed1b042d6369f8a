//! GRUB 2 for a BIOS (`i386-pc`), put together from the files that its package has, for a
//! disk that nothing runs from.
//!
//! ```text
//! boot.img ─ sector 0        diskboot.img │ lzma_decompress.img │ kernel.img, modules,
//!   └ where the core is ───► └ where the rest is    └ sizes       configuration, prefix
//! ```
//!
//! `grub-mkimage` and `grub-bios-setup` do this for a system that runs. The facts are
//! those of GRUB's sources, cited where they are used; tests compare with what
//! `grub-mkimage` makes. Nothing here reads a file or a disk, and all input may be damaged.
#![forbid(unsafe_code)]

mod bytes;
mod core;
mod error;
mod kernel;
mod menu;
mod modules;
mod sector;
mod set;

pub use crate::core::{Core, Object};
pub use error::{Error, Result};
pub use menu::Menu;
pub use modules::{Choice, USUAL, closure};
pub use sector::{SECTOR, boot_sector};
pub use set::{FILE_MOST, Set};
