//! DHCP messages as bytes (RFC 2131 §2, options of RFC 2132): pure.

use std::net::Ipv4Addr;

const FIXED: usize = 236;
const MAGIC: [u8; 4] = [99, 130, 83, 99];
/// Some relays drop anything shorter: BOOTP's size (RFC 1542 §2.1).
const SHORTEST: usize = 300;

const REQUEST: u8 = 1;
const REPLY: u8 = 2;
const ETHERNET: u8 = 1;
/// Answer by broadcast: we have no address yet, and a network card or switch
/// may drop what is not addressed to it.
const BROADCAST_FLAG: u16 = 0x8000;

/// Option numbers.
pub(super) mod option {
    pub(in super::super) const PAD: u8 = 0;
    pub(in super::super) const MASK: u8 = 1;
    pub(in super::super) const ROUTER: u8 = 3;
    pub(in super::super) const DNS: u8 = 6;
    pub(in super::super) const HOST_NAME: u8 = 12;
    pub(in super::super) const DOMAIN: u8 = 15;
    pub(in super::super) const MTU: u8 = 26;
    pub(in super::super) const NTP: u8 = 42;
    pub(in super::super) const REQUESTED: u8 = 50;
    pub(in super::super) const LEASE: u8 = 51;
    pub(in super::super) const OVERLOAD: u8 = 52;
    pub(in super::super) const KIND: u8 = 53;
    pub(in super::super) const SERVER: u8 = 54;
    pub(in super::super) const WANTED: u8 = 55;
    pub(in super::super) const LARGEST: u8 = 57;
    pub(in super::super) const T1: u8 = 58;
    pub(in super::super) const T2: u8 = 59;
    pub(in super::super) const CLIENT_ID: u8 = 61;
    pub(in super::super) const ROUTES: u8 = 121;
    pub(in super::super) const END: u8 = 255;
}

/// What a message is for (option 53).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// "Who gives addresses here?"
    Discover = 1,
    /// "You could have this one."
    Offer = 2,
    /// "I take it", or "may I keep it?"
    Request = 3,
    /// "It is yours."
    Ack = 5,
    /// "It is not."
    Nak = 6,
}

impl Kind {
    fn from_byte(byte: u8) -> Option<Self> {
        [
            Self::Discover,
            Self::Offer,
            Self::Request,
            Self::Ack,
            Self::Nak,
        ]
        .into_iter()
        .find(|k| *k as u8 == byte)
    }
}

/// A message, from or to the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// From the server.
    pub is_reply: bool,
    /// What it is for.
    pub kind: Kind,
    /// Ties answers to questions.
    pub transaction: u32,
    /// Seconds since the client began.
    pub seconds: u16,
    /// The address the client has already.
    pub client: Ipv4Addr,
    /// The address the server gives.
    pub yours: Ipv4Addr,
    /// The client's hardware address.
    pub mac: [u8; 6],
    /// Options but 53, in order; parts of a long one joined (RFC 3396).
    pub options: Vec<(u8, Vec<u8>)>,
}

impl Message {
    /// The value of an option.
    #[must_use]
    pub fn option(&self, number: u8) -> Option<&[u8]> {
        self.options
            .iter()
            .find(|(n, _)| *n == number)
            .map(|(_, value)| value.as_slice())
    }

    /// An option that holds addresses.
    #[must_use]
    pub fn addresses(&self, number: u8) -> Vec<Ipv4Addr> {
        let (quads, _) = self.option(number).unwrap_or_default().as_chunks::<4>();
        quads.iter().map(|q| Ipv4Addr::from(*q)).collect()
    }

    /// An option that holds a number of 32 bits.
    #[must_use]
    pub fn number(&self, number: u8) -> Option<u32> {
        let bytes: [u8; 4] = self.option(number)?.try_into().ok()?;
        Some(u32::from_be_bytes(bytes))
    }

    /// The message as it goes over the wire.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(SHORTEST);
        out.extend_from_slice(&[if self.is_reply { REPLY } else { REQUEST }, ETHERNET, 6, 0]);
        out.extend_from_slice(&self.transaction.to_be_bytes());
        out.extend_from_slice(&self.seconds.to_be_bytes());
        out.extend_from_slice(&BROADCAST_FLAG.to_be_bytes());
        out.extend_from_slice(&self.client.octets());
        out.extend_from_slice(&self.yours.octets());
        out.extend_from_slice(&[0; 8]); // next server, relay
        out.extend_from_slice(&self.mac);
        out.resize(FIXED, 0);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&[option::KIND, 1, self.kind as u8]);
        for (number, value) in &self.options {
            for part in value.chunks(255) {
                // A chunk of at most 255 bytes: its length fits.
                out.extend_from_slice(&[*number, part.len() as u8]);
                out.extend_from_slice(part);
            }
        }
        out.push(option::END);
        out.resize(out.len().max(SHORTEST), option::PAD);
        out
    }

    /// Reads a message; `None` for what is none, or not for Ethernet.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let is_reply = match *bytes.first()? {
            REPLY => true,
            REQUEST => false,
            _ => return None,
        };
        if bytes.get(1..3)? != [ETHERNET, 6] || bytes.get(FIXED..FIXED + 4)? != MAGIC {
            return None;
        }
        let mut all = options(bytes.get(FIXED + 4..)?);
        // The two name fields may hold further options (RFC 2132 §9.3).
        let overload = find(&all, option::OVERLOAD).and_then(|v| v.first().copied());
        if matches!(overload, Some(1 | 3)) {
            join(&mut all, options(bytes.get(108..FIXED)?));
        }
        if matches!(overload, Some(2 | 3)) {
            join(&mut all, options(bytes.get(44..108)?));
        }
        let kind = Kind::from_byte(*find(&all, option::KIND)?.first()?)?;
        all.retain(|(n, _)| *n != option::KIND);
        Some(Self {
            is_reply,
            kind,
            transaction: u32::from_be_bytes(array(bytes, 4)?),
            seconds: u16::from_be_bytes(array(bytes, 8)?),
            client: Ipv4Addr::from(array::<4>(bytes, 12)?),
            yours: Ipv4Addr::from(array::<4>(bytes, 16)?),
            mac: array(bytes, 28)?,
            options: all,
        })
    }
}

/// The options in `bytes` up to their end or the first that is cut short.
fn options(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut out = Vec::new();
    while let Some((&number, rest)) = bytes.split_first() {
        match number {
            option::PAD => bytes = rest,
            option::END => break,
            _ => {
                let Some((&len, rest)) = rest.split_first() else {
                    break;
                };
                let Some((value, rest)) = rest.split_at_checked(len.into()) else {
                    break;
                };
                join(&mut out, vec![(number, value.to_vec())]);
                bytes = rest;
            }
        }
    }
    out
}

/// Adds options; parts of the same one follow each other.
fn join(all: &mut Vec<(u8, Vec<u8>)>, more: Vec<(u8, Vec<u8>)>) {
    for (number, value) in more {
        match all.iter_mut().find(|(n, _)| *n == number) {
            Some((_, before)) => before.extend(value),
            None => all.push((number, value)),
        }
    }
}

fn find(options: &[(u8, Vec<u8>)], number: u8) -> Option<&[u8]> {
    options
        .iter()
        .find(|(n, _)| *n == number)
        .map(|(_, v)| v.as_slice())
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kind() -> impl Strategy<Value = Kind> {
        prop::sample::select(vec![
            Kind::Discover,
            Kind::Offer,
            Kind::Request,
            Kind::Ack,
            Kind::Nak,
        ])
    }

    fn distinct(options: Vec<(u8, Vec<u8>)>) -> Vec<(u8, Vec<u8>)> {
        let mut out: Vec<(u8, Vec<u8>)> = Vec::new();
        for (number, value) in options {
            if !out.iter().any(|(n, _)| *n == number) {
                out.push((number, value));
            }
        }
        out
    }

    proptest! {
        #[test]
        fn a_message_survives_the_wire(
            kind in kind(), is_reply: bool, transaction: u32, seconds: u16,
            client: u32, yours: u32, mac: [u8; 6],
            options in prop::collection::vec(
                (60u8..250, prop::collection::vec(any::<u8>(), 1..300)), 0..6),
        ) {
            let message = Message {
                is_reply, kind, transaction, seconds, mac,
                client: client.into(), yours: yours.into(), options: distinct(options),
            };
            prop_assert_eq!(Message::parse(&message.to_bytes()), Some(message));
        }

        #[test]
        fn nothing_makes_it_panic(bytes in any::<Vec<u8>>(), tail in any::<Vec<u8>>()) {
            let _ = Message::parse(&bytes);
            let mut message = vec![2, 1, 6, 0];
            message.resize(FIXED, 0);
            message.extend_from_slice(&MAGIC);
            message.extend_from_slice(&tail);
            let _ = Message::parse(&message);
        }
    }

    #[test]
    fn options_in_the_name_fields_are_found() {
        let message = Message {
            is_reply: true,
            kind: Kind::Offer,
            transaction: 1,
            seconds: 0,
            client: Ipv4Addr::UNSPECIFIED,
            yours: Ipv4Addr::new(10, 0, 0, 9),
            mac: [0; 6],
            options: vec![(option::OVERLOAD, vec![3])],
        };
        let mut bytes = message.to_bytes();
        bytes[108..114].copy_from_slice(&[option::DNS, 4, 10, 0, 0, 1]);
        bytes[44..50].copy_from_slice(&[option::ROUTER, 4, 10, 0, 0, 2]);
        let read = Message::parse(&bytes).unwrap();
        assert_eq!(read.addresses(option::DNS), [Ipv4Addr::new(10, 0, 0, 1)]);
        assert_eq!(read.addresses(option::ROUTER), [Ipv4Addr::new(10, 0, 0, 2)]);
    }
}
