//! What has to change in a restored system before it starts on the hardware
//! that is there.
//!
//! It is computed from the image, before the first write: a list of [`Patch`]es
//! for the target, applied when all data is there and checked.

mod patch;

pub use patch::{Patch, patches};
