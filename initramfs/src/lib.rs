//! Builds initramfs archives: cpio, kernel modules, ELF closure, layers.
//!
//! An initramfs here is several *layers*, each a cpio archive of its own, that
//! the boot loader or a plain `cat` concatenates. A [`Tree`] is one layer in
//! the making; [`compress`] packs it the way the kernel can unpack it. Large
//! layers hold one packed file system ([`wrap`]) that PID 1 mounts: it stays
//! packed in memory, and nothing of it is unpacked that is not read.
//! Everything the running medium would otherwise have to work out (module
//! dependencies, aliases, libraries of a dynamic program) is worked out here
//! and shipped as data: see [`ModuleIndex`].
//!
//! The same inputs give the same bytes: entries are sorted, inode numbers
//! count up, owners are 0 and times are what the caller says.
#![forbid(unsafe_code)]

mod base;
mod compress;
mod cpio;
pub mod elf;
mod error;
mod firmware;
mod kmod;
mod tools;
mod tree;

pub use base::{BaseLayer, MediumInfo, wrap};
pub use compress::{Level, compress, join};
pub use cpio::{Entry, EntryKind, locate, read_archives};
pub use error::{Error, Result};
pub use firmware::{Firmware, firmware_layer};
pub use kmod::{
    AbsentIndex, AbsentModule, Class, Closure, DEFAULT_LIST, Drivers, ExtraModules, LoadedModule,
    ModuleIndex, ModuleName, ModuleRecord, ModuleTree, Selection, SoftDep, driver_layer,
};
pub use tools::{DEFAULT_TOOLS, tools_layer};
pub use tree::{Node, Tree};
