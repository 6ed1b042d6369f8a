//! A volume as fatfs wants it: read, written and sought in.

use std::collections::BTreeMap;
use std::io::{Error, ErrorKind, Read, Result, Seek, SeekFrom, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use disk::{ReadAt, WriteAt};
use fatfs::{Date, DateTime, Time, TimeProvider};

use super::Overlay;

/// Bytes that are read together.
const BLOCK: u64 = 64 << 10;
/// Blocks that are kept.
const KEPT: usize = 256;

/// A volume that is read in small pieces: fatfs reads a number at a time. It is not
/// read without end: fatfs follows chains that go in circles.
pub(super) struct Cached {
    base: Arc<dyn ReadAt>,
    blocks: Mutex<BTreeMap<u64, Vec<u8>>>,
    /// Reads that are left.
    left: AtomicU64,
}

impl Cached {
    pub(super) fn new(base: Arc<dyn ReadAt>) -> Self {
        let cached = Self {
            base,
            blocks: Mutex::default(),
            left: AtomicU64::new(0),
        };
        cached.anew();
        cached
    }

    /// As many reads again: more than all its files need, in clusters of one sector.
    pub(super) fn anew(&self) {
        let sectors = self.base.size() / 512;
        let left = sectors.saturating_mul(16).saturating_add(1 << 20);
        self.left.store(left, Ordering::Relaxed);
    }

    fn count(&self) -> Result<()> {
        let left = self.left.load(Ordering::Relaxed);
        let fewer = left.checked_sub(1);
        self.left.store(
            fewer.ok_or_else(|| Error::other("it goes in circles"))?,
            Ordering::Relaxed,
        );
        Ok(())
    }

    fn block(&self, number: u64) -> Result<Vec<u8>> {
        let start = number.saturating_mul(BLOCK);
        let len = self.size().saturating_sub(start).min(BLOCK);
        let mut block = vec![0; usize::try_from(len).unwrap_or(0)];
        self.base.read_exact_at(&mut block, start)?;
        Ok(block)
    }
}

impl ReadAt for Cached {
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> Result<()> {
        self.count()?;
        let mut blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut at, mut rest) = (offset, buf);
        while !rest.is_empty() {
            let number = at / BLOCK;
            if !blocks.contains_key(&number) {
                if blocks.len() >= KEPT {
                    blocks.clear();
                }
                blocks.insert(number, self.block(number)?);
            }
            let inside = usize::try_from(at % BLOCK).unwrap_or(usize::MAX);
            let block = blocks.get(&number).and_then(|block| block.get(inside..));
            let block = block.filter(|block| !block.is_empty());
            let block = block.ok_or(ErrorKind::UnexpectedEof)?;
            let len = block.len().min(rest.len());
            let (now, later) = rest.split_at_mut(len);
            now.copy_from_slice(block.get(..len).unwrap_or_default());
            (at, rest) = (at.saturating_add(len as u64), later);
        }
        Ok(())
    }

    fn size(&self) -> u64 {
        self.base.size()
    }
}

impl std::fmt::Debug for Cached {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cached({} bytes)", self.size())
    }
}

/// Where fatfs is in a volume.
pub(super) struct Stream<'v> {
    volume: &'v Overlay,
    /// In bytes.
    at: &'v AtomicU64,
}

impl<'v> Stream<'v> {
    /// At the beginning; `at` tells where it is later on.
    pub(super) fn new(volume: &'v Overlay, at: &'v AtomicU64) -> Self {
        at.store(0, Ordering::Relaxed);
        Self { volume, at }
    }

    /// Where it is, and how many of `len` bytes are left from there.
    fn here(&self, len: usize) -> (u64, usize) {
        let at = self.at.load(Ordering::Relaxed);
        let left = self.volume.size().saturating_sub(at);
        (at, usize::try_from(left).unwrap_or(usize::MAX).min(len))
    }

    fn go(&self, from: u64, by: usize) {
        let to = from.saturating_add(by as u64);
        self.at.store(to, Ordering::Relaxed);
    }
}

impl Read for Stream<'_> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize> {
        let (at, len) = self.here(buf.len());
        let part = buf.get_mut(..len).unwrap_or_default();
        self.volume.read_exact_at(part, at)?;
        self.go(at, len);
        Ok(len)
    }
}

impl Write for Stream<'_> {
    fn write(&mut self, buf: &[u8]) -> Result<usize> {
        let (at, len) = self.here(buf.len());
        let part = buf.get(..len).unwrap_or_default();
        self.volume.write_all_at(part, at)?;
        self.go(at, len);
        Ok(len)
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

impl Seek for Stream<'_> {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.here(0).0.checked_add_signed(by),
            SeekFrom::End(by) => self.volume.size().checked_add_signed(by),
        };
        let at = at.ok_or(ErrorKind::InvalidInput)?;
        self.go(at, 0);
        Ok(at)
    }
}

/// The time of new files, in UTC.
#[derive(Debug)]
pub(super) struct Clock;

impl TimeProvider for Clock {
    fn get_current_date(&self) -> Date {
        self.get_current_date_time().date
    }

    fn get_current_date_time(&self) -> DateTime {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        date(since.map_or(0, |since| since.as_secs()))
    }
}

/// The date of so many seconds after 1970, from 1980 (where FAT begins) to 2107.
fn date(seconds: u64) -> DateTime {
    const FIRST: u64 = 315_532_800;
    const LAST: u64 = 4_354_819_199;
    let seconds = seconds.clamp(FIRST, LAST);
    let (mut days, second) = (seconds / 86_400, seconds % 86_400);
    let mut year = 1970_u16;
    let leap = |year: u16| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let february = 28 + u64::from(leap(year));
    let mut month = 1;
    for len in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if days < len {
            break;
        }
        days -= len;
        month += 1;
    }
    DateTime {
        date: Date {
            year,
            month,
            day: days as u16 + 1,
        },
        time: Time {
            hour: (second / 3600) as u16,
            min: (second / 60 % 60) as u16,
            sec: (second % 60) as u16,
            millis: 0,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::date;

    #[test]
    fn dates_are_the_calendar_s() {
        for (seconds, expected) in [
            (0, (1980, 1, 1, 0, 0, 0)),
            (951_827_696, (2000, 2, 29, 12, 34, 56)),
            (1_764_180_000, (2025, 11, 26, 18, 0, 0)),
            (1_735_689_599, (2024, 12, 31, 23, 59, 59)),
            (u64::MAX, (2107, 12, 31, 23, 59, 59)),
        ] {
            let found = date(seconds);
            let (date, time) = (found.date, found.time);
            let found = (
                date.year, date.month, date.day, time.hour, time.min, time.sec,
            );
            assert_eq!(found, expected);
        }
    }
}
