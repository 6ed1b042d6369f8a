//! The ring of security descriptors, and how often each is used.

use super::{Check, expect};
use crate::error::damaged;
use crate::security::{NEXT, PREVIOUS, REFERENCES, Security, descriptor};
use crate::{CellOffset, Result};

impl Check<'_> {
    pub(super) fn security_ring(&mut self) {
        if self.is_full() {
            return;
        }
        let root = self.hive.base.root;
        let Ok(first) = self.hive.key_at(root) else {
            return; // Noted already.
        };
        if let Some(first) = first.node.security {
            let ring = self.ring(first);
            self.hold(root, ring);
        }
        let used: Vec<_> = self.security.keys().copied().collect();
        for offset in used {
            if !self.seen.contains(offset) {
                let position = offset.position();
                let outside = "one that is not in it";
                let error = damaged("security", position, "a descriptor of the ring", outside);
                self.hold::<()>(root, error);
            }
        }
    }

    /// Follows the ring once around.
    fn ring(&mut self, first: CellOffset) -> Result<()> {
        let (mut at, mut before) = (first, None);
        loop {
            let cell = self.claim(at, "security")?;
            let security = Security::parse(cell)?;
            self.stats.security += 1;
            let used = self.security.get(&at).copied().unwrap_or_default();
            let position = cell.position(REFERENCES);
            expect(
                "users of a security descriptor",
                position,
                used,
                security.references,
            )?;
            let bytes = descriptor(cell)?;
            if bytes.len() < 20 || bytes.first() != Some(&1) {
                let found = format!("{} bytes", bytes.len());
                return damaged(
                    "security descriptor",
                    cell.position(20),
                    "revision 1",
                    found,
                );
            }
            if let Some(before) = before {
                back(at, before, security.previous)?;
            }
            if security.next == first {
                let last = at;
                let first = self.hive.cell(first, "security")?;
                return back(first.offset, last, Security::parse(first)?.previous);
            }
            (before, at) = (Some(at), security.next);
            if self.seen.contains(at) {
                let found = "one before it";
                let position = cell.position(NEXT);
                return damaged("next security descriptor", position, "a new one", found);
            }
        }
    }
}

fn back(at: CellOffset, expected: CellOffset, found: CellOffset) -> Result<()> {
    let position = at.position() + (4 + PREVIOUS) as u64;
    expect(
        "previous security descriptor",
        position,
        expected.get(),
        found.get(),
    )
}
