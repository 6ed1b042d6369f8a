//! A moment as ISO 9660 writes it.

/// A moment of UTC, to the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Timestamp {
    year: u32,
    month: u32,
    day: u32,
    second_of_day: u32,
}

impl Timestamp {
    /// `None` before 1980, which FAT cannot write.
    pub(crate) fn from_epoch(seconds: u32) -> Option<Self> {
        const DAY: u32 = 86_400;
        let mut days = seconds / DAY;
        let mut year = 1970;
        while days >= days_of(year) {
            days -= days_of(year);
            year += 1;
        }
        let february = if days_of(year) == 366 { 29 } else { 28 };
        let mut month = 1;
        for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
            if days < length {
                break;
            }
            days -= length;
            month += 1;
        }
        let day = days + 1;
        let second_of_day = seconds % DAY;
        (year >= 1980).then_some(Self {
            year,
            month,
            day,
            second_of_day,
        })
    }

    /// "YYYYMMDDhhmmsscc", hundredths being 00.
    pub(crate) fn digits(&self) -> String {
        let s = self.second_of_day;
        let (hour, minute, second) = (s / 3600, s / 60 % 60, s % 60);
        format!(
            "{:04}{:02}{:02}{hour:02}{minute:02}{second:02}00",
            self.year, self.month, self.day
        )
    }
}

fn days_of(year: u32) -> u32 {
    let leap = year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    if leap { 366 } else { 365 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected values from `date -u -d @N +%Y%m%d%H%M%S`.
    #[test]
    fn moments_are_what_date_prints() {
        for (seconds, digits) in [
            (1_735_689_600, "2025010100000000"),
            (1_709_251_199, "2024022923595900"),
            (951_868_800, "2000030100000000"),
            (4_102_444_799, "2099123123595900"),
        ] {
            assert_eq!(Timestamp::from_epoch(seconds).unwrap().digits(), digits);
        }
        assert_eq!(Timestamp::from_epoch(0), None);
    }
}
