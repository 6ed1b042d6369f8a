//! The files of minisign, as text. Pure.
//!
//! Layouts: <https://jedisct1.github.io/minisign/#signature-format> and the
//! sections after it. A file of a key is a comment and a line of base64; a
//! signature is two such pairs, and its second comment is signed too.

use data_encoding::BASE64;

use super::key::KeyId;

pub(super) const UNTRUSTED: &str = "untrusted comment:";
const TRUSTED: &str = "trusted comment: ";
/// Longer lines are cut in messages.
const SHOWN: usize = 40;

/// A text that is no key or no signature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: expected {expected}, found {found}")]
pub struct BadText {
    /// Which line, from 1.
    pub line: usize,
    /// What should be there.
    pub expected: &'static str,
    /// What is there. Never a part of a secret.
    pub found: String,
}

/// Lines, one after another, without their ends.
pub(super) struct Lines<'a> {
    lines: std::str::Lines<'a>,
    number: usize,
}

impl<'a> Lines<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        Self {
            lines: text.lines(),
            number: 0,
        }
    }

    fn next(&mut self, expected: &'static str) -> Result<&'a str, BadText> {
        self.number += 1;
        let line = self.lines.next();
        line.ok_or_else(|| self.bad(expected, "the end"))
    }

    pub(super) fn bad(&self, expected: &'static str, found: impl Into<String>) -> BadText {
        BadText {
            line: self.number,
            expected,
            found: found.into(),
        }
    }

    /// The rest of a line that begins with `start`.
    pub(super) fn comment(
        &mut self,
        start: &str,
        expected: &'static str,
    ) -> Result<&'a str, BadText> {
        let line = self.next(expected)?;
        let rest = line.strip_prefix(start);
        rest.ok_or_else(|| self.bad(expected, format!("{:?}", shortened(line))))
    }

    /// The bytes of a line of base64. What it says is not shown: it may be secret.
    pub(super) fn base64(&mut self, expected: &'static str) -> Result<Vec<u8>, BadText> {
        let line = self.next(expected)?;
        let bytes = BASE64.decode(line.as_bytes());
        bytes.map_err(|error| self.bad(expected, format!("no base64 ({error})")))
    }

    /// Nothing but blank lines may follow.
    pub(super) fn end(mut self) -> Result<(), BadText> {
        for line in self.lines.by_ref() {
            self.number += 1;
            if !line.trim().is_empty() {
                return Err(self.bad("the end", format!("{} characters", line.len())));
            }
        }
        Ok(())
    }
}

fn shortened(line: &str) -> String {
    line.chars().take(SHOWN).collect()
}

/// Cuts the next `N` bytes off `bytes`.
pub(super) fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (first, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*first)
}

/// A signature as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Signature {
    /// Which key is said to have made it.
    pub(crate) key: KeyId,
    /// Over the digest of the manifest.
    pub(crate) over_digest: [u8; 64],
    /// A remark of the signer.
    pub(crate) comment: String,
    /// Over `over_digest` and the comment.
    pub(crate) over_comment: [u8; 64],
}

impl Signature {
    const FORM: &'static str = "base64 of a signature by an Ed25519 key over a BLAKE2b-512";

    /// Reads the stored bytes.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, BadText> {
        let text = std::str::from_utf8(bytes).map_err(|error| BadText {
            line: 1,
            expected: "text in UTF-8",
            found: error.to_string(),
        })?;
        let mut lines = Lines::of(text);
        lines.comment(UNTRUSTED, "`untrusted comment:`")?;
        let bytes = lines.base64(Self::FORM)?;
        let (key, over_digest) = Self::first(&bytes, &lines)?;
        let comment = lines.comment(TRUSTED, "`trusted comment:`")?;
        let expected = "base64 of the signature of the trusted comment, 64 bytes";
        let bytes = lines.base64(expected)?;
        let over_comment = <[u8; 64]>::try_from(&bytes[..])
            .map_err(|_| lines.bad(expected, format!("{} bytes", bytes.len())))?;
        lines.end()?;
        Ok(Self {
            key,
            over_digest,
            comment: comment.to_owned(),
            over_comment,
        })
    }

    fn first(mut bytes: &[u8], lines: &Lines<'_>) -> Result<(KeyId, [u8; 64]), BadText> {
        let len = bytes.len();
        match take::<2>(&mut bytes).as_ref() {
            Some(b"ED") => {}
            Some(b"Ed") => {
                let found = "a signature of the old kind; leave out `-l` when signing";
                return Err(lines.bad(Self::FORM, found));
            }
            _ => return Err(lines.bad(Self::FORM, "another kind of signature")),
        }
        let (key, over_digest) = (take(&mut bytes), take(&mut bytes));
        match (key, over_digest, bytes) {
            (Some(key), Some(over_digest), []) => Ok((KeyId::from_bytes(key), over_digest)),
            _ => Err(lines.bad(Self::FORM, format!("{len} bytes"))),
        }
    }

    /// The text to store.
    pub(crate) fn to_text(&self) -> String {
        let mut bytes = b"ED".to_vec();
        bytes.extend_from_slice(self.key.as_bytes());
        bytes.extend_from_slice(&self.over_digest);
        format!(
            "{UNTRUSTED} signature by rescue with key {}\n{}\n{TRUSTED}{}\n{}\n",
            self.key,
            BASE64.encode(&bytes),
            self.comment,
            BASE64.encode(&self.over_comment)
        )
    }

    /// What `over_comment` is a signature of.
    pub(crate) fn commented(over_digest: &[u8; 64], comment: &str) -> Vec<u8> {
        [over_digest, comment.as_bytes()].concat()
    }
}
