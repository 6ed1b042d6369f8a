//! A virtual machine harness on which a VM test is about ten lines:
//!
//! ```no_run
//! use qemu::{Bus, Disk, Firmware, Machine};
//! use std::time::Duration;
//!
//! let mut vm = Machine::new(Firmware::Bios)
//!     .memory_mib(512)
//!     .cdrom("target/rescue.iso")
//!     .disk(Disk::raw("blank.raw").bus(Bus::Nvme).serial("TARGET1"))
//!     .start()?;
//! vm.wait_for("Choose an image", Duration::from_secs(30))?;
//! vm.send("1\n")?;
//! assert_eq!(vm.wait_exit(Duration::from_secs(120))?, qemu::Exit::PoweredOff);
//! # Ok::<(), qemu::Error>(())
//! ```
//!
//! [`Machine`] describes hardware and becomes a QEMU command line by pure code;
//! [`Machine::start`] turns it into a running [`Vm`]. The VM's first serial port
//! is its console, the second carries line-delimited JSON events, and QMP is the
//! monitor. Every wait blocks on data with a deadline; it ends early when the
//! machine exits or its kernel panics, and its error carries the console's tail.
//!
//! Time limits are given for hardware virtualisation and stretched when the
//! guest has to be emulated ([`Accel::scale`]).

#![forbid(unsafe_code)]

mod accel;
mod args;
mod boot_disk;
mod controls;
mod disk;
mod error;
mod firmware;
mod hub;
mod machine;
mod qmp;
mod transcript;
mod usernet;
mod vm;

pub use accel::Accel;
pub use boot_disk::boot_disk;
pub use disk::{Bus, Disk, Format};
pub use error::{Error, Result};
pub use firmware::Firmware;
pub use machine::{Forward, Machine, Nic, NicModel};
pub use vm::{Exit, Vm};

#[cfg(test)]
mod tests;
