//! Just enough of ELF: what a dynamic program needs, what a module says of
//! itself. 64-bit little-endian only, which is all that x86-64 has.
//!
//! Layout: the System V ABI, chapters 4 and 5 (gabi).

mod closure;

pub use closure::{SEARCH, add_program};

use crate::{Error, Result};

const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const PT_INTERP: u32 = 3;
const DT_NEEDED: u64 = 1;
const DT_STRTAB: u64 = 5;
const DT_RPATH: u64 = 15;
const DT_RUNPATH: u64 = 29;

/// A view of one ELF file.
#[derive(Debug, Clone, Copy)]
pub struct Elf<'a> {
    name: &'a str,
    bytes: &'a [u8],
}

/// What a dynamic program or library asks of the loader.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dynamic {
    /// The loader, "/lib64/ld-linux-x86-64.so.2"; `None` for libraries and
    /// static programs.
    pub interpreter: Option<String>,
    /// Sonames of libraries.
    pub needed: Vec<String>,
    /// Folders to search first; may hold `$ORIGIN`.
    pub runpath: Vec<String>,
}

struct Segment {
    kind: u32,
    offset: u64,
    address: u64,
    size: u64,
}

impl<'a> Elf<'a> {
    /// Checks magic, class and byte order of the file called `name`.
    ///
    /// # Errors
    /// [`Error::BadElf`].
    pub fn parse(name: &'a str, bytes: &'a [u8]) -> Result<Self> {
        let elf = Self { name, bytes };
        if !bytes.starts_with(b"\x7fELF") {
            return Err(elf.bad("it does not start with \\x7fELF"));
        }
        if bytes.get(4..6) != Some(&[2, 1]) {
            return Err(elf.bad("it is not 64-bit little-endian"));
        }
        Ok(elf)
    }

    /// The bytes of the section called `name`, if there is one.
    #[must_use]
    pub fn section(&self, name: &[u8]) -> Option<&'a [u8]> {
        let table = self.u64(0x28)?;
        let (size, count) = (u64::from(self.u16(0x3a)?), self.u16(0x3c)?);
        let header = |index: u16| table.checked_add(size.checked_mul(u64::from(index))?);
        let names = self.section_bytes(header(self.u16(0x3e)?)?)?;
        (0..count)
            .filter_map(header)
            .find(|at| {
                let start = self.u32(*at).and_then(|at| usize::try_from(at).ok());
                let found = start.and_then(|at| c_str(names, at));
                found == Some(name)
            })
            .and_then(|at| self.section_bytes(at))
    }

    /// What the loader would do.
    ///
    /// # Errors
    /// [`Error::BadElf`] when the tables point outside the file.
    pub fn dynamic(&self) -> Result<Dynamic> {
        let segments = self.segments()?;
        let mut out = Dynamic::default();
        if let Some(interp) = segments.iter().find(|s| s.kind == PT_INTERP) {
            let bytes = self.range(interp.offset, interp.size);
            out.interpreter = bytes.and_then(|bytes| text(bytes, 0));
        }
        let Some(dynamic) = segments.iter().find(|s| s.kind == PT_DYNAMIC) else {
            return Ok(out);
        };
        let entries = self.entries(dynamic)?;
        let strings = entries.iter().find(|(tag, _)| *tag == DT_STRTAB);
        let strings = strings
            .and_then(|(_, address)| self.at_address(&segments, *address))
            .ok_or_else(|| self.bad("no string table where DT_STRTAB points"))?;
        for (tag, value) in entries {
            if !matches!(tag, DT_NEEDED | DT_RPATH | DT_RUNPATH) {
                continue;
            }
            let at = usize::try_from(value).unwrap_or(usize::MAX);
            let string = text(strings, at)
                .ok_or_else(|| self.bad("a string of the dynamic section is outside the file"))?;
            match tag {
                DT_NEEDED => out.needed.push(string),
                _ => out.runpath.extend(string.split(':').map(str::to_owned)),
            }
        }
        Ok(out)
    }

    fn segments(&self) -> Result<Vec<Segment>> {
        let outside = || self.bad("its program headers are outside the file");
        let table = self.u64(0x20).ok_or_else(outside)?;
        let size = u64::from(self.u16(0x36).ok_or_else(outside)?);
        let count = u64::from(self.u16(0x38).ok_or_else(outside)?);
        (0..count)
            .map(|index| {
                let at = table.checked_add(size.checked_mul(index)?)?;
                Some(Segment {
                    kind: self.u32(at)?,
                    offset: self.u64(at.checked_add(8)?)?,
                    address: self.u64(at.checked_add(16)?)?,
                    size: self.u64(at.checked_add(32)?)?,
                })
            })
            .collect::<Option<Vec<_>>>()
            .ok_or_else(outside)
    }

    fn entries(&self, dynamic: &Segment) -> Result<Vec<(u64, u64)>> {
        let bytes = self
            .range(dynamic.offset, dynamic.size)
            .ok_or_else(|| self.bad("its dynamic section is outside the file"))?;
        let word = |chunk: &[u8]| chunk.try_into().map_or(0, u64::from_le_bytes);
        Ok(bytes
            .chunks_exact(16)
            .map(|entry| entry.split_at(8))
            .map(|(tag, value)| (word(tag), word(value)))
            .take_while(|(tag, _)| *tag != 0)
            .collect())
    }

    /// The file from the byte that is loaded at `address`.
    fn at_address(&self, segments: &[Segment], address: u64) -> Option<&'a [u8]> {
        let holds = |s: &&Segment| {
            s.kind == PT_LOAD && address.checked_sub(s.address).is_some_and(|at| at < s.size)
        };
        let segment = segments.iter().find(holds)?;
        let skip = address.checked_sub(segment.address)?;
        let start = segment.offset.checked_add(skip)?;
        self.range(start, segment.size.checked_sub(skip)?)
    }

    fn section_bytes(&self, header: u64) -> Option<&'a [u8]> {
        self.range(
            self.u64(header.checked_add(0x18)?)?,
            self.u64(header.checked_add(0x20)?)?,
        )
    }

    fn range(&self, start: u64, len: u64) -> Option<&'a [u8]> {
        let start = usize::try_from(start).ok()?;
        let end = start.checked_add(usize::try_from(len).ok()?)?;
        self.bytes.get(start..end)
    }

    fn u16(&self, at: u64) -> Option<u16> {
        self.range(at, 2)?.try_into().ok().map(u16::from_le_bytes)
    }

    fn u32(&self, at: u64) -> Option<u32> {
        self.range(at, 4)?.try_into().ok().map(u32::from_le_bytes)
    }

    fn u64(&self, at: u64) -> Option<u64> {
        self.range(at, 8)?.try_into().ok().map(u64::from_le_bytes)
    }

    fn bad(&self, reason: &'static str) -> Error {
        Error::BadElf {
            name: self.name.to_owned(),
            reason,
        }
    }
}

fn c_str(bytes: &[u8], at: usize) -> Option<&[u8]> {
    bytes.get(at..)?.split(|byte| *byte == 0).next()
}

fn text(bytes: &[u8], at: usize) -> Option<String> {
    c_str(bytes, at).map(|s| String::from_utf8_lossy(s).into_owned())
}

#[cfg(test)]
mod tests;
