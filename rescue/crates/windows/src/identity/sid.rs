//! Security identifiers: who a machine, a domain, an account is.
//!
//! Stored as revision (1), how many subauthorities (at most 15), authority (6
//! bytes, big-endian), subauthorities (u32, little-endian); [MS-DTYP] 2.4.2.

use std::fmt;
use std::str::FromStr;

/// A SID.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sid {
    authority: u64,
    parts: Vec<u32>,
}

/// A SID has at most this many subauthorities.
const MOST: usize = 15;
/// `SECURITY_NT_AUTHORITY`.
const NT: u64 = 5;
/// `SECURITY_NT_NON_UNIQUE`: what the SIDs of machines and domains begin with.
const NON_UNIQUE: u32 = 21;

impl Sid {
    /// Reads a SID that fills `bytes`.
    ///
    /// # Errors
    /// Why this is none, in words.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let [1, count, a, b, c, d, e, f, rest @ ..] = bytes else {
            let shown = bytes.len();
            return Err(format!("no SID of revision 1 is in these {shown} bytes"));
        };
        let count = usize::from(*count);
        if count > MOST || rest.len() != count * 4 {
            return Err(format!(
                "a SID of {count} parts has {} bytes for them, expected {}",
                rest.len(),
                count.min(MOST) * 4
            ));
        }
        let parts = rest.chunks_exact(4).map(|part| {
            let bytes = part.iter().rev();
            bytes.fold(0, |sum, byte| sum << 8 | u32::from(*byte))
        });
        Ok(Self {
            authority: u64::from_be_bytes([0, 0, *a, *b, *c, *d, *e, *f]),
            parts: parts.collect(),
        })
    }

    /// Whether it is the SID of a machine or a domain: `S-1-5-21-A-B-C`.
    #[must_use]
    pub fn is_domain(&self) -> bool {
        self.authority == NT && matches!(self.parts.as_slice(), [NON_UNIQUE, _, _, _])
    }

    /// The machine or domain, and the number, of an account of one.
    #[must_use]
    pub fn split(&self) -> Option<(Self, u32)> {
        let (rid, parts) = self.parts.split_last()?;
        let of = Self {
            authority: self.authority,
            parts: parts.to_vec(),
        };
        of.is_domain().then_some((of, *rid))
    }
}

impl fmt::Display for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.authority {
            authority if authority >> 32 == 0 => write!(f, "S-1-{authority}")?,
            authority => write!(f, "S-1-{authority:#014x}")?,
        }
        self.parts.iter().try_for_each(|part| write!(f, "-{part}"))
    }
}

/// Text that is no SID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no SID: expected \"S-1-5-…\"")]
pub struct NoSid;

impl FromStr for Sid {
    type Err = NoSid;

    /// Authorities of more than 32 bits are not read.
    fn from_str(text: &str) -> Result<Self, NoSid> {
        let rest = text.strip_prefix("S-1-").ok_or(NoSid)?;
        let mut numbers = rest.split('-').map(|n| n.parse::<u32>().map_err(|_| NoSid));
        let authority = numbers.next().ok_or(NoSid)??.into();
        let parts: Vec<u32> = numbers.collect::<Result<_, _>>()?;
        (parts.len() <= MOST)
            .then_some(Self { authority, parts })
            .ok_or(NoSid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES: [u8; 24] = [
        1, 4, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0, 0x3f, 0xd3, 0xa3, 0xf2, 0x16, 0x31, 0xed, 0xca, 0xc9,
        0x21, 0x77, 0x97,
    ];

    #[test]
    fn bytes_and_text_are_the_same_sid() {
        let sid = Sid::parse(&BYTES).unwrap();
        let text = "S-1-5-21-4070822719-3404542230-2541167049";
        assert_eq!(sid.to_string(), text);
        assert_eq!(text.parse(), Ok(sid.clone()));
        assert!(sid.is_domain());
        let account: Sid = format!("{text}-1001").parse().unwrap();
        assert_eq!(account.split(), Some((sid, 1001)));
        assert_eq!("S-1-5-18".parse::<Sid>().unwrap().split(), None);
    }

    #[test]
    fn what_is_no_sid_is_told() {
        for bytes in [&BYTES[..23], &BYTES[..8], &[], &[2; 24], &[1; 8]] {
            assert!(Sid::parse(bytes).is_err(), "{bytes:?}");
        }
        for text in ["", "S-1-", "S-1-5-x", "S-2-5-18", "S-1-5--1"] {
            assert_eq!(text.parse::<Sid>(), Err(NoSid), "{text}");
        }
    }
}
