//! Little-endian fields out of untrusted bytes: the one place that slices.

use crate::{Error, Result};

/// Reads fields one after another; every failure names object and position.
#[derive(Debug, Clone)]
pub(crate) struct Fields<'a> {
    object: &'a str,
    bytes: &'a [u8],
    at: usize,
    /// Position of `bytes[0]` in the object.
    base: u64,
}

impl<'a> Fields<'a> {
    /// Fields of `bytes`, which begin at `base` of `object`.
    pub(crate) fn new(object: &'a str, base: u64, bytes: &'a [u8]) -> Self {
        Self {
            object,
            bytes,
            at: 0,
            base,
        }
    }

    /// Position in the object of the next field.
    pub(crate) fn position(&self) -> u64 {
        self.base.saturating_add(self.at as u64)
    }

    /// The next `len` bytes.
    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        let end = self.at.checked_add(len);
        let Some(slice) = end.and_then(|end| self.bytes.get(self.at..end)) else {
            return Err(Error::damaged(
                self.object,
                self.position(),
                format!("{len} more bytes"),
                format!("{}", self.bytes.len() - self.at),
            ));
        };
        self.at += len;
        Ok(slice)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }

    pub(crate) fn u16(&mut self) -> Result<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// The next bytes, which must be exactly `expected`.
    pub(crate) fn magic(&mut self, expected: &[u8], what: &str) -> Result<()> {
        let position = self.position();
        let found = self.take(expected.len())?;
        if found == expected {
            return Ok(());
        }
        Err(Error::damaged(
            self.object,
            position,
            format!("{what} ({})", expected.escape_ascii()),
            found.escape_ascii().to_string(),
        ))
    }

    /// A count that may be at most `cap`.
    pub(crate) fn count(&mut self, what: &str, cap: usize) -> Result<usize> {
        let position = self.position();
        let found = self.u32()?;
        match usize::try_from(found) {
            Ok(count) if count <= cap => Ok(count),
            _ => Err(Error::damaged(
                self.object,
                position,
                format!("at most {cap} {what}"),
                format!("{found}"),
            )),
        }
    }

    /// Checks that nothing is left.
    pub(crate) fn end(&self) -> Result<()> {
        let left = self.bytes.len() - self.at;
        if left == 0 {
            return Ok(());
        }
        Err(Error::damaged(
            self.object,
            self.position(),
            "the end",
            format!("{left} more bytes"),
        ))
    }
}
