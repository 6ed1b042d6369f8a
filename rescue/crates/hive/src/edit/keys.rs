//! Creating and deleting keys.

use super::Edit;
use crate::error::{damaged, refused};
use crate::hive::{DEPTH_LIMIT, parts};
use crate::name::Name;
use crate::node::{self, TIME};
use crate::validate::KEY_NAME_LIMIT;
use crate::{CellOffset, Result};

impl Edit {
    /// Creates a key, and the keys above it that are not there. `false` when
    /// it was there.
    ///
    /// # Errors
    /// When a name is empty, too long or holds a NUL, when the keys would be too
    /// deep, or when the hive is full; nothing is changed then.
    pub fn create_key(&mut self, path: &str) -> Result<bool> {
        let names: Vec<Name> = parts(path).map(Name::from).collect();
        let what = || format!("create the key {path:?}");
        if names.len() > DEPTH_LIMIT {
            return refused(what(), format!("keys go {DEPTH_LIMIT} deep, no deeper"));
        }
        if names.iter().any(|name| name.len() > KEY_NAME_LIMIT) {
            return refused(what(), format!("names end at {KEY_NAME_LIMIT} letters"));
        }
        if names.iter().any(|name| name.units().contains(&0)) {
            return refused(what(), "the name holds a NUL");
        }
        self.whole(|edit| {
            let (mut at, mut created) = (edit.hive.base.root, false);
            for name in &names {
                let subkey = edit.hive.key_at(at)?.subkey_named(name)?;
                at = match subkey.map(|key| key.node.offset) {
                    Some(subkey) => subkey,
                    None => {
                        created = true;
                        edit.new_key(at, name)?
                    }
                };
            }
            Ok(created)
        })
    }

    fn new_key(&mut self, parent: CellOffset, name: &Name) -> Result<CellOffset> {
        let Some(security) = self.hive.key_at(parent)?.node.security else {
            return damaged(
                "security of a key",
                parent.position(),
                "a descriptor",
                "none",
            );
        };
        let key = self.allocate(&node::body(name, parent, security, self.when))?;
        self.share_security(security)?;
        self.list_subkey(parent, key, name)?;
        self.touch(parent)?;
        Ok(key)
    }

    /// Deletes a key with all that is in it. `false` when it was not there.
    ///
    /// # Errors
    /// When it is the root, or Windows protects it or a key in it from
    /// deletion; nothing is changed then.
    pub fn delete_key(&mut self, path: &str) -> Result<bool> {
        let Some(key) = self.hive.find(path)? else {
            return Ok(false);
        };
        let (offset, parent) = (key.node.offset, CellOffset(key.node.parent));
        if offset == self.hive.base.root {
            return refused("delete the root key", "a hive consists of it");
        }
        let mut doomed = Vec::new();
        for item in key.walk(path) {
            let (path, key) = item?;
            if key.node.flags & node::NO_DELETE != 0 {
                return refused(
                    format!("delete the key {path:?}"),
                    "Windows marks it as not to be deleted",
                );
            }
            doomed.push(key.node.offset);
        }
        self.whole(|edit| {
            edit.unlist_subkey(parent, offset)?;
            edit.touch(parent)?;
            for key in doomed {
                edit.free_key(key)?;
            }
            Ok(true)
        })
    }

    /// Frees a key with its values, lists and class; its subkeys are freed, too.
    fn free_key(&mut self, offset: CellOffset) -> Result<()> {
        let key = self.hive.key_at(offset)?;
        let node = key.node;
        let list = key.subkey_list()?;
        let lists = list.index.into_iter();
        let mut cells: Vec<_> = lists.chain(list.leaves.iter().map(|l| l.offset)).collect();
        cells.extend(node.class.filter(|_| node.class_len > 0));
        cells.extend(node.value_list.filter(|_| node.values > 0));
        for value in key.values()? {
            cells.push(value.offset);
            cells.extend(value.stored()?.cells());
        }
        cells.push(offset);
        if let Some(security) = node.security {
            self.release_security(security)?;
        }
        cells.into_iter().try_for_each(|cell| self.free(cell))
    }

    /// Notes that a key was written.
    pub(super) fn touch(&mut self, key: CellOffset) -> Result<()> {
        let when = self.when.0.to_le_bytes();
        self.write(key, TIME, &when)
    }
}
