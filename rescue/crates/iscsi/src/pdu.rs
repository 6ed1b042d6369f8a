//! Messages ("protocol data units") as bytes: a header of 48 bytes, then data.
//! Layouts: RFC 7143, sections 11.2, 11.10 to 11.15. Everything is big-endian.

use crate::Error;

/// Length of a header.
pub const HEADER: usize = 48;

/// More data than this is refused: logins and lists of targets are small.
pub const DATA_CAP: usize = 64 << 10;

/// What a target may send in one message before it was told otherwise, and what
/// we never send more than (section 13.12).
pub const SEGMENT: usize = 8192;

const IMMEDIATE: u8 = 0x40;
const FINAL: u8 = 0x80;
const CONTINUE: u8 = 0x40;

const LOGIN: u8 = 0x03;
const TEXT: u8 = 0x04;
const LOGOUT: u8 = 0x06;
const LOGIN_RESPONSE: u8 = 0x23;
const TEXT_RESPONSE: u8 = 0x24;

/// "No tag".
pub const NO_TAG: u32 = u32::MAX;

/// A stage of the login (section 11.12.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Who is who.
    Security,
    /// How to work together.
    Operational,
    /// The login is over.
    FullFeature,
}

impl Stage {
    const fn number(self) -> u8 {
        match self {
            Self::Security => 0,
            Self::Operational => 1,
            Self::FullFeature => 3,
        }
    }

    const fn of(number: u8) -> Option<Self> {
        match number & 3 {
            0 => Some(Self::Security),
            1 => Some(Self::Operational),
            3 => Some(Self::FullFeature),
            _ => None,
        }
    }
}

/// A message from a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pdu {
    /// Its first 48 bytes.
    pub header: [u8; HEADER],
    /// Its data, without padding.
    pub data: Vec<u8>,
}

/// How much follows a header: bytes to skip, bytes of data, bytes of padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rest {
    /// Additional headers, which mean nothing here.
    pub additional: usize,
    /// Data.
    pub data: usize,
    /// Padding to a multiple of four.
    pub padding: usize,
}

/// What follows `header`.
///
/// # Errors
/// When it is more than [`DATA_CAP`].
pub fn rest(header: &[u8; HEADER]) -> Result<Rest, Error> {
    let [_, _, _, _, additional, a, b, c, ..] = *header;
    let length = u32::from_be_bytes([0, a, b, c]);
    let data = usize::try_from(length).unwrap_or(usize::MAX);
    if data > DATA_CAP {
        return Err(Error::Malformed {
            what: "the length of the data",
            at: 5,
            expected: format!("at most {DATA_CAP}"),
            found: length.to_string(),
        });
    }
    Ok(Rest {
        additional: usize::from(additional) * 4,
        data,
        padding: data.wrapping_neg() % 4,
    })
}

/// The numbers that a session and its messages have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Numbers {
    /// Our part of the session's name.
    pub isid: [u8; 6],
    /// Of the task.
    pub task: u32,
    /// CmdSN: of the next command.
    pub command: u32,
    /// ExpStatSN: of the status that is expected.
    pub status: u32,
}

fn message(kind: u8, flags: u8, numbers: &Numbers, data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; HEADER];
    // What is sent is a few hundred bytes, far from 2^24.
    let [_, a, b, c] = u32::try_from(data.len()).unwrap_or(0).to_be_bytes();
    let mut put = |at: usize, value: &[u8]| {
        if let Some(place) = bytes.get_mut(at..at.saturating_add(value.len())) {
            place.copy_from_slice(value);
        }
    };
    put(0, &[kind | IMMEDIATE, flags]);
    put(5, &[a, b, c]);
    put(16, &numbers.task.to_be_bytes());
    put(24, &numbers.command.to_be_bytes());
    put(28, &numbers.status.to_be_bytes());
    bytes.extend_from_slice(data);
    while !bytes.len().is_multiple_of(4) {
        bytes.push(0);
    }
    bytes
}

/// A Login Request in `stage`; with `next`, we are ready to go on there.
#[must_use]
pub fn login(stage: Stage, next: Option<Stage>, numbers: &Numbers, data: &[u8]) -> Vec<u8> {
    let next = next.map_or(0, |next| FINAL | next.number());
    let mut bytes = message(LOGIN, stage.number() << 2 | next, numbers, data);
    if let Some(isid) = bytes.get_mut(8..14) {
        isid.copy_from_slice(&numbers.isid);
    }
    bytes
}

/// A Text Request; `tag` is [`NO_TAG`], or what the target wants to see when it
/// has more to say.
#[must_use]
pub fn text(numbers: &Numbers, tag: u32, data: &[u8]) -> Vec<u8> {
    let mut bytes = message(TEXT, FINAL, numbers, data);
    if let Some(place) = bytes.get_mut(20..24) {
        place.copy_from_slice(&tag.to_be_bytes());
    }
    bytes
}

/// A Logout Request that closes the session.
#[must_use]
pub fn logout(numbers: &Numbers) -> Vec<u8> {
    message(LOGOUT, FINAL, numbers, &[])
}

/// A Login Response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoginResponse {
    /// The stage it belongs to.
    pub stage: Stage,
    /// Where the target goes on, when it is ready to.
    pub next: Option<Stage>,
    /// The text goes on in the next message.
    pub continues: bool,
    /// The target's part of the session's name.
    pub tsih: u16,
    /// StatSN.
    pub status: u32,
    /// Status-Class and Status-Detail.
    pub outcome: (u8, u8),
}

/// A Text Response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextResponse {
    /// There is more to ask for with this tag.
    pub tag: Option<u32>,
    /// StatSN.
    pub status: u32,
}

impl Pdu {
    fn of_kind(&self, kind: u8, name: &str) -> Result<(), Error> {
        let [first, ..] = self.header;
        if first & 0x3f == kind {
            return Ok(());
        }
        Err(Error::Malformed {
            what: "the kind of message",
            at: 0,
            expected: format!("{kind:#04x}, {name}"),
            found: format!("{first:#04x}"),
        })
    }

    fn u32_at(&self, at: usize) -> u32 {
        let bytes = self.header.get(at..at.saturating_add(4));
        let bytes: Option<[u8; 4]> = bytes.and_then(|b| b.try_into().ok());
        bytes.map_or(0, u32::from_be_bytes)
    }

    /// Reads it as a Login Response.
    ///
    /// # Errors
    /// When it is something else.
    pub fn login_response(&self) -> Result<LoginResponse, Error> {
        self.of_kind(LOGIN_RESPONSE, "a Login Response")?;
        let flags = self.header[1];
        let stage = |bits: u8| {
            Stage::of(bits).ok_or_else(|| Error::Malformed {
                what: "the stage of the login",
                at: 1,
                expected: "0, 1 or 3".to_owned(),
                found: format!("flags {flags:#04x}"),
            })
        };
        let outcome = (self.header[36], self.header[37]);
        Ok(LoginResponse {
            // Of a refusal the flags mean nothing.
            stage: match outcome.0 {
                0 => stage(flags >> 2)?,
                _ => Stage::Security,
            },
            next: match (outcome.0, flags & FINAL) {
                (0, FINAL) => Some(stage(flags)?),
                _ => None,
            },
            continues: flags & CONTINUE != 0,
            tsih: u16::from_be_bytes([self.header[14], self.header[15]]),
            status: self.u32_at(24),
            outcome,
        })
    }

    /// Reads it as a Text Response.
    ///
    /// # Errors
    /// When it is something else.
    pub fn text_response(&self) -> Result<TextResponse, Error> {
        self.of_kind(TEXT_RESPONSE, "a Text Response")?;
        let is_final = self.header[1] & FINAL != 0;
        let tag = Some(self.u32_at(20)).filter(|tag| !is_final && *tag != NO_TAG);
        Ok(TextResponse {
            tag,
            status: self.u32_at(24),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NUMBERS: Numbers = Numbers {
        isid: [0x80, 1, 2, 3, 4, 5],
        task: 0x0a0b_0c0d,
        command: 1,
        status: 7,
    };

    #[test]
    fn a_login_request_is_laid_out_as_the_standard_says() {
        let bytes = login(
            Stage::Security,
            Some(Stage::Operational),
            &NUMBERS,
            b"A=B\0C",
        );
        let expected = [
            0x43, 0x81, 0, 0, 0, 0, 0, 5, 0x80, 1, 2, 3, 4, 5, 0, 0, 0x0a, 0x0b, 0x0c, 0x0d, 0, 0,
            0, 0, 0, 0, 0, 1, 0, 0, 0, 7,
        ];
        assert_eq!(bytes[..32], expected);
        assert_eq!(&bytes[48..], b"A=B\0C\0\0\0");
        let last = login(Stage::Operational, Some(Stage::FullFeature), &NUMBERS, b"");
        assert_eq!(last[1], 0x87);
        assert_eq!(login(Stage::Operational, None, &NUMBERS, b"")[1], 4);
    }

    fn response(header: &[(usize, u8)]) -> Pdu {
        let mut pdu = Pdu {
            header: [0; HEADER],
            data: Vec::new(),
        };
        for (at, value) in header {
            pdu.header[*at] = *value;
        }
        pdu
    }

    #[test]
    fn a_login_response_is_read() {
        let pdu = response(&[(0, 0x23), (1, 0x87), (15, 9), (27, 5)]);
        let read = pdu.login_response().unwrap();
        assert_eq!(
            (read.stage, read.next),
            (Stage::Operational, Some(Stage::FullFeature))
        );
        assert_eq!((read.tsih, read.status, read.outcome), (9, 5, (0, 0)));
        let refused = response(&[(0, 0x23), (1, 0x8a), (36, 2), (37, 1)]);
        assert_eq!(refused.login_response().unwrap().outcome, (2, 1));
        let strange = response(&[(0, 0x23), (1, 0x88)]).login_response();
        assert!(matches!(strange, Err(Error::Malformed { at: 1, .. })));
        let other = response(&[(0, 0x3f)]).login_response().unwrap_err();
        assert!(other.to_string().contains("0x3f"), "{other}");
    }

    #[test]
    fn what_follows_a_header_is_capped() {
        let length = |bytes: [u8; 3]| {
            let [a, b, c] = bytes;
            rest(&response(&[(4, 1), (5, a), (6, b), (7, c)]).header)
        };
        let expected = Rest {
            additional: 4,
            data: 5,
            padding: 3,
        };
        assert_eq!(length([0, 0, 5]).unwrap(), expected);
        assert!(length([0xff, 0xff, 0xff]).is_err());
    }

    #[test]
    fn a_text_response_may_go_on() {
        let more = response(&[(0, 0x24), (1, 0x40), (23, 6)]);
        assert_eq!(more.text_response().unwrap().tag, Some(6));
        let last = response(&[(0, 0x24), (1, 0x80), (23, 6)]);
        assert_eq!(last.text_response().unwrap().tag, None);
    }
}
