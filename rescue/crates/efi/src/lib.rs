//! What UEFI keeps in variables of how a machine starts: load options
//! (`Boot####`), their device paths, and `BootOrder`; and which of them have to
//! change when a disk was restored.
//!
//! Bytes in, bytes out: who reads and writes the variables is the caller.
//! Whatever is read goes back as the very same bytes, also what is not
//! understood. Source: UEFI Specification 2.10, sections 3.1.3 (load options),
//! 3.3 (variables) and 10.3 (device paths).
#![forbid(unsafe_code)]

mod bytes;
mod error;
pub mod loader;
mod option;
mod order;
mod path;
pub mod plan;

pub use error::Error;
pub use option::{ACTIVE, LoadOption};
pub use order::{BootNumber, parse_order, write_order};
pub use path::{DevicePath, HardDrive, Node, Signature};

/// The vendor of the variables that the specification itself defines.
pub const GLOBAL: &str = "8be4df61-93ca-11d2-aa0d-00e098032b8c";

/// No variable that is read has more bytes than this: a load option's paths have
/// at most 65535, and firmware keeps variables in less than a MiB together.
pub const LARGEST: usize = 128 << 10;

/// Attributes of variables that stay, for the boot loader and the system:
/// `EFI_VARIABLE_NON_VOLATILE | BOOTSERVICE_ACCESS | RUNTIME_ACCESS`.
pub const STAYS: u32 = 7;
