//! A key of a hive.

use crate::bytes::u32_at;
use crate::error::damaged;
use crate::list::{Kind, SubkeyList};
use crate::name::Name;
use crate::node::Node;
use crate::security;
use crate::{CellOffset, FileTime, Hive, Result, Value};

/// A key: subkeys, values, a class, a security descriptor.
#[derive(Debug, Clone, Copy)]
pub struct Key<'h> {
    pub(crate) hive: &'h Hive,
    pub(crate) node: Node<'h>,
}

impl<'h> Key<'h> {
    /// Its name; the root's is not part of any path.
    #[must_use]
    pub fn name(&self) -> Name {
        self.node.name()
    }

    /// Its path from the root, for messages.
    #[must_use]
    pub fn path(&self) -> String {
        self.hive.path_of(self.node.offset)
    }

    /// When it was last written.
    #[must_use]
    pub fn last_written(&self) -> FileTime {
        self.node.time
    }

    /// The raw flags of its cell.
    #[must_use]
    pub fn flags(&self) -> u16 {
        self.node.flags
    }

    /// How many subkeys it says it has.
    #[must_use]
    pub fn subkey_count(&self) -> u32 {
        self.node.subkeys
    }

    /// How many values it says it has.
    #[must_use]
    pub fn value_count(&self) -> u32 {
        self.node.values
    }

    /// The subkeys, in the order of the hive.
    ///
    /// # Errors
    /// When the list or one of the keys is damaged.
    pub fn subkeys(&self) -> Result<Vec<Key<'h>>> {
        let list = self.subkey_list()?;
        let keys = list.entries().map(|(_, entry)| self.hive.key_at(entry.key));
        keys.collect()
    }

    /// The subkey of this name.
    ///
    /// # Errors
    /// When a cell on the way is damaged.
    pub fn subkey(&self, name: &str) -> Result<Option<Key<'h>>> {
        self.subkey_named(&Name::from(name))
    }

    pub(crate) fn subkey_named(&self, name: &Name) -> Result<Option<Key<'h>>> {
        let hash = name.hash();
        for (kind, entry) in self.subkey_list()?.entries() {
            if kind == Kind::Hashes && entry.extra != hash {
                continue;
            }
            let key = self.hive.key_at(entry.key)?;
            if key.name().same(name) {
                return Ok(Some(key));
            }
        }
        Ok(None)
    }

    pub(crate) fn subkey_list(&self) -> Result<SubkeyList> {
        let count = self.node.subkeys;
        if count == 0 {
            return Ok(SubkeyList::default());
        }
        let position = self.node.offset.position();
        let limit = self.hive.key_limit();
        if count > limit {
            let expected = format!("at most {limit}, which would fill the hive");
            return damaged("number of subkeys", position, expected, count.to_string());
        }
        match self.node.subkey_list {
            Some(offset) => SubkeyList::read(self.hive, offset, count),
            None => damaged(
                "list of subkeys",
                position,
                format!("{count} entries"),
                "no list",
            ),
        }
    }

    /// The values, in the order of the hive.
    ///
    /// # Errors
    /// When the list or one of the values' cells is damaged.
    pub fn values(&self) -> Result<Vec<Value<'h>>> {
        let offsets = self.value_offsets()?;
        let values = offsets.into_iter().map(|offset| self.hive.value_at(offset));
        values.collect()
    }

    /// The value of this name, "" for the default value.
    ///
    /// # Errors
    /// When a cell on the way is damaged.
    pub fn value(&self, name: &str) -> Result<Option<Value<'h>>> {
        let name = Name::from(name);
        for offset in self.value_offsets()? {
            let value = self.hive.value_at(offset)?;
            if value.name().same(&name) {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    /// The text of the value of this name, `None` when it has no text.
    ///
    /// # Errors
    /// When a cell on the way is damaged.
    pub fn text(&self, name: &str) -> Result<Option<String>> {
        let data = self.value(name)?.map(|value| value.decode()).transpose()?;
        Ok(data.and_then(|data| data.text().map(str::to_owned)))
    }

    /// The number of the `REG_DWORD` of this name, `None` when it has none.
    ///
    /// # Errors
    /// When a cell on the way is damaged.
    pub fn dword(&self, name: &str) -> Result<Option<u32>> {
        let data = self.value(name)?.map(|value| value.decode()).transpose()?;
        Ok(data.and_then(|data| data.dword()))
    }

    pub(crate) fn value_offsets(&self) -> Result<Vec<CellOffset>> {
        let count = self.node.values as usize;
        if count == 0 {
            return Ok(Vec::new());
        }
        let position = self.node.offset.position();
        let Some(list) = self.node.value_list else {
            return damaged(
                "list of values",
                position,
                format!("{count} entries"),
                "no list",
            );
        };
        let cell = self.hive.cell(list, "list of values")?;
        let bytes = cell.bytes("list of values", 0, count.saturating_mul(4))?;
        let offsets = bytes.chunks_exact(4).filter_map(|chunk| u32_at(chunk, 0));
        Ok(offsets.map(CellOffset).collect())
    }

    /// Its class. The boot key of Windows is kept in the classes of four keys.
    ///
    /// # Errors
    /// When the cell is damaged.
    pub fn class(&self) -> Result<Option<Name>> {
        let (Some(offset), len @ 1..) = (self.node.class, self.node.class_len) else {
            return Ok(None);
        };
        let cell = self.hive.cell(offset, "class of a key")?;
        let bytes = cell.bytes("class of a key", 0, len.into())?;
        Ok(Some(Name::from_stored(bytes, false)))
    }

    /// Its security descriptor, self-relative, as it is stored.
    ///
    /// # Errors
    /// When there is none, or its cell is damaged.
    pub fn security(&self) -> Result<&'h [u8]> {
        let position = self.node.offset.position();
        match self.node.security {
            Some(offset) => security::descriptor(self.hive.cell(offset, "security")?),
            None => damaged("security of a key", position, "a descriptor", "none"),
        }
    }
}
