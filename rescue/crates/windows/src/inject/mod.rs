//! Bringing in a driver that Windows boots with: what to copy and what to
//! write to the registry, planned from the package's INF and the hives.
//!
//! [`plan`] is pure; [`apply`] edits a hive, and edits nothing the second time.
//! What is written follows what virt-v2v is known to boot with, and what
//! Windows wrote for its own packages (design notes, windows.md 1.2), except
//! that the service gets exactly what its INF says. No driver store is forged:
//! the package is laid down beside it, and [`FirstBoot`] has Windows install it
//! properly once it runs. **Neither was tried on a Windows from here.**

mod database;
mod edits;
mod error;
mod files;
mod first_boot;
mod image;
mod package;
mod plan;
mod service;
mod stage;

pub use edits::{Change, RegistryEdit, When, apply};
pub use error::{Error, Result};
pub use files::FileCopy;
pub use first_boot::FirstBoot;
pub use image::Image;
pub use plan::{Injection, Machine, plan};
pub use stage::{Staged, stage};
