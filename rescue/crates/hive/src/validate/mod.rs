//! Is the whole tree as Windows keeps it? Asked before an edit and after.

mod keys;
mod lists;
mod security;
mod values;

use std::collections::HashMap;
use std::fmt;

use crate::bitset::BitSet;
use crate::cell::Cell;
use crate::error::damaged;
use crate::{CellOffset, Error, Hive, Result};

pub(crate) use keys::KEY_NAME_LIMIT;

/// More problems than this say nothing new.
const PROBLEM_LIMIT: usize = 100;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The path of the key it belongs to; empty for the root and for what
    /// belongs to no key.
    pub key: String,
    /// What is wrong, and where.
    pub error: Box<Error>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.key.as_str() {
            "" => write!(f, "{}", self.error),
            key => write!(f, "key {key}: {}", self.error),
        }
    }
}

/// What a sound hive consists of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Bins.
    pub bins: u32,
    /// Keys, the root included.
    pub keys: u64,
    /// Values.
    pub values: u64,
    /// Values whose data are in segments.
    pub segmented: u64,
    /// Security descriptors.
    pub security: u64,
    /// The deepest key; the root is at 0.
    pub depth: usize,
    /// Entries of the longest leaf of a list of subkeys.
    pub longest_leaf: usize,
    /// Free cells.
    pub free_cells: u64,
    /// Free bytes.
    pub free_bytes: u64,
    /// Free cells next to one another: Windows joins them, hivex does not.
    pub unjoined_free_cells: u64,
    /// Cells in use that nothing refers to: space that Windows lost.
    pub lost_cells: u64,
}

impl Hive {
    /// Checks every cell that the root leads to: signatures, lengths, counts,
    /// order, hashes, parents, the ring of security descriptors and how often
    /// they are used, and that no cell is used twice.
    ///
    /// # Errors
    /// All that is wrong, at most 100 things.
    pub fn validate(&self) -> Result<Stats, Vec<Problem>> {
        let mut check = Check::new(self);
        check.tree();
        check.security_ring();
        check.count_cells();
        if check.problems.is_empty() {
            Ok(check.stats)
        } else {
            Err(check.problems)
        }
    }
}

/// A check in progress.
struct Check<'h> {
    hive: &'h Hive,
    /// Cells that something refers to.
    seen: BitSet,
    /// How many keys refer to each security descriptor.
    security: HashMap<CellOffset, u32>,
    problems: Vec<Problem>,
    stats: Stats,
}

impl<'h> Check<'h> {
    fn new(hive: &'h Hive) -> Self {
        let stats = Stats {
            bins: hive.cells.bins,
            ..Stats::default()
        };
        Self {
            hive,
            seen: BitSet::default(),
            security: HashMap::new(),
            problems: Vec::new(),
            stats,
        }
    }

    fn is_full(&self) -> bool {
        self.problems.len() >= PROBLEM_LIMIT
    }

    /// Notes a problem of the key at `key`.
    fn note(&mut self, key: CellOffset, error: Error) {
        if !self.is_full() {
            let key = self.hive.path_of(key);
            let error = Box::new(error);
            self.problems.push(Problem { key, error });
        }
    }

    /// Notes the problem of a failed check.
    fn hold<T>(&mut self, key: CellOffset, result: Result<T>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.note(key, error);
                None
            }
        }
    }

    /// A cell that belongs to exactly one thing.
    fn claim(&mut self, offset: CellOffset, what: &'static str) -> Result<Cell<'h>> {
        let cell = self.hive.cell(offset, what)?;
        if self.seen.insert(offset) {
            return Ok(cell);
        }
        damaged(
            what,
            offset.position(),
            "a cell of its own",
            "one that is used twice",
        )
    }

    fn count_cells(&mut self) {
        let free = &self.hive.cells.free;
        self.stats.free_cells = free.len() as u64;
        self.stats.free_bytes = free.values().map(|size| u64::from(*size)).sum();
        let joined = free
            .iter()
            .filter(|(at, size)| free.contains_key(&(**at + **size)));
        self.stats.unjoined_free_cells = joined.count() as u64;
        let used = self.hive.cells.used.len();
        self.stats.lost_cells = used.saturating_sub(self.seen.len());
    }
}

/// `Ok` when both are the same.
fn expect<T: PartialEq + ToString>(
    what: &'static str,
    position: u64,
    expected: T,
    found: T,
) -> Result<()> {
    if expected == found {
        return Ok(());
    }
    damaged(what, position, expected.to_string(), found.to_string())
}
