//! The loop: news of links, of settings, of DHCP servers in; links as they are to
//! be, and how they are, out.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv6Addr};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::json;
use sys::netlink::{Assigned, Events, Link, News, ResolverNews, Route};
use sys::poll::{Interest, wait};
use sys::watch::Watch;

use super::desired::{Card, Desired, asks_for_the_only};
use super::only::{self, Only};
use super::port::Port;
use super::resolver::Resolver;
use super::settings::Layers;
use super::stack::{Stack, find};
use super::state::{Address, LinkState, Network, STATE};
use crate::init::cmdline::Cmdline;
use crate::init::devices::{self, Devices};
use crate::init::mounts;
use crate::init::port::Port as EventPort;
use crate::init::state::Board;

/// With nothing to do the loop still turns this often.
const IDLE: Duration = Duration::from_secs(600);

/// How long what is set may take to come up before nobody waits for it any more:
/// a switch may take half a minute to let a link's packets through.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long DHCP servers may take to answer while all addresses are of IPv6:
/// routers tell theirs sooner, and what is to be reached may speak IPv4 only.
const ANSWER: Duration = Duration::from_secs(15);

/// What this process changes comes back as news, which may call for more changes:
/// so often at once, before others are told and heard.
const ROUNDS: usize = 8;

/// How long a driver is waited for that is taking up its card.
const PROBE: Duration = Duration::from_secs(20);

struct Manager {
    route: Route,
    board: Board,
    cmdline: Cmdline,
    started: Instant,
    links: BTreeMap<u32, Link>,
    assigned: BTreeMap<(u32, IpAddr), Assigned>,
    /// What routers told, and until when it holds.
    resolvers: BTreeMap<u32, (Vec<Ipv6Addr>, Duration)>,
    layers: Layers,
    settled: Option<Duration>,
    /// When the layers changed last.
    changed: Duration,
    only: Only,
    desired: Desired,
    stack: Stack,
    ports: BTreeMap<u32, Port>,
    told: Option<Network>,
    resolved: Option<String>,
}

/// Runs until killed.
///
/// # Errors
/// When the kernel's network channel cannot be had.
pub fn run() -> anyhow::Result<()> {
    let events = Events::open().context("listening for link messages")?;
    let watch = Watch::folder(Path::new(mounts::STATE)).context("watching settings")?;
    let mut manager = Manager::new()?;
    manager.look_at_all()?;
    loop {
        watch.drain().context("watching settings")?;
        manager.hear();
        let mut next = manager.turn();
        // Told before the news of it, a change would go with the addresses from before.
        for _ in 0..ROUNDS {
            if !manager.take_news(&events)? {
                break;
            }
            next = manager.turn();
        }
        manager.tell()?;
        let mut fds: Vec<BorrowedFd<'_>> = vec![events.as_fd(), watch.as_fd()];
        fds.extend(manager.ports.values().filter_map(Port::socket));
        let input = |fd| Interest { fd, output: false };
        let interests: Vec<Interest<'_>> = fds.into_iter().map(input).collect();
        wait(&interests, Some(next)).context("waiting for packets")?;
        manager.take_news(&events)?;
    }
}

impl Manager {
    fn new() -> anyhow::Result<Self> {
        Ok(Self {
            route: Route::open().context("opening rtnetlink")?,
            board: Board::system(),
            cmdline: Cmdline::current(),
            started: Instant::now(),
            links: BTreeMap::new(),
            assigned: BTreeMap::new(),
            resolvers: BTreeMap::new(),
            layers: Layers::default(),
            settled: None,
            changed: Duration::ZERO,
            only: Only::Undecided,
            desired: Desired::default(),
            stack: Stack::default(),
            ports: BTreeMap::new(),
            told: None,
            resolved: None,
        })
    }

    fn look_at_all(&mut self) -> anyhow::Result<()> {
        let links = self.route.links().context("listing links")?;
        let there: BTreeSet<u32> = links.iter().map(|link| link.index).collect();
        let gone: Vec<Link> = self
            .links
            .values()
            .filter(|l| !there.contains(&l.index))
            .cloned()
            .collect();
        gone.into_iter()
            .for_each(|link| self.take(News::LinkGone(link)));
        links
            .into_iter()
            .for_each(|link| self.take(News::Link(link)));
        self.assigned.clear();
        let addresses = self.route.addresses().context("listing addresses")?;
        addresses
            .into_iter()
            .for_each(|a| self.take(News::Address(a)));
        Ok(())
    }

    /// Takes the news that are there; whether there were any.
    fn take_news(&mut self, events: &Events) -> anyhow::Result<bool> {
        match events.take() {
            Ok(news) => {
                let any = !news.is_empty();
                news.into_iter().for_each(|n| self.take(n));
                Ok(any)
            }
            Err(e) if e.kind() == ErrorKind::Interrupted => self.look_at_all().map(|()| true),
            Err(error) => Err(error).context("reading link messages"),
        }
    }

    /// Takes news of the kernel.
    fn take(&mut self, news: News) {
        match news {
            News::Link(link) => {
                if !self.links.contains_key(&link.index) {
                    wait_for_probe(&link.name);
                }
                if let Some(port) = self.ports.get_mut(&link.index) {
                    port.link(link.clone());
                }
                self.links.insert(link.index, link);
            }
            News::LinkGone(link) => {
                self.links.remove(&link.index);
                self.ports.remove(&link.index);
                self.resolvers.remove(&link.index);
                self.assigned.retain(|(index, _), _| *index != link.index);
            }
            News::Address(address) => {
                let key = (address.index, address.address);
                self.assigned.insert(key, address);
            }
            News::AddressGone(address) => {
                self.assigned.remove(&(address.index, address.address));
            }
            News::Resolver(news) => self.resolver(news),
        }
    }

    fn resolver(&mut self, news: ResolverNews) {
        let until = self.started.elapsed().saturating_add(news.lifetime);
        match news.lifetime.is_zero() {
            true => drop(self.resolvers.remove(&news.index)),
            false => drop(self.resolvers.insert(news.index, (news.servers, until))),
        }
    }

    /// Takes what was put on the board.
    fn hear(&mut self) {
        let devices: Devices = self.board.read(devices::STATE).unwrap_or_default();
        if devices.settled && self.settled.is_none() {
            self.settled = Some(self.started.elapsed());
        }
        let layers = Layers::load(&self.board, &self.cmdline);
        if layers != self.layers {
            let keep = asks_for_the_only(&self.layers.all) && self.only_works();
            if !keep {
                self.only = Only::Undecided;
            }
            self.layers = layers;
            self.changed = self.started.elapsed();
        }
    }

    /// Whether the link that is meant where none is named has a cable.
    fn only_works(&self) -> bool {
        match &self.only {
            Only::Link(name) => find(&self.links, name).is_some_and(|link| link.carrier),
            Only::Undecided | Only::Several(_) => false,
        }
    }

    /// Until when what is set may come up; `None`, while drivers are still loaded.
    fn patience(&self) -> Option<Duration> {
        let settled = self.settled?;
        Some(settled.max(self.changed).saturating_add(PATIENCE))
    }

    /// Makes everything what it is to be; how long until something is due.
    fn turn(&mut self) -> Duration {
        let now = self.started.elapsed();
        let mut next = now.saturating_add(IDLE);
        self.choose(now, &mut next);
        self.desired = Desired::new(&self.cards(), &self.layers.all, &self.only);
        // Who is to become part of a bond must not keep an address of its own.
        self.drop_ports();
        self.stack
            .settle(&mut self.route, &self.desired, &self.links);
        for link in self.links.values().filter(|l| l.loopback && !l.up) {
            let _ = self.route.set_up(link.index);
        }
        for (name, wanted) in &self.desired.ports {
            let Some(link) = find(&self.links, name).filter(|l| l.master.is_none()) else {
                continue;
            };
            let new = || Port::new(link.clone(), now);
            let port = self.ports.entry(link.index).or_insert_with(new);
            port.settle(&mut self.route, &wanted.setup, now);
            port.receive(&mut self.route, now);
            next = next.min(port.step(&mut self.route, now).unwrap_or(next));
            let patience = port.since.saturating_add(PATIENCE);
            let patience = Some(patience).filter(|_| wanted.is_set);
            let answer = port
                .asking_since()
                .map(|since| since.saturating_add(ANSWER));
            next = earliest(next, [patience, answer], now);
        }
        next = earliest(next, [self.patience()], now);
        let held = self.resolvers.values().map(|(_, until)| *until);
        next = held.fold(next, Duration::min);
        self.resolvers.retain(|_, (_, until)| *until > now);
        self.resolve();
        next.saturating_sub(now)
    }

    /// Finds the link that is meant where none is named.
    fn choose(&mut self, now: Duration, next: &mut Duration) {
        let cards = self.links.values().filter(|link| is_card(link));
        let links: Vec<(&str, bool)> = cards.map(|l| (l.name.as_str(), l.carrier)).collect();
        let before = match &self.only {
            Only::Link(name) => Some(name.as_str()),
            Only::Undecided | Only::Several(_) => None,
        };
        let settled = self.settled.map(|since| now.saturating_sub(since));
        let calm = self.settled.map(|since| since.saturating_add(only::CALM));
        *next = calm
            .filter(|calm| *calm > now)
            .map_or(*next, |calm| calm.min(*next));
        self.only = only::choose(&links, settled, before);
    }

    fn cards(&self) -> Vec<Card> {
        let cards = self.links.values().filter(|link| is_card(link));
        let card = |link: &Link| Card {
            name: link.name.clone(),
            mac: link.permanent_mac.or(link.mac),
        };
        cards.map(card).collect()
    }

    fn drop_ports(&mut self) {
        let (desired, route) = (&self.desired, &mut self.route);
        self.ports.retain(|_, port| {
            // The packets of a bond's member go to the bond: nobody would read its own.
            let alone = port.link.master.is_none();
            let keep = alone && desired.ports.contains_key(&port.link.name);
            if !keep {
                port.clear(route);
            }
            keep
        });
    }

    /// Writes /etc/resolv.conf: what was set first, then what DHCP servers and
    /// routers say.
    fn resolve(&mut self) {
        let mut resolver = Resolver::default();
        for port in self.ports.values() {
            let setup = port.setup().cloned().unwrap_or_default();
            setup
                .search
                .iter()
                .for_each(|d| resolver.domain(d.as_str()));
            setup
                .dns
                .iter()
                .for_each(|s| resolver.server(*s, &port.link.name));
        }
        for lease in self.ports.values().filter_map(|port| port.lease.as_ref()) {
            lease.domain.iter().for_each(|d| resolver.domain(d));
            lease
                .dns
                .iter()
                .for_each(|s| resolver.server((*s).into(), ""));
        }
        for (index, (servers, _)) in &self.resolvers {
            if let Some(link) = self.links.get(index) {
                servers
                    .iter()
                    .for_each(|s| resolver.server((*s).into(), &link.name));
            }
        }
        let text = resolver.text();
        if self.resolved.as_ref() != Some(&text) {
            // Without it names do not resolve, and whoever uses one will say so.
            let _ = std::fs::create_dir_all("/etc");
            let _ = std::fs::write("/etc/resolv.conf", &text);
            self.resolved = Some(text);
        }
    }

    /// Publishes what has changed.
    fn tell(&mut self) -> anyhow::Result<()> {
        let state = self.state();
        if self.told.as_ref() != Some(&state) {
            self.board
                .publish(STATE, &state)
                .context("publishing links")?;
            EventPort::current().fact(STATE, json!(state));
            self.told = Some(state);
        }
        Ok(())
    }

    fn state(&self) -> Network {
        let shown = self
            .links
            .values()
            .filter(|l| is_card(l) || self.stack.has(l));
        let links: BTreeMap<String, LinkState> = shown
            .map(|link| (link.name.clone(), self.link_state(link)))
            .collect();
        let now = self.started.elapsed();
        let early = self.patience().is_none_or(|until| now < until);
        let expected = |(name, wanted): (&String, &super::desired::Port)| {
            let up = links.get(name).is_some_and(|l| l.has_all(&wanted.setup));
            let port = self.ports.values().find(|p| p.link.name == *name);
            let young = port.map_or(early, |p| now < p.since.saturating_add(PATIENCE));
            wanted.is_set && !up && young
        };
        let said = self.layers.all.iter().any(|entries| !entries.is_empty());
        let incomplete = !self.desired.problems.is_empty() || self.only == Only::Undecided;
        let waiting = self.desired.ports.iter().any(expected)
            || awaits_ipv4(
                &links,
                self.ports.values().filter_map(Port::asking_since),
                now,
            )
            || (said && self.settled.is_none())
            || (said && incomplete && early && asks_for_the_only(&self.layers.all));
        let missing = match self.settled {
            Some(_) => self.desired.problems.clone(),
            None => Vec::new(),
        };
        let problems = self.layers.problems.iter().cloned().chain(missing);
        Network {
            links,
            serial: self.layers.serial,
            waiting,
            problems: problems.chain(self.stack.problems()).collect(),
        }
    }

    fn link_state(&self, link: &Link) -> LinkState {
        let port = self.ports.get(&link.index);
        let own = self.assigned.range((link.index, IpAddr::from([0; 4]))..);
        let own: Vec<&Assigned> = own
            .map(|(_, a)| a)
            .take_while(|a| a.index == link.index)
            .collect();
        let address = |a: &&Assigned| Address {
            address: a.address,
            prefix: a.prefix,
            origin: port.map_or(super::state::Origin::Set, |p| {
                p.origin(a.address, a.permanent)
            }),
        };
        let twice = own.iter().find(|a| a.duplicate);
        let twice = twice.map(|a| format!("another machine has the address {}", a.address));
        let usable = own.iter().filter(|a| a.global && a.usable);
        let mac = link.permanent_mac.or(link.mac).unwrap_or_default();
        let bond = link.master.and_then(|index| self.links.get(&index));
        LinkState {
            mac: site::network::Mac(mac).to_string(),
            carrier: link.carrier,
            part_of: bond.map(|bond| bond.name.clone()),
            addresses: usable.map(address).collect(),
            asking: port.is_some_and(Port::is_asking),
            lease: port.and_then(|p| p.lease.clone()),
            problem: port.and_then(|p| p.problem.clone()).or(twice),
        }
    }
}

/// The earliest of `next` and those of `deadlines` that are not over.
fn earliest<const N: usize>(
    next: Duration,
    deadlines: [Option<Duration>; N],
    now: Duration,
) -> Duration {
    let ahead = deadlines.into_iter().flatten().filter(|at| *at > now);
    ahead.fold(next, Duration::min)
}

/// Whether no link has an address of IPv4 and DHCP servers may still give one;
/// `asking`, since when they are asked.
fn awaits_ipv4(
    links: &BTreeMap<String, LinkState>,
    mut asking: impl Iterator<Item = Duration>,
    now: Duration,
) -> bool {
    let has = |link: &LinkState| link.carrier && link.addresses.iter().any(|a| a.address.is_ipv4());
    !links.values().any(has) && asking.any(|since| now < since.saturating_add(ANSWER))
}

/// Returns when the driver of the link `name` has taken up its card. Some tell of
/// the link before they are done, and the kernel crashes when it is switched on in
/// between: `e100_probe` of Linux makes what `e100_open` needs after
/// `register_netdev`.
fn wait_for_probe(name: &str) {
    // The kernel holds the card's lock as long as the driver's probe lasts, and takes it
    // for this file of PCI devices (`driver_override_show` in drivers/pci/pci-sysfs.c).
    let lock = Path::new("/sys/class/net").join(name);
    let (done, waits) = std::sync::mpsc::channel();
    // In a thread: a driver that hangs must not keep the other links from working.
    std::thread::spawn(move || {
        drop(std::fs::read(lock.join("device/driver_override")));
        let _ = done.send(());
    });
    let _ = waits.recv_timeout(PROBE);
}

/// Whether it is a wired link of the machine: bonds, VLANs, bridges, tunnels and the
/// like have no device behind them.
fn is_card(link: &Link) -> bool {
    let device = Path::new("/sys/class/net").join(&link.name);
    let wireless = device.join("wireless").exists() || device.join("phy80211").exists();
    let has_mac = link.mac.is_some() && link.ethernet && !link.loopback;
    has_mac && !wireless && device.join("device").exists()
}

#[cfg(test)]
mod tests {
    use super::super::state::Origin;
    use super::*;

    const NOW: Duration = Duration::from_secs(100);

    fn ago(seconds: u64) -> Duration {
        NOW - Duration::from_secs(seconds)
    }

    fn links(address: &str) -> BTreeMap<String, LinkState> {
        let address = Address {
            address: address.parse().unwrap(),
            prefix: 24,
            origin: Origin::Router,
        };
        let link = LinkState {
            carrier: true,
            addresses: vec![address],
            ..LinkState::default()
        };
        [("eth0".to_owned(), link)].into()
    }

    #[test]
    fn a_routers_address_does_not_end_the_waiting_for_dhcp() {
        let waits = |address, since| awaits_ipv4(&links(address), [since].into_iter(), NOW);
        assert!(waits("fd00::7", ago(14)));
        assert!(!waits("fd00::7", ago(15)), "nobody answers");
        assert!(!waits("10.0.0.7", ago(1)));
        assert!(!awaits_ipv4(&links("fd00::7"), [].into_iter(), NOW));
    }

    #[test]
    fn what_is_over_wakes_nobody() {
        let (later, soon) = (NOW + PATIENCE, NOW + ANSWER);
        assert_eq!(earliest(later, [Some(soon), None], NOW), soon);
        assert_eq!(earliest(later, [Some(NOW), Some(ago(3))], NOW), later);
    }

    #[test]
    fn new_settings_are_waited_for_however_old_the_machine_is() {
        let mut manager = Manager::new().unwrap();
        assert_eq!(manager.patience(), None);
        manager.settled = Some(ago(90));
        assert_eq!(manager.patience(), Some(ago(90) + PATIENCE));
        manager.changed = NOW;
        assert_eq!(manager.patience(), Some(NOW + PATIENCE));
    }
}
