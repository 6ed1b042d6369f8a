//! Login and discovery over a stream.

use std::io::{Read, Write};

use crate::Error;
use crate::keys::{Keys, Target, targets};
use crate::login::{Login, Next, Session, Who};
use crate::pdu::{self, DATA_CAP, HEADER, NO_TAG, Numbers, Pdu};

/// Logs in. Afterwards not a byte more was read than the login's: the stream can
/// be handed to the kernel. The caller limits how long reading may take.
///
/// # Errors
/// When the target refuses, is somewhere else, or the connection breaks.
pub fn login(stream: &mut (impl Read + Write), who: Who) -> Result<Session, Error> {
    let (mut login, mut bytes) = Login::begin(who);
    loop {
        send(stream, &bytes)?;
        match login.take(&receive(stream)?)? {
            Next::Send(more) => bytes = more,
            Next::Done(session) => return Ok(session),
        }
    }
}

/// Asks a server for its targets; `who` names none.
///
/// # Errors
/// As [`login`].
pub fn discover(stream: &mut (impl Read + Write), who: Who) -> Result<Vec<Target>, Error> {
    let isid = who.isid;
    let session = login(
        stream,
        Who {
            target: None,
            ..who
        },
    )?;
    let mut numbers = Numbers {
        isid,
        task: 2,
        command: session.command,
        status: session.status,
    };
    let mut data = Vec::new();
    let question: Keys = [("SendTargets", "All")].into_iter().collect();
    let mut request = pdu::text(&numbers, NO_TAG, &question.bytes());
    // Each message but the last has something in it.
    for _ in 0..=DATA_CAP {
        send(stream, &request)?;
        let pdu = receive(stream)?;
        let response = pdu.text_response()?;
        numbers.status = response.status.wrapping_add(1);
        data.extend_from_slice(&pdu.data);
        let over = data.len() > DATA_CAP || (response.tag.is_some() && pdu.data.is_empty());
        match response.tag {
            _ if over => break,
            Some(tag) => request = pdu::text(&numbers, tag, &[]),
            None => {
                // The answer to a farewell does not matter.
                let _ = send(stream, &pdu::logout(&numbers));
                return Ok(targets(&Keys::parse(&data)?));
            }
        }
    }
    Err(Error::Malformed {
        what: "the list of targets",
        at: HEADER,
        expected: format!("at most {DATA_CAP} bytes"),
        found: "more, or no end".to_owned(),
    })
}

fn send(stream: &mut impl Write, bytes: &[u8]) -> Result<(), Error> {
    let sent = stream.write_all(bytes).and_then(|()| stream.flush());
    sent.map_err(Error::io("sending the login"))
}

/// Reads one message.
///
/// # Errors
/// When it is too long, or the connection breaks.
pub fn receive(stream: &mut impl Read) -> Result<Pdu, Error> {
    let wrong = || Error::io("waiting for the server's answer to the login");
    let mut header = [0; HEADER];
    stream.read_exact(&mut header).map_err(wrong())?;
    let rest = pdu::rest(&header)?;
    let mut skipped = [0; 1020];
    if let Some(skipped) = skipped.get_mut(..rest.additional) {
        stream.read_exact(skipped).map_err(wrong())?;
    }
    let mut data = vec![0; rest.data];
    stream.read_exact(&mut data).map_err(wrong())?;
    let mut padding = [0; 3];
    if let Some(padding) = padding.get_mut(..rest.padding) {
        stream.read_exact(padding).map_err(wrong())?;
    }
    Ok(Pdu { header, data })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    /// What a server says, whatever it is asked; and what it was told.
    struct Tape<'a>(&'a [u8], Vec<u8>);

    impl Read for Tape<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0.read(buffer)
        }
    }
    impl Write for Tape<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.1.write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn answer(kind: u8, flags: u8, tag: u32, data: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; HEADER];
        (bytes[0], bytes[1], bytes[7]) = (kind, flags, data.len() as u8);
        bytes[20..24].copy_from_slice(&tag.to_be_bytes());
        bytes.extend_from_slice(data);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn who() -> Who {
        Who {
            initiator: "iqn.i".to_owned(),
            isid: [0x80, 0, 0, 0, 0, 1],
            target: None,
            credentials: None,
        }
    }

    #[test]
    fn targets_come_in_several_messages() {
        let said = [
            answer(0x23, 0x81, 0, b""),
            answer(0x23, 0x87, 0, b"HeaderDigest=None\0"),
            answer(0x24, 0x40, 7, b"TargetName=iqn.a\0Targ"),
            answer(0x24, 0x80, NO_TAG, b"etName=iqn.b\0"),
        ]
        .concat();
        let mut tape = Tape(&said, Vec::new());
        let found = discover(&mut tape, who()).unwrap();
        let names: Vec<&str> = found.iter().map(|t| t.name.as_str()).collect();
        assert_eq!(names, ["iqn.a", "iqn.b"]);
        let last = &tape.1[tape.1.len() - HEADER..];
        assert_eq!(last[0], 0x46, "a logout");
    }

    #[test]
    fn a_list_without_end_is_given_up() {
        let mut said = [answer(0x23, 0x81, 0, b""), answer(0x23, 0x87, 0, b"")].concat();
        said.extend(answer(0x24, 0x40, 7, b""));
        let error = discover(&mut Tape(&said, Vec::new()), who()).unwrap_err();
        assert!(matches!(error, Error::Malformed { .. }), "{error}");
    }

    #[test]
    fn a_connection_that_ends_is_an_error() {
        let said = answer(0x23, 0x81, 0, b"");
        for cut in [0, 20, 48] {
            let mut tape = Tape(&said[..cut], Vec::new());
            let error = login(&mut tape, who()).unwrap_err();
            assert!(matches!(error, Error::Io { .. }), "{error}");
        }
    }
}
