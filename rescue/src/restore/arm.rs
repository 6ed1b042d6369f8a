//! Taking the target: checked once more, opened exclusively, its old table
//! cleared.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Instant;

use disk::{Extent, ReadAt};

use super::error::{Error, Left};
use super::journal::Journal;
use super::options::Discard;
use super::plan::{Plan, holds_repository};
use super::report::Report;
use super::target::{OpenTarget, Target};
use super::units::Bitmap;
use super::withheld::head_of;
use super::{Armed, Session};
use crate::event::{Event, Phase, Sink};
use crate::inventory::Disk;

/// How much of the target's end is cleared: where backup tables and the
/// signatures of RAID sets are.
const TAIL: u64 = 1 << 20;
/// Bytes of one discard request.
const DISCARD: u64 = 4 << 30;
/// Sector size to assume when the image's disk is no whole number of sectors.
const PAGE: u64 = 4096;

impl Plan {
    /// Takes the target and clears its old table; from here on it does not
    /// boot.
    ///
    /// # Errors
    /// The target is not the one that was planned for, is in use, or fails.
    pub fn arm(self, sink: &dyn Sink) -> Result<Armed, Error> {
        sink.emit(Event::Phase {
            phase: Phase::Arming,
            total: None,
        });
        self.check_unchanged()?;
        let sector = self.disk.sector_size.bytes();
        let whole = self.disk.size.is_multiple_of(sector);
        let sector = if whole { sector } else { PAGE };
        let target = OpenTarget::open(&self.target, sector).map_err(|e| self.open_error(e))?;
        if target.node().map_err(|e| self.open_error(e))? != self.node {
            return Err(self.changed("its path leads to another one".to_owned()));
        }
        if target.size() != self.target.size {
            let what = format!("it has {} bytes now", target.size());
            return Err(self.changed(what));
        }
        self.arm_over(Arc::new(target), sink)
    }

    /// As [`Plan::arm`], over a target that is already open.
    pub(super) fn arm_over(self, target: Arc<dyn Target>, sink: &dyn Sink) -> Result<Armed, Error> {
        let journal = match &self.resume {
            Some(planned) => self.check_journal(planned, &*target)?,
            None => self.clear(&*target, sink)?,
        };
        let report = Report::begin(&self);
        Ok(Armed(Session {
            plan: self,
            target,
            journal,
            report,
            began: Instant::now(),
        }))
    }

    /// Time has passed since the plan: is it still the same disk, and free?
    fn check_unchanged(&self) -> Result<(), Error> {
        let planned = &self.target;
        let machine = &self.options.machine;
        let now = machine
            .disk_at(&planned.path, self.disk.sector_size)
            .map_err(|error| self.changed(crate::ui::chain(&error)))?;
        let identity = |disk: &Disk| {
            let Disk {
                serial, wwn, model, ..
            } = disk;
            (disk.size, serial.clone(), wwn.clone(), model.clone())
        };
        if identity(&now) != identity(planned) {
            return Err(self.changed(format!("it is now {}", now.describe())));
        }
        if let Some(held) = now.uses.first() {
            return Err(self.changed(held.to_string()));
        }
        if holds_repository(&self.repository, planned, &self.options) {
            return Err(self.changed("it holds the repository".to_owned()));
        }
        Ok(())
    }

    fn changed(&self, what: String) -> Error {
        Error::Changed {
            target: self.target.path.clone(),
            what,
        }
    }

    fn open_error(&self, source: std::io::Error) -> Error {
        let target = self.target.path.clone();
        match source.kind() {
            ErrorKind::WouldBlock => Error::InUse { target },
            _ => Error::Open { target, source },
        }
    }

    /// The journal must still be the one that was planned with.
    fn check_journal(&self, planned: &Journal, target: &dyn Target) -> Result<Journal, Error> {
        let found = Journal::find(target)
            .map_err(|e| self.failed("reading", head_of(target.size()), Left::Untouched, e))?;
        match found {
            Some(found) if found == *planned => Ok(found),
            _ => Err(self.changed("its restore journal is another one".to_owned())),
        }
    }

    /// Clears the old table, and begins a journal.
    fn clear(&self, target: &dyn Target, sink: &dyn Sink) -> Result<Journal, Error> {
        let size = target.size();
        let tail = Extent {
            start: size.saturating_sub(TAIL),
            len: size.min(TAIL),
        };
        // The beginning first: without it, no backup is looked for.
        for extent in [head_of(size), tail] {
            let cleared = zeros(target, extent).and_then(|()| target.flush());
            cleared.map_err(|e| self.failed("clearing", extent, Left::NoJournal, e))?;
        }
        // The kernel forgets the old partitions, if it can; O_EXCL keeps
        // everybody away from them in any case.
        let _ = target.reread_table();
        if self.options.discard == Discard::Target {
            discard(target, size, sink);
        }
        let journal = Journal {
            sequence: 1,
            digest: self.digest,
            image: self.summary.image.clone(),
            unit_shift: self.units.shift(),
            units: self.units.count(),
            done_bytes: 0,
            done: Bitmap::new(self.units.count()),
        };
        if self.has_journal() {
            let written = journal.write(target).and_then(|()| target.flush());
            let head = head_of(size);
            written.map_err(|e| self.failed("writing the journal,", head, Left::NoJournal, e))?;
        }
        Ok(journal)
    }

    pub(super) fn failed(
        &self,
        action: &'static str,
        extent: Extent,
        left: Left,
        source: std::io::Error,
    ) -> Error {
        Error::Target {
            target: self.target.path.clone(),
            action,
            offset: extent.start,
            len: extent.len,
            left,
            source,
        }
    }
}

/// Really written: what a device does with a request to zero is its own
/// affair, and this must be gone.
fn zeros(target: &dyn Target, extent: Extent) -> std::io::Result<()> {
    let zeros = vec![0; usize::try_from(extent.len).map_err(std::io::Error::other)?];
    target.write_all_at(&zeros, extent.start)
}

/// Discards everything; a device that cannot is no failure. The cleared ends
/// are spared: discarded sectors may read as anything.
fn discard(target: &dyn Target, size: u64, sink: &dyn Sink) {
    let end = size.saturating_sub(TAIL);
    let mut at = head_of(size).len;
    while at < end {
        let len = end.saturating_sub(at).min(DISCARD);
        if let Err(error) = target.discard(Extent { start: at, len }) {
            let text = format!("The target was not discarded: {error}.");
            sink.emit(Event::Note { text });
            return;
        }
        at = at.saturating_add(len);
    }
}
