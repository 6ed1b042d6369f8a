//! Checkpoints: flush the target, then claim in the journal what was finished
//! before the flush.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::ledger::Ledger;
use crate::restore::error::{Error, Left};
use crate::restore::journal::Journal;
use crate::restore::plan::Plan;
use crate::restore::target::Target;

/// A checkpoint is due after this long: a fast disk writes a whole machine in a few seconds,
/// and what it wrote is to count after a power cut…
pub(in crate::restore) const EVERY: Duration = Duration::from_secs(1);
/// …or after this many bytes.
const BYTES: u64 = 256 << 20;
/// How often that is looked at.
const TICK: Duration = Duration::from_millis(200);

/// Keeps the journal on the target.
pub(super) struct Checkpointer<'a> {
    plan: &'a Plan,
    target: &'a dyn Target,
    journal: Mutex<Journal>,
    stopped: Mutex<bool>,
    stop: Condvar,
    enabled: bool,
    /// The target failed. The kernel tells a lost write once and then calls
    /// its page clean: a later flush says nothing about what came before.
    distrusted: AtomicBool,
}

impl<'a> Checkpointer<'a> {
    pub(super) fn new(plan: &'a Plan, target: &'a dyn Target, journal: &Journal) -> Self {
        Self {
            plan,
            target,
            journal: Mutex::new(journal.clone()),
            stopped: Mutex::new(false),
            stop: Condvar::new(),
            enabled: plan.has_journal(),
            distrusted: AtomicBool::new(false),
        }
    }

    /// Whether the disk has room for a journal.
    pub(super) const fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// The journal as it was written last.
    pub(super) fn into_journal(self) -> Journal {
        let journal = self.journal.into_inner();
        journal.unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends [`Checkpointer::run`].
    pub(super) fn stop(&self) {
        *self.stopped.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.stop.notify_all();
    }

    /// Makes checkpoints until stopped.
    pub(super) fn run(&self, ledger: &Ledger<'_>) -> Result<(), Error> {
        let every = self.plan.checkpoint_every;
        let mut last = (Instant::now(), ledger.bytes());
        loop {
            let stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
            if *stopped {
                return Ok(());
            }
            let waited = self.stop.wait_timeout(stopped, TICK.min(every));
            drop(waited.unwrap_or_else(PoisonError::into_inner));
            let bytes = ledger.bytes();
            let due = last.0.elapsed() >= every || bytes.saturating_sub(last.1) >= BYTES;
            if due && bytes != last.1 {
                self.checkpoint(ledger)?;
                last = (Instant::now(), bytes);
            }
        }
    }

    /// Claims nothing more in this session.
    pub(super) fn distrust(&self) {
        self.distrusted.store(true, Ordering::SeqCst);
    }

    /// Makes one checkpoint; also the flush at the end of writing. Does
    /// nothing once the target has failed.
    pub(super) fn checkpoint(&self, ledger: &Ledger<'_>) -> Result<(), Error> {
        let mut journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        if self.distrusted.load(Ordering::SeqCst) {
            return Err(Error::Stopped);
        }
        // In this order: only what was finished before the flush is claimed.
        let done = ledger.finished();
        let done_bytes = ledger.bytes();
        self.trust("flushing", self.target.flush())?;
        if !self.enabled {
            return Ok(());
        }
        let next = Journal {
            sequence: journal.sequence.saturating_add(1),
            done,
            // A resumed run counts what it skips as it comes to it.
            done_bytes: journal.done_bytes.max(done_bytes),
            ..journal.clone()
        };
        self.trust("writing the journal,", next.write(self.target))?;
        self.trust("flushing", self.target.flush())?;
        // Not before: the number decides which slot is overwritten next.
        *journal = next;
        Ok(())
    }

    /// Passes on what the target said, and remembers a failure.
    fn trust(&self, action: &'static str, outcome: std::io::Result<()>) -> Result<(), Error> {
        outcome.map_err(|source| {
            self.distrust();
            Error::Target {
                target: self.plan.target.path.clone(),
                action,
                offset: 0,
                len: self.plan.target.size,
                left: Left::Unfinished,
                source,
            }
        })
    }
}
