//! Lists of subkeys: a leaf, or an index (`ri`) of leaves.
//!
//! All begin with two letters and a count (u16). `li`: offsets. `lf`: offset
//! and the name's first letters. `lh`: offset and the name's hash. `ri`:
//! offsets of leaves, never of another `ri`. Keys are in order across leaves.

use crate::bytes::{tag, u32_at};
use crate::cell::Cell;
use crate::error::damaged;
use crate::name::Name;
use crate::{CellOffset, Hive, Result};

/// Leaves that would grow over this are split; the largest seen on real hives
/// has 1005 entries.
pub(crate) const LEAF_LIMIT: usize = 1012;

/// Kinds of leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Plain,
    Hints,
    Hashes,
}

impl Kind {
    fn from_signature(signature: &[u8]) -> Option<Self> {
        match signature {
            b"li" => Some(Self::Plain),
            b"lf" => Some(Self::Hints),
            b"lh" => Some(Self::Hashes),
            _ => None,
        }
    }

    const fn signature(self) -> &'static [u8; 2] {
        match self {
            Self::Plain => b"li",
            Self::Hints => b"lf",
            Self::Hashes => b"lh",
        }
    }

    const fn entry_len(self) -> usize {
        match self {
            Self::Plain => 4,
            Self::Hints | Self::Hashes => 8,
        }
    }

    /// What an entry for this name has beside the offset.
    pub(crate) fn extra(self, name: &Name) -> u32 {
        match self {
            Self::Plain => 0,
            Self::Hints => name.hint(),
            Self::Hashes => name.hash(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) key: CellOffset,
    pub(crate) extra: u32,
}

#[derive(Debug, Clone)]
pub(crate) struct Leaf {
    pub(crate) offset: CellOffset,
    pub(crate) kind: Kind,
    pub(crate) entries: Vec<Entry>,
}

/// The whole list of one key.
#[derive(Debug, Clone, Default)]
pub(crate) struct SubkeyList {
    /// The cell of the index, when there is one.
    pub(crate) index: Option<CellOffset>,
    pub(crate) leaves: Vec<Leaf>,
}

impl SubkeyList {
    /// Reads the list at `offset`, which has to hold `count` entries.
    pub(crate) fn read(hive: &Hive, offset: CellOffset, count: u32) -> Result<Self> {
        let cell = hive.cell(offset, "list of subkeys")?;
        let mut list = Self::default();
        let mut left = count;
        if cell.body.starts_with(b"ri") {
            list.index = Some(offset);
            for leaf in index_entries(cell)? {
                let leaf = Leaf::read(hive.cell(leaf, "leaf of a list of subkeys")?, &mut left)?;
                list.leaves.push(leaf);
            }
        } else {
            list.leaves.push(Leaf::read(cell, &mut left)?);
        }
        if left != 0 {
            let found = (count - left).to_string();
            let expected = format!("{count} entries, as the key says");
            return damaged("list of subkeys", cell.position(2), expected, found);
        }
        Ok(list)
    }

    pub(crate) fn entries<'a>(&'a self) -> impl Iterator<Item = (Kind, &'a Entry)> {
        let of_leaf = |leaf: &'a Leaf| leaf.entries.iter().map(|entry| (leaf.kind, entry));
        self.leaves.iter().flat_map(of_leaf)
    }
}

fn index_entries(cell: Cell<'_>) -> Result<Vec<CellOffset>> {
    let count = usize::from(cell.u16("index of subkeys", 2)?);
    let bytes = cell.bytes("index of subkeys", 4, count * 4)?;
    let offsets = bytes.chunks_exact(4).filter_map(|chunk| u32_at(chunk, 0));
    Ok(offsets.map(CellOffset).collect())
}

impl Leaf {
    /// Reads a leaf, of at most `left` entries.
    fn read(cell: Cell<'_>, left: &mut u32) -> Result<Self> {
        let signature = cell.bytes("list of subkeys", 0, 2)?;
        let Some(kind) = Kind::from_signature(signature) else {
            let expected = "\"li\", \"lf\" or \"lh\"";
            return damaged(
                "list of subkeys",
                cell.position(0),
                expected,
                tag(signature),
            );
        };
        let count = cell.u16("list of subkeys", 2)?;
        let rest = left.checked_sub(count.into()).filter(|_| count > 0);
        let Some(rest) = rest else {
            let expected = format!("1 to {left} entries, as the key says");
            let found = count.to_string();
            return damaged("list of subkeys", cell.position(2), expected, found);
        };
        *left = rest;
        let bytes = cell.bytes("list of subkeys", 4, usize::from(count) * kind.entry_len())?;
        let entries = bytes.chunks_exact(kind.entry_len()).map(|chunk| Entry {
            key: CellOffset(u32_at(chunk, 0).unwrap_or_default()),
            extra: u32_at(chunk, 4).unwrap_or_default(),
        });
        Ok(Self {
            offset: cell.offset,
            kind,
            entries: entries.collect(),
        })
    }
}

/// The body of a leaf. A leaf has at most [`LEAF_LIMIT`] entries, or as many
/// as the hive came with, which fit u16.
pub(crate) fn leaf_body(kind: Kind, entries: &[Entry]) -> Vec<u8> {
    let mut body = kind.signature().to_vec();
    let count = u16::try_from(entries.len()).unwrap_or(u16::MAX);
    body.extend(count.to_le_bytes());
    for entry in entries {
        body.extend(entry.key.0.to_le_bytes());
        if kind != Kind::Plain {
            body.extend(entry.extra.to_le_bytes());
        }
    }
    body
}

/// The body of an index.
pub(crate) fn index_body(leaves: &[Leaf]) -> Vec<u8> {
    let mut body = b"ri".to_vec();
    let count = u16::try_from(leaves.len()).unwrap_or(u16::MAX);
    body.extend(count.to_le_bytes());
    body.extend(leaves.iter().flat_map(|leaf| leaf.offset.0.to_le_bytes()));
    body
}
