//! Fuzzer bytes as a disk whose checksums are right, because no fuzzer finds a
//! CRC32 and everything interesting lies behind it.

use disk::SectorSize;

/// First byte: sector size, and whether checksums are made right. The rest:
/// the disk.
pub fn disk(data: &[u8]) -> Option<(SectorSize, Vec<u8>)> {
    let (choice, rest) = data.split_first()?;
    let sector = if choice & 1 == 0 {
        SectorSize::B512
    } else {
        SectorSize::B4096
    };
    let mut bytes = rest.to_vec();
    if choice & 2 == 0 {
        let unit = sector.bytes() as usize;
        seal(&mut bytes, unit, unit);
        let last = (bytes.len() / unit).saturating_sub(1) * unit;
        seal(&mut bytes, last, unit);
    }
    Some((sector, bytes))
}

/// Makes a GPT header at `at` match itself and its entries.
fn seal(bytes: &mut [u8], at: usize, unit: usize) {
    let Some(header) = bytes.get(at..at.saturating_add(unit)) else {
        return;
    };
    let word = |from: usize| {
        let field: [u8; 4] = header[from..from + 4].try_into().unwrap();
        u32::from_le_bytes(field) as usize
    };
    let (size, start, len) = (word(12), word(72).saturating_mul(unit), word(80) << 7);
    let entries = start.checked_add(len).and_then(|end| bytes.get(start..end));
    let entries_crc = entries.map_or(0, crc32fast::hash);
    bytes[at + 88..at + 92].copy_from_slice(&entries_crc.to_le_bytes());
    bytes[at + 16..at + 20].fill(0);
    let Some(header) = bytes[at..].get(..size) else {
        return;
    };
    let crc = crc32fast::hash(header);
    bytes[at + 16..at + 20].copy_from_slice(&crc.to_le_bytes());
}
