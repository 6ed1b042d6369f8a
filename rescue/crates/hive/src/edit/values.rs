//! Setting and deleting values.

use super::Edit;
use crate::error::{Error, refused};
use crate::name::Name;
use crate::node::{MAX_VALUE_DATA, MAX_VALUE_NAME, VALUE_LIST, VALUES};
use crate::units::NIL;
use crate::value::{self, DATA, DATA_LEN, INLINE, SEGMENT, Stored, TYPE};
use crate::{CellOffset, Result, ValueType};

/// Names of values, in UTF-16 units.
const VALUE_NAME_LIMIT: usize = 16383;

impl Edit {
    /// Sets a value of a key that is there; "" is the name of the default
    /// value. `false` when it has this type and these data already.
    ///
    /// # Errors
    /// [`Error::NoSuchKey`]; or when the name or the data are too long, or the
    /// hive is full. Nothing is changed then.
    pub fn set_value(
        &mut self,
        path: &str,
        name: &str,
        kind: ValueType,
        data: &[u8],
    ) -> Result<bool> {
        let key = self.hive.key(path)?;
        let offset = key.node.offset;
        let old = key.value(name)?;
        if let Some(old) = &old
            && old.value_type() == kind
            && *old.data()? == *data
        {
            return Ok(false);
        }
        let old = old.map(|old| Ok::<_, Error>((old.offset, old.stored()?)));
        let old = old.transpose()?;
        let name = Name::from(name);
        if name.len() > VALUE_NAME_LIMIT {
            let what = format!("set the value {name} of {path:?}");
            return refused(what, format!("names end at {VALUE_NAME_LIMIT} letters"));
        }
        self.whole(|edit| {
            let (value, stored) = match old {
                Some(old) => old,
                None => (edit.new_value(offset, &name, kind)?, Stored::Inline),
            };
            edit.store(value, stored, data)?;
            edit.write_u32(value, TYPE, kind.0)?;
            edit.note_longest(offset, &name, data.len())?;
            edit.touch(offset)?;
            Ok(true)
        })
    }

    /// Deletes a value. `false` when there is no such value, or no such key.
    ///
    /// # Errors
    /// When the hive is damaged, which was checked before: a fault of ours.
    pub fn delete_value(&mut self, path: &str, name: &str) -> Result<bool> {
        let Some(key) = self.hive.find(path)? else {
            return Ok(false);
        };
        let Some(value) = key.value(name)? else {
            return Ok(false);
        };
        let (offset, list) = (key.node.offset, key.node.value_list);
        let mut cells = value.stored()?.cells();
        cells.push(value.offset);
        let mut left = key.value_offsets()?;
        left.retain(|other| *other != value.offset);
        self.whole(|edit| {
            edit.write_u32(offset, VALUES, left.len() as u32)?;
            match list {
                Some(list) if !left.is_empty() => edit.write(list, 0, &list_body(&left))?,
                _ => {
                    edit.write_u32(offset, VALUE_LIST, NIL)?;
                    edit.write_u32(offset, MAX_VALUE_NAME, 0)?;
                    edit.write_u32(offset, MAX_VALUE_DATA, 0)?;
                    cells.extend(list);
                }
            }
            edit.touch(offset)?;
            cells.into_iter().try_for_each(|cell| edit.free(cell))?;
            Ok(true)
        })
    }

    /// An empty value at the end of a key's list.
    fn new_value(&mut self, key: CellOffset, name: &Name, kind: ValueType) -> Result<CellOffset> {
        let value = self.allocate(&value::body(name, kind))?;
        let owner = self.hive.key_at(key)?;
        let list = owner.node.value_list.filter(|_| owner.node.values > 0);
        let mut values = owner.value_offsets()?;
        values.push(value);
        let body = list_body(&values);
        let list = match list {
            Some(list) => self.replace(list, &body)?,
            None => self.allocate(&body)?,
        };
        self.write_u32(key, VALUE_LIST, list.get())?;
        self.write_u32(key, VALUES, values.len() as u32)?;
        Ok(value)
    }

    /// Stores data in the place of those that a value has.
    fn store(&mut self, value: CellOffset, old: Stored, data: &[u8]) -> Result<()> {
        let one_cell = data.len() <= SEGMENT || !self.hive.base.has_big_data();
        let mut len = u32::try_from(data.len()).unwrap_or(u32::MAX);
        let (field, unused) = match old {
            old if data.len() <= 4 => {
                len |= INLINE;
                let mut inline = [0; 4];
                inline
                    .iter_mut()
                    .zip(data)
                    .for_each(|(to, from)| *to = *from);
                (u32::from_le_bytes(inline), old.cells())
            }
            Stored::Cell(cell) if one_cell => (self.replace(cell, data)?.get(), Vec::new()),
            old if one_cell => (self.allocate(data)?.get(), old.cells()),
            old => (self.allocate_segments(data)?.get(), old.cells()),
        };
        self.write_u32(value, DATA_LEN, len)?;
        self.write_u32(value, DATA, field)?;
        unused.into_iter().try_for_each(|cell| self.free(cell))
    }

    fn allocate_segments(&mut self, data: &[u8]) -> Result<CellOffset> {
        let count = data.len().div_ceil(SEGMENT);
        let Ok(count) = u16::try_from(count) else {
            let why = format!("a value has at most 65535 segments of {SEGMENT} bytes");
            return refused(format!("store {} bytes", data.len()), why);
        };
        let mut segments = Vec::new();
        for part in data.chunks(SEGMENT) {
            // The last one, too, is of full size, as Windows makes it.
            let mut part = part.to_vec();
            part.resize(SEGMENT, 0);
            segments.push(self.allocate(&part)?);
        }
        let list = self.allocate(&list_body(&segments))?;
        let mut head = b"db".to_vec();
        head.extend(count.to_le_bytes());
        head.extend(list.get().to_le_bytes());
        self.allocate(&head)
    }

    /// The longest name and data of a key: never less than what is there.
    fn note_longest(&mut self, key: CellOffset, name: &Name, data: usize) -> Result<()> {
        let node = self.hive.key_at(key)?.node;
        let longest = node.max_value_name.max(name.len() as u32 * 2);
        let largest = node.max_value_data.max(data as u32);
        self.write_u32(key, MAX_VALUE_NAME, longest)?;
        self.write_u32(key, MAX_VALUE_DATA, largest)
    }
}

fn list_body(cells: &[CellOffset]) -> Vec<u8> {
    cells
        .iter()
        .flat_map(|cell| cell.get().to_le_bytes())
        .collect()
}
