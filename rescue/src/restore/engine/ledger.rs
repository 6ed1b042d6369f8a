//! Which units are finished: what a checkpoint may claim.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use disk::Extent;

use super::super::units::{Bitmap, UnitRange, Units};

/// Counts the unfinished writes of each unit. A unit is finished when the
/// walker has seen all of it and every write in it has returned.
#[derive(Debug)]
pub(super) struct Ledger<'a> {
    units: &'a Units,
    state: Mutex<State>,
    bytes: AtomicU64,
}

#[derive(Debug)]
struct State {
    pending: HashMap<u64, u32>,
    done: Bitmap,
}

impl<'a> Ledger<'a> {
    /// Continues from `done`.
    pub(super) fn new(units: &'a Units, done: Bitmap) -> Self {
        let pending = HashMap::new();
        Self {
            units,
            state: Mutex::new(State { pending, done }),
            bytes: AtomicU64::new(0),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Holds `units` open: something in them is still to come.
    pub(super) fn hold(&self, units: UnitRange) {
        let mut state = self.state();
        for unit in units {
            *state.pending.entry(unit).or_default() += 1;
        }
    }

    /// Holds the units of `extent` open until [`Ledger::release`].
    pub(super) fn hold_extent(&self, extent: Extent) {
        self.hold(self.units.touched(extent));
    }

    /// Undoes one [`Ledger::hold`]; the last one finishes a unit.
    pub(super) fn release(&self, units: UnitRange) {
        let mut state = self.state();
        for unit in units {
            let left = state.pending.get_mut(&unit).map(|count| {
                *count = count.saturating_sub(1);
                *count
            });
            if left == Some(0) {
                state.pending.remove(&unit);
                state.done.set(unit);
            }
        }
    }

    /// Undoes [`Ledger::hold_extent`].
    pub(super) fn release_extent(&self, extent: Extent) {
        self.release(self.units.touched(extent));
    }

    /// Counts bytes as done, for the progress.
    pub(super) fn count(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Bytes counted so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// The units finished by now.
    pub(super) fn finished(&self) -> Bitmap {
        self.state().done.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::restore::units::tests::region;

    #[test]
    fn a_unit_is_finished_by_the_last_release() {
        let units = Units::new(&[region(0, 64 << 20)]);
        let ledger = Ledger::new(&units, Bitmap::new(units.count()));
        let across = Extent {
            start: (1 << 20) - 4096,
            len: 8192,
        };
        ledger.hold(0..2);
        ledger.hold_extent(across);
        ledger.release(0..2);
        assert_eq!(ledger.finished().count(), 0);
        ledger.release_extent(across);
        assert!(ledger.finished().all(0..2));
        assert_eq!(ledger.finished().count(), 2);
    }
}
