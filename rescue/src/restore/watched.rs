//! The image's disk, read by several.

use std::sync::{Mutex, PoisonError};

use disk::ReadAt;
use image::{DiskImage, DiskReader, Repository};

use super::refusal::PlanError;

/// The image's disk, whose first failure is kept: those who look at it from another
/// process hear of it as text only.
pub(super) struct Watched {
    inner: DiskReader,
    failed: Mutex<Option<std::io::Error>>,
}

impl Watched {
    pub(super) fn new(repository: &Repository, disk: &DiskImage) -> Result<Self, PlanError> {
        Ok(Self {
            inner: repository.read_at(disk)?,
            failed: Mutex::new(None),
        })
    }

    /// An image that cannot be read says nothing of the hardware.
    pub(super) fn check(&self) -> Result<(), PlanError> {
        let failed = self.failed.lock();
        let failed = failed.unwrap_or_else(PoisonError::into_inner).take();
        failed.map_or(Ok(()), |error| Err(PlanError::reading(error)))
    }
}

impl ReadAt for Watched {
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> std::io::Result<()> {
        self.inner.read_exact_at(buf, offset).map_err(|error| {
            let told = std::io::Error::other(error.to_string());
            let failed = self.failed.lock();
            let mut failed = failed.unwrap_or_else(PoisonError::into_inner);
            failed.get_or_insert(error);
            told
        })
    }

    fn size(&self) -> u64 {
        self.inner.size()
    }
}
