//! Recently used pack tables, to confirm that a chunk is stored.

use std::collections::{HashMap, VecDeque};

use crate::pack::TableEntry;
use crate::{ChunkId, known::PackNumber};

/// Entries kept, 44 bytes each: 23 MiB.
const CAPACITY: usize = 1 << 19;

/// Tables sorted by chunk id, oldest out first: deduplication meets packs in
/// the order they were written, mostly.
#[derive(Debug, Default)]
pub(crate) struct TableCache {
    tables: HashMap<PackNumber, Vec<TableEntry>>,
    order: VecDeque<PackNumber>,
    entries: usize,
}

impl TableCache {
    pub(crate) fn contains(&self, pack: PackNumber) -> bool {
        self.tables.contains_key(&pack)
    }

    pub(crate) fn insert(&mut self, pack: PackNumber, mut table: Vec<TableEntry>) {
        table.sort_unstable_by_key(|e| e.chunk);
        self.entries += table.len();
        if let Some(old) = self.tables.insert(pack, table) {
            self.entries -= old.len();
        } else {
            self.order.push_back(pack);
        }
        while self.entries > CAPACITY && self.order.len() > 1 {
            let oldest = self.order.pop_front();
            let removed = oldest.and_then(|pack| self.tables.remove(&pack));
            self.entries -= removed.map_or(0, |table| table.len());
        }
    }

    pub(crate) fn find(&self, pack: PackNumber, chunk: &ChunkId) -> Option<TableEntry> {
        let table = self.tables.get(&pack)?;
        let at = table.binary_search_by_key(chunk, |e| e.chunk).ok()?;
        table.get(at).copied()
    }
}
