//! The process that brings wired links up, all at once: by what the medium, the
//! plan, the kernel command line or the operator says, else by asking DHCP
//! servers. It starts with the machine and never stops: links may be plugged in
//! later, leases must be renewed during a long restore.
//!
//! * [`settings`]: who says what, and whose word counts,
//! * `desired`: what the links, bonds and VLANs are to be then (pure),
//! * `stack` makes bonds and VLANs, `port` gives each its addresses,
//! * [`state`]: what came of it, for everybody else.

mod desired;
mod manager;
mod only;
mod port;
mod resolver;
pub mod settings;
mod stack;
pub mod state;

pub use manager::run;
pub use state::{LinkState, Network, STATE};
