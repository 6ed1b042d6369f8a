//! Asking what a Windows starts from.

use disk::ReadAt;

use super::wire::{Answer, Job};
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
        let job = Job::Starts(around.clone());
        let told: Adaptation = self.job(partition, kind, job)?;
        Ok(told.in_words(plain))
    }
}
