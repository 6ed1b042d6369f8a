//! Arbitrary and mutated bytes: what the fuzz targets do, a little, in CI.

use image::fuzzing;
use proptest::prelude::*;

/// A valid page: one free, one zero, one data entry of 1, 2 and 3 blocks.
fn page() -> Vec<u8> {
    let mut out = b"R1MP".to_vec();
    for count in [3u32, 1, 1] {
        out.extend(count.to_le_bytes());
    }
    out.extend([7; 32]);
    out.extend([0, 1, 2]);
    for blocks in [1u32, 2, 3] {
        out.extend(blocks.to_le_bytes());
    }
    out.extend([9; 32]);
    out.extend(0u16.to_le_bytes());
    out.extend(64u32.to_le_bytes());
    out.extend(100u32.to_le_bytes());
    out
}

proptest! {
    #[test]
    fn arbitrary_bytes(bytes in prop::collection::vec(any::<u8>(), 0..400), len: u64) {
        fuzzing::page(&bytes, len);
        fuzzing::root(&bytes, len);
        fuzzing::pack(&bytes);
        fuzzing::manifest(&bytes);
    }

    #[test]
    fn mutated_pages(at in 0usize..114, value: u8, cut in 0usize..200, len in 0u64..30_000) {
        let mut bytes = page();
        if let Some(byte) = bytes.get_mut(at) {
            *byte = value;
        }
        bytes.truncate(cut.max(20));
        fuzzing::page(&bytes, len);
    }
}
