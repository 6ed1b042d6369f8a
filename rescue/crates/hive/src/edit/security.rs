//! Counting who uses a security descriptor.

use super::Edit;
use crate::security::{NEXT, PREVIOUS, REFERENCES, Security};
use crate::{CellOffset, Result};

impl Edit {
    /// One more key refers to it.
    pub(super) fn share_security(&mut self, offset: CellOffset) -> Result<()> {
        let security = self.security(offset)?;
        let Some(references) = security.references.checked_add(1) else {
            return crate::error::refused("create a key", "its security has too many users");
        };
        self.write_u32(offset, REFERENCES, references)
    }

    /// One key less refers to it; with the last one it leaves the ring.
    pub(super) fn release_security(&mut self, offset: CellOffset) -> Result<()> {
        let Security {
            next,
            previous,
            references,
        } = self.security(offset)?;
        if references > 1 {
            return self.write_u32(offset, REFERENCES, references - 1);
        }
        self.write_u32(previous, NEXT, next.get())?;
        self.write_u32(next, PREVIOUS, previous.get())?;
        self.free(offset)
    }

    fn security(&self, offset: CellOffset) -> Result<Security> {
        Security::parse(self.hive.cell(offset, "security")?)
    }
}
