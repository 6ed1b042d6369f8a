//! Positions and times that must not be mixed with other numbers.

use std::fmt;

/// Size of the base block; all cell offsets count from its end.
pub(crate) const BASE_SIZE: usize = 4096;
/// Bins come in multiples of this.
pub(crate) const PAGE: u32 = 4096;
/// All bins together, at most: offsets with the top bit set are volatile.
pub(crate) const BINS_LIMIT: u32 = 0x7FFF_F000;
/// The offset that means "none".
pub(crate) const NIL: u32 = u32::MAX;

/// Where a cell is: bytes from the end of the base block to its size field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CellOffset(pub(crate) u32);

impl CellOffset {
    /// From a field of the hive, where all ones mean "none".
    pub(crate) const fn from_field(raw: u32) -> Option<Self> {
        if raw == NIL { None } else { Some(Self(raw)) }
    }

    /// The raw number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// Bytes from the start of the file.
    #[must_use]
    pub const fn position(self) -> u64 {
        self.0 as u64 + BASE_SIZE as u64
    }

    /// The same, for slices.
    pub(crate) const fn index(self) -> usize {
        (self.0 as usize).saturating_add(BASE_SIZE)
    }
}

/// 100-nanosecond intervals since 1601-01-01 UTC.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileTime(pub u64);

impl FileTime {
    const PER_SECOND: u64 = 10_000_000;
    /// Seconds between 1601 and 1970.
    const UNIX_EPOCH: u64 = 11_644_473_600;

    /// From seconds since 1970.
    #[must_use]
    pub const fn from_unix(seconds: u64) -> Self {
        Self(
            seconds
                .saturating_add(Self::UNIX_EPOCH)
                .saturating_mul(Self::PER_SECOND),
        )
    }
}

/// RFC 3339 in UTC, to the second.
impl fmt::Display for FileTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0 / Self::PER_SECOND;
        let (days, rest) = (seconds / 86400, seconds % 86400);
        let (year, month, day) = civil(days);
        let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"
        )
    }
}

/// The Gregorian date of a day counted from 1601-01-01.
fn civil(mut days: u64) -> (u64, u64, u64) {
    // 1601 begins a cycle of 400 years, so leap days fall at the ends of the parts.
    let cycles = days / 146_097;
    days %= 146_097;
    let centuries = (days / 36_524).min(3);
    days -= centuries * 36_524;
    let fours = days / 1461;
    days %= 1461;
    let years = (days / 365).min(3);
    days -= years * 365;
    let year = 1601 + cycles * 400 + centuries * 100 + fours * 4 + years;
    let leap = years == 3 && (fours != 24 || centuries == 3);
    let february = if leap { 29 } else { 28 };
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    (year, month, days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_as_dates() {
        let shown = |seconds| FileTime::from_unix(seconds).to_string();
        assert_eq!(FileTime(0).to_string(), "1601-01-01T00:00:00Z");
        assert_eq!(shown(0), "1970-01-01T00:00:00Z");
        assert_eq!(shown(951_868_799), "2000-02-29T23:59:59Z");
        assert_eq!(shown(951_868_800), "2000-03-01T00:00:00Z");
        assert_eq!(shown(4_107_542_399), "2100-02-28T23:59:59Z");
        assert_eq!(shown(4_107_542_400), "2100-03-01T00:00:00Z");
        assert_eq!(shown(1_704_067_199), "2023-12-31T23:59:59Z");
        assert_eq!(shown(1_735_603_200), "2024-12-31T00:00:00Z");
    }
}
