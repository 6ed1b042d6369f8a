//! Fields of on-disk structures, without a slice that can panic.

use disk::ReadAt;

/// `N` bytes at `at`; `None` when they are not all there.
pub(crate) fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    let end = at.checked_add(N)?;
    bytes.get(at..end)?.try_into().ok()
}

/// The little-endian `u32` at `at`.
pub(crate) fn le_u32(bytes: &[u8], at: usize) -> Option<u32> {
    array(bytes, at).map(u32::from_le_bytes)
}

/// The little-endian `u64` at `at`.
pub(crate) fn le_u64(bytes: &[u8], at: usize) -> Option<u64> {
    array(bytes, at).map(u64::from_le_bytes)
}

/// `len` bytes of `device` from `at`; `None` when the device ends before, an
/// error when it cannot be read. The caller has capped `len`.
pub(crate) fn read(
    device: &(impl ReadAt + ?Sized),
    at: u64,
    len: usize,
) -> std::io::Result<Option<Vec<u8>>> {
    let end = u64::try_from(len).ok().and_then(|len| at.checked_add(len));
    if end.is_none_or(|end| end > device.size()) {
        return Ok(None);
    }
    let mut bytes = vec![0; len];
    device.read_exact_at(&mut bytes, at)?;
    Ok(Some(bytes))
}
