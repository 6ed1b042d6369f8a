//! Windows registry hives: read, brought up to date from their logs, edited in place.
//!
//! [`Hive::open`] takes the bytes of a hive and of its logs. [`Hive::key`]
//! reads; [`Hive::edit`] checks the whole tree and gives an [`Edit`], whose
//! [`finish`](Edit::finish) checks it again and gives the bytes to write. What
//! was not edited keeps every bit: security, classes, flags, times, free space.
//!
//! Nothing here reads files or clocks. Facts come from msuhanov's
//! specification of the format and from measuring real hives; both are cited
//! where they are used.
#![forbid(unsafe_code)]

mod base;
mod bitset;
mod bytes;
mod cell;
mod data;
mod diff;
mod dump;
mod edit;
mod error;
mod hive;
mod key;
mod list;
mod name;
mod node;
mod replay;
mod security;
mod units;
mod upcase;
mod validate;
mod value;
mod walk;

pub use base::checksum;
pub use data::{Data, ValueType, dword, multi_sz, sz};
pub use diff::{Change, Content, What, diff};
pub use edit::Edit;
pub use error::{Error, Result};
pub use hive::Hive;
pub use key::Key;
pub use name::Name;
pub use replay::{LogUse, Replayed, log_hash};
pub use units::{CellOffset, FileTime};
pub use upcase::upcase;
pub use validate::{Problem, Stats};
pub use value::Value;
pub use walk::Walk;
