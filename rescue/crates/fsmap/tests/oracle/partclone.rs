//! partclone as an oracle: the bitmap of the image it writes.
//!
//! Version 2 header, 110 bytes: total blocks at 60, block size at 84, then the
//! bitmap, one bit a block (partclone's IMAGE_FORMATS.md).

use std::fs::File;
use std::io::Read;

use disk::Extent;
use fsmap::FsMap;

use crate::tools::{Image, run};

pub(crate) struct Bitmap {
    pub(crate) block_size: u64,
    pub(crate) blocks: u64,
    bits: Vec<u8>,
}

impl Bitmap {
    pub(crate) fn used(&self, block: u64) -> bool {
        self.bits[(block / 8) as usize] >> (block % 8) & 1 == 1
    }
}

/// The used blocks of `image` according to `partclone.<fs>`.
pub(crate) fn bitmap(fs: &str, image: &Image) -> Bitmap {
    let out = image.beside("partclone.img");
    let log = image.beside("partclone.log");
    let _ = std::fs::remove_file(&out);
    run(
        &format!("partclone.{fs}"),
        &[
            "-c",
            "-q",
            "-s",
            &image.arg(),
            "-o",
            out.to_str().unwrap(),
            "-L",
            log.to_str().unwrap(),
        ],
    );
    let mut file = File::open(&out).unwrap();
    let mut header = [0; 110];
    file.read_exact(&mut header).unwrap();
    assert_eq!(&header[..15], b"partclone-image");
    assert_eq!((&header[30..34], header[105]), (&b"0002"[..], 1));
    let blocks = u64::from_le_bytes(header[60..68].try_into().unwrap());
    let block_size = u32::from_le_bytes(header[84..88].try_into().unwrap());
    let mut bits = vec![0; blocks.div_ceil(8) as usize];
    file.read_exact(&mut bits).unwrap();
    Bitmap {
        block_size: u64::from(block_size),
        blocks,
        bits,
    }
}

/// Which `unit`-sized blocks of the partition a map calls free. A block counts
/// only when all of it is free.
pub(crate) fn free_blocks(map: &FsMap, unit: u64, blocks: u64) -> Vec<bool> {
    let mut free = vec![false; blocks as usize];
    for Extent { start, len } in &map.free {
        for block in start.div_ceil(unit)..(start + len) / unit {
            free[block as usize] = true;
        }
    }
    free
}

/// The first places where map and oracle differ: `(block, the oracle calls it
/// used)`.
pub(crate) fn differences(map: &FsMap, oracle: &Bitmap) -> Vec<(u64, bool)> {
    let free = free_blocks(map, oracle.block_size, oracle.blocks);
    (0..oracle.blocks)
        .filter(|b| free[*b as usize] == oracle.used(*b))
        .map(|b| (b, oracle.used(b)))
        .take(40)
        .collect()
}
