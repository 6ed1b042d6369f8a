//! The process that brings wired links up, all at once, and asks DHCP servers
//! for addresses. It starts with the machine and never stops: links may be
//! plugged in later, leases must be renewed during a long restore.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sys::netlink::{Link, LinkEvent, LinkEvents, Route};
use sys::packet::PacketSocket;
use sys::poll::{Interest, wait};

use super::dhcp::{Client, Lease, Message, Taken, frame};
use super::port::Port;
use super::state::Board;

/// The name of [`Network`] on the [`Board`].
pub const STATE: &str = "network";

/// Larger than any DHCP message we said we accept.
const LARGEST: usize = 2048;

/// With nothing to do the loop still turns this often.
const IDLE: Duration = Duration::from_secs(600);

/// What is known about the machine's links, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// Wired links.
    pub links: BTreeMap<String, LinkState>,
}

/// One link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkState {
    /// Its hardware address, "52:54:00:12:34:56".
    pub mac: String,
    /// A cable is plugged in and the other side answers.
    pub carrier: bool,
    /// What a DHCP server granted.
    pub lease: Option<Lease>,
    /// What went wrong last.
    pub problem: Option<String>,
}

impl Network {
    /// Whether any link has an address.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.links.values().any(|l| l.lease.is_some())
    }

    /// Whether `link` has an address.
    #[must_use]
    pub fn has_address(&self, link: &LinkState) -> bool {
        link.lease.is_some()
    }

    /// The time servers that DHCP servers told.
    #[must_use]
    pub fn time_servers(&self) -> Vec<String> {
        let leases = self.links.values().filter_map(|l| l.lease.as_ref());
        leases
            .flat_map(|l| &l.ntp)
            .map(Ipv4Addr::to_string)
            .collect()
    }

    /// One line per link for a person.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let line = |(name, link): (&String, &LinkState)| {
            let what = match (&link.lease, &link.problem, link.carrier) {
                (Some(l), _, _) => format!("{}/{} (from {})", l.address, l.prefix, l.server),
                (None, Some(problem), _) => problem.clone(),
                (None, None, true) => "asking for an address".to_owned(),
                (None, None, false) => "no cable, or nothing at its other end".to_owned(),
            };
            format!("{name} ({}): {what}", link.mac)
        };
        self.links.iter().map(line).collect()
    }
}

#[derive(Debug)]
struct Wired {
    link: Link,
    mac: [u8; 6],
    talk: Option<(PacketSocket, Client)>,
    lease: Option<Lease>,
    problem: Option<String>,
}

struct Manager {
    route: Route,
    wired: BTreeMap<u32, Wired>,
    started: Instant,
    board: Board,
    told: Option<Network>,
}

/// Runs until killed.
///
/// # Errors
/// When the kernel's network channel cannot be had.
pub fn run() -> anyhow::Result<()> {
    let events = LinkEvents::open().context("listening for link messages")?;
    let mut manager = Manager {
        route: Route::open().context("opening rtnetlink")?,
        wired: BTreeMap::new(),
        started: Instant::now(),
        board: Board::system(),
        told: None,
    };
    manager.look_at_all()?;
    loop {
        let next = manager.step_all();
        manager.tell()?;
        let mut interests = vec![Interest {
            fd: events.as_fd(),
            output: false,
        }];
        let talking: Vec<u32> = manager.talking();
        interests.extend(talking.iter().filter_map(|index| {
            let (socket, _) = manager.wired.get(index)?.talk.as_ref()?;
            Some(Interest {
                fd: socket.as_fd(),
                output: false,
            })
        }));
        let ready = wait(&interests, Some(next)).context("waiting for packets")?;
        for (index, ready) in talking.iter().zip(ready.iter().skip(1)) {
            if ready.input || ready.hangup {
                manager.receive(*index);
            }
        }
        match events.take() {
            Ok(changes) => changes.into_iter().for_each(|c| manager.change(c)),
            Err(e) if e.kind() == ErrorKind::Interrupted => manager.look_at_all()?,
            Err(error) => return Err(error).context("reading link messages"),
        }
    }
}

impl Manager {
    fn look_at_all(&mut self) -> anyhow::Result<()> {
        for link in self.route.links().context("listing links")? {
            self.change(LinkEvent::Now(link));
        }
        Ok(())
    }

    fn talking(&self) -> Vec<u32> {
        let talks = |(index, w): (&u32, &Wired)| w.talk.as_ref().map(|_| *index);
        self.wired.iter().filter_map(talks).collect()
    }

    fn change(&mut self, event: LinkEvent) {
        match event {
            LinkEvent::Gone(link) => drop(self.wired.remove(&link.index)),
            LinkEvent::Now(link) if link.loopback => {
                if !link.up {
                    let _ = self.route.set_up(link.index);
                }
            }
            LinkEvent::Now(link) => self.wired_link(link),
        }
    }

    fn wired_link(&mut self, link: Link) {
        let Some(mac) = link.mac.filter(|_| link.ethernet && is_wired(&link.name)) else {
            return;
        };
        let index = link.index;
        let wired = self.wired.entry(index).or_insert_with(|| Wired {
            link: link.clone(),
            mac,
            talk: None,
            lease: None,
            problem: None,
        });
        let plugged_in = link.carrier && !wired.link.carrier;
        wired.link = link;
        if !wired.link.up {
            wired.problem = self
                .route
                .set_up(index)
                .err()
                .map(|e| format!("switching on: {e}"));
        }
        // A cable in another socket may lead to another network: ask anew.
        if wired.link.carrier && (wired.talk.is_none() || plugged_in) {
            let now = self.started.elapsed();
            match PacketSocket::open(index) {
                Ok(socket) => wired.talk = Some((socket, Client::new(mac, seed(mac), now))),
                Err(error) => wired.problem = Some(format!("opening a packet socket: {error}")),
            }
        }
    }

    /// Sends what is due; how long until something is due again.
    fn step_all(&mut self) -> Duration {
        let now = self.started.elapsed();
        let mut next = now.saturating_add(IDLE);
        let mut lost = Vec::new();
        for (index, wired) in &mut self.wired {
            let Some((socket, client)) = wired.talk.as_mut().filter(|_| wired.link.carrier) else {
                continue;
            };
            let step = client.step(now);
            next = next.min(step.next);
            lost.extend(step.lost.map(|lease| (*index, lease)));
            if let Some(packet) = step.send.and_then(|m| frame::wrap(&m.to_bytes())) {
                let sent = socket.broadcast(&packet);
                wired.problem = sent.err().map(|e| format!("asking for an address: {e}"));
            }
        }
        for (index, lease) in lost {
            self.release(index, &lease);
        }
        next.saturating_sub(now)
    }

    fn receive(&mut self, index: u32) {
        let now = self.started.elapsed();
        let mut buffer = [0; LARGEST];
        loop {
            let Some(wired) = self.wired.get_mut(&index) else {
                return;
            };
            let Some((socket, client)) = &mut wired.talk else {
                return;
            };
            let len = match socket.receive(&mut buffer, Duration::ZERO) {
                Ok(Some(len)) => len,
                Ok(None) => return,
                Err(error) => {
                    wired.problem = Some(format!("waiting for an address: {error}"));
                    return;
                }
            };
            let packet = buffer.get(..len).unwrap_or_default();
            let Some(message) = frame::unwrap(packet).and_then(Message::parse) else {
                continue;
            };
            match client.take(&message, now) {
                Taken::Nothing => {}
                Taken::Lost(lease) => self.release(index, &lease),
                Taken::Granted { lease, before } => {
                    if let Some(before) = before {
                        self.release(index, &before);
                    }
                    self.apply(index, lease);
                }
            }
        }
    }

    fn release(&mut self, index: u32, lease: &Lease) {
        let _ = self
            .route
            .remove_address(index, lease.address, lease.prefix);
        if let Some(wired) = self.wired.get_mut(&index) {
            wired.lease = None;
        }
        self.write_resolv_conf();
    }

    fn apply(&mut self, index: u32, lease: Lease) {
        let old = self.wired.get(&index).and_then(|w| w.lease.clone());
        if let Some(old) = old.filter(|old| old.address != lease.address) {
            self.release(index, &old);
        }
        let problem = self.configure(index, &lease).err();
        if let Some(wired) = self.wired.get_mut(&index) {
            wired.problem = problem.map(|e| format!("{e:#}"));
            wired.lease = Some(lease);
        }
        self.write_resolv_conf();
    }

    fn configure(&mut self, index: u32, lease: &Lease) -> anyhow::Result<()> {
        if let Some(mtu) = lease.mtu {
            // Not every driver can; the link works without.
            let _ = self.route.set_mtu(index, mtu.into());
        }
        self.route
            .add_address(index, lease.address, lease.prefix)
            .with_context(|| format!("setting the address {}", lease.address))?;
        // The first link wins where several lead to the same place.
        let metric = index.saturating_add(100);
        for (destination, prefix, gateway) in &lease.routes {
            let direct = gateway.is_unspecified();
            if !direct && !is_inside(*gateway, lease.address, lease.prefix) {
                let _ = self.route.add_route(index, (*gateway, 32), None, metric);
            }
            let gateway = Some(*gateway).filter(|_| !direct);
            self.route
                .add_route(index, (*destination, *prefix), gateway, metric)
                .with_context(|| format!("setting the route to {destination}/{prefix}"))?;
        }
        Ok(())
    }

    fn write_resolv_conf(&self) {
        let leases = self.wired.values().filter_map(|w| w.lease.as_ref());
        let text = resolv_conf(leases);
        // Without it names do not resolve, and whoever uses one will say so.
        let _ = std::fs::create_dir_all("/etc");
        let _ = std::fs::write("/etc/resolv.conf", text);
    }

    /// Publishes what has changed.
    fn tell(&mut self) -> anyhow::Result<()> {
        let describe = |w: &Wired| LinkState {
            mac: w.mac.map(|b| format!("{b:02x}")).join(":"),
            carrier: w.link.carrier,
            lease: w.lease.clone(),
            problem: w.problem.clone(),
        };
        let state = Network {
            links: self
                .wired
                .values()
                .map(|w| (w.link.name.clone(), describe(w)))
                .collect(),
        };
        if self.told.as_ref() != Some(&state) {
            self.board
                .publish(STATE, &state)
                .context("publishing links")?;
            Port::current().fact(STATE, json!(state));
            self.told = Some(state);
        }
        Ok(())
    }
}

fn is_wired(name: &str) -> bool {
    let device = Path::new("/sys/class/net").join(name);
    let wireless = device.join("wireless").exists() || device.join("phy80211").exists();
    // Bridges, tunnels and the like have no device behind them.
    !wireless && device.join("device").exists()
}

fn is_inside(address: Ipv4Addr, network: Ipv4Addr, prefix: u8) -> bool {
    let shift = 32u32.saturating_sub(prefix.into());
    let part = |a: Ipv4Addr| u32::from(a).checked_shr(shift).unwrap_or(0);
    part(address) == part(network)
}

/// Differs between machines and between boots.
fn seed(mac: [u8; 6]) -> u32 {
    let time = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |d| d.subsec_nanos());
    mac.iter()
        .fold(time, |seed, byte| seed.rotate_left(5) ^ u32::from(*byte))
}

fn resolv_conf<'a>(leases: impl Iterator<Item = &'a Lease>) -> String {
    let mut domains: Vec<&str> = Vec::new();
    let mut servers: Vec<Ipv4Addr> = Vec::new();
    for lease in leases {
        domains.extend(lease.domain.as_deref());
        servers.extend(lease.dns.iter().copied());
    }
    let mut seen = Vec::new();
    servers.retain(|s| {
        !seen.contains(s) && {
            seen.push(*s);
            true
        }
    });
    let mut text = String::new();
    if !domains.is_empty() {
        text.push_str(&format!("search {}\n", domains.join(" ")));
    }
    // The resolver reads three.
    for server in servers.iter().take(3) {
        text.push_str(&format!("nameserver {server}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::dhcp::lease::Times;
    use super::*;

    fn lease(last: u8, dns: &[u8]) -> Lease {
        Lease {
            address: Ipv4Addr::new(10, 0, 0, last),
            prefix: 24,
            server: Ipv4Addr::new(10, 0, 0, 1),
            routes: Vec::new(),
            dns: dns.iter().map(|n| Ipv4Addr::new(10, 0, 0, *n)).collect(),
            ntp: Vec::new(),
            domain: (last == 9).then(|| "example.org".to_owned()),
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
    fn name_servers_are_written_once_and_three_at_most() {
        let leases = [lease(9, &[1, 2]), lease(8, &[2, 3, 4])];
        assert_eq!(
            resolv_conf(leases.iter()),
            "search example.org\nnameserver 10.0.0.1\nnameserver 10.0.0.2\nnameserver 10.0.0.3\n"
        );
    }

    #[test]
    fn links_read_well() {
        let link = |carrier, lease| LinkState {
            mac: "52:54:00:12:34:56".into(),
            carrier,
            lease,
            problem: None,
        };
        let network = Network {
            links: [
                ("eth0".to_owned(), link(true, Some(lease(9, &[])))),
                ("eth1".to_owned(), link(false, None)),
            ]
            .into(),
        };
        assert!(network.is_up());
        assert_eq!(
            network.lines(),
            [
                "eth0 (52:54:00:12:34:56): 10.0.0.9/24 (from 10.0.0.1)",
                "eth1 (52:54:00:12:34:56): no cable, or nothing at its other end",
            ]
        );
    }

    #[test]
    fn a_gateway_outside_the_network_is_seen() {
        let a = Ipv4Addr::new(10, 0, 0, 9);
        assert!(is_inside(Ipv4Addr::new(10, 0, 0, 1), a, 24));
        assert!(!is_inside(Ipv4Addr::new(10, 0, 1, 1), a, 24));
        assert!(!is_inside(Ipv4Addr::new(10, 0, 0, 1), a, 32));
        assert!(is_inside(Ipv4Addr::new(1, 1, 1, 1), a, 0));
    }
}
