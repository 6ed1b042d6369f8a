//! INF files: what a driver package says about itself.
//!
//! [`Inf::parse`] takes bytes; the rest asks it questions: which devices
//! ([`Inf::models`]), what to install for one ([`Inf::install`]), for which
//! Windows ([`Target`]). [`DriverSet`] finds the best package of a folder.
//!
//! The syntax is described in Microsoft's reference "INF File Sections and
//! Directives" (learn.microsoft.com/windows-hardware/drivers/install); what it
//! leaves open is said where it was decided. Not evaluated: co-installers,
//! `BitReg`, `UpdateInis`, `Ini2Reg`, device interfaces, software components.

mod copy;
mod error;
mod file;
mod install;
mod installed;
mod lex;
mod models;
mod number;
mod registry;
mod service;
mod set;
mod strings;
mod target;
mod text;
mod version;

pub use copy::{CopyFile, DirId, Place};
pub use error::{Error, Result};
pub use file::{Inf, Line, Section};
pub use install::Install;
pub use models::Model;
pub use registry::{Entry, Root, Write};
pub use service::Service;
pub use set::{Candidate, DeviceIds, DriverSet, Rank};
pub use target::{Arch, Decoration, Product, Target};
pub use version::{Date, DriverVer, Version, format_guid, parse_guid};
