//! The last writes: the withheld parts, in the order that keeps the disk from
//! pretending to be whole before it is.

use super::error::{Error, Left};
use super::options::Verify;
use super::plan::Plan;
use super::target::Target;
use super::withheld::{BACKUP, Step};
use crate::event::{Event, Sink};
use disk::Extent;

/// Bytes activation writes.
pub(super) fn total(plan: &Plan) -> u64 {
    let steps = plan.withheld.steps.iter();
    steps.fold(0, |sum, step| sum.saturating_add(bytes(step)))
}

fn bytes(step: &Step) -> u64 {
    let writes = step.writes.iter();
    writes.fold(0, |sum, (_, bytes)| sum.saturating_add(bytes.len() as u64))
}

/// Writes all steps, each on stable storage before the next.
pub(super) fn run(plan: &Plan, target: &dyn Target, sink: &dyn Sink) -> Result<(), Error> {
    let mut done = 0u64;
    for step in &plan.withheld.steps {
        for (offset, bytes) in &step.writes {
            let written = target.write_all_at(bytes, *offset);
            written.map_err(|e| failed(plan, step, *offset, bytes, e))?;
        }
        let flushed = target.flush();
        let everything = Extent {
            start: 0,
            len: target.size(),
        };
        flushed.map_err(|e| plan.failed("flushing", everything, left_by(plan, step), e))?;
        done = done.saturating_add(bytes(step));
        sink.emit(Event::Progress { done });
    }
    match plan.options.verify {
        Verify::ReadBack => read_back(plan, target),
        Verify::No => Ok(()),
    }
}

/// What there is when `step` fails: the journal lies in the first MiB, and the
/// last step makes the disk whole.
fn left_by(plan: &Plan, step: &Step) -> Left {
    let last = plan.withheld.steps.last();
    if last.is_some_and(|last| last.what == step.what) {
        Left::Complete
    } else if step.what == BACKUP {
        Left::Unfinished
    } else {
        Left::NoJournal
    }
}

fn failed(plan: &Plan, step: &Step, offset: u64, bytes: &[u8], source: std::io::Error) -> Error {
    Error::Target {
        target: plan.target.path.clone(),
        action: match step.what {
            "sector 0" => "writing the table's first sector,",
            _ => "writing the partition table,",
        },
        offset,
        len: bytes.len() as u64,
        left: left_by(plan, step),
        source,
    }
}

/// Reads the withheld parts back. Where writes overlap, the later one counts.
fn read_back(plan: &Plan, target: &dyn Target) -> Result<(), Error> {
    let steps = plan.withheld.steps.iter();
    let writes: Vec<&(u64, Vec<u8>)> = steps.flat_map(|step| &step.writes).collect();
    // A hint: if the cache cannot be dropped the comparison is merely weaker.
    let _ = target.drop_cache();
    for (at, (offset, bytes)) in writes.iter().enumerate() {
        let mut expected = bytes.clone();
        for (start, later) in writes.iter().skip(at + 1) {
            overlay(&mut expected, *offset, later, *start);
        }
        let mut found = vec![0; expected.len()];
        let extent = Extent {
            start: *offset,
            len: expected.len() as u64,
        };
        let read = target.read_exact_at(&mut found, *offset);
        read.map_err(|e| plan.failed("reading back", extent, Left::Complete, e))?;
        if found != expected {
            return Err(Error::Mismatch {
                target: plan.target.path.clone(),
                offset: *offset,
                len: extent.len,
                place: "the partition table".to_owned(),
                left: Left::Complete,
            });
        }
    }
    Ok(())
}

/// Puts the part of `later` (at `start`) that lies in `bytes` (at `offset`)
/// over it.
pub(super) fn overlay(bytes: &mut [u8], offset: u64, later: &[u8], start: u64) {
    let [end, later_end] = [(offset, bytes.len()), (start, later.len())]
        .map(|(from, len)| from.saturating_add(len as u64));
    if start >= end || offset >= later_end {
        return;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        let place = offset.saturating_add(at as u64);
        let source = place
            .checked_sub(start)
            .and_then(|i| usize::try_from(i).ok());
        if let Some(new) = source.and_then(|i| later.get(i)) {
            *byte = *new;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::overlay;

    #[test]
    fn the_later_write_covers_what_it_reaches() {
        let mut bytes = [1; 6];
        overlay(&mut bytes, 10, &[2; 3], 8);
        assert_eq!(bytes, [2, 1, 1, 1, 1, 1]);
        overlay(&mut bytes, 10, &[3; 9], 14);
        assert_eq!(bytes, [2, 1, 1, 1, 3, 3]);
    }
}
