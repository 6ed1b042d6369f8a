//! The cell of a key: `nk`.
//!
//! 0 `nk`, 2 flags, 4 FILETIME, 12 access bits, 16 parent, 20 subkeys, 24
//! volatile subkeys, 28 list of subkeys, 32 volatile list, 36 values, 40 list
//! of values, 44 security, 48 class, 52 longest subkey name (low half; bytes of
//! UTF-16), 56 longest class, 60 longest value name, 64 longest value data, 68
//! work variable, 72 length of the name, 74 of the class, 76 the name.

use crate::bytes::{u16_at, u32_at, u64_at};
use crate::cell::Cell;
use crate::name::Name;
use crate::units::NIL;
use crate::{CellOffset, FileTime, Result};

pub(crate) const FLAGS: usize = 2;
pub(crate) const TIME: usize = 4;
pub(crate) const SUBKEYS: usize = 20;
pub(crate) const SUBKEY_LIST: usize = 28;
pub(crate) const VALUES: usize = 36;
pub(crate) const VALUE_LIST: usize = 40;
pub(crate) const MAX_SUBKEY_NAME: usize = 52;
pub(crate) const MAX_VALUE_NAME: usize = 60;
pub(crate) const MAX_VALUE_DATA: usize = 64;
const NAME: usize = 76;

pub(crate) const ROOT: u16 = 0x04;
pub(crate) const NO_DELETE: u16 = 0x08;
const NARROW_NAME: u16 = 0x20;

/// The smallest cell a key can have: caps counts of keys.
pub(crate) const SMALLEST: u32 = 80;

/// The fields of a key's cell.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Node<'h> {
    pub(crate) offset: CellOffset,
    pub(crate) flags: u16,
    pub(crate) time: FileTime,
    pub(crate) parent: u32,
    pub(crate) subkeys: u32,
    pub(crate) subkey_list: Option<CellOffset>,
    pub(crate) values: u32,
    pub(crate) value_list: Option<CellOffset>,
    pub(crate) security: Option<CellOffset>,
    pub(crate) class: Option<CellOffset>,
    pub(crate) max_subkey_name: u16,
    pub(crate) max_value_name: u32,
    pub(crate) max_value_data: u32,
    pub(crate) class_len: u16,
    pub(crate) stored_name: &'h [u8],
}

impl<'h> Node<'h> {
    pub(crate) fn parse(cell: Cell<'h>) -> Result<Self> {
        cell.expect("signature of a key", b"nk")?;
        let fixed = cell.bytes("key", 0, NAME)?;
        let half = |at| u16_at(fixed, at).unwrap_or_default();
        let field = |at| u32_at(fixed, at).unwrap_or_default();
        let link = |at| CellOffset::from_field(field(at));
        Ok(Self {
            offset: cell.offset,
            flags: half(FLAGS),
            time: FileTime(u64_at(fixed, TIME).unwrap_or_default()),
            parent: field(16),
            subkeys: field(SUBKEYS),
            subkey_list: link(SUBKEY_LIST),
            values: field(VALUES),
            value_list: link(VALUE_LIST),
            security: link(44),
            class: link(48),
            max_subkey_name: half(MAX_SUBKEY_NAME),
            max_value_name: field(MAX_VALUE_NAME),
            max_value_data: field(MAX_VALUE_DATA),
            class_len: half(74),
            stored_name: cell.bytes("name of a key", NAME, half(72).into())?,
        })
    }

    pub(crate) fn name(&self) -> Name {
        Name::from_stored(self.stored_name, self.is_narrow())
    }

    /// Whether its name has one byte a unit.
    pub(crate) fn is_narrow(&self) -> bool {
        self.flags & NARROW_NAME != 0
    }
}

/// The body of a new key without subkeys, values and class.
pub(crate) fn body(
    name: &Name,
    parent: CellOffset,
    security: CellOffset,
    time: FileTime,
) -> Vec<u8> {
    let (stored, narrow) = name.to_stored();
    let flags = if narrow { NARROW_NAME } else { 0 };
    let len = u16::try_from(stored.len()).unwrap_or(u16::MAX);
    let mut body = Vec::with_capacity(NAME + stored.len());
    body.extend(b"nk");
    body.extend(flags.to_le_bytes());
    body.extend(time.0.to_le_bytes());
    let links = [0, parent.0, 0, 0, NIL, NIL, 0, NIL, security.0, NIL];
    let longest_and_work = [0_u32; 5];
    for dword in links.into_iter().chain(longest_and_work) {
        body.extend(dword.to_le_bytes());
    }
    body.extend(len.to_le_bytes());
    body.extend(0_u16.to_le_bytes());
    body.extend(stored);
    body
}
