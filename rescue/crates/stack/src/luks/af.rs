//! The anti-forensic splitter: a key blown up to many stripes, all of which are
//! needed to get it back (LUKS1 specification, 2.4).

use zeroize::Zeroizing;

use super::kdf::Hash;

/// The key of `len` bytes that was split into `stripes`. `None` when `split`
/// is not that long.
pub(super) fn merge(
    split: &[u8],
    len: usize,
    stripes: usize,
    hash: Hash,
) -> Option<Zeroizing<Vec<u8>>> {
    let split = split.get(..len.checked_mul(stripes)?)?;
    let mut key = Zeroizing::new(vec![0; len]);
    let mut left = stripes;
    for stripe in split.chunks_exact(len.max(1)) {
        for (to, from) in key.iter_mut().zip(stripe) {
            *to ^= from;
        }
        left = left.checked_sub(1)?;
        if left > 0 {
            diffuse(&mut key, hash);
        }
    }
    Some(key)
}

/// Each block becomes the hash of its number and itself; the last is cut.
fn diffuse(key: &mut [u8], hash: Hash) {
    for (number, block) in (0_u32..).zip(key.chunks_mut(hash.len())) {
        let digest = hash.of(&[&number.to_be_bytes(), block]);
        for (to, from) in block.iter_mut().zip(digest.iter()) {
            *to = *from;
        }
    }
}
