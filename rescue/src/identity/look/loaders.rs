//! Asking what the firmware can start from an EFI system partition.

use disk::ReadAt;

use super::wire::{Answer, Job};
use super::{Kind, Search, plain};
use crate::boot_entries::Esp;

impl Search<'_> {
    /// The loaders on `partition`, and which of `files` it lacks.
    pub(crate) fn esp(&self, partition: &dyn ReadAt, files: Vec<String>) -> Answer<Esp> {
        let found: Esp = self.job(partition, Kind::Fat, Job::Loaders(files))?;
        Ok(found.in_words(plain))
    }
}
