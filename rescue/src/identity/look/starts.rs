//! Asking what a Windows starts from.

use disk::ReadAt;

use super::wire::{Answer, At, Job, Task};
use super::{Kind, Search, plain};
use crate::adapt::{Adaptation, Around};

impl Search<'_> {
    /// What has to change of that on `partition`, a file system of this `kind`.
    pub(crate) fn starts(
        &self,
        partition: &dyn ReadAt,
        kind: Kind,
        around: &Around,
    ) -> Answer<Adaptation> {
        let place = At::Partition {
            size: partition.size(),
            kind,
        };
        let job = Job::Starts(around.clone());
        let found: Answer<Adaptation> = self.ask(Task { job, place }, partition);
        found
            .map(|told| told.in_words(plain))
            .map_err(|e| plain(&e))
    }
}
