//! Writing an image's data: walk the maps, fetch, decode, write, all at once.
//!
//! ```text
//! walker ─ reads ─> fetchers ─ fetched ─> decoders ─ writes ─> writers
//!    └──────────── zero runs ───────────────────────────^
//! ```
//!
//! Every arrow is a bounded queue, every buffer comes from a fixed stock, and
//! no more than one map page is held: memory does not depend on the disk's
//! size. A chunk's hash is checked before it is written. The first failure
//! breaks everything off; what had been finished stays in the journal.

mod batch;
#[cfg(test)]
mod batch_tests;
mod checkpoint;
mod ledger;
mod parts;
mod queue;
mod stages;
mod walk;

use std::sync::{Condvar, Mutex, PoisonError};
use std::thread::{self, Scope};
use std::time::Duration;

use image::PackId;

use super::error::Error;
use super::journal::Journal;
use super::plan::Plan;
use super::pool::{AlignedBuf, Pool};
use super::target::Target;
use crate::event::{Event, Sink};
use batch::{Filter, Read};
use checkpoint::Checkpointer;
pub(super) use checkpoint::EVERY as CHECKPOINT_EVERY;
use ledger::Ledger;
use parts::Parts;
pub(super) use queue::Queue;
use stages::{Fetched, WriteJob};

/// Size of a write buffer: the longest write.
const WRITE_BUF: usize = 2 << 20;
/// Threads that write; each has one request in flight.
const WRITERS: usize = 8;
/// Threads that fetch from a folder, and over a network.
const FETCHERS_LOCAL: usize = 4;
const FETCHERS_REMOTE: usize = 10;
/// More decoders than this would not fit the memory.
const MAX_DECODERS: usize = 8;
/// How often progress is reported.
const TICK: Duration = Duration::from_millis(250);

/// What was done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Stored bytes read from the repository, gaps included.
    pub(super) fetched: u64,
    /// Bytes of data and zeros handled, those skipped included.
    pub(super) handled: u64,
    /// Of them: finished by an earlier run, or withheld.
    pub(super) skipped: u64,
}

/// What all threads share.
struct Shared<'a> {
    plan: &'a Plan,
    target: &'a dyn Target,
    filter: Filter<'a>,
    reads: Queue<Read>,
    fetched: Queue<Fetched>,
    writes: Queue<WriteJob>,
    read_bufs: Pool<Vec<u8>>,
    write_bufs: Pool<AlignedBuf>,
    ledger: Ledger<'a>,
    parts: Parts,
    counts: Mutex<Counts>,
    failure: Mutex<Option<Error>>,
    running: Mutex<usize>,
    ended: Condvar,
}

impl Shared<'_> {
    /// Keeps the first failure and stops everybody.
    fn fail(&self, error: Error) {
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.get_or_insert(error);
        drop(failure);
        self.reads.abort();
        self.fetched.abort();
        self.writes.abort();
        self.read_bufs.close();
        self.write_bufs.close();
    }

    fn counted(&self, change: impl FnOnce(&mut Counts)) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut counts);
    }

    fn pack_name(&self, pack: &PackId) -> String {
        self.plan.repository.pack_name(pack)
    }

    /// "partition 2" for a byte of the disk.
    fn place(&self, offset: u64) -> String {
        self.plan.place(offset)
    }
}

/// Marks a thread as ended when it is, however that happens.
struct Running<'a, 'b>(&'a Shared<'b>);

impl Drop for Running<'_, '_> {
    fn drop(&mut self) {
        let mut running = self
            .0
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *running = running.saturating_sub(1);
        drop(running);
        self.0.ended.notify_all();
    }
}

/// Writes all of the image's data to `target` but what is withheld, beginning
/// where `journal` ends. `journal` is kept up to date on the target.
pub(super) fn write(
    plan: &Plan,
    target: &dyn Target,
    journal: &mut Journal,
    sink: &dyn Sink,
) -> Result<Counts, Error> {
    let done = journal.done.clone();
    let workers = thread::available_parallelism().map_or(2, usize::from);
    let decoders = workers.clamp(1, MAX_DECODERS);
    let fetchers = fetchers(plan);
    let shared = Shared {
        plan,
        target,
        filter: Filter {
            withheld: &plan.withheld.extents,
            units: &plan.units,
            done: &done,
        },
        reads: Queue::new(fetchers),
        fetched: Queue::new(fetchers),
        writes: Queue::new(64),
        read_bufs: Pool::new(fetchers + decoders + 1, || vec![0; batch::MAX_READ]),
        // A decoder holds two at most, so one more keeps things moving.
        write_bufs: Pool::new(2 * decoders + WRITERS, || AlignedBuf::zeroed(WRITE_BUF)),
        ledger: Ledger::new(&plan.units, done.clone()),
        parts: Parts::new(&plan.disk.regions),
        counts: Mutex::default(),
        failure: Mutex::default(),
        running: Mutex::default(),
        ended: Condvar::new(),
    };
    let checkpointer = Checkpointer::new(plan, target, journal);
    run(&shared, fetchers, decoders, &checkpointer, sink);
    let failure = shared.failure.into_inner();
    let failure = failure.unwrap_or_else(PoisonError::into_inner);
    if matches!(failure, Some(Error::Target { .. })) {
        checkpointer.distrust();
    }
    let last = checkpointer.checkpoint(&shared.ledger);
    *journal = checkpointer.into_journal();
    if let Some(error) = failure {
        return Err(error);
    }
    last?;
    if shared.ledger.finished().count() != plan.units.count() {
        return Err(Error::Stopped);
    }
    let counts = shared.counts.into_inner();
    Ok(Counts {
        handled: shared.ledger.bytes(),
        ..counts.unwrap_or_else(PoisonError::into_inner)
    })
}

fn fetchers(plan: &Plan) -> usize {
    if plan.repository.location().starts_with("http") {
        FETCHERS_REMOTE
    } else {
        FETCHERS_LOCAL
    }
}

/// Runs all threads to their end.
fn run(
    shared: &Shared<'_>,
    fetchers: usize,
    decoders: usize,
    checkpointer: &Checkpointer<'_>,
    sink: &dyn Sink,
) {
    thread::scope(|scope| {
        // Producers are registered before any consumer can look.
        let (reads, walker_writes) = (shared.reads.producer(), shared.writes.producer());
        let fetched: Vec<_> = (0..fetchers).map(|_| shared.fetched.producer()).collect();
        let writes: Vec<_> = (0..decoders).map(|_| shared.writes.producer()).collect();
        spawn(scope, shared, "reading maps", move || {
            walk::run(shared, &reads, &walker_writes)
        });
        for out in fetched {
            spawn(scope, shared, "fetching", move || {
                stages::fetch(shared, &out)
            });
        }
        for out in writes {
            spawn(scope, shared, "decoding", move || {
                stages::decode(shared, &out)
            });
        }
        for _ in 0..WRITERS {
            spawn(scope, shared, "writing", move || stages::write(shared));
        }
        if checkpointer.is_enabled() {
            let keep = thread::Builder::new().name("checkpoints".to_owned());
            let kept = keep.spawn_scoped(scope, || {
                if let Err(error) = checkpointer.run(&shared.ledger) {
                    shared.fail(error);
                }
            });
            if let Err(source) = kept {
                let what = "checkpoints";
                shared.fail(Error::Thread { what, source });
            }
        }
        report_until_ended(shared, sink);
        checkpointer.stop();
    });
}

fn spawn<'scope, 'env, F>(
    scope: &'scope Scope<'scope, 'env>,
    shared: &'scope Shared<'_>,
    what: &'static str,
    work: F,
) where
    F: FnOnce() -> Result<(), Error> + Send + 'scope,
{
    *shared
        .running
        .lock()
        .unwrap_or_else(PoisonError::into_inner) += 1;
    let running = Running(shared);
    let body = move || {
        let _running = running;
        if let Err(error) = work() {
            shared.fail(error);
        }
    };
    let thread = thread::Builder::new().name(what.to_owned());
    if let Err(source) = thread.spawn_scoped(scope, body) {
        shared.fail(Error::Thread { what, source });
    }
}

fn report_until_ended(shared: &Shared<'_>, sink: &dyn Sink) {
    shared.parts.announce(sink);
    let mut told = Vec::new();
    let mut running = shared
        .running
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    while *running > 0 {
        let (guard, _) = shared
            .ended
            .wait_timeout(running, TICK)
            .unwrap_or_else(PoisonError::into_inner);
        running = guard;
        let done = shared.ledger.bytes();
        sink.emit(Event::Progress { done });
        shared.parts.tell(&mut told, sink);
    }
}
