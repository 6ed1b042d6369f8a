//! Fields of byte strings that may be too short.

/// `N` bytes at a position.
pub(crate) fn array<const N: usize>(data: &[u8], at: usize) -> Option<[u8; N]> {
    data.get(at..)?.first_chunk().copied()
}

/// A little-endian number.
pub(crate) fn u32_at(data: &[u8], at: usize) -> Option<u32> {
    array(data, at).map(u32::from_le_bytes)
}

/// A little-endian number.
pub(crate) fn u64_at(data: &[u8], at: usize) -> Option<u64> {
    array(data, at).map(u64::from_le_bytes)
}

/// Overwrites what fits.
pub(crate) fn put(data: &mut [u8], at: usize, bytes: &[u8]) {
    let places = data.iter_mut().skip(at);
    places.zip(bytes).for_each(|(to, from)| *to = *from);
}

/// Whether one is somewhere in the other.
pub(crate) fn contains(data: &[u8], part: &[u8]) -> bool {
    !part.is_empty() && data.windows(part.len()).any(|window| window == part)
}
