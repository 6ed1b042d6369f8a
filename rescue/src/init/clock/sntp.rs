//! Questions to time servers and their answers as bytes: pure.
//!
//! The simple network time protocol, version 4 (RFC 4330): one question, one
//! answer. What the servers speak is NTP (RFC 5905); both look the same here.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Size of a question, and the least of an answer, in bytes.
pub const SIZE: usize = 48;

/// No leap second is announced, version 4, client.
const QUESTION: u8 = 0b00_100_011;

/// Seconds from 1900-01-01, where NTP's first era begins, to 1970-01-01.
const TO_1970: u64 = 2_208_988_800;

/// Seconds of an era: the second one begins on 2036-02-07.
const ERA: u64 = 1 << 32;

/// Where the fields are that are read here.
mod at {
    pub(super) const STRATUM: usize = 1;
    pub(super) const REFERENCE: usize = 12;
    pub(super) const ORIGINATE: usize = 24;
    pub(super) const RECEIVE: usize = 32;
    pub(super) const TRANSMIT: usize = 40;
}

/// Why an answer tells no time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoTime {
    /// Too short, not from a server, or to another question than ours.
    #[error("it sent something that is no answer to the question")]
    NoAnswer,
    /// It says of itself that it does not know the time.
    #[error("it is not sure of the time itself")]
    Unsure,
    /// It does not want to be asked (a "kiss of death").
    #[error("it refuses to answer ({0})")]
    Refused(String),
}

/// A question; the answer repeats `cookie`, a number nobody can guess.
#[must_use]
pub fn question(cookie: u64) -> [u8; SIZE] {
    let mut packet = [0; SIZE];
    let [first, .., _] = &mut packet;
    *first = QUESTION;
    if let Some(field) = packet.get_mut(at::TRANSMIT..) {
        field.copy_from_slice(&cookie.to_be_bytes());
    }
    packet
}

/// The time at the server in the middle of its work on the question.
///
/// # Errors
/// [`NoTime`] when it does not tell.
pub fn answer(packet: &[u8], cookie: u64) -> Result<SystemTime, NoTime> {
    let field = |from: usize| {
        let bytes = packet.get(from..from.saturating_add(8));
        bytes.and_then(|b| b.first_chunk::<8>()).copied()
    };
    let first = packet.first().copied().ok_or(NoTime::NoAnswer)?;
    let (leap, mode) = (first >> 6, first & 7);
    if packet.len() < SIZE || mode != 4 || field(at::ORIGINATE) != Some(cookie.to_be_bytes()) {
        return Err(NoTime::NoAnswer);
    }
    let stratum = packet.get(at::STRATUM).copied().unwrap_or_default();
    if stratum == 0 {
        let code = packet.get(at::REFERENCE..at::REFERENCE + 4);
        return Err(NoTime::Refused(
            code.unwrap_or_default().escape_ascii().to_string(),
        ));
    }
    if leap == 3 || stratum > 15 {
        return Err(NoTime::Unsure);
    }
    let received = field(at::RECEIVE).and_then(time).ok_or(NoTime::Unsure)?;
    let sent = field(at::TRANSMIT).and_then(time).ok_or(NoTime::Unsure)?;
    let working = sent.duration_since(received).unwrap_or_default();
    received.checked_add(working / 2).ok_or(NoTime::Unsure)
}

/// Seconds and their fractions, 32 bits each; `None` for the zero that stands
/// for "not known". A small number of seconds is of the next era (RFC 4330 §3).
fn time(bytes: [u8; 8]) -> Option<SystemTime> {
    let all = u64::from_be_bytes(bytes);
    if all == 0 {
        return None;
    }
    let (seconds, fraction) = (all >> 32, all & (ERA - 1));
    let era = if seconds >> 31 == 1 { 0 } else { ERA };
    let seconds = seconds.checked_add(era)?.checked_sub(TO_1970)?;
    let nanos = fraction.saturating_mul(1_000_000_000) >> 32;
    let since = Duration::from_secs(seconds).checked_add(Duration::from_nanos(nanos))?;
    UNIX_EPOCH.checked_add(since)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const COOKIE: u64 = 0x0123_4567_89ab_cdef;

    /// What a good server says at `seconds` (of NTP), one half later.
    fn good(seconds: u32) -> [u8; SIZE] {
        let mut packet = [0; SIZE];
        packet[0] = 0b00_100_100;
        packet[1] = 2;
        packet[24..32].copy_from_slice(&COOKIE.to_be_bytes());
        packet[32..36].copy_from_slice(&seconds.to_be_bytes());
        packet[40..44].copy_from_slice(&seconds.to_be_bytes());
        packet[44] = 0x80;
        packet
    }

    fn at(seconds: u64, millis: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_millis(millis)
    }

    #[test]
    fn the_time_is_read_in_both_eras() {
        // 2026-11-26 00:00:00, and one second into the era that begins in 2036.
        assert_eq!(
            answer(&good(4_004_640_000), COOKIE),
            Ok(at(1_795_651_200, 250))
        );
        assert_eq!(answer(&good(1), COOKIE), Ok(at(2_085_978_497, 250)));
    }

    #[test]
    fn a_question_is_one_of_a_client() {
        let packet = question(COOKIE);
        assert_eq!(packet[0], 0x23);
        assert_eq!(packet[40..], COOKIE.to_be_bytes());
        assert_eq!(answer(&packet, COOKIE), Err(NoTime::NoAnswer));
    }

    #[test]
    fn what_tells_no_time_is_refused() {
        let mut other = good(4_004_640_000);
        assert_eq!(answer(&other, COOKIE + 1), Err(NoTime::NoAnswer));
        assert_eq!(answer(&other[..47], COOKIE), Err(NoTime::NoAnswer));
        other[0] |= 0b1100_0000;
        assert_eq!(answer(&other, COOKIE), Err(NoTime::Unsure));
        let mut unknown = good(4_004_640_000);
        unknown[1] = 16;
        assert_eq!(answer(&unknown, COOKIE), Err(NoTime::Unsure));
        unknown[1] = 0;
        unknown[12..16].copy_from_slice(b"RATE");
        assert_eq!(
            answer(&unknown, COOKIE),
            Err(NoTime::Refused("RATE".to_owned()))
        );
        assert!(answer(&good(0), COOKIE).is_err());
    }

    proptest! {
        #[test]
        fn nothing_that_arrives_panics(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let cookie = bytes.get(24..32).and_then(|b| b.first_chunk::<8>()).copied();
            let _ = answer(&bytes, u64::from_be_bytes(cookie.unwrap_or_default()));
        }
    }
}
