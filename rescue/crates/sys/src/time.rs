//! The system's clock.

use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_settime};

/// Sets the clock that tells the time of day (`clock_settime`, `CLOCK_REALTIME`). The
/// hardware clock stays as it is.
///
/// # Errors
/// `EINVAL` for a time before 1970; else the kernel's own, `EPERM` without the right to do so.
pub fn set_clock(time: SystemTime) -> io::Result<()> {
    let since = time.duration_since(UNIX_EPOCH);
    let since =
        since.map_err(|_| io::Error::from_raw_os_error(nix::errno::Errno::EINVAL as i32))?;
    clock_settime(ClockId::CLOCK_REALTIME, TimeSpec::from_duration(since))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_time_before_1970_is_refused() {
        let error = set_clock(UNIX_EPOCH - Duration::from_secs(1)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }
}
