//! Putting a key into its parent's list, and taking it out.

use std::cmp::Ordering;

use super::Edit;
use crate::error::damaged;
use crate::list::{Entry, Kind, LEAF_LIMIT, Leaf, SubkeyList, index_body, leaf_body};
use crate::name::Name;
use crate::node::{MAX_SUBKEY_NAME, SUBKEY_LIST, SUBKEYS};
use crate::units::NIL;
use crate::{CellOffset, Result};

impl Edit {
    /// Puts `key` into the list of `parent`, where its name belongs.
    pub(super) fn list_subkey(
        &mut self,
        parent: CellOffset,
        key: CellOffset,
        name: &Name,
    ) -> Result<()> {
        let parent_key = self.hive.key_at(parent)?;
        let (count, longest) = (parent_key.node.subkeys, parent_key.node.max_subkey_name);
        let mut list = parent_key.subkey_list()?;
        if list.leaves.is_empty() {
            self.add_leaf(&mut list, 0, self.new_leaf_kind(), Vec::new())?;
        }
        let (at, place) = self.place(&list, name);
        let Some(leaf) = list.leaves.get_mut(at) else {
            return damaged("list of subkeys", parent.position(), "a leaf", "none");
        };
        let extra = leaf.kind.extra(name);
        leaf.entries.insert(place, Entry { key, extra });
        let half = match leaf.entries.len() {
            len if len > LEAF_LIMIT => leaf.entries.split_off(len / 2),
            _ => Vec::new(),
        };
        leaf.offset = self.replace(leaf.offset, &leaf_body(leaf.kind, &leaf.entries))?;
        if !half.is_empty() {
            let kind = leaf.kind;
            self.add_leaf(&mut list, at + 1, kind, half)?;
        }
        self.write_top(parent, &mut list)?;
        self.write_u32(parent, SUBKEYS, count + 1)?;
        let len = u16::try_from(name.len() * 2).unwrap_or(u16::MAX);
        self.write(parent, MAX_SUBKEY_NAME, &longest.max(len).to_le_bytes())
    }

    /// Takes `key` out of the list of `parent`.
    pub(super) fn unlist_subkey(&mut self, parent: CellOffset, key: CellOffset) -> Result<()> {
        let parent_key = self.hive.key_at(parent)?;
        let count = parent_key.node.subkeys;
        let mut list = parent_key.subkey_list()?;
        for leaf in &mut list.leaves {
            let before = leaf.entries.len();
            leaf.entries.retain(|entry| entry.key != key);
            if leaf.entries.is_empty() {
                self.free(leaf.offset)?;
            } else if leaf.entries.len() < before {
                self.write(leaf.offset, 0, &leaf_body(leaf.kind, &leaf.entries))?;
            }
        }
        list.leaves.retain(|leaf| !leaf.entries.is_empty());
        self.write_top(parent, &mut list)?;
        self.write_u32(parent, SUBKEYS, count.saturating_sub(1))?;
        if list.leaves.is_empty() {
            self.write(parent, MAX_SUBKEY_NAME, &0_u16.to_le_bytes())?;
        }
        Ok(())
    }

    fn new_leaf_kind(&self) -> Kind {
        match self.hive.base.has_hash_leaves() {
            true => Kind::Hashes,
            false => Kind::Hints,
        }
    }

    fn add_leaf(
        &mut self,
        list: &mut SubkeyList,
        at: usize,
        kind: Kind,
        entries: Vec<Entry>,
    ) -> Result<()> {
        let offset = self.allocate(&leaf_body(kind, &entries))?;
        let leaf = Leaf {
            offset,
            kind,
            entries,
        };
        list.leaves.insert(at, leaf);
        Ok(())
    }

    /// The leaf a name belongs in, and where in it.
    fn place(&self, list: &SubkeyList, name: &Name) -> (usize, usize) {
        let before = |entry: &Entry| {
            let key = self.hive.key_at(entry.key);
            key.is_ok_and(|key| key.name().order(name) == Ordering::Less)
        };
        let ends_before = |leaf: &Leaf| leaf.entries.last().is_some_and(before);
        let last = list.leaves.len().saturating_sub(1);
        let leaf = list.leaves.partition_point(ends_before).min(last);
        let entries = list.leaves.get(leaf).map(|leaf| &leaf.entries);
        (leaf, entries.map_or(0, |e| e.partition_point(before)))
    }

    /// Makes `parent` point to the list: to its one leaf, or to an index. An
    /// index that is there stays, also for one leaf.
    fn write_top(&mut self, parent: CellOffset, list: &mut SubkeyList) -> Result<()> {
        let body = index_body(&list.leaves);
        let top = match (list.index, list.leaves.as_slice()) {
            (Some(index), []) => {
                self.free(index)?;
                NIL
            }
            (None, []) => NIL,
            (Some(index), _) => self.replace(index, &body)?.get(),
            (None, [leaf]) => leaf.offset.get(),
            (None, _) => self.allocate(&body)?.get(),
        };
        self.write_u32(parent, SUBKEY_LIST, top)
    }
}
