//! The tree of keys.

use super::{Check, expect};
use crate::error::damaged;
use crate::hive::DEPTH_LIMIT;
use crate::node::{self, Node};
use crate::{CellOffset, Error, Key, Result};

/// Names of keys, in UTF-16 units.
pub(crate) const KEY_NAME_LIMIT: usize = 255;

/// A key to be checked.
pub(super) struct Waiting {
    pub(super) key: CellOffset,
    pub(super) parent: Option<CellOffset>,
    pub(super) depth: usize,
}

impl Check<'_> {
    pub(super) fn tree(&mut self) {
        let mut waiting = vec![Waiting {
            key: self.hive.base.root,
            parent: None,
            depth: 0,
        }];
        while let Some(next) = waiting.pop() {
            if self.is_full() {
                return;
            }
            // The parent has the name; a key that cannot be read has none.
            let owner = next.parent.unwrap_or(next.key);
            let key = self
                .claim(next.key, "key")
                .and_then(|_| self.hive.key_at(next.key));
            if let Some(key) = self.hold(owner, key) {
                self.key(key, &next, &mut waiting);
            }
        }
    }

    fn key(&mut self, key: Key<'_>, at: &Waiting, waiting: &mut Vec<Waiting>) {
        let node = key.node;
        self.stats.keys += 1;
        self.stats.depth = self.stats.depth.max(at.depth);
        self.hold(at.key, place(&node, at));
        self.hold(at.key, name(&node));
        self.hold(at.key, nothing_for_none(&node));
        let longest = longest(&key);
        self.hold(at.key, longest);
        let class = self.class(&node);
        self.hold(at.key, class);
        let security = self.count_security(&node);
        self.hold(at.key, security);
        self.values(key);
        let subkeys = self.subkeys(key, at.depth);
        if let Some(subkeys) = self.hold(at.key, subkeys) {
            waiting.extend(subkeys.into_iter().rev());
        }
    }

    fn class(&mut self, node: &Node<'_>) -> Result<()> {
        let (Some(offset), len @ 1..) = (node.class, node.class_len) else {
            return Ok(());
        };
        let cell = self.claim(offset, "class of a key")?;
        cell.bytes("class of a key", 0, len.into()).map(|_| ())
    }

    fn count_security(&mut self, node: &Node<'_>) -> Result<()> {
        let position = node.offset.position();
        let Some(offset) = node.security else {
            return damaged("security of a key", position, "a descriptor", "none");
        };
        *self.security.entry(offset).or_default() += 1;
        Ok(())
    }
}

/// Parent, depth, and the root's mark.
fn place(node: &Node<'_>, at: &Waiting) -> Result<(), Error> {
    let position = node.offset.position();
    if at.depth > DEPTH_LIMIT {
        let expected = format!("at most {DEPTH_LIMIT} keys within each other");
        return damaged("key", position, expected, "more");
    }
    match at.parent {
        Some(parent) => expect("parent of a key", position + 20, parent.get(), node.parent),
        None if node.flags & node::ROOT == 0 => {
            let found = format!("{:#06x}", node.flags);
            damaged("flags of the root", position + 6, "the mark 0x0004", found)
        }
        None => Ok(()),
    }
}

fn name(node: &Node<'_>) -> Result<()> {
    let position = node.offset.position() + 80;
    let name = node.name();
    let whole = node.is_narrow() || node.stored_name.len().is_multiple_of(2);
    if !whole || name.is_empty() || name.len() > KEY_NAME_LIMIT {
        let expected = format!("1 to {KEY_NAME_LIMIT} letters");
        let found = format!("{} bytes", node.stored_name.len());
        return damaged("name of a key", position, expected, found);
    }
    if node.flags & node::ROOT == 0 && name.units().contains(&u16::from(b'\\')) {
        return damaged("name of a key", position, "no \\ in it", name.to_string());
    }
    Ok(())
}

/// Programs make room for names and data by what the key says is the longest.
fn longest(key: &Key<'_>) -> Result<()> {
    let node = key.node;
    let position = node.offset.position() + 4;
    for subkey in key.subkeys()? {
        let len = subkey.name().len() * 2;
        at_least(
            "longest name of a subkey",
            position + 52,
            len,
            node.max_subkey_name.into(),
        )?;
    }
    for value in key.values()? {
        let len = value.name().len() * 2;
        at_least(
            "longest name of a value",
            position + 60,
            len,
            node.max_value_name,
        )?;
        let len = value.data_len();
        at_least(
            "longest data of a value",
            position + 64,
            len,
            node.max_value_data,
        )?;
    }
    Ok(())
}

fn at_least(what: &'static str, position: u64, least: usize, found: u32) -> Result<()> {
    if found as usize >= least {
        return Ok(());
    }
    damaged(
        what,
        position,
        format!("at least {least}"),
        found.to_string(),
    )
}

/// What a key has none of has no cell either.
fn nothing_for_none(node: &Node<'_>) -> Result<()> {
    let position = node.offset.position() + 4;
    let cells = [
        ("list of subkeys", 28, node.subkeys == 0, node.subkey_list),
        ("list of values", 40, node.values == 0, node.value_list),
        ("class of a key", 48, node.class_len == 0, node.class),
    ];
    for (what, at, none, cell) in cells {
        if let (true, Some(cell)) = (none, cell) {
            let found = format!("{:#x}", cell.get());
            return damaged(what, position + at, "no cell, as the key has none", found);
        }
    }
    Ok(())
}
