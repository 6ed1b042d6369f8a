//! A DHCP client for IPv4 (RFC 2131): messages, leases, the conversation.
//! No sockets here: [`super::network`] has them.

pub mod client;
pub mod frame;
pub mod lease;
pub mod message;

pub use client::{Client, Step, Taken};
pub use lease::Lease;
pub use message::Message;
