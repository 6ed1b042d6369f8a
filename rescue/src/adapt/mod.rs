//! What has to change in a restored system before it starts on the hardware
//! that is there.
//!
//! It is computed from the image, before the first write: a list of [`Patch`]es
//! for the target, applied when all data is there and checked.

mod patch;

use std::sync::Arc;

use disk::ReadAt;
use image::DiskImage;

pub use patch::{Patch, patches};

use crate::inventory::Hardware;

/// What changes on a disk, and what is to be said of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Adaptation {
    /// What is changed, in sentences.
    pub lines: Vec<String>,
    /// What the operator should know.
    pub warnings: Vec<String>,
    /// Why a system will not start, and what would help.
    pub refusals: Vec<String>,
    /// The bytes, by their place on the disk.
    pub patches: Vec<Patch>,
}

/// What the systems on `source`, the disk `disk` of an image, need on this hardware.
#[must_use]
pub fn plan(source: &Arc<dyn ReadAt>, disk: &DiskImage, hardware: &Hardware) -> Adaptation {
    let _ = (source, disk, hardware);
    Adaptation::default()
}
