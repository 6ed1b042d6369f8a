//! The only unsafe code: thin, safe wrappers over what the kernel offers.
//!
//! One file per kernel interface. No policy, no logging: callers decide.

pub mod block;
