//! One link, bond or VLAN, and the addresses it has: those that were set, and what
//! its conversation with DHCP servers leads to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use anyhow::Context;
use site::network::{Cidr, Setup};
use sys::netlink::{Link, Route, Way};
use sys::packet::PacketSocket;

use super::state::Origin;
use crate::init::dhcp::{Client, Lease, Message, Taken, frame};

/// Larger than any DHCP message we said we accept.
const LARGEST: usize = 2048;

/// What was set comes before what a DHCP server says, and the first link before
/// the others, where several lead to the same place.
const SET: u32 = 20;
const LEASED: u32 = 200;

/// How a problem of asking DHCP servers begins.
const ASKING: &str = "asking for an address";

/// A link with addresses of its own.
#[derive(Debug)]
pub(super) struct Port {
    pub(super) link: Link,
    /// What it was given; nothing, while it is switched off.
    given: Option<Setup>,
    ways: Vec<Way>,
    talk: Option<Talk>,
    pub(super) lease: Option<Lease>,
    pub(super) problem: Option<String>,
    /// When it was given what it has.
    pub(super) since: Duration,
}

#[derive(Debug)]
struct Talk {
    socket: PacketSocket,
    client: Client,
    mac: [u8; 6],
    since: Duration,
}

impl Port {
    pub(super) fn new(link: Link, now: Duration) -> Self {
        Self {
            link,
            given: None,
            ways: Vec::new(),
            talk: None,
            lease: None,
            problem: None,
            since: now,
        }
    }

    /// Takes news of the link.
    pub(super) fn link(&mut self, link: Link) {
        let plugged_in = link.carrier && !self.link.carrier;
        if !link.up {
            // The kernel takes addresses and routes away with it.
            self.given = None;
            self.talk = None;
        }
        // A cable in another socket may lead to another network: ask anew. So does a
        // bond whose first member gave it another hardware address.
        let other = self.talk.as_ref().is_some_and(|t| link.mac != Some(t.mac));
        if plugged_in || other {
            self.talk = None;
        }
        self.link = link;
    }

    /// Makes it what it is to be.
    pub(super) fn settle(&mut self, route: &mut Route, setup: &Setup, now: Duration) {
        if !self.link.up {
            let switched = route.set_up(self.link.index);
            if let Err(error) = switched {
                self.problem = Some(format!("switching on: {error}"));
                return;
            }
            self.link.up = true;
        }
        if self.given.as_ref() != Some(setup) {
            self.clear(route);
            self.problem = self.give(route, setup).err().map(|e| format!("{e:#}"));
            self.given = Some(setup.clone());
            self.since = now;
        }
        if setup.dhcp && self.link.carrier && self.talk.is_none() {
            self.begin(now);
        }
    }

    fn begin(&mut self, now: Duration) {
        let Some(mac) = self.link.mac else { return };
        match PacketSocket::open(self.link.index) {
            Ok(socket) => {
                let client = Client::new(mac, seed(mac), now);
                self.talk = Some(Talk {
                    socket,
                    client,
                    mac,
                    since: now,
                });
            }
            Err(error) => self.problem = Some(format!("opening a packet socket: {error}")),
        }
    }

    fn give(&mut self, route: &mut Route, setup: &Setup) -> anyhow::Result<()> {
        let index = self.link.index;
        if let Some(mtu) = setup.mtu {
            let mtu = mtu.get();
            route
                .set_mtu(index, mtu)
                .with_context(|| format!("allowing packets of {mtu} bytes"))?;
        }
        for Cidr { address, prefix } in &setup.addresses {
            route
                .add_address(index, *address, *prefix)
                .with_context(|| format!("setting the address {address}"))?;
        }
        for way in ways(setup, index.saturating_add(SET)) {
            route
                .add_route(index, &way)
                .with_context(|| describe(&way))?;
            self.ways.push(way);
        }
        Ok(())
    }

    /// Takes everything away that it was given.
    pub(super) fn clear(&mut self, route: &mut Route) {
        self.talk = None;
        if let Some(lease) = self.lease.clone() {
            self.release(route, &lease);
        }
        // What is gone already need not be taken away.
        for way in self.ways.drain(..).rev() {
            let _ = route.remove_route(self.link.index, &way);
        }
        for Cidr { address, prefix } in self.given.take().unwrap_or_default().addresses {
            let _ = route.remove_address(self.link.index, address, prefix);
        }
    }

    /// Whom an address is from; `permanent` as the kernel says.
    pub(super) fn origin(&self, address: IpAddr, permanent: bool) -> Origin {
        let leased = self.lease.as_ref().is_some_and(|l| address == l.address);
        match (leased, permanent) {
            (true, _) => Origin::Lease,
            (false, true) => Origin::Set,
            (false, false) => Origin::Router,
        }
    }

    /// What it was given.
    pub(super) fn setup(&self) -> Option<&Setup> {
        self.given.as_ref()
    }

    /// Whether DHCP servers are asked.
    pub(super) fn is_asking(&self) -> bool {
        self.talk.is_some()
    }

    /// Since when DHCP servers are asked, while there is a cable.
    pub(super) fn asking_since(&self) -> Option<Duration> {
        let talk = self.talk.as_ref().filter(|_| self.link.carrier)?;
        Some(talk.since)
    }

    /// What is to be waited on for messages of DHCP servers.
    pub(super) fn socket(&self) -> Option<BorrowedFd<'_>> {
        self.talk.as_ref().map(|talk| talk.socket.as_fd())
    }

    /// Sends what is due; when something is due again.
    pub(super) fn step(&mut self, route: &mut Route, now: Duration) -> Option<Duration> {
        let talk = self.talk.as_mut().filter(|_| self.link.carrier)?;
        let step = talk.client.step(now);
        if let Some(packet) = step.send.and_then(|m| frame::wrap(&m.to_bytes())) {
            match talk.socket.broadcast(&packet) {
                Err(error) => self.problem = Some(format!("{ASKING}: {error}")),
                // Another problem stays to be told.
                Ok(()) => {
                    let over = |problem: &mut String| problem.starts_with(ASKING);
                    self.problem.take_if(over);
                }
            }
        }
        if let Some(lost) = step.lost {
            self.release(route, &lost);
        }
        Some(step.next)
    }

    /// Takes what DHCP servers sent.
    pub(super) fn receive(&mut self, route: &mut Route, now: Duration) {
        let mut buffer = [0; LARGEST];
        while let Some(talk) = &mut self.talk {
            let len = match talk.socket.receive(&mut buffer, Duration::ZERO) {
                Ok(Some(len)) => len,
                Ok(None) => return,
                Err(error) => {
                    self.problem = Some(format!("waiting for an address: {error}"));
                    return;
                }
            };
            let packet = buffer.get(..len).unwrap_or_default();
            let Some(message) = frame::unwrap(packet).and_then(Message::parse) else {
                continue;
            };
            match talk.client.take(&message, now) {
                Taken::Nothing => {}
                Taken::Lost(lease) => self.release(route, &lease),
                Taken::Granted { lease, before } => {
                    if let Some(before) = before {
                        self.release(route, &before);
                    }
                    self.take(route, lease);
                }
            }
        }
    }

    fn release(&mut self, route: &mut Route, lease: &Lease) {
        let _ = route.remove_address(self.link.index, lease.address.into(), lease.prefix);
        self.lease = None;
    }

    fn take(&mut self, route: &mut Route, lease: Lease) {
        let old = self.lease.clone();
        if let Some(old) = old.filter(|old| old.address != lease.address) {
            self.release(route, &old);
        }
        let obeyed = obey(route, self.link.index, &lease);
        self.problem = obeyed.err().map(|e| format!("{e:#}"));
        self.lease = Some(lease);
    }
}

/// Does what a lease says.
fn obey(route: &mut Route, index: u32, lease: &Lease) -> anyhow::Result<()> {
    if let Some(mtu) = lease.mtu {
        // Not every driver can; the link works without.
        let _ = route.set_mtu(index, mtu.into());
    }
    route
        .add_address(index, lease.address.into(), lease.prefix)
        .with_context(|| format!("setting the address {}", lease.address))?;
    let own = Cidr {
        address: lease.address.into(),
        prefix: lease.prefix,
    };
    let metric = index.saturating_add(LEASED);
    for (destination, prefix, gateway) in &lease.routes {
        let way = Way {
            to: (*destination).into(),
            prefix: *prefix,
            gateway: Some(*gateway)
                .filter(|g| !g.is_unspecified())
                .map(IpAddr::V4),
            metric,
        };
        if let Some(gateway) = way.gateway.filter(|g| !own.contains(*g)) {
            let _ = route.add_route(index, &directly(gateway, metric));
        }
        route
            .add_route(index, &way)
            .with_context(|| describe(&way))?;
    }
    Ok(())
}

/// The ways that were set, each after those it needs.
fn ways(setup: &Setup, metric: u32) -> Vec<Way> {
    let mut ways = Vec::new();
    for gateway in &setup.gateways {
        let local = matches!(gateway, IpAddr::V6(v6) if v6.is_unicast_link_local());
        if !local && !setup.addresses.iter().any(|own| own.contains(*gateway)) {
            ways.push(directly(*gateway, metric));
        }
        let to = match gateway {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        ways.push(Way {
            to,
            prefix: 0,
            gateway: Some(*gateway),
            metric,
        });
    }
    ways
}

/// To one machine that is at the same cable.
fn directly(to: IpAddr, metric: u32) -> Way {
    Way {
        to,
        prefix: if to.is_ipv4() { 32 } else { 128 },
        gateway: None,
        metric,
    }
}

fn describe(way: &Way) -> String {
    let through = way.gateway.map(|g| format!(" through {g}"));
    let through = through.unwrap_or_default();
    format!("setting the route to {}/{}{through}", way.to, way.prefix)
}

/// Differs between machines and between boots.
fn seed(mac: [u8; 6]) -> u32 {
    let time = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |d| d.subsec_nanos());
    mac.iter()
        .fold(time, |seed, byte| seed.rotate_left(5) ^ u32::from(*byte))
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::super::dhcp::lease::Times;
    use super::*;

    pub(crate) fn lease(last: u8) -> Lease {
        Lease {
            address: Ipv4Addr::new(10, 0, 0, last),
            prefix: 24,
            server: Ipv4Addr::new(10, 0, 0, 1),
            routes: Vec::new(),
            dns: Vec::new(),
            ntp: Vec::new(),
            domain: None,
            host_name: None,
            mtu: None,
            times: Times {
                renew: 43_200,
                rebind: 75_600,
                end: 86_400,
            },
        }
    }

    #[test]
    fn a_gateway_outside_the_network_is_reached_first() {
        let word = "10.0.0.7/24,fd00::7/128,gateway=10.0.0.1,gateway=fd01::1";
        let setup = site::network::Link::from_word(word).unwrap().setup();
        let ways: Vec<String> = ways(&setup, 22).iter().map(describe).collect();
        assert_eq!(
            ways,
            [
                "setting the route to 0.0.0.0/0 through 10.0.0.1",
                "setting the route to fd01::1/128",
                "setting the route to ::/0 through fd01::1",
            ]
        );
    }
}
