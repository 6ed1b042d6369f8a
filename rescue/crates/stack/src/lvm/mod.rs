//! LVM2: physical volumes, their groups, and the logical volumes in them.
//!
//! Facts: `lib/format_text/layout.h`, `lib/label/label.h` and the text that
//! `vgcfgbackup` writes, as lvm2 2.03 has them.

mod group;
mod label;
mod names;
mod open;
mod raid;
mod text;

pub(crate) use group::Group;
pub(crate) use label::{Pv, read_pv};
pub(crate) use names::names;
pub(crate) use open::{Placed, open};
