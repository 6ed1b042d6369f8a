//! CHAP: proving a password without sending it (RFC 1994, RFC 7143 section 12.1.3).
//! The algorithm is MD5, the one every target has.

use data_encoding::BASE64;
use md5::{Digest, Md5};

use crate::Error;
use crate::keys::Keys;

/// The number of CHAP with MD5 (RFC 1994, section 3).
pub const ALGORITHM: &str = "5";

/// A longer challenge is refused (RFC 7143: at most 1024 bytes).
const CHALLENGE_CAP: usize = 1024;

/// What a target wants to be computed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    id: u8,
    bytes: Vec<u8>,
}

impl Challenge {
    /// Reads it from the keys CHAP_A, CHAP_I and CHAP_C.
    ///
    /// # Errors
    /// When one is missing or none that is known here.
    pub fn parse(keys: &Keys) -> Result<Self, Error> {
        let wrong = |key: &str, expected| Error::Negotiation {
            key: key.to_owned(),
            value: keys.get(key).unwrap_or("nothing").to_owned(),
            expected,
        };
        if keys.get("CHAP_A") != Some(ALGORITHM) {
            return Err(wrong("CHAP_A", "5 (CHAP with MD5)"));
        }
        let id = keys.get("CHAP_I").and_then(|id| id.parse().ok());
        let id = id.ok_or_else(|| wrong("CHAP_I", "a number from 0 to 255"))?;
        let bytes = keys.get("CHAP_C").and_then(binary);
        let bytes = bytes.filter(|bytes| !bytes.is_empty());
        let bytes = bytes.ok_or_else(|| wrong("CHAP_C", "1 to 1024 bytes, as 0x… or 0b…"))?;
        Ok(Self { id, bytes })
    }

    /// What proves to know `password`, as the value of CHAP_R.
    #[must_use]
    pub fn answer(&self, password: &str) -> String {
        let mut hash = Md5::new();
        hash.update([self.id]);
        hash.update(password.as_bytes());
        hash.update(&self.bytes);
        let mut text = "0x".to_owned();
        for byte in hash.finalize() {
            text.push_str(&format!("{byte:02x}"));
        }
        text
    }
}

/// A binary value: "0x" and hexadecimal digits, or "0b" and Base64 (RFC 7143,
/// section 6.1).
fn binary(text: &str) -> Option<Vec<u8>> {
    let (kind, digits) = text.split_at_checked(2)?;
    match kind {
        "0x" | "0X" => hexadecimal(digits),
        "0b" | "0B" => {
            let fits = digits.len() <= CHALLENGE_CAP * 4 / 3 + 4;
            let bytes = BASE64.decode(digits.as_bytes()).ok().filter(|_| fits)?;
            (bytes.len() <= CHALLENGE_CAP).then_some(bytes)
        }
        _ => None,
    }
}

fn hexadecimal(digits: &str) -> Option<Vec<u8>> {
    if digits.len() > CHALLENGE_CAP * 2 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    // "0x" may leave a leading zero out.
    let even = match digits.len() % 2 {
        0 => digits.to_owned(),
        _ => format!("0{digits}"),
    };
    let pairs = (0..even.len()).step_by(2);
    let byte = |at: usize| u8::from_str_radix(even.get(at..at + 2)?, 16).ok();
    pairs.map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn keys(algorithm: &str, id: &str, challenge: &str) -> Keys {
        let pairs = [("CHAP_A", algorithm), ("CHAP_I", id), ("CHAP_C", challenge)];
        pairs.into_iter().collect()
    }

    #[test]
    fn the_answer_is_md5_of_id_password_and_challenge() {
        // printf '\x26secret\x01\x02\x03\xff' | md5sum
        let challenge = Challenge::parse(&keys("5", "38", "0x010203ff")).unwrap();
        let expected = "0x20a496085bb76636bbdedd2513b00c33";
        assert_eq!(challenge.answer("secret"), expected);
        let same = Challenge::parse(&keys("5", "38", "0bAQID/w==")).unwrap();
        assert_eq!(same, challenge);
        let short = Challenge::parse(&keys("5", "38", "0x10203ff")).unwrap();
        assert_eq!(short, challenge);
    }

    #[test]
    fn what_cannot_be_answered_is_refused() {
        let long = format!("0x{}", "00".repeat(1025));
        for (algorithm, id, challenge) in [
            ("7", "1", "0x01"),
            ("5", "256", "0x01"),
            ("5", "1", "0x"),
            ("5", "1", "01"),
            ("5", "1", "0xzz"),
            ("5", "1", "0b?"),
            ("5", "1", long.as_str()),
        ] {
            let read = Challenge::parse(&keys(algorithm, id, challenge));
            assert!(read.is_err(), "{algorithm} {id} {challenge}");
        }
        assert!(Challenge::parse(&Keys::default()).is_err());
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(text in "\\PC*") {
            let _ = binary(&text);
        }
    }
}
