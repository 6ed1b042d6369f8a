//! LZNT1, with which NTFS compresses files: MS-XCA 2.5. Pure.

use crate::bytes::{le16, slice};
use crate::error::{Stop, raw};

/// What a chunk stands for, in bytes.
const CHUNK: usize = 4096;
/// In a chunk's header: its data is compressed.
const COMPRESSED: u16 = 0x8000;

/// The first `len` bytes that `input` stands for. What it says nothing of is zero.
pub(super) fn unpack(mut input: &[u8], len: usize) -> Result<Vec<u8>, Stop> {
    let mut out = Vec::with_capacity(len.next_multiple_of(CHUNK));
    while out.len() < len {
        // (Zero, or the end of the clusters, ends it.)
        let head = le16(input, 0).unwrap_or(0);
        if head == 0 {
            break;
        }
        let size = usize::from(head & 0xFFF) + 1;
        let data = slice(input, 2, size)?;
        let end = out.len() + CHUNK;
        match head & COMPRESSED {
            0 => out.extend(data),
            _ => chunk(data, &mut out)?,
        }
        out.resize(end, 0);
        input = input.get(2 + size..).unwrap_or_default();
    }
    out.resize(len, 0);
    Ok(out)
}

/// Appends what a chunk stands for: for each bit of a byte of flags, the lowest first,
/// a byte as it is or two that say how far back to copy from, and how much.
fn chunk(mut data: &[u8], out: &mut Vec<u8>) -> Result<(), Stop> {
    let start = out.len();
    let mut flags = 0;
    let mut left = 0;
    while let Some((first, rest)) = data.split_first() {
        if left == 0 {
            (flags, left, data) = (*first, 8, rest);
            continue;
        }
        let is_copy = flags & 1 != 0;
        (flags, left) = (flags >> 1, left - 1);
        let here = out.len() - start;
        if !is_copy {
            if here == CHUNK {
                return raw("a compressed chunk stands for more than 4096 bytes");
            }
            out.push(*first);
            data = rest;
            continue;
        }
        let (distance, length) = pair(le16(data, 0)?, here);
        copy(out, start, distance, length)?;
        data = data.get(2..).unwrap_or_default();
    }
    Ok(())
}

/// Distance and length: the further into the chunk, the more bits the distance has.
fn pair(token: u16, here: usize) -> (usize, usize) {
    let mut bits = 12;
    let mut position = here.saturating_sub(1);
    while position >= 0x10 && bits > 4 {
        position >>= 1;
        bits -= 1;
    }
    let mask = (1_u16 << bits) - 1;
    (
        usize::from(token >> bits) + 1,
        usize::from(token & mask) + 3,
    )
}

fn copy(out: &mut Vec<u8>, start: usize, distance: usize, length: usize) -> Result<(), Stop> {
    let here = out.len() - start;
    if distance > here || here + length > CHUNK {
        return raw(format!(
            "a compressed chunk copies {length} bytes from {distance} before its byte {here}"
        ));
    }
    for at in out.len() - distance..out.len() - distance + length {
        out.extend(out.get(at).copied());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The example of MS-XCA 3.3.
    #[test]
    fn the_example_of_the_specification() {
        let packed = [
            0x38, 0xB0, 0x88, 0x46, 0x23, 0x20, 0x00, 0x20, 0x47, 0x20, 0x41, 0x00, 0x10, 0xA2,
            0x47, 0x01, 0xA0, 0x45, 0x20, 0x44, 0x00, 0x08, 0x45, 0x01, 0x50, 0x79, 0x00, 0xC0,
            0x45, 0x20, 0x05, 0x24, 0x13, 0x88, 0x05, 0xB4, 0x02, 0x4A, 0x44, 0xEF, 0x03, 0x58,
            0x02, 0x8C, 0x09, 0x16, 0x01, 0x48, 0x45, 0x00, 0xBE, 0x00, 0x9E, 0x00, 0x04, 0x01,
            0x18, 0x90, 0x00,
        ];
        let text = "F# F# G A A G F# E D D E F# F# E E F# F# G A A G F# E D D E F# E D D E E F# D \
                    E F# G F# D E F# G F# E D E A F# F# G A A G F# E D D E F# E D D\0";
        assert_eq!(unpack(&packed, text.len()).unwrap(), text.as_bytes());
    }

    #[test]
    fn what_is_not_compressed_and_what_is_not_there() {
        let packed = [0x02, 0x30, 1, 2, 3, 0, 0, 9];
        let mut expected = vec![1, 2, 3];
        expected.resize(5000, 0);
        assert_eq!(unpack(&packed, 5000).unwrap(), expected);
        assert_eq!(unpack(&[], 3).unwrap(), [0; 3]);
        for bad in [
            &[0x05, 0xB0, 0][..],
            &[0x02, 0xB0, 1, 0, 0],
            &[0x03, 0xB0, 2, 7, 0, 0xF0],
        ] {
            assert!(unpack(bad, 4096).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic_or_grow(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            if let Ok(out) = unpack(&bytes, 8192) {
                prop_assert_eq!(out.len(), 8192);
            }
        }
    }
}
