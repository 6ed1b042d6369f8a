//! What one site puts into a finished medium: configuration, keys and
//! certificates. All of it is data: nothing in it is ever executed.
//!
//! Written by `imagebuilder customize`, read by the rescue system at its start:
//! [`area`] is the container on the medium, [`Contents`] what it holds, by
//! fixed [`Name`]s; [`Config`] is the meaning of `site.toml`, [`plan`] that of
//! an unattended plan, [`network`] of a table that both have.
#![forbid(unsafe_code)]

pub mod area;
mod config;
mod contents;
mod entries;
#[doc(hidden)]
pub mod fuzzing;
mod name;
pub mod network;
pub mod plan;
mod text;

pub use area::AreaError;
pub use config::{Config, ConfigError, Hostname};
pub use contents::{Contents, Problem};
pub use entries::EntriesError;
pub use name::{BadName, Kind, Name};
