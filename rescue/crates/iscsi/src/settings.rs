//! How both sides work together, as negotiated (RFC 7143, section 13).

use crate::Error;
use crate::keys::Keys;
use crate::pdu::SEGMENT;

/// What we take in one message: 256 KiB, the kernel's own default.
pub const RECEIVE: u32 = 262_144;
const BURST: u32 = 262_144;
const FIRST_BURST: u32 = 65_536;
/// No segment or burst is longer, or shorter than 512.
const LONGEST: u32 = (1 << 24) - 1;

/// What was agreed on. Digests are off, errors end the session, data comes in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Bytes that the target sends in one message at most.
    pub receive: u32,
    /// Bytes that it takes in one message at most.
    pub send: u32,
    /// Written data waits until the target asks for it.
    pub initial_r2t: bool,
    /// Written data may come with the command.
    pub immediate_data: bool,
    /// Bytes that are written before the target asks, at most.
    pub first_burst: u32,
    /// Bytes for which it asks at once, at most.
    pub max_burst: u32,
}

/// What we propose for a session with a target.
#[must_use]
pub fn proposal() -> Keys {
    let mut keys = discovery_proposal();
    let (burst, first) = (BURST.to_string(), FIRST_BURST.to_string());
    for (key, value) in [
        ("InitialR2T", "Yes"),
        ("ImmediateData", "Yes"),
        ("MaxBurstLength", &burst),
        ("FirstBurstLength", &first),
        ("MaxConnections", "1"),
        ("MaxOutstandingR2T", "1"),
        ("DataPDUInOrder", "Yes"),
        ("DataSequenceInOrder", "Yes"),
    ] {
        keys.push(key, value);
    }
    keys
}

/// What we propose for asking a server for its targets.
#[must_use]
pub fn discovery_proposal() -> Keys {
    let mut keys = Keys::default();
    for (key, value) in [
        ("HeaderDigest", "None"),
        ("DataDigest", "None"),
        ("MaxRecvDataSegmentLength", &*RECEIVE.to_string()),
        ("ErrorRecoveryLevel", "0"),
        ("DefaultTime2Wait", "2"),
        ("DefaultTime2Retain", "0"),
    ] {
        keys.push(key, value);
    }
    keys
}

/// Keys that tell something and want no answer (sections 13.8 to 13.12).
const TOLD: [&str; 4] = [
    "TargetAlias",
    "TargetAddress",
    "TargetPortalGroupTag",
    "MaxRecvDataSegmentLength",
];

/// What to answer to the target's own proposals in `keys`: that they are not
/// understood, but for the markers of RFC 3720, which are refused by name.
#[must_use]
pub fn answers(keys: &Keys) -> Keys {
    let ours = proposal();
    let mut answers = Keys::default();
    for (key, value) in keys.iter() {
        let is_answer = ["NotUnderstood", "Irrelevant", "Reject"].contains(&value);
        if is_answer || TOLD.contains(&key) || ours.get(key).is_some() {
            continue;
        }
        match key {
            "IFMarker" | "OFMarker" => answers.push(key, "No"),
            "IFMarkInt" | "OFMarkInt" => answers.push(key, "Irrelevant"),
            _ => answers.push(key, "NotUnderstood"),
        }
    }
    answers
}

impl Settings {
    /// What `answers` to our [`proposal`] make of it; what is not answered has its
    /// default, or what we proposed.
    ///
    /// # Errors
    /// When the target answers what was not offered.
    pub fn agreed(answers: &Keys) -> Result<Self, Error> {
        for (key, only) in [
            ("HeaderDigest", "None"),
            ("DataDigest", "None"),
            ("DataPDUInOrder", "Yes"),
            ("DataSequenceInOrder", "Yes"),
            ("ErrorRecoveryLevel", "0"),
        ] {
            if let Some(value) = answers.get(key).filter(|value| *value != only) {
                return Err(wrong(key, value, only));
            }
        }
        let send = number(answers, "MaxRecvDataSegmentLength", LONGEST)?;
        let max_burst = number(answers, "MaxBurstLength", BURST)?.unwrap_or(BURST);
        let first_burst = number(answers, "FirstBurstLength", FIRST_BURST)?;
        Ok(Self {
            receive: RECEIVE,
            send: send.unwrap_or(u32::try_from(SEGMENT).unwrap_or(u32::MAX)),
            // One "Yes" is enough, and we said it.
            initial_r2t: true,
            immediate_data: yes(answers, "ImmediateData")?.unwrap_or(true),
            first_burst: first_burst.unwrap_or(FIRST_BURST).min(max_burst),
            max_burst,
        })
    }
}

fn wrong(key: &str, value: &str, expected: &'static str) -> Error {
    Error::Negotiation {
        key: key.to_owned(),
        value: value.to_owned(),
        expected,
    }
}

fn yes(answers: &Keys, key: &str) -> Result<Option<bool>, Error> {
    match answers.get(key) {
        Some("Yes") => Ok(Some(true)),
        Some("No") => Ok(Some(false)),
        None | Some("Irrelevant") => Ok(None),
        Some(other) => Err(wrong(key, other, "Yes or No")),
    }
}

/// A length from 512 to `most`.
fn number(answers: &Keys, key: &str, most: u32) -> Result<Option<u32>, Error> {
    let value = match answers.get(key) {
        None | Some("Irrelevant") => return Ok(None),
        Some(value) => value,
    };
    let digits = value.strip_prefix("0x").or(value.strip_prefix("0X"));
    let read = match digits {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => value.parse(),
    };
    let fits = read.ok().filter(|n| (512..=most).contains(n));
    let expected = "a length of at least 512 and no more than was offered";
    fits.map(Some).ok_or_else(|| wrong(key, value, expected))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agreed(pairs: &[(&str, &str)]) -> Result<Settings, Error> {
        Settings::agreed(&pairs.iter().copied().collect())
    }

    #[test]
    fn what_is_not_answered_has_its_default() {
        let settings = agreed(&[]).unwrap();
        assert_eq!((settings.send, settings.receive), (8192, 262_144));
        assert!(settings.initial_r2t && settings.immediate_data);
        let settings = agreed(&[
            ("MaxRecvDataSegmentLength", "0x10000"),
            ("MaxBurstLength", "16384"),
            ("ImmediateData", "No"),
            ("FirstBurstLength", "Irrelevant"),
        ])
        .unwrap();
        assert_eq!((settings.send, settings.first_burst), (65_536, 16_384));
        assert!(!settings.immediate_data);
    }

    #[test]
    fn what_was_not_offered_is_refused() {
        for pair in [
            ("HeaderDigest", "CRC32C"),
            ("ErrorRecoveryLevel", "2"),
            ("DataPDUInOrder", "No"),
            ("MaxBurstLength", "16777215"),
            ("MaxRecvDataSegmentLength", "0"),
            ("MaxRecvDataSegmentLength", "much"),
            ("ImmediateData", "Perhaps"),
        ] {
            let error = agreed(&[pair]).unwrap_err().to_string();
            assert!(error.contains(pair.0) && error.contains(pair.1), "{error}");
        }
    }

    #[test]
    fn proposals_of_the_target_are_answered() {
        let keys: Keys = [
            ("TargetPortalGroupTag", "1"),
            ("OFMarker", "Yes"),
            ("X-com.example", "1"),
            ("MaxBurstLength", "8192"),
            ("TaskReporting", "NotUnderstood"),
        ]
        .into_iter()
        .collect();
        let expected = [("OFMarker", "No"), ("X-com.example", "NotUnderstood")];
        assert_eq!(answers(&keys), expected.into_iter().collect());
    }
}
