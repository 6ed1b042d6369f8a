//! Bare-metal recovery: capture, restore, and PID 1 of the rescue medium.
//!
//! `main` only dispatches: as process 1 it becomes [`init`], otherwise the
//! command line in [`cli`].
#![forbid(unsafe_code)]

pub mod adapt;
pub mod adapt_disk;
pub mod boot_entries;
pub mod capture;
pub mod cli;
mod deadline;
pub mod event;
pub mod exit;
pub mod files;
pub mod firmware;
pub mod identity;
pub mod init;
pub mod inventory;
pub mod restore;
pub mod trust;
pub mod ui;
pub mod unattended;
pub mod volumes;
pub mod web;

#[cfg(test)]
#[path = "../tests/common/ntfs.rs"]
mod ntfs_volume;
