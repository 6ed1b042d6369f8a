//! Free runs: found in bitmaps, collected with bounded memory.

use disk::Extent;

/// More runs than this are thinned: the shortest count as used.
pub(crate) const RUN_CAP: usize = 2 << 20;

/// Collects free runs in ascending order.
///
/// A badly fragmented filesystem of many TiB could have a thousand million
/// of them. Beyond [`RUN_CAP`] the shortest are given up (called used, which is
/// always safe), so memory stays bounded: 32 MiB.
#[derive(Debug)]
pub(crate) struct FreeRuns {
    runs: Vec<Extent>,
    cap: usize,
    min_len: u64,
}

impl FreeRuns {
    pub(crate) fn new() -> Self {
        Self::with_cap(RUN_CAP)
    }

    fn with_cap(cap: usize) -> Self {
        Self {
            runs: Vec::new(),
            cap,
            min_len: 1,
        }
    }

    /// Adds `len` free bytes at `start`; positions must not descend. (One that
    /// does is ignored, that is: used.)
    pub(crate) fn push(&mut self, start: u64, len: u64) {
        let Some(run) = Extent::new(start, len) else {
            return;
        };
        if let Some(last) = self.runs.last_mut() {
            if start < last.end() {
                return;
            }
            if start == last.end() {
                last.len = last.len.saturating_add(len);
                return;
            }
            if last.len < self.min_len {
                self.runs.pop();
            }
        }
        if self.runs.len() >= self.cap {
            self.thin();
        }
        self.runs.push(run);
    }

    fn thin(&mut self) {
        while self.runs.len() > self.cap / 2 {
            self.min_len = self.min_len.saturating_mul(2);
            let min = self.min_len;
            self.runs.retain(|r| r.len >= min);
        }
    }

    /// The runs, less everything `used` (normalised) covers; and a note if
    /// short ones were given up.
    pub(crate) fn finish(mut self, used: &[Extent]) -> (Vec<Extent>, Option<String>) {
        let min = self.min_len;
        self.runs.retain(|r| r.len >= min);
        let note = (min > 1).then(|| {
            format!(
                "free space is very fragmented: free runs shorter than {} are captured too",
                disk::human_bytes(min)
            )
        });
        if used.is_empty() {
            return (self.runs, note);
        }
        (subtract(&self.runs, used), note)
    }
}

/// `from` without `minus`; both ascending and without overlaps.
fn subtract(from: &[Extent], minus: &[Extent]) -> Vec<Extent> {
    let mut out = Vec::with_capacity(from.len());
    let mut minus = minus.iter().copied().peekable();
    for run in from {
        let mut at = run.start;
        while let Some(cut) = minus.peek().copied() {
            if cut.start >= run.end() {
                break;
            }
            push_between(&mut out, at, cut.start);
            at = at.max(cut.end());
            if cut.end() > run.end() {
                break;
            }
            minus.next();
        }
        push_between(&mut out, at, run.end());
    }
    out
}

fn push_between(out: &mut Vec<Extent>, start: u64, end: u64) {
    if end > start {
        out.push(Extent {
            start,
            len: end - start,
        });
    }
}

/// Runs of zero bits in the first `count` bits of a bitmap whose bits count
/// from the least significant of byte 0: `(first bit, length)`. Bits the
/// bitmap is too short for count as set.
pub(crate) fn zero_runs(bitmap: &[u8], count: u64) -> ZeroRuns<'_> {
    ZeroRuns {
        bitmap,
        count,
        at: 0,
    }
}

#[derive(Debug)]
pub(crate) struct ZeroRuns<'a> {
    bitmap: &'a [u8],
    count: u64,
    at: u64,
}

impl ZeroRuns<'_> {
    /// 64 bits from bit `index * 64`; those outside the bitmap are set.
    fn word(&self, index: u64) -> u64 {
        let start = usize::try_from(index.saturating_mul(8)).unwrap_or(usize::MAX);
        let tail = self.bitmap.get(start..).unwrap_or_default();
        if let Some(full) = tail.first_chunk::<8>() {
            return u64::from_le_bytes(*full);
        }
        let mut bytes = [0xFF; 8];
        for (to, from) in bytes.iter_mut().zip(tail) {
            *to = *from;
        }
        u64::from_le_bytes(bytes)
    }

    /// First bit from `from` on that is set (`flip` 0) or clear (`flip` all
    /// ones); `count` when there is none.
    fn next_bit(&self, from: u64, flip: u64) -> u64 {
        let mut index = from / 64;
        let mut mask = u64::MAX << (from % 64);
        while index * 64 < self.count {
            let hits = (self.word(index) ^ flip) & mask;
            if hits != 0 {
                return self
                    .count
                    .min(index * 64 + u64::from(hits.trailing_zeros()));
            }
            index += 1;
            mask = u64::MAX;
        }
        self.count
    }
}

impl Iterator for ZeroRuns<'_> {
    type Item = (u64, u64);

    fn next(&mut self) -> Option<(u64, u64)> {
        let start = self.next_bit(self.at, u64::MAX);
        if start >= self.count {
            return None;
        }
        let end = self.next_bit(start, 0);
        self.at = end;
        Some((start, end - start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn e(start: u64, len: u64) -> Extent {
        Extent { start, len }
    }

    #[test]
    fn subtracting_cuts_across_run_borders() {
        let left = subtract(
            &[e(0, 10), e(20, 10), e(40, 10)],
            &[e(2, 3), e(8, 14), e(25, 1), e(29, 30)],
        );
        assert_eq!(left, [e(0, 2), e(5, 3), e(22, 3), e(26, 3)]);
    }

    #[test]
    fn a_full_collection_gives_up_the_shortest_runs() {
        let mut runs = FreeRuns::with_cap(8);
        for i in 0..100_u64 {
            runs.push(i * 100, if i % 10 == 0 { 64 } else { 1 });
        }
        let (kept, note) = runs.finish(&[]);
        assert!(
            kept.len() <= 10 && kept.iter().all(|r| r.len == 64),
            "{kept:?}"
        );
        assert!(note.unwrap().contains("fragmented"));
    }

    #[test]
    fn touching_runs_merge_and_descending_ones_are_ignored() {
        let mut runs = FreeRuns::new();
        runs.push(0, 10);
        runs.push(10, 5);
        runs.push(3, 4);
        runs.push(20, u64::MAX);
        assert_eq!(runs.finish(&[]), (vec![e(0, 15)], None));
    }

    proptest! {
        #[test]
        fn zero_runs_agree_with_bit_by_bit(
            bytes in proptest::collection::vec(
                prop_oneof![Just(0_u8), Just(0xFF), any::<u8>()], 0..40),
            count in 0_u64..340,
        ) {
            let bit = |i: u64| bytes.get((i / 8) as usize).is_none_or(|b| b >> (i % 8) & 1 == 1);
            let expected: Vec<u64> = (0..count).filter(|i| !bit(*i)).collect();
            let runs: Vec<(u64, u64)> = zero_runs(&bytes, count).collect();
            let found: Vec<u64> = runs.iter().flat_map(|(s, n)| *s..s + n).collect();
            prop_assert_eq!(found, expected);
            for pair in runs.windows(2) {
                prop_assert!(pair[0].0 + pair[0].1 < pair[1].0);
            }
        }

        #[test]
        fn subtract_agrees_with_byte_by_byte(
            a in proptest::collection::vec((0_u64..200, 1_u64..20), 0..12),
            b in proptest::collection::vec((0_u64..200, 1_u64..20), 0..12),
        ) {
            let list = |v: Vec<(u64, u64)>| {
                disk::normalize(v.into_iter().map(|(s, l)| e(s, l)).collect())
            };
            let (a, b) = (list(a), list(b));
            let inside = |l: &[Extent], i: u64| l.iter().any(|r| i >= r.start && i < r.end());
            let left = subtract(&a, &b);
            for i in 0..230 {
                prop_assert_eq!(inside(&left, i), inside(&a, i) && !inside(&b, i));
            }
        }
    }
}
