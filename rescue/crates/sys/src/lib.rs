//! The only unsafe code: thin, safe wrappers over what the kernel offers.
//!
//! One file per kernel interface. No policy, no logging: callers decide.

pub mod block;
pub mod console;
pub mod inode_flags;
pub mod iscsi;
pub mod limits;
pub mod loops;
pub mod module;
pub mod mount;
pub mod netlink;
pub mod packet;
pub mod poll;
pub mod power;
pub mod process;
pub mod time;
pub mod tree;
pub mod uevent;
pub mod watch;
pub mod xattr;

/// The kernel's error numbers.
pub use nix::errno::Errno;
