//! Disks for fuzzing: mostly zero, so that an input of a few KiB can stand for
//! a filesystem of many MiB.
//!
//! An input is the disk's length in sectors (u32), then pieces: sector (u32),
//! length in bytes (u16), that many bytes. All little-endian. Any input is a
//! disk; what is cut short counts as far as it goes.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::io::{Error, ErrorKind, Result};

use disk::ReadAt;

const SECTOR: usize = 512;
/// Larger disks only make a run slower.
const SECTORS_CAP: u32 = 128 << 11;

/// A disk that is zero but for a few sectors.
#[derive(Debug)]
pub struct SparseDisk {
    sectors: u32,
    written: BTreeMap<u64, [u8; SECTOR]>,
}

impl SparseDisk {
    /// The disk an input stands for.
    #[must_use]
    pub fn decode(mut input: &[u8]) -> Self {
        let sectors = take::<4>(&mut input).map_or(0, u32::from_le_bytes) % (SECTORS_CAP + 1);
        let mut disk = Self {
            sectors,
            written: BTreeMap::new(),
        };
        while let (Some(at), Some(len)) = (take::<4>(&mut input), take::<2>(&mut input)) {
            let at = u64::from(u32::from_le_bytes(at) % sectors.max(1));
            let len = usize::from(u16::from_le_bytes(len)).min(input.len());
            let (piece, rest) = input.split_at(len);
            for (index, bytes) in (at..).zip(piece.chunks(SECTOR)) {
                let sector = disk.written.entry(index).or_insert([0; SECTOR]);
                for (to, from) in sector.iter_mut().zip(bytes) {
                    *to = *from;
                }
            }
            input = rest;
        }
        disk
    }

    /// An input that stands for `image`: a seed.
    #[must_use]
    pub fn encode(image: &[u8]) -> Vec<u8> {
        let sectors = u32::try_from(image.len() / SECTOR).unwrap_or(u32::MAX);
        let mut out = sectors.to_le_bytes().to_vec();
        for (index, bytes) in (0_u32..).zip(image.chunks(SECTOR)) {
            if bytes.iter().any(|b| *b != 0) {
                out.extend(index.to_le_bytes());
                out.extend((SECTOR as u16).to_le_bytes());
                out.extend(bytes);
            }
        }
        out
    }
}

/// Makes the checksum of a hive's or a log's base block right, and mends the
/// fields that every reader looks at first.
pub fn seal(file: &mut [u8]) {
    if let Some(base) = file.first_chunk_mut::<512>() {
        base[..4].copy_from_slice(b"regf");
        let sum = hive::checksum(base);
        base[508..].copy_from_slice(&sum.to_le_bytes());
    }
}

fn take<const N: usize>(input: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = input.split_first_chunk::<N>()?;
    *input = rest;
    Some(*head)
}

impl ReadAt for SparseDisk {
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> Result<()> {
        let end = offset.checked_add(buf.len() as u64);
        if end.is_none_or(|end| end > self.size()) {
            return Err(Error::from(ErrorKind::UnexpectedEof));
        }
        buf.fill(0);
        let size = SECTOR as u64;
        let first = offset / size;
        let last = (offset + buf.len() as u64).div_ceil(size);
        for (index, sector) in self.written.range(first..last) {
            for (at, byte) in (index * size..).zip(sector) {
                let place = at.checked_sub(offset).map(|p| p as usize);
                if let Some(to) = place.and_then(|p| buf.get_mut(p)) {
                    *to = *byte;
                }
            }
        }
        Ok(())
    }

    fn size(&self) -> u64 {
        u64::from(self.sectors) * SECTOR as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_stands_for_its_image() {
        let mut image = vec![0; 20 * SECTOR];
        image[5 * SECTOR + 7] = 1;
        image[19 * SECTOR..].fill(9);
        let disk = SparseDisk::decode(&SparseDisk::encode(&image));
        let mut read = vec![1; image.len() - 100];
        disk.read_exact_at(&mut read, 100).unwrap();
        assert_eq!(read, image[100..]);
        assert!(disk.read_exact_at(&mut read, 101).is_err());
    }
}
