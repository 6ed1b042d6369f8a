//! Writing the EFI system partition of a disk that is converted for UEFI.
//!
//! The data of the image does not reach it, so nothing has to be taken back after a
//! power cut: whoever goes on makes it anew.

use disk::Extent;

use super::error::{Error, Left};
use super::plan::Plan;
use super::target::Target;
use crate::event::{Event, Sink};
use crate::firmware::EspImage;

/// Bytes read back at once.
const BLOCK: u64 = 1 << 20;

/// Bytes that are written.
pub(super) fn total(plan: &Plan) -> u64 {
    let conversion = plan.becomes.conversion();
    conversion.map_or(0, |conversion| conversion.esp.extent.len)
}

/// Writes all of it, on stable storage, and reads it back. `done` bytes of the phase
/// are done.
pub(super) fn write(
    plan: &Plan,
    target: &dyn Target,
    sink: &dyn Sink,
    done: u64,
) -> Result<(), Error> {
    let Some(conversion) = plan.becomes.conversion() else {
        return Ok(());
    };
    let esp = &conversion.esp;
    let failed = |action, extent| move |e| plan.failed(action, extent, Left::Unfinished, e);
    let cleared = target.zero(esp.extent);
    cleared.map_err(failed("clearing", esp.extent))?;
    for (at, bytes) in &esp.pieces {
        let extent = Extent {
            start: *at,
            len: bytes.len() as u64,
        };
        let written = target.write_all_at(bytes, *at);
        written.map_err(failed("writing", extent))?;
    }
    target.flush().map_err(failed("flushing", esp.extent))?;
    // A hint: if the cache cannot be dropped the comparison is merely weaker.
    let _ = target.drop_cache();
    read_back(plan, target, esp)?;
    let done = done.saturating_add(esp.extent.len);
    sink.emit(Event::Progress { done });
    Ok(())
}

fn read_back(plan: &Plan, target: &dyn Target, esp: &EspImage) -> Result<(), Error> {
    let mut at = esp.extent.start;
    while at < esp.extent.end() {
        let len = esp.extent.end().saturating_sub(at).min(BLOCK);
        let extent = Extent { start: at, len };
        let mut expected = vec![0; usize::try_from(len).unwrap_or(0)];
        for (start, bytes) in &esp.pieces {
            super::activate::overlay(&mut expected, at, bytes, *start);
        }
        let mut found = vec![0xff; expected.len()];
        let read = target.read_exact_at(&mut found, at);
        read.map_err(|e| plan.failed("reading back", extent, Left::Unfinished, e))?;
        if found != expected {
            return Err(Error::Mismatch {
                target: plan.target.path.clone(),
                offset: at,
                len,
                place: "the EFI system partition, made for UEFI".to_owned(),
                left: Left::Unfinished,
            });
        }
        at = at.saturating_add(len);
    }
    Ok(())
}
