//! What a capture keeps in memory of all stored chunks: 12 bytes each.

use std::collections::HashSet;
use std::sync::{PoisonError, RwLock};

use store::Store;

use crate::index::{INDEX_FOLDER, IndexPart};
use crate::objects::{PackKind, pack_of_name};
use crate::pack::read_table;
use crate::{ChunkId, Error, PackId, Result};

/// A pack's number in this session.
pub(crate) type PackNumber = u32;

/// Chunks known to be stored, by the first eight bytes of their ids: a hit is
/// a hint, to be confirmed against the pack's table. Shared by all workers.
#[derive(Debug, Default)]
pub struct KnownChunks {
    inner: RwLock<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    packs: Vec<(PackKind, Option<PackId>)>,
    /// Sorted runs; each is at most half as long as the one before it.
    runs: Vec<Run>,
}

#[derive(Debug, Default)]
struct Run {
    prefixes: Vec<u64>,
    packs: Vec<PackNumber>,
}

impl Run {
    fn from_unsorted(mut pairs: Vec<(u64, PackNumber)>) -> Self {
        pairs.sort_unstable();
        let (prefixes, packs) = pairs.into_iter().unzip();
        Self { prefixes, packs }
    }

    fn merge(a: &Self, b: &Self) -> Self {
        let len = a.prefixes.len() + b.prefixes.len();
        let mut out = Self {
            prefixes: Vec::with_capacity(len),
            packs: Vec::with_capacity(len),
        };
        let mut left = a.prefixes.iter().zip(&a.packs).peekable();
        let mut right = b.prefixes.iter().zip(&b.packs).peekable();
        loop {
            let from_left = match (left.peek(), right.peek()) {
                (Some(l), Some(r)) => l <= r,
                (Some(_), None) => true,
                (None, Some(_)) => false,
                (None, None) => return out,
            };
            let next = if from_left { left.next() } else { right.next() };
            if let Some((prefix, pack)) = next {
                out.prefixes.push(*prefix);
                out.packs.push(*pack);
            }
        }
    }

    fn find(&self, prefix: u64) -> &[PackNumber] {
        let from = self.prefixes.partition_point(|p| *p < prefix);
        let len = self
            .prefixes
            .get(from..)
            .unwrap_or_default()
            .iter()
            .take_while(|p| **p == prefix)
            .count();
        self.packs.get(from..from + len).unwrap_or_default()
    }
}

impl Inner {
    fn add_run(&mut self, mut run: Run) {
        while let Some(last) = self.runs.last() {
            if last.prefixes.len() / 2 > run.prefixes.len() {
                break;
            }
            run = Run::merge(last, &run);
            self.runs.pop();
        }
        self.runs.push(run);
    }
}

impl KnownChunks {
    /// Whether a chunk is probably stored already: if so, compressing it
    /// would most likely be wasted.
    #[must_use]
    pub fn probably_has(&self, chunk: &ChunkId) -> bool {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        let prefix = chunk.prefix();
        inner.runs.iter().any(|run| !run.find(prefix).is_empty())
    }

    /// The packs of this kind that may hold the chunk.
    pub(crate) fn candidates(&self, kind: PackKind, chunk: &ChunkId) -> Vec<PackNumber> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        let prefix = chunk.prefix();
        let mut out: Vec<PackNumber> = inner
            .runs
            .iter()
            .flat_map(|run| run.find(prefix))
            .copied()
            .filter(|n| {
                let pack = inner.packs.get(*n as usize);
                pack.is_some_and(|(k, id)| *k == kind && id.is_some())
            })
            .collect();
        // The same answer however runs were merged.
        out.sort_unstable();
        out.dedup();
        out
    }

    /// A number for a pack whose id is not known yet.
    pub(crate) fn open_pack(&self, kind: PackKind) -> PackNumber {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        inner.packs.push((kind, None));
        (inner.packs.len() - 1) as PackNumber
    }

    /// The pack is complete: names it and makes its chunks known.
    pub(crate) fn close_pack(&self, number: PackNumber, id: PackId, chunks: &[u64]) {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(pack) = inner.packs.get_mut(number as usize) {
            pack.1 = Some(id);
        }
        let pairs = chunks.iter().map(|prefix| (*prefix, number)).collect();
        inner.add_run(Run::from_unsorted(pairs));
    }

    /// The id of a pack; `None` while it is open.
    pub(crate) fn pack_id(&self, number: PackNumber) -> Option<PackId> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        inner.packs.get(number as usize)?.1
    }

    /// Everything the repository stores: from index objects, and from the
    /// tables of packs no index mentions (an interrupted capture's). Damaged
    /// index objects and packs are skipped and named in the second value.
    ///
    /// # Errors
    /// The store's own.
    pub(crate) fn load(store: &dyn Store) -> Result<(Self, Vec<String>)> {
        let known = Self::default();
        let mut skipped = Vec::new();
        let mut missing: HashSet<(PackKind, PackId)> = HashSet::new();
        for kind in [PackKind::Data, PackKind::Meta] {
            let names = store.list(kind.folder())?;
            let ids = names.iter().filter_map(|name| pack_of_name(kind, name));
            missing.extend(ids.map(|id| (kind, id)));
        }
        for name in store.list(INDEX_FOLDER)? {
            match IndexPart::read(store, &name) {
                Ok(part) => known.add_part(&part, &mut missing),
                Err(error) => skipped.push(skip(error)?),
            }
        }
        let mut rest: Vec<_> = missing.into_iter().collect();
        rest.sort_unstable();
        for (kind, id) in rest {
            match read_table(store, kind, &id) {
                Ok(table) => {
                    let number = known.open_pack(kind);
                    let prefixes: Vec<u64> = table.iter().map(|e| e.chunk.prefix()).collect();
                    known.close_pack(number, id, &prefixes);
                }
                Err(error) => skipped.push(skip(error)?),
            }
        }
        Ok((known, skipped))
    }

    /// Takes what an index says of packs that exist and are not known yet.
    fn add_part(&self, part: &IndexPart, missing: &mut HashSet<(PackKind, PackId)>) {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        let mut numbers = Vec::with_capacity(part.packs.len());
        for (kind, id) in &part.packs {
            numbers.push(missing.remove(&(*kind, *id)).then(|| {
                inner.packs.push((*kind, Some(*id)));
                (inner.packs.len() - 1) as PackNumber
            }));
        }
        let pairs = part
            .entries
            .iter()
            .filter_map(|(entry, pack)| {
                let number = numbers.get(*pack as usize).copied().flatten()?;
                Some((entry.chunk.prefix(), number))
            })
            .collect();
        inner.add_run(Run::from_unsorted(pairs));
    }
}

/// Damage is skipped over; not reaching the store is not.
fn skip(error: Error) -> Result<String> {
    if error.is_damage() {
        return Ok(error.to_string());
    }
    Err(error)
}
