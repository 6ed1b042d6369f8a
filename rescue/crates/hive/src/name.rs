//! Names of keys and values: UTF-16, stored with one byte a unit where that is enough.

use std::cmp::Ordering;
use std::fmt::{self, Write as _};

use crate::bytes::units;
use crate::upcase::upcase;

/// A name as the hive has it. Comparing with `==` minds the case; what Windows
/// holds to be the same name is [`Name::same`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Name {
    units: Vec<u16>,
}

impl Name {
    /// From the bytes of a cell.
    pub(crate) fn from_stored(bytes: &[u8], one_byte: bool) -> Self {
        let units = match one_byte {
            true => bytes.iter().map(|b| u16::from(*b)).collect(),
            false => units(bytes),
        };
        Self { units }
    }

    /// How it is stored, and whether with one byte a unit.
    pub(crate) fn to_stored(&self) -> (Vec<u8>, bool) {
        let narrow: Option<Vec<u8>> = self.units.iter().map(|u| u8::try_from(*u).ok()).collect();
        match narrow {
            Some(bytes) => (bytes, true),
            None => {
                let wide = self.units.iter().flat_map(|u| u.to_le_bytes());
                (wide.collect(), false)
            }
        }
    }

    /// The UTF-16 units.
    #[must_use]
    pub fn units(&self) -> &[u16] {
        &self.units
    }

    /// Length in units.
    #[must_use]
    pub fn len(&self) -> usize {
        self.units.len()
    }

    /// Whether it is the name of a key's default value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.units.is_empty()
    }

    /// Whether Windows takes both for one name: letters count without case.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        self.order(other) == Ordering::Equal
    }

    /// The order of subkeys: capitals, unit by unit.
    #[must_use]
    pub fn order(&self, other: &Self) -> Ordering {
        self.capitals().cmp(other.capitals())
    }

    /// The name as Windows compares it.
    pub(crate) fn capitals(&self) -> impl Iterator<Item = u16> {
        self.units.iter().map(|unit| upcase(*unit))
    }

    /// The hash that leaves of version 1.5 on carry.
    pub(crate) fn hash(&self) -> u32 {
        let add = |sum: u32, unit| sum.wrapping_mul(37).wrapping_add(u32::from(unit));
        self.capitals().fold(0, add)
    }

    /// The hint that leaves of older versions carry: the first four letters,
    /// nothing when one of them needs two bytes.
    pub(crate) fn hint(&self) -> u32 {
        let mut hint = [0; 4];
        for (to, unit) in hint.iter_mut().zip(&self.units) {
            match u8::try_from(*unit) {
                Ok(byte) => *to = byte,
                Err(_) => return 0,
            }
        }
        u32::from_le_bytes(hint)
    }
}

impl From<&str> for Name {
    fn from(text: &str) -> Self {
        Self {
            units: text.encode_utf16().collect(),
        }
    }
}

/// What could move a cursor or is no Unicode is written `\u{…}`.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for unit in char::decode_utf16(self.units.iter().copied()) {
            match unit {
                Ok(letter) if letter.is_control() => write!(f, "{}", letter.escape_unicode())?,
                Ok(letter) => f.write_char(letter)?,
                Err(lone) => write!(f, "\\u{{{:x}}}", lone.unpaired_surrogate())?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_compare_as_windows_does() {
        let same = |a: &str, b: &str| Name::from(a).same(&Name::from(b));
        assert!(same("Straße", "sTRAßE") && !same("straße", "strasse"));
        assert!(same("ÿ", "Ÿ") && !same("µ", "Μ") && !same("ı", "I"));
        let order = |a: &str, b: &str| Name::from(a).order(&Name::from(b));
        assert_eq!(order("a_", "aa"), Ordering::Greater);
        assert_eq!(order("abc", "ab"), Ordering::Greater);
    }

    #[test]
    fn hints_and_hashes() {
        assert_eq!(Name::from("ab").hint(), u32::from_le_bytes(*b"ab\0\0"));
        assert_eq!(Name::from("abcžd").hint(), 0);
        assert_eq!(Name::from("abcdž").hint(), u32::from_le_bytes(*b"abcd"));
        assert_eq!(Name::from("aB").hash(), 65 * 37 + 66);
    }

    #[test]
    fn stored_names_come_back() {
        for text in ["", "Select", "Größe", "名前"] {
            let name = Name::from(text);
            let (bytes, narrow) = name.to_stored();
            assert_eq!(Name::from_stored(&bytes, narrow), name);
            assert_eq!(name.to_string(), text);
        }
        let odd = Name {
            units: vec![0, 0xD800],
        };
        assert_eq!(odd.to_string(), "\\u{0}\\u{d800}");
    }
}
