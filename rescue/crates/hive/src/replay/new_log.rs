//! Logs of Windows 8.1 and later: a copy of the base block (type 6), then from
//! byte 512 on entries, each with the pages one flush changed.
//!
//! An entry: 0 `HvLE`, 4 its size (a multiple of 512), 8 flags, 12 sequence
//! number, 16 bytes of all bins, 20 pages, 24 hash of what follows byte 40, 32
//! hash of bytes 0 to 32, 40 the pages' offsets and sizes, then the pages.

use super::{SECTOR, Target, marvin};
use crate::base::check_bins_size;
use crate::bytes::{range, u32_at, u64_at};

const HEADER: usize = 40;

/// A page: where it belongs in the bins, and its bytes.
pub(super) type Page<'l> = (u32, &'l [u8]);

#[derive(Debug)]
pub(super) struct Entry<'l> {
    pub(super) sequence: u32,
    pub(super) bins_size: u32,
    pub(super) pages: Vec<Page<'l>>,
    size: usize,
}

impl<'l> Entry<'l> {
    /// The entry at `at`, or why there is none that can be used.
    pub(super) fn parse(log: &'l [u8], at: usize) -> Result<Self, String> {
        let header = range(log, at, HEADER).ok_or("the log ends")?;
        if !header.starts_with(b"HvLE") {
            return Err(format!("no entry begins at byte {at}"));
        }
        let field = |at| u32_at(header, at).unwrap_or_default();
        let hash = |at| u64_at(header, at).unwrap_or_default();
        let size = field(4) as usize;
        let entry = range(log, at, size).filter(|_| size >= SECTOR && size.is_multiple_of(SECTOR));
        let entry = entry.ok_or_else(|| format!("the entry at byte {at} is cut short"))?;
        let body = size - HEADER;
        if !marvin::holds(entry, 0, 32, hash(32)) || !marvin::holds(entry, HEADER, body, hash(24)) {
            return Err(format!("the entry at byte {at} does not match its hashes"));
        }
        let bins_size = field(16);
        check_bins_size(bins_size, (at + 16) as u64).map_err(|e| e.to_string())?;
        let pages = pages(entry, field(20), bins_size)
            .ok_or_else(|| format!("the entry at byte {at} has pages outside of the hive"))?;
        Ok(Self {
            sequence: field(12),
            bins_size,
            pages,
            size,
        })
    }
}

fn pages(entry: &[u8], count: u32, bins_size: u32) -> Option<Vec<Page<'_>>> {
    let table = range(entry, HEADER, (count as usize).checked_mul(8)?)?;
    let mut at = HEADER + table.len();
    let mut pages = Vec::new();
    for reference in table.chunks_exact(8) {
        let (offset, len) = (u32_at(reference, 0)?, u32_at(reference, 4)?);
        if offset.checked_add(len)? > bins_size {
            return None;
        }
        pages.push((offset, range(entry, at, len as usize)?));
        at += len as usize;
    }
    Some(pages)
}

/// The number of the last entry that follows `first` without a gap; one less
/// than `first` when there is none.
pub(super) fn last(log: &[u8], first: u32) -> u32 {
    let (mut at, mut last) = (SECTOR, first.wrapping_sub(1));
    while let Ok(entry) = Entry::parse(log, at)
        && entry.sequence == last.wrapping_add(1)
    {
        last = entry.sequence;
        at += entry.size;
    }
    last
}

/// What a log gave: how far it went, and what ended it.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) entries: u32,
    pub(super) pages: u32,
    pub(super) last: u32,
    pub(super) ended: String,
}

/// Applies the entries that follow each other without a gap, the first of
/// which has to be `first`.
pub(super) fn apply(log: &[u8], first: u32, target: &mut Target<'_>) -> Outcome {
    let mut outcome = Outcome {
        entries: 0,
        pages: 0,
        last: first.wrapping_sub(1),
        ended: String::new(),
    };
    let mut at = SECTOR;
    loop {
        let step = Entry::parse(log, at).and_then(|entry| {
            let wanted = outcome.last.wrapping_add(1);
            if entry.sequence != wanted {
                return Err(format!(
                    "the entry at byte {at} is number {}, not {wanted}: left from before",
                    entry.sequence
                ));
            }
            target.apply(entry.bins_size, &entry.pages)?;
            Ok(entry)
        });
        match step {
            Ok(entry) => {
                outcome.last = entry.sequence;
                outcome.entries += 1;
                outcome.pages = outcome.pages.saturating_add(entry.pages.len() as u32);
                at += entry.size;
            }
            Err(why) => {
                outcome.ended = why;
                return outcome;
            }
        }
    }
}
