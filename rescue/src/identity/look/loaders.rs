//! Asking what the firmware can start from an EFI system partition.

use disk::ReadAt;

use super::wire::{Answer, At, Job, Task};
use super::{Kind, Search, plain};
use crate::boot_entries::Esp;

impl Search<'_> {
    /// The loaders on `partition`, and which of `files` it lacks.
    pub(crate) fn esp(&self, partition: &dyn ReadAt, files: Vec<String>) -> Answer<Esp> {
        let place = At::Partition {
            size: partition.size(),
            kind: Kind::Fat,
        };
        let job = Job::Loaders(files);
        let found: Answer<Esp> = self.ask(Task { job, place }, partition);
        found
            .map(|found| found.in_words(plain))
            .map_err(|e| plain(&e))
    }
}
