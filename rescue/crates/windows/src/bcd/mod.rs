//! The boot store, `BCD`: what is started, from where, and how that is changed
//! when disks and partitions get other names.
//!
//! The store is a hive: `Objects\{guid}\Description`, value `Type`, and
//! `Objects\{guid}\Elements\<8 hexadecimal digits>`, value `Element`. The second
//! digit of an element's number is its format: 1 device, 2 text, 3 and 4 objects,
//! 5 number, 6 yes or no, 7 numbers.

mod boot;
mod codec;
mod device;
mod repoint;
mod store;
mod to_uefi;

pub use boot::{DefaultEntry, Problem, default_entry, search_by_path, stop_resuming};
pub use device::{Device, DeviceElement, DeviceError, FilePath, Kind};
pub use repoint::{Leftover, Repointed, leftovers, repoint};
pub use store::{Object, Store, element, kind};
pub use to_uefi::to_uefi;

/// What went wrong with a store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The hive is damaged, or an edit was refused.
    #[error(transparent)]
    Hive(#[from] hive::Error),
    /// The hive holds something else.
    #[error("this hive is no boot store: it has no key Objects")]
    NoStore,
    /// An object that is needed is not there.
    #[error("the boot store has no object {id}; see what there is with `rescue hive dump`")]
    NoObject {
        /// Its GUID, in braces.
        id: String,
    },
    /// Old names are still there after all were replaced.
    #[error(
        "the boot store still has {} old name(s) of partitions; the first: {}",
        .left.len(),
        .left.first().map(ToString::to_string).unwrap_or_default()
    )]
    Leftovers {
        /// Where.
        left: Vec<Leftover>,
    },
    /// The boot manager of UEFI starts from a partition of a GPT disk.
    #[error("the EFI system partition is to be the {id}, but UEFI needs one on a GPT disk")]
    NoGpt {
        /// What it was said to be.
        id: crate::ids::PartitionId,
    },
}
