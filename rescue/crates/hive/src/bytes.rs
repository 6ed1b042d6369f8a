//! Little-endian numbers out of slices; `None` where the slice ends.

pub(crate) fn array<const N: usize>(data: &[u8], at: usize) -> Option<[u8; N]> {
    data.get(at..)?.first_chunk::<N>().copied()
}

pub(crate) fn u16_at(data: &[u8], at: usize) -> Option<u16> {
    array(data, at).map(u16::from_le_bytes)
}

pub(crate) fn u32_at(data: &[u8], at: usize) -> Option<u32> {
    array(data, at).map(u32::from_le_bytes)
}

pub(crate) fn u64_at(data: &[u8], at: usize) -> Option<u64> {
    array(data, at).map(u64::from_le_bytes)
}

pub(crate) fn range(data: &[u8], at: usize, len: usize) -> Option<&[u8]> {
    data.get(at..at.checked_add(len)?)
}

/// Overwrites what is there; `None`, with nothing written, where it does not fit.
pub(crate) fn put(data: &mut [u8], at: usize, bytes: &[u8]) -> Option<()> {
    let to = data.get_mut(at..at.checked_add(bytes.len())?)?;
    to.copy_from_slice(bytes);
    Some(())
}

/// UTF-16 code units, an odd last byte left out.
pub(crate) fn units(bytes: &[u8]) -> Vec<u16> {
    let pairs = bytes.chunks_exact(2);
    pairs.filter_map(|pair| u16_at(pair, 0)).collect()
}

/// A signature as people read it.
pub(crate) fn tag(bytes: &[u8]) -> String {
    format!("\"{}\"", bytes.escape_ascii())
}
