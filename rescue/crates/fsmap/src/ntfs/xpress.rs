//! XPRESS with Huffman codes, with which Windows compacts its own files: MS-XCA 2.2.
//! Pure.

use crate::bytes::{byte, le16, slice};
use crate::error::{Stop, raw};

/// Bytes of the table of code lengths in front, four bits for each symbol.
const TABLE: usize = 256;
const SYMBOLS: usize = 512;
/// Codes are no longer, in bits.
const LONGEST: usize = 15;
/// Symbols below are bytes as they are.
const LITERALS: usize = 256;

/// The `len` bytes that `input` stands for.
pub(super) fn unpack(input: &[u8], len: usize) -> Result<Vec<u8>, Stop> {
    let codes = Codes::read(slice(input, 0, TABLE)?)?;
    let mut bits = Bits::new(input.get(TABLE..).unwrap_or_default());
    let mut out = Vec::with_capacity(len);
    while out.len() < len {
        let symbol = codes.next(&mut bits)?;
        let Some(copied) = symbol.checked_sub(LITERALS) else {
            out.extend(u8::try_from(symbol));
            continue;
        };
        let length = length(copied & 15, &mut bits)?;
        let count = copied >> 4;
        let distance = (1 << count) + bits.take(count);
        if distance > out.len() || length > len - out.len() {
            return raw(format!(
                "compacted data copies {length} bytes from {distance} before byte {} of {len}",
                out.len()
            ));
        }
        for at in out.len() - distance..out.len() - distance + length {
            out.extend(out.get(at).copied());
        }
    }
    Ok(out)
}

/// Longer ones have bytes of their own, between the bits.
fn length(short: usize, bits: &mut Bits<'_>) -> Result<usize, Stop> {
    const MORE: usize = 15;
    if short < MORE {
        return Ok(short + 3);
    }
    let next = bits.byte()?;
    if next < 255 {
        return Ok(next + MORE + 3);
    }
    let long = bits.byte()? | bits.byte()? << 8;
    match long < MORE {
        true => raw(format!("compacted data has a length of {long}")),
        false => Ok(long + 3),
    }
}

/// Canonical codes: by their lengths, then by symbol.
struct Codes {
    /// How many there are of each length.
    counts: [usize; LONGEST + 1],
    sorted: Vec<usize>,
}

impl Codes {
    fn read(table: &[u8]) -> Result<Self, Stop> {
        let lengths = table.iter().flat_map(|b| [b & 15, b >> 4]);
        let mut all: Vec<(u8, usize)> = lengths.zip(0..SYMBOLS).collect();
        all.retain(|(length, _)| *length > 0);
        all.sort_unstable();
        let mut counts = [0; LONGEST + 1];
        for (length, _) in &all {
            if let Some(count) = counts.get_mut(usize::from(*length)) {
                *count += 1;
            }
        }
        let filled = counts.iter().enumerate().skip(1);
        let filled: usize = filled.map(|(bits, count)| count << (LONGEST - bits)).sum();
        if filled != 1 << LONGEST {
            return raw("compacted data has a table of codes that do not fit together");
        }
        let sorted = all.into_iter().map(|(_, symbol)| symbol).collect();
        Ok(Self { counts, sorted })
    }

    fn next(&self, bits: &mut Bits<'_>) -> Result<usize, Stop> {
        let (mut code, mut first, mut index) = (0, 0, 0);
        for count in self.counts.iter().skip(1) {
            code = code << 1 | bits.take(1);
            if code - first < *count {
                let symbol = self.sorted.get(index + code - first);
                return symbol.copied().map_or_else(|| raw("a code is none"), Ok);
            }
            index += count;
            first = (first + count) << 1;
        }
        raw("compacted data has a code that is none")
    }
}

/// Bits come in words of 16, the highest first, always one word ahead; bytes come from
/// behind the words that were taken. What is behind the end is zero, and is counted.
struct Bits<'a> {
    input: &'a [u8],
    at: usize,
    held: u32,
    count: usize,
}

impl<'a> Bits<'a> {
    fn new(input: &'a [u8]) -> Self {
        let mut bits = Self {
            input,
            at: 0,
            held: 0,
            count: 0,
        };
        bits.fill();
        bits.fill();
        bits
    }

    fn fill(&mut self) {
        let word = le16(self.input, self.at).unwrap_or(0);
        self.at = self.at.saturating_add(2);
        self.held = self.held << 16 | u32::from(word);
        self.count += 16;
    }

    /// At most 15 of them.
    fn take(&mut self, count: usize) -> usize {
        self.count = self.count.saturating_sub(count);
        let mask = (1_u64 << count) - 1;
        let bits = u64::from(self.held) >> self.count & mask;
        if self.count < 16 {
            self.fill();
        }
        usize::try_from(bits).unwrap_or(0)
    }

    fn byte(&mut self) -> Result<usize, Stop> {
        let found = byte(self.input, self.at)?;
        self.at += 1;
        Ok(usize::from(found))
    }
}
