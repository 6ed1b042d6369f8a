//! The login as a machine that takes the target's answers and says what to send
//! next (RFC 7143, section 6.3). It touches no network.

use std::fmt;

use crate::chap::{ALGORITHM, Challenge};
use crate::keys::Keys;
use crate::pdu::{self, DATA_CAP, Numbers, Pdu, Stage};
use crate::settings::{self, Settings};
use crate::{Error, Refusal};

/// A login takes about four messages; one that takes this many never ends.
const MANY: usize = 32;

/// A name and a password for CHAP.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// CHAP_N.
    pub name: String,
    /// The secret.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Who logs in to what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Who {
    /// Our name.
    pub initiator: String,
    /// Our part of the session's name; the same again ends an older session.
    pub isid: [u8; 6],
    /// The target's name; nobody's to ask which targets there are.
    pub target: Option<String>,
    /// For a target that wants to know.
    pub credentials: Option<Credentials>,
}

/// A session that was begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    /// What was agreed on.
    pub settings: Settings,
    /// CmdSN of the first command.
    pub command: u32,
    /// ExpStatSN for it.
    pub status: u32,
    /// The portal group that we are connected to, where the target told.
    pub portal_group: Option<u16>,
}

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// These bytes are to be sent, and the answer taken.
    Send(Vec<u8>),
    /// The login is over.
    Done(Session),
}

/// A login on its way.
#[derive(Debug)]
pub struct Login {
    who: Who,
    stage: Stage,
    numbers: Numbers,
    messages: usize,
    /// Text of an answer that goes on in the next message.
    partial: Vec<u8>,
    agreed: Keys,
}

impl Login {
    /// Begins; the bytes are to be sent.
    #[must_use]
    pub fn begin(who: Who) -> (Self, Vec<u8>) {
        let mut keys = Keys::default();
        keys.push("InitiatorName", &*who.initiator);
        match &who.target {
            Some(target) => {
                keys.push("SessionType", "Normal");
                keys.push("TargetName", &**target);
            }
            None => keys.push("SessionType", "Discovery"),
        }
        let next = match &who.credentials {
            Some(_) => {
                keys.push("AuthMethod", "CHAP,None");
                None
            }
            None => {
                keys.push("AuthMethod", "None");
                Some(Stage::Operational)
            }
        };
        let login = Self {
            numbers: Numbers {
                isid: who.isid,
                task: 1,
                command: 1,
                status: 0,
            },
            who,
            stage: Stage::Security,
            messages: 0,
            partial: Vec::new(),
            agreed: Keys::default(),
        };
        let bytes = login.message(next, &keys);
        (login, bytes)
    }

    /// Takes the target's answer.
    ///
    /// # Errors
    /// When the target refuses, is somewhere else, or answers what makes no sense.
    pub fn take(&mut self, pdu: &Pdu) -> Result<Next, Error> {
        self.messages = self.messages.saturating_add(1);
        if self.messages > MANY {
            return Err(Error::Endless(MANY));
        }
        let response = pdu.login_response()?;
        match response.outcome {
            (0, _) => {}
            (1, _) => return Err(moved(&pdu.data)),
            (class, detail) => return Err(Error::Refused(Refusal::of(class, detail))),
        }
        self.numbers.status = response.status.wrapping_add(1);
        if response.stage != self.stage {
            let found = format!("{:?}", response.stage);
            return Err(unexpected("the stage of the login", self.stage, found));
        }
        self.partial.extend_from_slice(&pdu.data);
        if self.partial.len() > DATA_CAP {
            return Err(Error::Endless(self.messages));
        }
        if response.continues {
            return Ok(Next::Send(self.message(None, &Keys::default())));
        }
        let keys = Keys::parse(&std::mem::take(&mut self.partial))?;
        match self.stage {
            Stage::Security => self.take_security(response.next, keys),
            _ => self.take_operational(response.next, keys),
        }
    }

    fn take_security(&mut self, next: Option<Stage>, keys: Keys) -> Result<Next, Error> {
        match next {
            Some(Stage::Operational) => {
                self.agreed.extend(keys);
                self.stage = Stage::Operational;
                let proposal = match self.who.target {
                    Some(_) => settings::proposal(),
                    None => settings::discovery_proposal(),
                };
                return Ok(Next::Send(
                    self.message(Some(Stage::FullFeature), &proposal),
                ));
            }
            Some(other) => {
                let found = format!("{other:?}");
                return Err(unexpected("the next stage", Stage::Operational, found));
            }
            None => {}
        }
        let mut reply = Keys::default();
        let mut ready = Some(Stage::Operational);
        match (keys.get("AuthMethod"), &self.who.credentials) {
            (Some("CHAP"), Some(_)) => {
                reply.push("CHAP_A", ALGORITHM);
                ready = None;
            }
            (None | Some("None"), None) | (Some("None"), Some(_)) => {}
            (None, Some(credentials)) if keys.get("CHAP_C").is_some() => {
                let challenge = Challenge::parse(&keys)?;
                reply.push("CHAP_N", &*credentials.name);
                reply.push("CHAP_R", challenge.answer(&credentials.password));
            }
            // Nothing to say is an invitation to go on.
            (None, Some(_)) => {}
            (Some(method), _) => {
                return Err(Error::Negotiation {
                    key: "AuthMethod".to_owned(),
                    value: method.to_owned(),
                    expected: "CHAP or None, as offered",
                });
            }
        }
        self.agreed.extend(keys);
        Ok(Next::Send(self.message(ready, &reply)))
    }

    fn take_operational(&mut self, next: Option<Stage>, keys: Keys) -> Result<Next, Error> {
        let reply = settings::answers(&keys);
        self.agreed.extend(keys);
        match next {
            Some(Stage::FullFeature) => {
                let group = self.agreed.get("TargetPortalGroupTag");
                Ok(Next::Done(Session {
                    settings: Settings::agreed(&self.agreed)?,
                    command: self.numbers.command,
                    status: self.numbers.status,
                    portal_group: group.and_then(|group| group.parse().ok()),
                }))
            }
            Some(other) => {
                let found = format!("{other:?}");
                Err(unexpected("the next stage", Stage::FullFeature, found))
            }
            None => Ok(Next::Send(self.message(Some(Stage::FullFeature), &reply))),
        }
    }

    fn message(&self, next: Option<Stage>, keys: &Keys) -> Vec<u8> {
        pdu::login(self.stage, next, &self.numbers, &keys.bytes())
    }
}

fn unexpected(what: &'static str, expected: Stage, found: String) -> Error {
    Error::Malformed {
        what,
        at: 1,
        expected: format!("{expected:?}"),
        found,
    }
}

fn moved(data: &[u8]) -> Error {
    let keys = match Keys::parse(data) {
        Ok(keys) => keys,
        Err(error) => return error,
    };
    match keys.get("TargetAddress") {
        Some(to) => Error::Moved { to: to.to_owned() },
        None => Error::Refused(Refusal::of(1, 0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn who(credentials: bool) -> Who {
        let credentials = credentials.then(|| Credentials {
            name: "joe".to_owned(),
            password: "secret".to_owned(),
        });
        Who {
            initiator: "iqn.2025-11.invalid.rescue:1".to_owned(),
            isid: [0x80, 0, 0, 0, 0, 1],
            target: Some("iqn.a".to_owned()),
            credentials,
        }
    }

    /// An answer with `flags` (bits T, C, CSG, NSG) and `keys`.
    fn answer(flags: u8, keys: &[(&str, &str)]) -> Pdu {
        let mut header = [0; pdu::HEADER];
        (header[0], header[1], header[27]) = (0x23, flags, 9);
        let keys: Keys = keys.iter().copied().collect();
        Pdu {
            header,
            data: keys.bytes(),
        }
    }

    fn sent(next: Next) -> (u8, Keys) {
        match next {
            Next::Send(bytes) => (bytes[1], Keys::parse(&bytes[pdu::HEADER..]).unwrap()),
            Next::Done(session) => panic!("{session:?}"),
        }
    }

    #[test]
    fn with_a_password() {
        let (mut login, first) = Login::begin(who(true));
        let (flags, keys) = sent(Next::Send(first));
        assert_eq!((flags, keys.get("AuthMethod")), (0, Some("CHAP,None")));
        assert_eq!(keys.get("TargetName"), Some("iqn.a"));
        let chosen = answer(0, &[("AuthMethod", "CHAP"), ("TargetPortalGroupTag", "3")]);
        let (flags, keys) = sent(login.take(&chosen).unwrap());
        assert_eq!((flags, keys.get("CHAP_A")), (0, Some("5")));
        let asked = answer(
            0,
            &[("CHAP_A", "5"), ("CHAP_I", "38"), ("CHAP_C", "0x010203ff")],
        );
        let (flags, keys) = sent(login.take(&asked).unwrap());
        assert_eq!((flags, keys.get("CHAP_N")), (0x81, Some("joe")));
        assert_eq!(
            keys.get("CHAP_R"),
            Some("0x20a496085bb76636bbdedd2513b00c33")
        );
        let (flags, keys) = sent(login.take(&answer(0x81, &[])).unwrap());
        assert_eq!((flags, keys.get("MaxBurstLength")), (0x87, Some("262144")));
        let more = answer(4, &[("X-strange", "1")]);
        let (flags, keys) = sent(login.take(&more).unwrap());
        assert_eq!(
            (flags, keys.get("X-strange")),
            (0x87, Some("NotUnderstood"))
        );
        let last = answer(0x87, &[("MaxRecvDataSegmentLength", "65536")]);
        let Next::Done(session) = login.take(&last).unwrap() else {
            panic!("it should be over");
        };
        assert_eq!((session.settings.send, session.status), (65_536, 10));
        assert_eq!((session.command, session.portal_group), (1, Some(3)));
        assert!(!format!("{login:?}").contains("secret"));
    }

    #[test]
    fn an_answer_in_two_messages() {
        let (mut login, _) = Login::begin(who(false));
        sent(login.take(&answer(0x81, &[])).unwrap());
        let mut first = answer(0x44, &[]);
        first.data = b"MaxBurst".to_vec();
        let (flags, keys) = sent(login.take(&first).unwrap());
        assert_eq!((flags, keys), (4, Keys::default()));
        let mut second = answer(0x87, &[]);
        second.data = b"Length=1024\0".to_vec();
        let Next::Done(session) = login.take(&second).unwrap() else {
            panic!("it should be over");
        };
        assert_eq!(session.settings.max_burst, 1024);
    }

    #[test]
    fn refusals_are_told_apart() {
        for (status, expected) in [
            ((2, 1), "user name or password"),
            ((2, 3), "no such target"),
            ((3, 1), "not in service"),
            ((2, 0x0b), "02/0b"),
        ] {
            let (mut login, _) = Login::begin(who(false));
            let mut refused = answer(0, &[]);
            (refused.header[36], refused.header[37]) = status;
            let error = login.take(&refused).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        let (mut login, _) = Login::begin(who(false));
        let mut elsewhere = answer(0, &[("TargetAddress", "10.0.0.2:3260,1")]);
        elsewhere.header[36] = 1;
        assert!(
            matches!(login.take(&elsewhere), Err(Error::Moved { to }) if to == "10.0.0.2:3260,1")
        );
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (flags, keys) in [
            (0x83, &[][..]),
            (0x87, &[]),
            (0x01, &[("AuthMethod", "KRB5")]),
            (0x01, &[("AuthMethod", "CHAP")]),
        ] {
            let (mut login, _) = Login::begin(who(false));
            assert!(login.take(&answer(flags, keys)).is_err(), "{flags:#x}");
        }
        let (mut login, _) = Login::begin(who(false));
        let ends = (0..100).find_map(|_| login.take(&answer(0, &[])).err());
        assert!(matches!(ends, Some(Error::Endless(_))));
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(
            credentials: bool,
            answers in prop::collection::vec((any::<[u8; 2]>(), any::<Vec<u8>>()), 0..8),
        ) {
            let (mut login, _) = Login::begin(who(credentials));
            for (flags, data) in answers {
                let mut pdu = answer(flags[0], &[]);
                pdu.header[36] = flags[1] & 3;
                pdu.data = data;
                let _ = login.take(&pdu);
            }
        }
    }
}
