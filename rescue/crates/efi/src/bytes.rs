//! Reading little-endian fields one after another.

use crate::Error;

/// Bytes of a structure, and how far they were read.
#[derive(Debug)]
pub(crate) struct Reader<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl<'b> Reader<'b> {
    pub(crate) const fn new(bytes: &'b [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(crate) const fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn take(&mut self, len: usize, what: &'static str) -> Result<&'b [u8], Error> {
        let end = self.at.checked_add(len);
        let taken = end.and_then(|end| self.bytes.get(self.at..end));
        let taken = taken.ok_or(Error::Short {
            what,
            at: self.at,
            expected: len,
            found: self.bytes.len().saturating_sub(self.at),
        })?;
        self.at = self.at.saturating_add(len);
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], Error> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N, what)?);
        Ok(out)
    }

    pub(crate) fn u16(&mut self, what: &'static str) -> Result<u16, Error> {
        self.array(what).map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self, what: &'static str) -> Result<u32, Error> {
        self.array(what).map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self, what: &'static str) -> Result<u64, Error> {
        self.array(what).map(u64::from_le_bytes)
    }

    /// UTF-16 up to a NUL, which is taken as well.
    pub(crate) fn text(&mut self, what: &'static str) -> Result<Vec<u16>, Error> {
        let mut units = Vec::new();
        loop {
            match self.u16(what)? {
                0 => return Ok(units),
                unit => units.push(unit),
            }
        }
    }

    pub(crate) fn rest(&mut self) -> &'b [u8] {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        self.at = self.bytes.len();
        rest
    }
}

/// Appends UTF-16 and a NUL.
pub(crate) fn put_text(out: &mut Vec<u8>, units: &[u16]) {
    out.extend(units.iter().chain(&[0]).flat_map(|unit| unit.to_le_bytes()));
}
