//! The threads of a capture. The session's thread takes results in the order
//! of the disk; every queue is bounded, so memory is.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::{Context as _, anyhow};
use disk::Window;
use image::{BLOCK, ChunkEncoder, Chunker, Config, KnownChunks, Piece, Prepared, Session};

use super::reader::{Batch, Part, read_region};
use super::source::{Source, SourceRegion};
use crate::event::{Event, Sink};

/// Batches of 4 MiB between reader and chunker.
const BATCHES: usize = 3;
/// Pieces between chunker and session, at most 512 KiB each.
const PIECES: usize = 64;
const MAX_WORKERS: usize = 16;
/// Progress is told after so many bytes.
const TELL_EVERY: u64 = 8 << 20;

/// From the reader.
enum Read {
    Begin(u64),
    Batch(Batch),
    End,
    Failed(anyhow::Error),
}

/// To the session, in order.
enum Step {
    Begin(u64),
    Ready(Prepared),
    Pending(Receiver<image::Result<Prepared>>),
    Failed(anyhow::Error),
}

/// To a worker: a piece and where its result goes.
type Job = (Piece, SyncSender<image::Result<Prepared>>);

/// Reads all regions of all sources into the session.
///
/// # Errors
/// The first of reading, compressing, storing.
pub(super) fn run(
    session: &mut Session,
    config: &Config,
    sources: &[Source],
    sink: &dyn Sink,
) -> anyhow::Result<()> {
    let known = session.known();
    let workers = thread::available_parallelism().map_or(1, |n| n.get().min(MAX_WORKERS));
    thread::scope(|scope| {
        let (read_tx, read_rx) = sync_channel(BATCHES);
        let (step_tx, step_rx) = sync_channel(PIECES);
        let (job_tx, job_rx) = sync_channel::<Job>(workers);
        scope.spawn(move || read_all(sources, &read_tx));
        scope.spawn(move || chunk_all(config, &read_rx, &step_tx, &job_tx));
        let jobs = std::sync::Arc::new(Mutex::new(job_rx));
        for _ in 0..workers {
            let (jobs, known) = (jobs.clone(), known.clone());
            scope.spawn(move || work(&jobs, &known));
        }
        // Dropped here, so that workers end when the chunker does.
        drop(jobs);
        store_all(session, &step_rx, sink)
        // On an error `step_rx` goes away, and with it everyone's reason to
        // go on: each `send` fails from there back to the reader.
    })
}

fn read_all(sources: &[Source], out: &SyncSender<Read>) {
    for source in sources {
        for region in &source.regions {
            if let Err(Some(error)) = read_one(source, region, out) {
                // Nobody left to tell means it was told already.
                let _ = out.send(Read::Failed(error));
                return;
            }
        }
    }
}

/// `Err(None)` when nobody listens any more.
fn read_one(
    source: &Source,
    region: &SourceRegion,
    out: &SyncSender<Read>,
) -> Result<(), Option<anyhow::Error>> {
    let path = source.disk.path.display();
    let window = Window::new(&*source.device, region.start, region.len)
        .ok_or_else(|| Some(anyhow!("{path} became smaller while it was captured")))?;
    let failed = |offset: u64, error: std::io::Error| {
        Some(anyhow::Error::new(error).context(format!(
            "cannot read {path} at byte {}",
            region.start.saturating_add(offset)
        )))
    };
    let send = |message| out.send(message).map_err(|_| None);
    send(Read::Begin(region.len))?;
    read_region(&window, region.len, &region.free, failed, |batch| {
        send(Read::Batch(batch))
    })?;
    send(Read::End)
}

/// Cuts what was read; hands data to the workers and everything, in order, to
/// the session. Ends when either side does.
fn chunk_all(
    config: &Config,
    input: &Receiver<Read>,
    steps: &SyncSender<Step>,
    jobs: &SyncSender<Job>,
) {
    let mut chunker = Chunker::new(&config.chunker);
    let mut pieces = Vec::new();
    for message in input {
        match message {
            Read::Begin(len) => {
                if steps.send(Step::Begin(len)).is_err() {
                    return;
                }
            }
            Read::Batch(batch) => feed(&mut chunker, &batch, &mut pieces),
            Read::End => {
                let ended = std::mem::replace(&mut chunker, Chunker::new(&config.chunker));
                ended.finish(&mut pieces);
            }
            Read::Failed(error) => {
                let _ = steps.send(Step::Failed(error));
                return;
            }
        }
        for piece in pieces.drain(..) {
            if pass_on(piece, steps, jobs).is_none() {
                return;
            }
        }
    }
}

fn feed(chunker: &mut Chunker, batch: &Batch, out: &mut Vec<Piece>) {
    for part in &batch.parts {
        match *part {
            Part::Free(len) => chunker.free(len, out),
            Part::Used { at, len } => {
                let bytes = batch.bytes.get(at..at + len).unwrap_or_default();
                for block in bytes.chunks(BLOCK as usize) {
                    chunker.used(block, out);
                }
            }
        }
    }
}

/// `None` when nobody listens any more.
fn pass_on(piece: Piece, steps: &SyncSender<Step>, jobs: &SyncSender<Job>) -> Option<()> {
    let step = match piece {
        Piece::Zero(len) => Step::Ready(Prepared::Zero(len)),
        Piece::Free(len) => Step::Ready(Prepared::Free(len)),
        data @ Piece::Data(_) => {
            let (result, pending) = sync_channel(1);
            jobs.send((data, result)).ok()?;
            Step::Pending(pending)
        }
    };
    steps.send(step).ok()
}

fn work(jobs: &Mutex<Receiver<Job>>, known: &KnownChunks) {
    let mut encoder = ChunkEncoder::new();
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((piece, result)) = job else { return };
        let prepared = match &mut encoder {
            Ok(encoder) => Prepared::new(piece, known, encoder),
            // Told once more for every piece; the first one ends the capture.
            Err(_) => ChunkEncoder::new().and_then(|mut e| Prepared::new(piece, known, &mut e)),
        };
        // The session may have given up; then this loop ends by itself.
        let _ = result.send(prepared);
    }
}

fn store_all(session: &mut Session, steps: &Receiver<Step>, sink: &dyn Sink) -> anyhow::Result<()> {
    let (mut done, mut told) = (0u64, 0u64);
    for step in steps {
        let prepared = match step {
            Step::Failed(error) => return Err(error),
            Step::Begin(len) => {
                session.begin_region(len)?;
                continue;
            }
            Step::Ready(prepared) => prepared,
            Step::Pending(result) => result
                .recv()
                .context("a worker thread ended early: a bug, report it")??,
        };
        if !matches!(prepared, Prepared::Free(_)) {
            done = done.saturating_add(prepared.len());
        }
        session.push(prepared).context("cannot store the image")?;
        if done - told >= TELL_EVERY {
            told = done;
            sink.emit(Event::Progress { done });
        }
    }
    sink.emit(Event::Progress { done });
    Ok(())
}
