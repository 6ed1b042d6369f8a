//! Reading everything back: every chunk hashed, every zero run looked at.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use disk::{Extent, ReadAt};
use image::{ChunkId, DiskReader, EntryKind, MapEntry};

use super::engine::Queue;
use super::error::{Error, Left};
use super::plan::Plan;
use super::pool::AlignedBuf;
use super::refusal::image_error;
use super::target::Target;
use crate::event::{Event, Sink};

/// Bytes read at once.
const SPAN: u64 = 4 << 20;
/// Threads that read and hash.
const MAX_THREADS: usize = 8;

/// What a piece of the target must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Chunk(ChunkId),
    Zeros,
    /// A part of a chunk: compared with the repository.
    Part,
}

/// Pieces that are read together.
#[derive(Debug, Default)]
struct Span {
    pieces: Vec<(Extent, Wanted)>,
}

impl Span {
    fn extent(&self) -> Extent {
        let start = self.pieces.first().map_or(0, |(e, _)| e.start);
        let end = self.pieces.last().map_or(0, |(e, _)| e.end());
        Extent {
            start,
            len: end.saturating_sub(start),
        }
    }

    /// Whether `extent` can be read along.
    fn takes(&self, extent: Extent) -> bool {
        let start = self.pieces.first().map_or(extent.start, |(e, _)| e.start);
        extent.end().saturating_sub(start) <= SPAN
    }
}

/// Compares everything on the target but the withheld parts.
pub(super) fn read_back(plan: &Plan, target: &dyn Target, sink: &dyn Sink) -> Result<(), Error> {
    // A hint: direct reads do not need it.
    let _ = target.drop_cache();
    let threads = thread::available_parallelism().map_or(2, usize::from);
    let queue = Queue::new(2 * MAX_THREADS);
    let failure = Mutex::new(None);
    let done = AtomicU64::new(0);
    let fail = |error: Error| {
        let mut first = failure.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert(error);
        drop(first);
        queue.abort();
    };
    let walked = thread::scope(|scope| {
        let spans = queue.producer();
        for _ in 0..threads.clamp(2, MAX_THREADS) {
            let work = || {
                if let Err(error) = check_spans(plan, target, &queue, &done) {
                    fail(error);
                }
            };
            let thread = thread::Builder::new().name("reading back".to_owned());
            if let Err(source) = thread.spawn_scoped(scope, work) {
                let what = "reading back";
                fail(Error::Thread { what, source });
            }
        }
        let progress = |skipped: u64| {
            let before = done.fetch_add(skipped, Ordering::Relaxed);
            let done = before.saturating_add(skipped);
            sink.emit(Event::Progress { done });
        };
        let walked = walk(plan, |span| spans.push(span), progress);
        drop(spans);
        walked
    });
    sink.emit(Event::Progress {
        done: done.load(Ordering::Relaxed),
    });
    let failure = failure.into_inner();
    match failure.unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error),
        None => walked,
    }
}

/// Hands out all pieces; ends early when nobody takes them any more.
fn walk(
    plan: &Plan,
    mut push: impl FnMut(Span) -> bool,
    progress: impl Fn(u64),
) -> Result<(), Error> {
    for region in &plan.disk.regions {
        let failed = |source| Error::Image {
            place: region.title(),
            source,
        };
        let mut span = Span::default();
        for entry in plan.repository.map(region).map_err(failed)?.entries() {
            let entry = entry.map_err(failed)?;
            let mut skipped = counted(&entry);
            for (piece, wanted) in pieces(plan, region.start, &entry) {
                skipped = skipped.saturating_sub(piece.len);
                if !span.takes(piece) && !push(std::mem::take(&mut span)) {
                    return Ok(());
                }
                span.pieces.push((piece, wanted));
            }
            if skipped > 0 || span.pieces.len() == 1 {
                progress(skipped);
            }
        }
        if !span.pieces.is_empty() && !push(span) {
            return Ok(());
        }
    }
    Ok(())
}

fn counted(entry: &MapEntry) -> u64 {
    match entry.kind {
        EntryKind::Free => 0,
        EntryKind::Data(_) | EntryKind::Zero => entry.len,
    }
}

/// What must be on the target because of `entry`, in pieces of at most
/// [`SPAN`] bytes.
fn pieces(plan: &Plan, base: u64, entry: &MapEntry) -> Vec<(Extent, Wanted)> {
    let extent = Extent {
        start: base.saturating_add(entry.start),
        len: entry.len,
    };
    let parts = super::withheld::writable(&plan.withheld.extents, extent);
    match entry.kind {
        EntryKind::Free => Vec::new(),
        EntryKind::Data(locator) if parts == [extent] => {
            vec![(extent, Wanted::Chunk(locator.chunk))]
        }
        EntryKind::Data(_) => parts.into_iter().map(|e| (e, Wanted::Part)).collect(),
        EntryKind::Zero => parts
            .into_iter()
            .flat_map(cut)
            .map(|e| (e, Wanted::Zeros))
            .collect(),
    }
}

fn cut(extent: Extent) -> impl Iterator<Item = Extent> {
    let count = extent.len.div_ceil(SPAN);
    (0..count).map(move |n| {
        let offset = n.saturating_mul(SPAN);
        Extent {
            start: extent.start.saturating_add(offset),
            len: extent.len.saturating_sub(offset).min(SPAN),
        }
    })
}

/// A reading thread.
fn check_spans(
    plan: &Plan,
    target: &dyn Target,
    queue: &Queue<Span>,
    done: &AtomicU64,
) -> Result<(), Error> {
    let mut buf = AlignedBuf::zeroed(usize::try_from(SPAN).unwrap_or(0));
    let mut image = None;
    while let Some(span) = queue.pop() {
        let extent = span.extent();
        let len = usize::try_from(extent.len).unwrap_or(0);
        let bytes = buf.bytes_mut().get_mut(..len).unwrap_or_default();
        let read = target.read_exact_at(bytes, extent.start);
        read.map_err(|e| plan.failed("reading back", extent, Left::Unfinished, e))?;
        for (piece, wanted) in &span.pieces {
            let found = part_of(bytes, extent, *piece);
            let right = match wanted {
                Wanted::Chunk(id) => blake3::hash(found).as_bytes() == id.as_bytes(),
                Wanted::Zeros => found.iter().all(|byte| *byte == 0),
                Wanted::Part => equals_image(plan, &mut image, *piece, found)?,
            };
            if !right {
                return Err(Error::Mismatch {
                    target: plan.target.path.clone(),
                    offset: piece.start,
                    len: piece.len,
                    place: plan.place(piece.start),
                    left: Left::Wrong,
                });
            }
            done.fetch_add(piece.len, Ordering::Relaxed);
        }
    }
    Ok(())
}

fn part_of(bytes: &[u8], whole: Extent, piece: Extent) -> &[u8] {
    let from = usize::try_from(piece.start.saturating_sub(whole.start)).unwrap_or(usize::MAX);
    let to = from.saturating_add(usize::try_from(piece.len).unwrap_or(usize::MAX));
    bytes.get(from..to).unwrap_or_default()
}

/// Compares with the repository; its reader is made when first needed.
fn equals_image(
    plan: &Plan,
    image: &mut Option<DiskReader>,
    piece: Extent,
    found: &[u8],
) -> Result<bool, Error> {
    let failed = |source| Error::Image {
        place: plan.place(piece.start),
        source,
    };
    let reader = match image {
        Some(reader) => reader,
        None => image.insert(plan.repository.read_at(&plan.disk).map_err(failed)?),
    };
    let mut wanted = vec![0; found.len()];
    let read = reader.read_exact_at(&mut wanted, piece.start);
    read.map_err(|e| failed(image_error(e)))?;
    Ok(wanted == found)
}
