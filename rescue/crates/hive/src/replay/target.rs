//! The hive that is brought up to date.

use super::new_log::Page;
use crate::CellOffset;
use crate::bytes::put;
use crate::units::BASE_SIZE;

/// The hive that pages are written to.
#[derive(Debug)]
pub(super) struct Target<'d> {
    pub(super) data: &'d mut Vec<u8>,
    pub(super) bins_size: u32,
}

impl Target<'_> {
    /// Writes pages that lie within `bins_size`, or nothing at all. A bin that
    /// is new is always in the log; without it the hive would have a hole.
    pub(super) fn apply(&mut self, bins_size: u32, pages: &[Page<'_>]) -> Result<(), String> {
        let end = |page: &Page<'_>| u64::from(page.0) + page.1.len() as u64;
        // A base block out of a log may promise more than the file has.
        let held = self.data.len().saturating_sub(BASE_SIZE) as u64;
        let held = held.min(self.bins_size.into());
        let added = u64::from(bins_size).saturating_sub(held);
        let beyond = |page: &Page<'_>| end(page).saturating_sub(held);
        let logged: u64 = pages.iter().map(|p| beyond(p).min(p.1.len() as u64)).sum();
        if logged < added || pages.iter().any(|page| end(page) > bins_size.into()) {
            return Err(format!(
                "it would grow the hive to {bins_size} bytes of bins without holding the new ones"
            ));
        }
        let size = BASE_SIZE + bins_size as usize;
        if self.data.len() < size {
            self.data.resize(size, 0);
        }
        for (offset, bytes) in pages {
            put(self.data, CellOffset(*offset).index(), bytes).ok_or("a page is out of reach")?;
        }
        self.bins_size = bins_size;
        Ok(())
    }
}
