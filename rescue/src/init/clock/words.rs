//! What is said about the clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::Clock;

/// 2025-01-01: this program is younger than that.
const EARLIEST: Duration = Duration::from_secs(1_735_689_600);

/// Differences below a minute are not worth a line.
const WORTH_A_LINE: u64 = 60;

pub(super) fn warnings(clock: &Clock, now: SystemTime) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Some(problem) = &clock.problem {
        warnings.push(format!("no time server tells the time: {problem}"));
    }
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    if clock.server.is_none() && since < EARLIEST {
        warnings.push(
            "this machine's clock shows a time before 2025: https:// servers will be refused. \
             Set it with `date -s \"YYYY-MM-DD hh:mm\"` in the shell (UTC), or name a time server \
             in the medium's configuration (time-servers)"
                .to_owned(),
        );
    }
    let off = clock
        .was_behind
        .filter(|s| s.unsigned_abs() >= WORTH_A_LINE);
    if let (Some(off), Some(server)) = (off, &clock.server) {
        warnings.push(off_by(off, server));
    }
    warnings
}

fn off_by(seconds: i64, server: &str) -> String {
    let (by, which) = (
        seconds.unsigned_abs(),
        if seconds < 0 { "ahead" } else { "behind" },
    );
    let span = span(by);
    if is_local_time(by) {
        return format!(
            "the hardware clock is {span} {which} of UTC as {server} tells it, as if it kept local \
             time: that is right for Windows, wrong for most Linux systems. This system's clock \
             was set; the hardware clock was not touched"
        );
    }
    format!(
        "the hardware clock is {span} {which} (the time is {server}'s). This system's clock was \
         set; set the hardware clock in the firmware's setup before the restored system starts: \
         domains refuse machines whose clock is more than 5 minutes off"
    )
}

/// Whether it differs as time zones do: by quarters of an hour, up to 14 hours.
fn is_local_time(seconds: u64) -> bool {
    const QUARTER: u64 = 900;
    const TOLERANCE: u64 = 45;
    let rest = seconds % QUARTER;
    let near = rest <= TOLERANCE || rest >= QUARTER - TOLERANCE;
    near && (QUARTER - TOLERANCE..=14 * 3600 + TOLERANCE).contains(&seconds)
}

/// "3 days", "2 h 5 min", "7 min".
fn span(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours) {
        (0, 0) => format!("{minutes} min"),
        (0, _) => format!("{hours} h {minutes} min"),
        (1, _) => format!("1 day {hours} h"),
        _ => format!("{days} days"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(was_behind: i64) -> Vec<String> {
        let clock = Clock {
            asked: vec!["ntp.acme".to_owned()],
            server: Some("ntp.acme".to_owned()),
            was_behind: Some(was_behind),
            problem: None,
        };
        warnings(&clock, UNIX_EPOCH)
    }

    #[test]
    fn a_clock_that_is_right_is_not_spoken_of() {
        assert_eq!(of(59), [] as [String; 0]);
        let now = UNIX_EPOCH + EARLIEST;
        assert_eq!(warnings(&Clock::default(), now), [] as [String; 0]);
    }

    #[test]
    fn a_wrong_clock_is_told_with_what_to_do() {
        let line = of(-400).remove(0);
        assert!(
            line.contains("6 min ahead") && line.contains("5 minutes off"),
            "{line}"
        );
        let line = of(400 * 86_400).remove(0);
        assert!(
            line.contains("400 days behind") && line.contains("ntp.acme"),
            "{line}"
        );
        let line = warnings(&Clock::default(), UNIX_EPOCH).remove(0);
        assert!(
            line.contains("before 2025") && line.contains("date -s"),
            "{line}"
        );
    }

    #[test]
    fn a_clock_that_keeps_local_time_is_known() {
        for zone in [-7200, 3600 + 20, 5 * 3600 + 1800 - 30, 14 * 3600] {
            let line = of(zone).remove(0);
            assert!(line.contains("local time"), "{zone}: {line}");
        }
        for other in [400, 15 * 3600, 3600 + 200] {
            assert!(!of(other).remove(0).contains("local time"), "{other}");
        }
    }

    #[test]
    fn servers_that_told_nothing_are_named() {
        let clock = Clock {
            problem: Some("the time server ntp.acme: it does not answer".to_owned()),
            ..Clock::default()
        };
        let lines = warnings(&clock, UNIX_EPOCH + EARLIEST);
        assert!(
            lines[0].contains("ntp.acme: it does not answer"),
            "{lines:?}"
        );
    }
}
