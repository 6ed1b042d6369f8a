//! What time it is, for reports.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A moment in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    year: i64,
    month: i64,
    day: i64,
    hour: u64,
    minute: u64,
    second: u64,
}

impl Moment {
    pub(crate) fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        Self::after_1970(since.unwrap_or(Duration::ZERO))
    }

    /// Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days.
    fn after_1970(since: Duration) -> Self {
        let seconds = since.as_secs();
        let days = i64::try_from(seconds / 86_400).unwrap_or(0) + 719_468;
        let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let shifted = (5 * of_year + 2) / 153;
        let month = if shifted < 10 {
            shifted + 3
        } else {
            shifted - 9
        };
        Self {
            year: year + era * 400 + i64::from(month <= 2),
            month,
            day: of_year - (153 * shifted + 2) / 5 + 1,
            hour: seconds / 3_600 % 24,
            minute: seconds / 60 % 60,
            second: seconds % 60,
        }
    }

    /// "2026-11-26T22:45:09Z".
    pub(crate) fn rfc3339(&self) -> String {
        let (y, m, d) = (self.year, self.month, self.day);
        let (h, min, s) = (self.hour, self.minute, self.second);
        format!("{y:04}-{m:02}-{d:02}T{h:02}:{min:02}:{s:02}Z")
    }

    /// "20261126T224509Z", for names of files.
    pub(crate) fn compact(&self) -> String {
        self.rfc3339().replace(['-', ':'], "")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments() {
        let cases = [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_795_733_109, "2026-11-26T22:45:09Z"),
        ];
        for (seconds, expected) in cases {
            let moment = Moment::after_1970(Duration::from_secs(seconds));
            assert_eq!(moment.rfc3339(), expected);
        }
        let moment = Moment::after_1970(Duration::from_secs(0));
        assert_eq!(moment.compact(), "19700101T000000Z");
    }
}
