//! Writing what is changed for the hardware.
//!
//! The changes are known before the restore begins, with the bytes before and
//! after. So whatever a power cut leaves, the same command puts things right: it
//! finds the data of the image as done, takes the changes back, and makes them
//! anew.

use disk::Extent;

use super::activate::overlay;
use super::error::{Error, Left};
use super::plan::Plan;
use super::target::Target;
use crate::adapt::Patch;
use crate::event::{Event, Sink};

/// Bytes that are changed.
pub(super) fn total(plan: &Plan) -> u64 {
    let patches = plan.adaptation.patches.iter();
    patches.fold(0, |sum, p| sum.saturating_add(p.after.len() as u64))
}

/// Puts the bytes of the image where an interrupted run may have changed them.
pub(super) fn take_back(plan: &Plan, target: &dyn Target) -> Result<(), Error> {
    // Later patches may lie over earlier ones.
    for patch in plan.adaptation.patches.iter().rev() {
        put(plan, target, patch, &patch.before)?;
    }
    flush(plan, target)
}

/// Makes all changes, on stable storage, and reads them back.
pub(super) fn write(plan: &Plan, target: &dyn Target, sink: &dyn Sink) -> Result<(), Error> {
    let mut done = 0u64;
    for patch in &plan.adaptation.patches {
        put(plan, target, patch, &patch.after)?;
        done = done.saturating_add(patch.after.len() as u64);
        sink.emit(Event::Progress { done });
    }
    flush(plan, target)?;
    // A hint: if the cache cannot be dropped the comparison is merely weaker.
    let _ = target.drop_cache();
    let patches = &plan.adaptation.patches;
    let mut numbered = patches.iter().enumerate();
    numbered.try_for_each(|(at, patch)| {
        let later = patches.get(at.saturating_add(1)..).unwrap_or_default();
        read_back(plan, target, patch, later)
    })
}

fn flush(plan: &Plan, target: &dyn Target) -> Result<(), Error> {
    let everything = Extent {
        start: 0,
        len: target.size(),
    };
    let failed = |e| plan.failed("flushing", everything, Left::Unfinished, e);
    target.flush().map_err(failed)
}

fn put(plan: &Plan, target: &dyn Target, patch: &Patch, bytes: &[u8]) -> Result<(), Error> {
    let written = target.write_all_at(bytes, patch.at);
    written.map_err(|e| plan.failed("writing", extent(patch), Left::Unfinished, e))
}

fn read_back(
    plan: &Plan,
    target: &dyn Target,
    patch: &Patch,
    later: &[Patch],
) -> Result<(), Error> {
    let mut expected = patch.after.clone();
    for over in later {
        overlay(&mut expected, patch.at, &over.after, over.at);
    }
    let mut found = vec![0; patch.after.len()];
    let read = target.read_exact_at(&mut found, patch.at);
    read.map_err(|e| plan.failed("reading back", extent(patch), Left::Unfinished, e))?;
    if found == expected {
        return Ok(());
    }
    Err(Error::Mismatch {
        target: plan.target.path.clone(),
        offset: patch.at,
        len: patch.after.len() as u64,
        place: format!("{}, changed for this hardware", plan.place(patch.at)),
        left: Left::Unfinished,
    })
}

fn extent(patch: &Patch) -> Extent {
    Extent {
        start: patch.at,
        len: patch.after.len() as u64,
    }
}
