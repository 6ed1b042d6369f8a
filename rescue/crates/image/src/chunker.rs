//! Cutting a region into chunks at places its content decides.
//!
//! Boundaries lie on 4 KiB blocks of the region, so chunks match file-system
//! blocks and direct I/O; a block's own hash decides whether a chunk ends
//! after it, so the same files on a disk with another layout give the same
//! chunks. What else ends a chunk:
//!
//! * a zero block, which becomes [`Piece::Zero`];
//! * 16 or more free blocks, which become [`Piece::Free`];
//! * the end of a map page (1 GiB) or of the region.
//!
//! Fewer free blocks in the middle of a chunk are filled with zeros: what a
//! deleted file left there must neither be stored nor change the chunk's id.
//! A chunk never begins or ends with such blocks.

use crate::config::ChunkerConfig;
use crate::map::PAGE_SPAN;
use crate::record::BLOCK;

/// Fewer free blocks than this do not end a chunk.
pub const SMALL_FREE_RUN: u64 = 16;

/// A part of a region, in the region's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// A chunk's plain bytes.
    Data(Vec<u8>),
    /// So many zero bytes.
    Zero(u64),
    /// So many bytes the filesystem does not use.
    Free(u64),
}

impl Piece {
    /// Length in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        match self {
            Self::Data(bytes) => bytes.len() as u64,
            Self::Zero(len) | Self::Free(len) => *len,
        }
    }

    /// Whether it has no bytes; the chunker makes no such piece.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Run {
    Zero(u64),
    Free(u64),
}

/// Cuts one region. Feed it blocks in order, then call [`Chunker::finish`].
#[derive(Debug)]
pub struct Chunker {
    min: usize,
    max: usize,
    mask: u64,
    seed: u64,
    /// The chunk being collected.
    open: Vec<u8>,
    /// Free bytes after `open` that are not yet known to be inside a chunk.
    pending_free: u64,
    /// The run being collected, when no chunk is.
    run: Option<Run>,
    /// Bytes fed so far.
    at: u64,
}

impl Chunker {
    /// A chunker for a new region.
    #[must_use]
    pub fn new(config: &ChunkerConfig) -> Self {
        let block = BLOCK as usize;
        Self {
            min: config.min_blocks as usize * block,
            max: config.max_blocks as usize * block,
            mask: (1u64 << config.cut_bits.min(63)) - 1,
            seed: config.seed,
            open: Vec::new(),
            pending_free: 0,
            run: None,
            at: 0,
        }
    }

    /// Takes the next block: 4 KiB, or less at the region's very end.
    pub fn used(&mut self, block: &[u8], out: &mut Vec<Piece>) {
        if is_zero(block) {
            self.end_chunk(out);
            self.extend_run(Run::Zero(block.len() as u64), out);
        } else {
            self.data(block, out);
        }
        self.advance(block.len() as u64, out);
    }

    /// Takes `len` free bytes: whole blocks, or up to the region's end.
    pub fn free(&mut self, len: u64, out: &mut Vec<Piece>) {
        let mut left = len;
        while left > 0 {
            let step = left.min(PAGE_SPAN - self.at % PAGE_SPAN);
            if self.open.is_empty() {
                self.extend_run(Run::Free(step), out);
            } else {
                self.pending_free += step;
                if self.pending_free >= SMALL_FREE_RUN * BLOCK {
                    self.end_chunk(out);
                }
            }
            self.advance(step, out);
            left -= step;
        }
    }

    /// Ends the region.
    pub fn finish(mut self, out: &mut Vec<Piece>) {
        self.flush(out);
    }

    fn data(&mut self, block: &[u8], out: &mut Vec<Piece>) {
        self.end_run(out);
        let filled = self.open.len() as u64 + self.pending_free + block.len() as u64;
        if filled > self.max as u64 {
            self.end_chunk(out);
            self.end_run(out);
        }
        if self.pending_free > 0 {
            // Below `max`, so it fits.
            let len = self.open.len() + self.pending_free as usize;
            self.open.resize(len, 0);
            self.pending_free = 0;
        }
        self.open.extend_from_slice(block);
        let hash = xxhash_rust::xxh3::xxh3_64_with_seed(block, self.seed);
        let cut = hash & self.mask == 0 && self.open.len() >= self.min;
        if cut || self.open.len() >= self.max {
            self.end_chunk(out);
        }
    }

    fn advance(&mut self, len: u64, out: &mut Vec<Piece>) {
        self.at += len;
        if self.at.is_multiple_of(PAGE_SPAN) {
            self.flush(out);
        }
    }

    fn flush(&mut self, out: &mut Vec<Piece>) {
        self.end_chunk(out);
        self.end_run(out);
    }

    /// Ends the open chunk; free blocks after it become a run.
    fn end_chunk(&mut self, out: &mut Vec<Piece>) {
        if !self.open.is_empty() {
            out.push(Piece::Data(std::mem::take(&mut self.open)));
        }
        let free = std::mem::take(&mut self.pending_free);
        if free > 0 {
            self.extend_run(Run::Free(free), out);
        }
    }

    fn extend_run(&mut self, more: Run, out: &mut Vec<Piece>) {
        self.run = Some(match (self.run, more) {
            (Some(Run::Zero(a)), Run::Zero(b)) => Run::Zero(a + b),
            (Some(Run::Free(a)), Run::Free(b)) => Run::Free(a + b),
            _ => {
                self.end_run(out);
                more
            }
        });
    }

    fn end_run(&mut self, out: &mut Vec<Piece>) {
        match self.run.take() {
            Some(Run::Zero(len)) => out.push(Piece::Zero(len)),
            Some(Run::Free(len)) => out.push(Piece::Free(len)),
            None => {}
        }
    }
}

/// Whether all bytes are zero. Words first: this runs over every used block.
fn is_zero(bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks::<64>();
    words.iter().all(|w| w.iter().fold(0, |a, b| a | b) == 0) && rest.iter().all(|b| *b == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const B: usize = BLOCK as usize;

    fn config() -> ChunkerConfig {
        ChunkerConfig {
            min_blocks: 2,
            max_blocks: 24,
            cut_bits: 3,
            seed: 7,
        }
    }

    #[derive(Debug, Clone)]
    enum Feed {
        Used(u8),
        Zero,
        Free(u64),
    }

    fn block(content: u8) -> Vec<u8> {
        (0..B).map(|i| content ^ (i as u8) | 1).collect()
    }

    fn cut(feed: &[Feed], tail: usize) -> Vec<Piece> {
        let mut chunker = Chunker::new(&config());
        let mut out = Vec::new();
        for f in feed {
            match f {
                Feed::Used(content) => chunker.used(&block(*content), &mut out),
                Feed::Zero => chunker.used(&[0; B], &mut out),
                Feed::Free(blocks) => chunker.free(blocks * BLOCK, &mut out),
            }
        }
        if tail > 0 {
            chunker.used(&vec![5; tail], &mut out);
        }
        chunker.finish(&mut out);
        out
    }

    #[test]
    fn a_short_free_run_inside_data_is_zeros_of_the_chunk() {
        // Content 3 does not end a chunk with this seed and mask.
        let pieces = cut(&[Feed::Used(3), Feed::Free(2), Feed::Used(3)], 0);
        let mut expected = block(3);
        expected.extend_from_slice(&[0; 2 * B]);
        expected.extend(block(3));
        assert_eq!(pieces, [Piece::Data(expected)]);
    }

    #[test]
    fn long_free_runs_zero_blocks_and_edges_stay_apart() {
        let feed = [Feed::Free(1), Feed::Used(3), Feed::Free(16), Feed::Zero];
        let expected = [
            Piece::Free(BLOCK),
            Piece::Data(block(3)),
            Piece::Free(16 * BLOCK),
            Piece::Zero(BLOCK),
        ];
        assert_eq!(cut(&feed, 0), expected);
        let feed = [Feed::Used(3), Feed::Free(3), Feed::Zero, Feed::Zero];
        let expected = [
            Piece::Data(block(3)),
            Piece::Free(3 * BLOCK),
            Piece::Zero(2 * BLOCK),
        ];
        assert_eq!(cut(&feed, 0), expected);
    }

    #[test]
    fn nothing_crosses_a_page() {
        let mut chunker = Chunker::new(&config());
        let mut out = Vec::new();
        chunker.free(PAGE_SPAN - BLOCK, &mut out);
        chunker.used(&block(3), &mut out);
        chunker.used(&block(3), &mut out);
        chunker.free(3 * PAGE_SPAN, &mut out);
        chunker.finish(&mut out);
        let lens: Vec<u64> = out.iter().map(Piece::len).collect();
        let rest = PAGE_SPAN - BLOCK;
        assert_eq!(
            lens,
            [rest, BLOCK, BLOCK, rest, PAGE_SPAN, PAGE_SPAN, BLOCK]
        );
    }

    fn key(piece: &Piece) -> blake3::Hash {
        match piece {
            Piece::Data(bytes) => blake3::hash(bytes),
            _ => blake3::hash(b""),
        }
    }

    fn feeds() -> impl Strategy<Value = Vec<Feed>> {
        let one = prop_oneof![
            6 => any::<u8>().prop_map(Feed::Used),
            1 => Just(Feed::Zero),
            1 => (1u64..20).prop_map(Feed::Free),
        ];
        prop::collection::vec(one, 0..120)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// Pieces tile the region, hold its bytes, and keep to the limits.
        #[test]
        fn pieces_are_the_region(feed in feeds(), tail in 0usize..B) {
            let pieces = cut(&feed, tail);
            let mut plain = Vec::new();
            for f in &feed {
                match f {
                    Feed::Used(content) => plain.extend(block(*content)),
                    Feed::Zero => plain.extend([0; B]),
                    Feed::Free(n) => plain.resize(plain.len() + *n as usize * B, 0),
                }
            }
            plain.resize(plain.len() + tail, 5);
            let mut at = 0;
            for piece in &pieces {
                let len = piece.len() as usize;
                match piece {
                    Piece::Data(bytes) => {
                        prop_assert!(len <= 24 * B);
                        prop_assert!(!is_zero(&bytes[..B.min(len)]));
                        prop_assert!(!is_zero(&bytes[(len - 1) / B * B..]));
                        prop_assert_eq!(bytes, &plain[at..at + len]);
                    }
                    _ => prop_assert!(is_zero(&plain[at..at + len])),
                }
                at += len;
            }
            prop_assert_eq!(at, plain.len());
        }

    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        /// The same content further back is cut the same way again.
        #[test]
        fn boundaries_follow_content(
            content in prop::collection::vec(any::<u8>(), 200..260), shift in 1usize..9
        ) {
            let feed: Vec<Feed> = content.iter().copied().map(Feed::Used).collect();
            let mut shifted: Vec<Feed> = (0..shift as u8).map(|i| Feed::Used(i * 31)).collect();
            shifted.extend(feed.clone());
            let (a, b) = (cut(&feed, 0), cut(&shifted, 0));
            let others: std::collections::HashSet<_> = b.iter().map(key).collect();
            let common = a.iter().filter(|p| others.contains(&key(p))).count();
            prop_assert!(common * 2 > a.len(), "{} of {} chunks", common, a.len());
        }
    }
}
