//! The part of an iSCSI initiator that Linux leaves to user space: login (with
//! CHAP) and discovery, after RFC 7143. Commands and data are the kernel's.
//!
//! [`pdu`], [`keys`], [`chap`] and [`login`] are pure; [`client`] moves their
//! bytes over a stream that the caller opened.
#![forbid(unsafe_code)]

pub mod chap;
pub mod client;
mod error;
pub mod keys;
pub mod login;
pub mod pdu;
pub mod settings;

pub use error::{Error, Refusal};

/// The port that IANA gave to iSCSI targets.
pub const PORT: u16 = 3260;
