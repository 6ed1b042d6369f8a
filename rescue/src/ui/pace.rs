//! How fast, and how long still: pure arithmetic on bytes and durations.

use std::time::Duration;

use disk::human_bytes;

/// How much of the newest observation enters the smoothed rate.
const WEIGHT: f64 = 0.3;

/// Smoothed bytes per second of one phase.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Pace {
    total: Option<u64>,
    done: u64,
    seen_at: Duration,
    rate: Option<f64>,
}

impl Pace {
    /// A phase that begins at `now` and will handle `total` bytes.
    pub(crate) fn start(total: Option<u64>, now: Duration) -> Self {
        Self {
            total,
            done: 0,
            seen_at: now,
            rate: None,
        }
    }

    /// Takes "`done` bytes at `now`".
    pub(crate) fn observe(&mut self, done: u64, now: Duration) {
        let seconds = now.saturating_sub(self.seen_at).as_secs_f64();
        if seconds <= 0.0 {
            self.done = self.done.max(done);
            return;
        }
        let newest = done.saturating_sub(self.done) as f64 / seconds;
        self.rate = Some(match self.rate {
            Some(old) => old * (1.0 - WEIGHT) + newest * WEIGHT,
            None => newest,
        });
        self.done = self.done.max(done);
        self.seen_at = now;
    }

    /// Bytes done.
    pub(crate) fn done(&self) -> u64 {
        self.done
    }

    /// "3.2 GiB of 12.0 GiB (26%), 210.0 MiB/s, 42 s left".
    pub(crate) fn line(&self) -> String {
        let mut line = match self.total {
            Some(total) if total > 0 => format!(
                "{} of {} ({}%)",
                human_bytes(self.done),
                human_bytes(total),
                percent(self.done, total)
            ),
            _ => human_bytes(self.done),
        };
        let Some(rate) = self.rate.filter(|r| *r >= 1.0) else {
            return line;
        };
        line.push_str(&format!(", {}/s", human_bytes(rate as u64)));
        if let Some(total) = self.total {
            let left = total.saturating_sub(self.done) as f64 / rate;
            line.push_str(&format!(", {} left", human_time(left as u64)));
        }
        line
    }
}

fn percent(done: u64, total: u64) -> u64 {
    let done = u128::from(done.min(total));
    u64::try_from(done * 100 / u128::from(total.max(1))).unwrap_or(100)
}

/// "12.0 GiB in 58 s, 211.9 MiB/s": what a finished phase did.
pub(crate) fn summary(done: u64, took: Duration) -> String {
    let seconds = took.as_secs_f64();
    let mut text = format!("{} in {}", human_bytes(done), human_time(took.as_secs()));
    if seconds >= 0.1 && done > 0 {
        let rate = human_bytes((done as f64 / seconds) as u64);
        text.push_str(&format!(", {rate}/s"));
    }
    text
}

/// "42 s", "3 min 20 s", "2 h 5 min".
pub(crate) fn human_time(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_steady_pace_tells_the_time_left() {
        let mut pace = Pace::start(Some(100 << 20), s(10));
        pace.observe(10 << 20, s(11));
        pace.observe(20 << 20, s(12));
        assert_eq!(
            pace.line(),
            "20.0 MiB of 100.0 MiB (20%), 10.0 MiB/s, 8 s left"
        );
    }

    #[test]
    fn nothing_is_claimed_before_it_is_known() {
        let mut pace = Pace::start(None, s(0));
        assert_eq!(pace.line(), "0 B");
        pace.observe(5, s(0));
        assert_eq!(pace.line(), "5 B");
        let stalled = Pace::start(Some(0), s(0));
        assert_eq!(stalled.line(), "0 B");
    }

    #[test]
    fn more_than_everything_is_everything() {
        assert_eq!(percent(7, 5), 100);
        assert_eq!(percent(u64::MAX, u64::MAX), 100);
        let mut pace = Pace::start(Some(5), s(0));
        pace.observe(9, s(1));
        assert!(pace.line().ends_with("0 s left"), "{}", pace.line());
    }

    #[test]
    fn times_read_well() {
        assert_eq!(human_time(59), "59 s");
        assert_eq!(human_time(200), "3 min 20 s");
        assert_eq!(human_time(7500), "2 h 5 min");
        assert_eq!(summary(1 << 30, s(4)), "1.0 GiB in 4 s, 256.0 MiB/s");
    }
}
