//! Marvin32, the hash of log entries: published by Microsoft in .NET's
//! runtime; the seed is the one the registry uses (msuhanov's specification).

use crate::bytes::range;

const SEED: (u32, u32) = (0x7A4E_55C5, 0x82EF_4D88);

/// The hash of a part of a log entry.
#[must_use]
pub fn log_hash(bytes: &[u8]) -> u64 {
    let mut state = SEED;
    let (blocks, rest) = bytes.as_chunks::<4>();
    for block in blocks {
        mix(&mut state, u32::from_le_bytes(*block));
    }
    let mut last = [0; 4];
    let rest = rest.iter().chain([&0x80]);
    last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    mix(&mut state, u32::from_le_bytes(last));
    mix(&mut state, 0);
    u64::from(state.0) | u64::from(state.1) << 32
}

fn mix((lo, hi): &mut (u32, u32), block: u32) {
    *lo = lo.wrapping_add(block);
    *hi ^= *lo;
    *lo = lo.rotate_left(20).wrapping_add(*hi);
    *hi = hi.rotate_left(9) ^ *lo;
    *lo = lo.rotate_left(27).wrapping_add(*hi);
    *hi = hi.rotate_left(19);
}

/// Whether a part of an entry has this hash.
pub(super) fn holds(entry: &[u8], from: usize, len: usize, hash: u64) -> bool {
    range(entry, from, len).is_some_and(|part| log_hash(part) == hash)
}
