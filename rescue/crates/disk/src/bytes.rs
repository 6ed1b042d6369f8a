//! Little-endian fields of on-disk structures, without a slice that can panic.

/// `N` bytes at `at`; `None` when they are not all there.
pub(crate) fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    let end = at.checked_add(N)?;
    bytes.get(at..end)?.try_into().ok()
}

/// The `u16` at `at`.
pub(crate) fn le_u16(bytes: &[u8], at: usize) -> Option<u16> {
    array(bytes, at).map(u16::from_le_bytes)
}

/// The `u32` at `at`.
pub(crate) fn le_u32(bytes: &[u8], at: usize) -> Option<u32> {
    array(bytes, at).map(u32::from_le_bytes)
}

/// The `u64` at `at`.
pub(crate) fn le_u64(bytes: &[u8], at: usize) -> Option<u64> {
    array(bytes, at).map(u64::from_le_bytes)
}

/// Overwrites the bytes at `at` with `field`; `None` (and nothing changed)
/// when they are not all there.
pub(crate) fn put(bytes: &mut [u8], at: usize, field: &[u8]) -> Option<()> {
    let end = at.checked_add(field.len())?;
    bytes.get_mut(at..end)?.copy_from_slice(field);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_stop_at_the_end() {
        let mut bytes = [1, 2, 3, 4, 5];
        assert_eq!(le_u32(&bytes, 1), Some(0x0504_0302));
        assert_eq!(le_u32(&bytes, 2), None);
        assert_eq!(le_u16(&bytes, usize::MAX), None);
        assert_eq!(put(&mut bytes, 4, &[9, 9]), None);
        assert_eq!(bytes, [1, 2, 3, 4, 5]);
        assert_eq!(put(&mut bytes, 3, &[9, 9]), Some(()));
        assert_eq!(bytes, [1, 2, 3, 9, 9]);
    }
}
