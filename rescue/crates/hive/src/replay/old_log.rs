//! Logs up to Windows 8: a copy of the base block (type 1 or 2), at byte 512
//! `DIRT` and a bitmap of 512-byte pages of the bins (lowest bit first), from
//! the next multiple of 512 on those pages, one after another.

use super::SECTOR;
use super::new_log::Page;
use crate::bytes::range;

/// The pages a log holds for bins of `bins_size` bytes, or why there are none.
pub(super) fn pages(log: &[u8], bins_size: u32) -> Result<Vec<Page<'_>>, String> {
    if range(log, SECTOR, 4) != Some(b"DIRT") {
        return Err(format!("no map of pages (\"DIRT\") at byte {SECTOR}"));
    }
    let bits = bins_size / SECTOR as u32;
    let bitmap = range(log, SECTOR + 4, (bits as usize).div_ceil(8));
    let bitmap = bitmap.ok_or("its map of pages is cut short")?;
    let mut at = (SECTOR + 4 + bitmap.len()).next_multiple_of(SECTOR);
    let mut pages = Vec::new();
    for bit in (0..bits).filter(|bit| is_set(bitmap, *bit)) {
        let page = range(log, at, SECTOR);
        let page =
            page.ok_or_else(|| format!("it ends at byte {}, within its pages", log.len()))?;
        pages.push((bit * SECTOR as u32, page));
        at += SECTOR;
    }
    Ok(pages)
}

fn is_set(bitmap: &[u8], bit: u32) -> bool {
    let byte = bitmap.get((bit / 8) as usize).copied();
    byte.is_some_and(|byte| byte & 1 << (bit % 8) != 0)
}
