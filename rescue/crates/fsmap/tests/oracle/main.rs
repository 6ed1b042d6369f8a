//! Maps of real filesystems, compared block for block with what partclone and
//! the filesystem's own tools say.
//!
//! Needs the packages e2fsprogs, ntfs-3g, dosfstools, mtools, util-linux and
//! partclone; no root, no loop devices.
// Helpers of tests, which clippy does not take for tests.
#![allow(clippy::unwrap_used)]

mod ext;
mod fat;
mod identify;
mod journal;
mod mutated;
mod ntfs;
mod partclone;
mod swap;
mod tools;
