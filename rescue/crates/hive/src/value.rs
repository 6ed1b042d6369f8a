//! A value of a key: `vk`.
//!
//! 0 `vk`, 2 length of the name (0: the default value), 4 bytes of data (top
//! bit: the data are the next field), 8 where the data are, 12 type, 16 flags
//! (1: a name of one byte a unit), 20 the name.
//!
//! Data over 16344 bytes are in segments since version 1.4: `db`, how many
//! (u16), the offset of their list.

use std::borrow::Cow;

use crate::bytes::{range, u16_at, u32_at};
use crate::cell::Cell;
use crate::data::{Data, ValueType};
use crate::error::damaged;
use crate::name::Name;
use crate::{CellOffset, Hive, Result};

pub(crate) const DATA_LEN: usize = 4;
pub(crate) const DATA: usize = 8;
pub(crate) const TYPE: usize = 12;
const NAME: usize = 20;
const NARROW_NAME: u16 = 1;
/// In the length: the data are in the value's own cell.
pub(crate) const INLINE: u32 = 1 << 31;
/// Bytes of a segment; more data than this are segmented.
pub(crate) const SEGMENT: usize = 16344;

/// Where the data of a value are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stored {
    /// In the value's cell.
    Inline,
    /// In one cell.
    Cell(CellOffset),
    /// In segments: the `db` cell, its list, the segments.
    Segments(CellOffset, CellOffset, Vec<CellOffset>),
}

impl Stored {
    /// The cells beside the value's own.
    pub(crate) fn cells(self) -> Vec<CellOffset> {
        match self {
            Self::Inline => Vec::new(),
            Self::Cell(cell) => vec![cell],
            Self::Segments(head, list, mut segments) => {
                segments.extend([head, list]);
                segments
            }
        }
    }
}

/// A value: a name, a type, bytes.
#[derive(Debug, Clone, Copy)]
pub struct Value<'h> {
    hive: &'h Hive,
    pub(crate) offset: CellOffset,
    name: &'h [u8],
    narrow: bool,
    raw_len: u32,
    data: &'h [u8],
    kind: ValueType,
}

impl Hive {
    pub(crate) fn value_at(&self, offset: CellOffset) -> Result<Value<'_>> {
        let cell = self.cell(offset, "value")?;
        cell.expect("signature of a value", b"vk")?;
        let fixed = cell.bytes("value", 0, NAME)?;
        let half = |at| u16_at(fixed, at).unwrap_or_default();
        let field = |at| u32_at(fixed, at).unwrap_or_default();
        Ok(Value {
            hive: self,
            offset,
            name: cell.bytes("name of a value", NAME, half(2).into())?,
            narrow: half(16) & NARROW_NAME != 0,
            raw_len: field(DATA_LEN),
            data: range(fixed, DATA, 4).unwrap_or_default(),
            kind: ValueType(field(TYPE)),
        })
    }
}

impl<'h> Value<'h> {
    /// Its name, empty for the default value.
    #[must_use]
    pub fn name(&self) -> Name {
        Name::from_stored(self.name, self.narrow)
    }

    /// Its type: any number may occur.
    #[must_use]
    pub fn value_type(&self) -> ValueType {
        self.kind
    }

    /// Bytes of data.
    #[must_use]
    pub fn data_len(&self) -> usize {
        (self.raw_len & !INLINE) as usize
    }

    /// The data.
    ///
    /// # Errors
    /// When a cell that holds them is damaged.
    pub fn data(&self) -> Result<Cow<'h, [u8]>> {
        let len = self.data_len();
        match self.stored()? {
            Stored::Inline => Ok(Cow::Borrowed(range(self.data, 0, len).unwrap_or_default())),
            Stored::Cell(offset) => {
                let cell = self.hive.cell(offset, "data of a value")?;
                Ok(Cow::Borrowed(cell.bytes("data of a value", 0, len)?))
            }
            Stored::Segments(_, _, segments) => self.join(&segments, len).map(Cow::Owned),
        }
    }

    /// The data, read by their type.
    ///
    /// # Errors
    /// As [`Value::data`].
    pub fn decode(&self) -> Result<Data> {
        Ok(Data::decode(self.kind, &self.data()?))
    }

    pub(crate) fn stored(&self) -> Result<Stored> {
        let len = self.data_len();
        let position = self.offset.position() + (4 + DATA_LEN) as u64;
        if self.raw_len & INLINE != 0 || len == 0 {
            return match len {
                0..=4 => Ok(Stored::Inline),
                _ => damaged("length of inline data", position, "0 to 4", len.to_string()),
            };
        }
        let limit = self.hive.bins_size();
        if len > limit as usize {
            let expected = format!("at most {limit}, the size of the hive");
            return damaged(
                "length of a value's data",
                position,
                expected,
                len.to_string(),
            );
        }
        let offset = CellOffset(u32_at(self.data, 0).unwrap_or_default());
        if len <= SEGMENT || !self.hive.base.has_big_data() {
            return Ok(Stored::Cell(offset));
        }
        self.segments(self.hive.cell(offset, "segmented data")?, len)
    }

    fn segments(&self, cell: Cell<'h>, len: usize) -> Result<Stored> {
        cell.expect("signature of segmented data", b"db")?;
        let count = usize::from(cell.u16("segmented data", 2)?);
        let wanted = len.div_ceil(SEGMENT);
        if count != wanted {
            let expected = format!("{wanted} segments for {len} bytes");
            return damaged(
                "segmented data",
                cell.position(2),
                expected,
                count.to_string(),
            );
        }
        let list = CellOffset(cell.u32("segmented data", 4)?);
        let bytes = self.hive.cell(list, "list of segments")?;
        let bytes = bytes.bytes("list of segments", 0, count * 4)?;
        let segments = bytes.chunks_exact(4).filter_map(|chunk| u32_at(chunk, 0));
        let segments = segments.map(CellOffset).collect();
        Ok(Stored::Segments(cell.offset, list, segments))
    }

    fn join(&self, segments: &[CellOffset], len: usize) -> Result<Vec<u8>> {
        let mut data = Vec::with_capacity(len);
        for segment in segments {
            let cell = self.hive.cell(*segment, "segment of data")?;
            let part = (len - data.len()).min(SEGMENT);
            data.extend(cell.bytes("segment of data", 0, part)?);
        }
        Ok(data)
    }
}

/// The body of a new value; its data are set afterwards.
pub(crate) fn body(name: &Name, kind: ValueType) -> Vec<u8> {
    let (stored, narrow) = name.to_stored();
    let mut body = b"vk".to_vec();
    body.extend(
        u16::try_from(stored.len())
            .unwrap_or(u16::MAX)
            .to_le_bytes(),
    );
    body.extend(INLINE.to_le_bytes());
    body.extend(0_u32.to_le_bytes());
    body.extend(kind.0.to_le_bytes());
    // The name of a default value counts as narrow or not; Windows writes 0.
    let narrow = narrow && !name.is_empty();
    body.extend(u16::from(narrow).to_le_bytes());
    body.extend(0_u16.to_le_bytes());
    body.extend(stored);
    body
}
