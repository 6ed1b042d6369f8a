//! Lists of subkeys: order, hashes, counts.

use std::cmp::Ordering;

use super::keys::Waiting;
use super::{Check, expect};
use crate::error::damaged;
use crate::list::{Entry, Kind};
use crate::name::Name;
use crate::{CellOffset, Key, Result};

impl Check<'_> {
    /// Checks a key's list; the keys in it are to be checked next.
    pub(super) fn subkeys(&mut self, key: Key<'_>, depth: usize) -> Result<Vec<Waiting>> {
        let list = key.subkey_list()?;
        if let Some(index) = list.index {
            self.claim(index, "index of subkeys")?;
        }
        for leaf in &list.leaves {
            self.claim(leaf.offset, "list of subkeys")?;
            self.stats.longest_leaf = self.stats.longest_leaf.max(leaf.entries.len());
        }
        let mut before: Option<Name> = None;
        let mut waiting = Vec::new();
        for (kind, entry) in list.entries() {
            let subkey = self.hive.key_at(entry.key)?;
            let name = subkey.name();
            if let Some(before) = &before {
                self.hold(key.node.offset, order(before, &name, entry.key));
            }
            self.hold(entry.key, extra(kind, entry, &name));
            before = Some(name);
            waiting.push(Waiting {
                key: entry.key,
                parent: Some(key.node.offset),
                depth: depth + 1,
            });
        }
        Ok(waiting)
    }
}

fn order(before: &Name, name: &Name, key: CellOffset) -> Result<()> {
    if before.order(name) == Ordering::Less {
        return Ok(());
    }
    let expected = format!("a name after {before}");
    damaged(
        "order of subkeys",
        key.position(),
        expected,
        name.to_string(),
    )
}

/// The hash or the hint of an entry. Windows looks keys up by them.
fn extra(kind: Kind, entry: &Entry, name: &Name) -> Result<()> {
    // No hint is a hint that fits every name.
    if kind == Kind::Plain || kind == Kind::Hints && entry.extra == 0 {
        return Ok(());
    }
    let what = match kind {
        Kind::Hashes => "hash of a subkey",
        _ => "hint of a subkey",
    };
    expect(what, entry.key.position(), kind.extra(name), entry.extra)
}
