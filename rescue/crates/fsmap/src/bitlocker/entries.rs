//! Entries of the metadata: a header of 8 bytes (size, role, type, flags), then
//! data, which may be entries again.

use uuid::Uuid;

use crate::bytes::{le16, slice};
use crate::error::{Stop, raw};

const HEADER: usize = 8;
/// A volume has a dozen; each that opens it has half a dozen.
const MOST: usize = 1000;
/// Letters of a text that is for people.
const LETTERS: usize = 256;

#[derive(Debug)]
pub(super) struct Entry<'a> {
    pub(super) role: u16,
    pub(super) kind: u16,
    pub(super) data: &'a [u8],
}

/// The entries in `bytes`; a size of zero ends them.
pub(super) fn all(bytes: &[u8]) -> Result<Vec<Entry<'_>>, Stop> {
    let mut entries = Vec::new();
    let mut at = 0;
    while bytes.len().saturating_sub(at) >= HEADER {
        let size = usize::from(le16(bytes, at)?);
        if size == 0 {
            break;
        }
        if size < HEADER || entries.len() == MOST {
            return raw(format!(
                "its entry {} has a size of {size} bytes",
                entries.len()
            ));
        }
        let entry = slice(bytes, at, size)?;
        entries.push(Entry {
            role: le16(entry, 2)?,
            kind: le16(entry, 4)?,
            data: slice(entry, HEADER, size - HEADER)?,
        });
        at = at.saturating_add(size);
    }
    Ok(entries)
}

/// As Windows prints it, without braces.
pub(super) fn guid(bytes: [u8; 16]) -> String {
    Uuid::from_bytes_le(bytes)
        .hyphenated()
        .to_string()
        .to_uppercase()
}

/// A text in UTF-16 up to its NUL, for a screen; `None` when there is none.
pub(super) fn text(bytes: &[u8]) -> Option<String> {
    let units = bytes.chunks_exact(2).map(|c| match c {
        [low, high] => u16::from_le_bytes([*low, *high]),
        _ => 0,
    });
    let letters = char::decode_utf16(units.take_while(|unit| *unit != 0));
    let letters = letters.map(|letter| match letter {
        Ok(letter) if !letter.is_control() => letter,
        _ => '\u{fffd}',
    });
    let text: String = letters.take(LETTERS).collect();
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}
