//! Types of values, and what their bytes mean.

use std::fmt;

use crate::bytes::{array, units};

/// The type of a value. Windows allows any number; SAM keeps others than data
/// in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ValueType(pub u32);

impl ValueType {
    pub const NONE: Self = Self(0);
    pub const SZ: Self = Self(1);
    pub const EXPAND_SZ: Self = Self(2);
    pub const BINARY: Self = Self(3);
    pub const DWORD: Self = Self(4);
    pub const DWORD_BIG_ENDIAN: Self = Self(5);
    pub const LINK: Self = Self(6);
    pub const MULTI_SZ: Self = Self(7);
    pub const RESOURCE_LIST: Self = Self(8);
    pub const FULL_RESOURCE_DESCRIPTOR: Self = Self(9);
    pub const RESOURCE_REQUIREMENTS_LIST: Self = Self(10);
    pub const QWORD: Self = Self(11);
}

impl fmt::Display for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match *self {
            Self::NONE => "REG_NONE",
            Self::SZ => "REG_SZ",
            Self::EXPAND_SZ => "REG_EXPAND_SZ",
            Self::BINARY => "REG_BINARY",
            Self::DWORD => "REG_DWORD",
            Self::DWORD_BIG_ENDIAN => "REG_DWORD_BIG_ENDIAN",
            Self::LINK => "REG_LINK",
            Self::MULTI_SZ => "REG_MULTI_SZ",
            Self::RESOURCE_LIST => "REG_RESOURCE_LIST",
            Self::FULL_RESOURCE_DESCRIPTOR => "REG_FULL_RESOURCE_DESCRIPTOR",
            Self::RESOURCE_REQUIREMENTS_LIST => "REG_RESOURCE_REQUIREMENTS_LIST",
            Self::QWORD => "REG_QWORD",
            Self(other) => return write!(f, "type {other:#x}"),
        };
        f.write_str(name)
    }
}

/// The data of a value, read by its type.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Data {
    /// `REG_SZ`, `REG_EXPAND_SZ`, `REG_LINK`: up to the first NUL.
    Text(String),
    /// `REG_MULTI_SZ`: up to the first empty string.
    Lines(Vec<String>),
    /// `REG_DWORD` and its big-endian form.
    Dword(u32),
    /// `REG_QWORD`.
    Qword(u64),
    /// Everything else, and numbers of a wrong length.
    Bytes(Vec<u8>),
}

impl Data {
    /// Reads bytes by their type. What is not Unicode is replaced.
    #[must_use]
    pub fn decode(kind: ValueType, data: &[u8]) -> Self {
        let number = || {
            Some(match (kind, data.len()) {
                (ValueType::DWORD, 4) => Self::Dword(u32::from_le_bytes(array(data, 0)?)),
                (ValueType::DWORD_BIG_ENDIAN, 4) => {
                    Self::Dword(u32::from_be_bytes(array(data, 0)?))
                }
                (ValueType::QWORD, 8) => Self::Qword(u64::from_le_bytes(array(data, 0)?)),
                _ => return None,
            })
        };
        match kind {
            ValueType::SZ | ValueType::EXPAND_SZ => Self::Text(first(&units(data))),
            // Links are the one kind of text without a NUL.
            ValueType::LINK => Self::Text(String::from_utf16_lossy(&units(data))),
            ValueType::MULTI_SZ => Self::Lines(lines(&units(data))),
            _ => number().unwrap_or_else(|| Self::Bytes(data.to_vec())),
        }
    }

    /// The text of a `REG_SZ`, `REG_EXPAND_SZ` or `REG_LINK`.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The strings of a `REG_MULTI_SZ`.
    #[must_use]
    pub fn lines(&self) -> Option<&[String]> {
        match self {
            Self::Lines(lines) => Some(lines),
            _ => None,
        }
    }

    /// The number of a `REG_DWORD`.
    #[must_use]
    pub fn dword(&self) -> Option<u32> {
        match self {
            Self::Dword(number) => Some(*number),
            _ => None,
        }
    }
}

fn first(units: &[u16]) -> String {
    let text = units.split(|unit| *unit == 0).next();
    String::from_utf16_lossy(text.unwrap_or_default())
}

fn lines(units: &[u16]) -> Vec<String> {
    let lines = units.split(|unit| *unit == 0);
    let lines = lines.take_while(|line| !line.is_empty());
    lines.map(String::from_utf16_lossy).collect()
}

/// The bytes of a `REG_SZ` or `REG_EXPAND_SZ`: UTF-16 and a NUL.
#[must_use]
pub fn sz(text: &str) -> Vec<u8> {
    let units = text.encode_utf16().chain([0]);
    units.flat_map(u16::to_le_bytes).collect()
}

/// The bytes of a `REG_MULTI_SZ`: each string with a NUL, and one more.
#[must_use]
pub fn multi_sz<S: AsRef<str>>(lines: &[S]) -> Vec<u8> {
    let mut bytes: Vec<u8> = lines.iter().flat_map(|line| sz(line.as_ref())).collect();
    bytes.extend([0, 0]);
    bytes
}

/// The bytes of a `REG_DWORD`.
#[must_use]
pub fn dword(number: u32) -> Vec<u8> {
    number.to_le_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_come_back() {
        let text = Data::decode(ValueType::SZ, &sz("Größe"));
        assert_eq!(text.text(), Some("Größe"));
        let lines = Data::decode(ValueType::MULTI_SZ, &multi_sz(&["a", "b"]));
        assert_eq!(lines.lines(), Some(&["a".to_owned(), "b".to_owned()][..]));
        assert_eq!(multi_sz::<&str>(&[]), [0, 0]);
        let number = Data::decode(ValueType::DWORD, &dword(7));
        assert_eq!(number.dword(), Some(7));
    }

    #[test]
    fn odd_data_stay_readable() {
        assert_eq!(Data::decode(ValueType::DWORD, &[1]), Data::Bytes(vec![1]));
        let cut = Data::decode(ValueType::SZ, &[65, 0, 66]);
        assert_eq!(cut.text(), Some("A"));
        let endless = Data::decode(ValueType::MULTI_SZ, &[65, 0, 66, 0]);
        assert_eq!(endless.lines(), Some(&["AB".to_owned()][..]));
    }
}
