//! Bytes, little-endian.

/// The `N` bytes at `at`.
pub(crate) fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

pub(crate) fn le_u16(bytes: &[u8], at: usize) -> Option<u16> {
    array(bytes, at).map(u16::from_le_bytes)
}

pub(crate) fn le_u32(bytes: &[u8], at: usize) -> Option<u32> {
    array(bytes, at).map(u32::from_le_bytes)
}

/// The same as an offset.
pub(crate) fn le_size(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(le_u32(bytes, at)?).ok()
}

/// Puts `new` at `at`; `None` when it does not fit.
pub(crate) fn put(bytes: &mut [u8], at: usize, new: &[u8]) -> Option<()> {
    let place = bytes.get_mut(at..at.checked_add(new.len())?)?;
    place.copy_from_slice(new);
    Some(())
}
