//! A hive in memory, and how it is read.

use crate::base::{self, Base};
use crate::cell::{Cell, CellMap};
use crate::error::damaged;
use crate::name::Name;
use crate::node::{self, Node};
use crate::replay::{self, Replayed};
use crate::units::BASE_SIZE;
use crate::{CellOffset, Error, Key, Result};

/// Keys within keys, at most; Windows allows no more.
pub(crate) const DEPTH_LIMIT: usize = 512;

/// A registry hive, its logs already replayed.
///
/// Reading follows no symbolic links and knows no `CurrentControlSet`: both
/// exist only on a running Windows.
#[derive(Clone)]
pub struct Hive {
    pub(crate) data: Vec<u8>,
    pub(crate) base: Base,
    pub(crate) cells: CellMap,
}

impl Hive {
    /// Opens a hive file, and brings it up to date from its logs (`LOG1`,
    /// `LOG2`, or `LOG`, in any order) when Windows would.
    ///
    /// # Errors
    /// When this is no hive, or its base block or the tiling of its bins is
    /// damaged. Logs that cannot be used are no error: [`Replayed`] says so.
    pub fn open(primary: Vec<u8>, logs: &[&[u8]]) -> Result<(Self, Replayed)> {
        let mut data = primary;
        let replayed = replay::replay(&mut data, logs)?;
        let base = Base::parse(&data)?;
        if base.kind != base::TYPE_HIVE {
            let found = format!("{} (a log?)", base.kind);
            return damaged("type of the file", 28, "0 (a hive)", found);
        }
        let cells = CellMap::scan(&data, base.bins_size)?;
        let hive = Self { data, base, cells };
        hive.root()?;
        Ok((hive, replayed))
    }

    /// The root key.
    ///
    /// # Errors
    /// When its cell is damaged.
    pub fn root(&self) -> Result<Key<'_>> {
        self.key_at(self.base.root)
    }

    /// The key at a path such as `ControlSet001\Services`; the root for "".
    /// Letters count without case.
    ///
    /// # Errors
    /// [`Error::NoSuchKey`]; or when a cell on the way is damaged.
    pub fn key(&self, path: &str) -> Result<Key<'_>> {
        self.find(path)?.ok_or_else(|| Error::NoSuchKey {
            path: path.to_owned(),
        })
    }

    /// The same, with `None` for a key that is not there.
    ///
    /// # Errors
    /// When a cell on the way is damaged.
    pub fn find(&self, path: &str) -> Result<Option<Key<'_>>> {
        let mut key = self.root()?;
        for name in parts(path) {
            match key.subkey_named(&Name::from(name))? {
                Some(subkey) => key = subkey,
                None => return Ok(None),
            }
        }
        Ok(Some(key))
    }

    /// The version's minor number: 3 (also BCD stores) to 6.
    #[must_use]
    pub fn minor_version(&self) -> u32 {
        self.base.minor
    }

    /// The sequence number; a hive in memory counts as clean, so there is one.
    #[must_use]
    pub fn sequence(&self) -> u32 {
        self.base.sequence_1
    }

    /// Bytes of all bins.
    #[must_use]
    pub fn bins_size(&self) -> u32 {
        self.base.bins_size
    }

    /// The hive as a file: with the logs replayed, the sequence numbers equal.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.data
    }

    pub(crate) fn key_at(&self, offset: CellOffset) -> Result<Key<'_>> {
        let node = Node::parse(self.cell(offset, "key")?)?;
        Ok(Key { hive: self, node })
    }

    pub(crate) fn cell(&self, offset: CellOffset, what: &'static str) -> Result<Cell<'_>> {
        Cell::get(&self.data, &self.cells, offset, what)
    }

    /// More keys than this cannot be there.
    pub(crate) fn key_limit(&self) -> u32 {
        self.base.bins_size / node::SMALLEST
    }

    /// The path of a key, by its parents; for messages.
    pub(crate) fn path_of(&self, offset: CellOffset) -> String {
        let mut names = Vec::new();
        let mut at = offset;
        while at != self.base.root && names.len() < DEPTH_LIMIT {
            let Ok(key) = self.key_at(at) else { break };
            names.push(key.name().to_string());
            at = CellOffset(key.node.parent);
        }
        names.reverse();
        names.join("\\")
    }
}

/// The names of a path: empty ones (doubled or outer separators) do not count.
pub(crate) fn parts(path: &str) -> impl Iterator<Item = &str> {
    path.split('\\').filter(|name| !name.is_empty())
}

impl std::fmt::Debug for Hive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let bytes = self.data.len().saturating_sub(BASE_SIZE);
        let mut shown = f.debug_struct("Hive");
        shown.field("base", &self.base).field("bytes", &bytes);
        shown.finish_non_exhaustive()
    }
}
