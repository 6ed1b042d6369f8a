//! Reading a region in large pieces, passing over what is free.

use disk::{Extent, ReadAt};
use image::{BLOCK, SMALL_FREE_RUN};

/// The most that is read at once, in bytes.
const BATCH: u64 = 4 << 20;
/// A free run shorter than this is read through: one large read is faster
/// than two, and the chunker ignores the bytes.
const READ_THROUGH: u64 = SMALL_FREE_RUN * BLOCK;
/// Runs in one batch: with a very fragmented filesystem there would be
/// thousands of them.
const MAX_PARTS: usize = 4096;

/// A stretch of a region: what was read, and which of it is meant.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Batch {
    /// Bytes as read, free ones in between included.
    pub(super) bytes: Vec<u8>,
    /// In the region's order.
    pub(super) parts: Vec<Part>,
}

/// One run of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// `len` used bytes at `at` of the batch's bytes.
    Used { at: usize, len: usize },
    /// So many free bytes.
    Free(u64),
}

/// Hands the region's runs to `each`, batch by batch, in order. `free` is
/// normalised and consists of whole blocks.
///
/// # Errors
/// The device's, as (offset in the region, error); or what `each` returns.
pub(super) fn read_region<E>(
    device: &dyn ReadAt,
    len: u64,
    free: &[Extent],
    failed: impl Fn(u64, std::io::Error) -> E,
    mut each: impl FnMut(Batch) -> Result<(), E>,
) -> Result<(), E> {
    let mut span = Span::default();
    let mut flush = |span: &mut Span| -> Result<(), E> {
        let mut bytes = vec![0; usize::try_from(span.len).unwrap_or(0)];
        if !bytes.is_empty() {
            device
                .read_exact_at(&mut bytes, span.start)
                .map_err(|e| failed(span.start, e))?;
        }
        let parts = std::mem::take(&mut span.parts);
        *span = Span::default();
        each(Batch { bytes, parts })
    };
    let mut at = 0;
    for hole in free.iter().chain([&Extent { start: len, len: 0 }]) {
        while at < hole.start {
            // Aligned to the batch size, so that reads stay aligned.
            let step = (BATCH - at % BATCH).min(hole.start - at);
            if !span.takes(at, step) {
                flush(&mut span)?;
            }
            span.add(at, step);
            at += step;
        }
        if hole.len > 0 {
            span.parts.push(Part::Free(hole.len));
            at = hole.end();
        }
    }
    flush(&mut span)
}

/// What the next batch will read.
#[derive(Debug, Default)]
struct Span {
    start: u64,
    len: u64,
    parts: Vec<Part>,
}

impl Span {
    fn takes(&self, start: u64, len: u64) -> bool {
        if self.parts.len() >= MAX_PARTS {
            return false;
        }
        if self.len == 0 {
            return true;
        }
        let end = self.start + self.len;
        start - end < READ_THROUGH && start + len - self.start <= BATCH
    }

    fn add(&mut self, start: u64, len: u64) {
        if self.len == 0 {
            self.start = start;
        }
        self.len = start + len - self.start;
        self.parts.push(Part::Used {
            // Both at most BATCH.
            at: (start - self.start) as usize,
            len: len as usize,
        });
    }
}
