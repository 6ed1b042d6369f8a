//! The client's side of DHCP (RFC 2131 §4.4) without sockets or clocks: it is
//! told what arrived and what time it is, and says what to send.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::lease::Lease;
use super::message::{Kind, Message, option};

/// How long the first question waits for an answer; doubles up to
/// [`SLOWEST`]. Shorter than the RFC's four seconds, because a person waits.
const FIRST: Duration = Duration::from_secs(1);
const SLOWEST: Duration = Duration::from_secs(16);

/// An offer asked for this often without an answer is given up.
const REQUESTS: u32 = 4;

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// Asking for offers.
    Selecting,
    /// Asking for one that was offered.
    Requesting(Lease),
    /// An address is ours since then.
    Bound(Lease, Duration),
}

/// What to do now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Send this.
    pub send: Option<Message>,
    /// Stop using the address: its time is over.
    pub lost: Option<Lease>,
    /// Call again then, or when a message arrives.
    pub next: Duration,
}

/// One interface's conversation with DHCP servers.
#[derive(Debug)]
pub struct Client {
    mac: [u8; 6],
    transaction: u32,
    state: State,
    began: Duration,
    due: Duration,
    tries: u32,
}

impl Client {
    /// A client that begins at `now`. `seed` makes its transactions differ
    /// from other machines'.
    #[must_use]
    pub fn new(mac: [u8; 6], seed: u32, now: Duration) -> Self {
        Self {
            mac,
            transaction: seed,
            state: State::Selecting,
            began: now,
            due: now,
            tries: 0,
        }
    }

    /// What is due at `now`.
    pub fn step(&mut self, now: Duration) -> Step {
        let lost = self.expire(now);
        if now < self.due {
            return Step {
                send: None,
                lost,
                next: self.due,
            };
        }
        if matches!(self.state, State::Requesting(_)) && self.tries >= REQUESTS {
            self.restart(now);
        }
        let send = self.message(now);
        self.tries = self.tries.saturating_add(1);
        self.due = self.when_again(now);
        Step {
            send: Some(send),
            lost,
            next: self.due,
        }
    }

    /// Takes what a server sent; the lease when this grants one (or grants it
    /// for longer).
    pub fn take(&mut self, message: &Message, now: Duration) -> Taken {
        let ours = message.transaction == self.transaction && message.mac == self.mac;
        if !message.is_reply || !ours {
            return Taken::Nothing;
        }
        match (&self.state, message.kind) {
            (State::Selecting, Kind::Offer) => {
                if let Some(offer) = Lease::from_message(message) {
                    self.state = State::Requesting(offer);
                    (self.tries, self.due) = (0, now);
                }
                Taken::Nothing
            }
            (State::Requesting(_) | State::Bound(..), Kind::Ack) => self.granted(message, now),
            (State::Requesting(_), Kind::Nak) => {
                self.restart(now);
                Taken::Nothing
            }
            (State::Bound(lease, _), Kind::Nak) => {
                let lease = lease.clone();
                self.restart(now);
                Taken::Lost(lease)
            }
            _ => Taken::Nothing,
        }
    }

    fn granted(&mut self, message: &Message, now: Duration) -> Taken {
        let Some(lease) = Lease::from_message(message) else {
            return Taken::Nothing;
        };
        let before = match &self.state {
            State::Bound(old, _) if old.address != lease.address => Some(old.clone()),
            _ => None,
        };
        self.due = now.saturating_add(seconds(lease.times.renew));
        self.tries = 0;
        self.state = State::Bound(lease.clone(), now);
        Taken::Granted { lease, before }
    }

    fn restart(&mut self, now: Duration) {
        self.state = State::Selecting;
        self.transaction = self.transaction.wrapping_add(1);
        self.began = now;
        self.tries = 0;
        self.due = now.saturating_add(FIRST);
    }

    fn expire(&mut self, now: Duration) -> Option<Lease> {
        let State::Bound(lease, since) = &self.state else {
            return None;
        };
        if now < since.saturating_add(seconds(lease.times.end)) {
            return None;
        }
        let lease = lease.clone();
        self.restart(now);
        self.due = now;
        Some(lease)
    }

    fn when_again(&self, now: Duration) -> Duration {
        if let State::Bound(lease, since) = &self.state {
            // RFC 2131 §4.4.5: half of what is left, at least a minute.
            let rebind = since.saturating_add(seconds(lease.times.rebind));
            let end = since.saturating_add(seconds(lease.times.end));
            let until = if now < rebind { rebind } else { end };
            let wait = until.saturating_sub(now) / 2;
            return now
                .saturating_add(wait.max(Duration::from_secs(60)))
                .min(end);
        }
        let doublings = self.tries.saturating_sub(1).min(4);
        let wait = FIRST.saturating_mul(1 << doublings).min(SLOWEST);
        // Machines switched on together must not ask together for ever.
        let spread =
            Duration::from_millis(u64::from(self.transaction.wrapping_add(self.tries) % 512));
        now.saturating_add(wait).saturating_add(spread)
    }

    fn message(&self, now: Duration) -> Message {
        let wanted = [
            option::MASK,
            option::ROUTES,
            option::ROUTER,
            option::DNS,
            option::DOMAIN,
            option::HOST_NAME,
            option::MTU,
            option::NTP,
        ];
        let mut client_id = vec![1];
        client_id.extend_from_slice(&self.mac);
        let mut options = vec![
            (option::CLIENT_ID, client_id),
            (option::WANTED, wanted.to_vec()),
            (option::LARGEST, 1472u16.to_be_bytes().to_vec()),
        ];
        let mut client = Ipv4Addr::UNSPECIFIED;
        let kind = match &self.state {
            State::Selecting => Kind::Discover,
            State::Requesting(offer) => {
                options.push((option::REQUESTED, offer.address.octets().to_vec()));
                options.push((option::SERVER, offer.server.octets().to_vec()));
                Kind::Request
            }
            State::Bound(lease, _) => {
                client = lease.address;
                Kind::Request
            }
        };
        Message {
            is_reply: false,
            kind,
            transaction: self.transaction,
            seconds: u16::try_from(now.saturating_sub(self.began).as_secs()).unwrap_or(u16::MAX),
            client,
            yours: Ipv4Addr::UNSPECIFIED,
            mac: self.mac,
            options,
        }
    }
}

fn seconds(n: u32) -> Duration {
    Duration::from_secs(n.into())
}

/// What a message from a server meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// Nothing to do beyond the next [`Client::step`].
    Nothing,
    /// The address is ours.
    Granted {
        /// What was granted.
        lease: Lease,
        /// What we had before, when it was another address.
        before: Option<Lease>,
    },
    /// The server took the address back.
    Lost(Lease),
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn answer(to: &Message, kind: Kind, address: [u8; 4]) -> Message {
        Message {
            is_reply: true,
            kind,
            yours: address.into(),
            options: vec![
                (option::SERVER, vec![10, 0, 0, 1]),
                (option::MASK, vec![255, 255, 255, 0]),
                (option::LEASE, 1000u32.to_be_bytes().to_vec()),
            ],
            ..to.clone()
        }
    }

    fn bound() -> (Client, Message) {
        let mut client = Client::new(MAC, 1, s(0));
        let discover = client.step(s(0)).send.unwrap();
        assert_eq!(discover.kind, Kind::Discover);
        client.take(&answer(&discover, Kind::Offer, [10, 0, 0, 9]), s(1));
        let request = client.step(s(1)).send.unwrap();
        assert_eq!(request.option(option::REQUESTED), Some(&[10, 0, 0, 9][..]));
        let taken = client.take(&answer(&request, Kind::Ack, [10, 0, 0, 9]), s(1));
        assert!(matches!(taken, Taken::Granted { before: None, .. }));
        (client, request)
    }

    #[test]
    fn a_lease_is_renewed_and_at_last_lost() {
        let (mut client, _) = bound();
        assert_eq!(client.step(s(2)).next, s(501));
        let renew = client.step(s(501)).send.unwrap();
        assert_eq!(
            (renew.kind, renew.client),
            (Kind::Request, [10, 0, 0, 9].into())
        );
        assert_eq!(renew.option(option::REQUESTED), None);
        client.take(&answer(&renew, Kind::Ack, [10, 0, 0, 9]), s(502));
        assert_eq!(client.step(s(503)).next, s(1002));
        let step = client.step(s(1502));
        assert_eq!(step.lost.unwrap().address, Ipv4Addr::new(10, 0, 0, 9));
        assert_eq!(step.send.unwrap().kind, Kind::Discover);
    }

    #[test]
    fn a_refusal_takes_the_address_away() {
        let (mut client, request) = bound();
        let nak = answer(&request, Kind::Nak, [0; 4]);
        assert!(matches!(client.take(&nak, s(5)), Taken::Lost(_)));
        assert_eq!(client.step(s(6)).send.unwrap().kind, Kind::Discover);
    }

    #[test]
    fn silence_is_asked_again_ever_more_slowly() {
        let mut client = Client::new(MAC, 7, s(0));
        let mut at = s(0);
        let mut waits = Vec::new();
        for _ in 0..8 {
            let step = client.step(at);
            assert!(step.send.is_some());
            waits.push((step.next - at).as_secs());
            at = step.next;
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 16, 16, 16]);
    }

    #[test]
    fn an_offer_that_is_not_confirmed_is_given_up() {
        let mut client = Client::new(MAC, 7, s(0));
        let discover = client.step(s(0)).send.unwrap();
        client.take(&answer(&discover, Kind::Offer, [10, 0, 0, 9]), s(0));
        let mut at = s(0);
        let kinds: Vec<Kind> = (0..5)
            .map(|_| {
                let step = client.step(at);
                at = step.next;
                step.send.unwrap().kind
            })
            .collect();
        assert_eq!(kinds[3], Kind::Request);
        assert_eq!(kinds[4], Kind::Discover);
    }

    #[test]
    fn answers_to_others_are_left_alone() {
        let mut client = Client::new(MAC, 7, s(0));
        let discover = client.step(s(0)).send.unwrap();
        let mut other = answer(&discover, Kind::Offer, [10, 0, 0, 9]);
        other.mac = [9; 6];
        client.take(&other, s(0));
        let mut late = answer(&discover, Kind::Offer, [10, 0, 0, 9]);
        late.transaction ^= 1;
        client.take(&late, s(0));
        assert_eq!(client.state, State::Selecting);
    }

    proptest! {
        #[test]
        fn time_never_goes_back(replies in prop::collection::vec((0u8..4, 0u64..2000), 0..40)) {
            let mut client = Client::new(MAC, 3, s(0));
            let mut now = s(0);
            let mut last = client.step(now).send.unwrap();
            for (kind, wait) in replies {
                now += s(wait);
                let step = client.step(now);
                prop_assert!(step.next > now);
                last = step.send.unwrap_or(last);
                let kind = [Kind::Offer, Kind::Ack, Kind::Nak, Kind::Discover][usize::from(kind)];
                client.take(&answer(&last, kind, [10, 0, 0, 9]), now);
            }
        }
    }
}
