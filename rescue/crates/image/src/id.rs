//! Names of things: 32-byte hashes, one type per kind so they cannot mix.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A text that is no id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no id: expected {digits} lower-case hexadecimal digits")]
pub struct ParseIdError {
    text: String,
    digits: usize,
}

/// Reads `N` bytes of lower-case hex; upper case is refused so that every
/// flipped bit of a stored id is seen.
fn parse_hex<const N: usize>(text: &str) -> Result<[u8; N], ParseIdError> {
    let bad = || ParseIdError {
        text: text.chars().take(80).collect(),
        digits: 2 * N,
    };
    let digit = |b: u8| match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'a'..=b'f' => Some(b - b'a' + 10),
        _ => None,
    };
    if text.len() != 2 * N {
        return Err(bad());
    }
    let mut out = [0; N];
    for (byte, pair) in out.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let [high, low] = pair else { return Err(bad()) };
        let (high, low) = (digit(*high).ok_or_else(bad)?, digit(*low).ok_or_else(bad)?);
        *byte = high << 4 | low;
    }
    Ok(out)
}

fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|b| write!(f, "{b:02x}"))
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name([u8; $len]);

        impl $name {
            /// An id with these bytes.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; $len]) -> Self {
                Self(bytes)
            }

            /// Its bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(f, &self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;
            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                parse_hex(text).map(Self)
            }
        }

        impl TryFrom<String> for $name {
            type Error = ParseIdError;
            fn try_from(text: String) -> Result<Self, ParseIdError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.to_string()
            }
        }
    };
}

id!(
    /// The BLAKE3 of a chunk's plain bytes.
    ChunkId,
    32
);
id!(
    /// The BLAKE3 of a whole pack as stored.
    PackId,
    32
);
id!(
    /// A repository's own random name.
    RepoId,
    16
);

impl ChunkId {
    /// The id of a chunk with these plain bytes.
    #[must_use]
    pub fn of(plain: &[u8]) -> Self {
        Self(*blake3::hash(plain).as_bytes())
    }

    /// The first eight bytes: what the in-memory index sorts by.
    pub(crate) fn prefix(&self) -> u64 {
        let mut first = [0; 8];
        first.copy_from_slice(&self.0[..8]);
        u64::from_be_bytes(first)
    }
}

impl PackId {
    /// The id of a pack with these stored bytes.
    #[must_use]
    pub fn of(stored: &[u8]) -> Self {
        Self(*blake3::hash(stored).as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_round_trips_and_refuses_everything_else() {
        let id = ChunkId::of(b"some bytes");
        assert_eq!(id.to_string().parse::<ChunkId>().unwrap(), id);
        let text = id.to_string();
        assert!(text.to_uppercase().parse::<ChunkId>().is_err());
        assert!(text[1..].parse::<ChunkId>().is_err());
        assert!(format!("{}é", &text[2..]).parse::<ChunkId>().is_err());
        assert!("".parse::<PackId>().is_err());
    }
}
