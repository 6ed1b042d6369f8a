//! What the links, bonds and VLANs are to be, by what was said: pure.
//!
//! For each link the word of whoever counts most and names it counts alone, as a
//! link or as a member of a bond; for a bond, the word of whoever counts most and
//! defines it. A link that nobody names asks DHCP servers.

use std::collections::BTreeMap;

use site::network::{Bond, Link, Setup};

use super::only::Only;
use super::settings::Entries;

/// A wired link of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Card {
    pub(super) name: String,
    /// The hardware address it was made with.
    pub(super) mac: Option<[u8; 6]>,
}

/// What there is to be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Desired {
    /// Bonds by name: their mode and their links.
    pub(super) bonds: BTreeMap<String, (u8, Vec<String>)>,
    /// VLANs by name: on top of what, which.
    pub(super) vlans: BTreeMap<String, (String, u16)>,
    /// What has addresses of its own, by name.
    pub(super) ports: BTreeMap<String, Port>,
    /// What cannot be obeyed.
    pub(super) problems: Vec<String>,
}

/// What one of them is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Port {
    pub(super) setup: Setup,
    /// Somebody said so.
    pub(super) is_set: bool,
}

impl Desired {
    /// By `layers`, whoever counts most first. `only` is the link that those mean
    /// who name none.
    pub(super) fn new(cards: &[Card], layers: &[Entries], only: &Only) -> Self {
        let mut desired = Self::default();
        let members = desired.bonds(cards, layers);
        for card in cards {
            if !members.contains_key(&card.name) {
                desired.card(card, layers, only);
            }
        }
        desired.missing(cards, layers);
        if let (true, Only::Several(names)) = (asks_for_the_only(layers), only) {
            desired.problems.push(format!(
                "the network's settings name no link, and several have a cable: {}; say which with \
                 `mac` or `name`",
                names.join(", ")
            ));
        }
        desired
    }

    /// The bonds that can be made; which link is in which.
    fn bonds(&mut self, cards: &[Card], layers: &[Entries]) -> BTreeMap<String, String> {
        let mut members: BTreeMap<String, String> = BTreeMap::new();
        for (depth, layer) in layers.iter().enumerate() {
            for bond in &layer.bonds {
                let name = bond.name.to_string();
                if self.bonds.contains_key(&name) {
                    continue;
                }
                let free = |card: &&Card| {
                    let named_above = layers.iter().take(depth).any(|l| names(l, card));
                    !named_above && !members.contains_key(&card.name)
                };
                let own: Vec<String> = cards
                    .iter()
                    .filter(|card| is_member(bond, card))
                    .filter(free)
                    .map(|card| card.name.clone())
                    .collect();
                if own.is_empty() {
                    self.problems
                        .push(format!("{name}: none of its links is there"));
                    continue;
                }
                members.extend(own.iter().map(|link| (link.clone(), name.clone())));
                self.bonds.insert(name.clone(), (bond.mode as u8, own));
                self.bond_ports(bond, layers.iter().take(depth.saturating_add(1)));
            }
        }
        members
    }

    /// What is on top of a bond: what it says itself, and what else is said of it by
    /// those who count no less; the last of `layers` defined it.
    fn bond_ports<'a>(&mut self, bond: &Bond, layers: impl Iterator<Item = &'a Entries>) {
        let name = bond.name.as_str();
        let links = layers.flat_map(|layer| layer.links.iter());
        for link in links.filter(|link| link.is_about(name, None)) {
            self.port(name, link.vlan.map(|v| v.get()), link.setup());
        }
        self.port(name, bond.vlan.map(|v| v.get()), bond.setup());
        self.bare(name);
    }

    fn card(&mut self, card: &Card, layers: &[Entries], only: &Only) {
        let meant = |link: &&Link| {
            link.is_about(&card.name, card.mac)
                || (link.is_about_the_only_one() && *only == Only::Link(card.name.clone()))
        };
        for layer in layers {
            let mut found = layer.links.iter().filter(meant).peekable();
            if found.peek().is_some() {
                for link in found {
                    self.port(&card.name, link.vlan.map(|v| v.get()), link.setup());
                }
                self.bare(&card.name);
                return;
            }
        }
        let undecided = *only == Only::Undecided && asks_for_the_only(layers);
        let setup = if undecided {
            Setup::default()
        } else {
            Setup::usual()
        };
        let port = Port {
            setup,
            is_set: false,
        };
        self.ports.insert(card.name.clone(), port);
    }

    /// Gives a link, or a VLAN on top of it, what it was not given yet.
    fn port(&mut self, link: &str, vlan: Option<u16>, setup: Setup) {
        let name = match vlan {
            None => link.to_owned(),
            Some(id) => vlan_name(link, id),
        };
        if let Some(id) = vlan {
            self.vlans.insert(name.clone(), (link.to_owned(), id));
        }
        self.ports.entry(name).or_insert(Port {
            setup,
            is_set: true,
        });
    }

    /// What carries VLANs only has no address, but lets their packets through.
    fn bare(&mut self, link: &str) {
        let above = self.vlans.iter().filter(|(_, (parent, _))| parent == link);
        let mtus = above.filter_map(|(name, _)| self.ports.get(name)?.setup.mtu);
        let largest = mtus.max();
        let port = self.ports.entry(link.to_owned()).or_insert(Port {
            setup: Setup::default(),
            is_set: false,
        });
        port.setup.mtu = port.setup.mtu.max(largest);
    }

    /// Settings of links that are not there.
    fn missing(&mut self, cards: &[Card], layers: &[Entries]) {
        for link in layers.iter().flat_map(|l| l.links.iter()) {
            let is_there = cards.iter().any(|c| link.is_about(&c.name, c.mac));
            let is_bond = self.bonds.keys().any(|name| link.is_about(name, None));
            if is_there || is_bond || link.is_about_the_only_one() {
                continue;
            }
            let of = link.mac.map(|m| format!("with the hardware address {m}"));
            let called = link.name.as_ref().map(|n| format!("called {n}"));
            let which: Vec<String> = called.into_iter().chain(of).collect();
            let problem = format!("there is no link {}, which is set", which.join(" and "));
            if !self.problems.contains(&problem) {
                self.problems.push(problem);
            }
        }
    }
}

fn is_member(bond: &Bond, card: &Card) -> bool {
    bond.members.iter().any(|m| m.is(&card.name, card.mac))
}

/// Whether anybody says something of the only link, without its name.
pub(super) fn asks_for_the_only(layers: &[Entries]) -> bool {
    let mut links = layers.iter().flat_map(|layer| layer.links.iter());
    links.any(Link::is_about_the_only_one)
}

/// Whether a layer says anything about a link.
fn names(layer: &Entries, card: &Card) -> bool {
    layer.links.iter().any(|l| l.is_about(&card.name, card.mac))
        || layer.bonds.iter().any(|b| is_member(b, card))
}

/// "eth0.42"; for a long name "vlan42", as the kernel keeps 15 characters.
fn vlan_name(link: &str, id: u16) -> String {
    let name = format!("{link}.{id}");
    if name.len() > 15 {
        format!("vlan{id}")
    } else {
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cards(names: &[&str]) -> Vec<Card> {
        let card = |(at, name): (usize, &&str)| Card {
            name: (*name).to_owned(),
            mac: Some([2, 0, 0, 0, 0, u8::try_from(at).unwrap()]),
        };
        names.iter().enumerate().map(card).collect()
    }

    fn entries(text: &str) -> Entries {
        let config = site::Config::parse("site.toml", text).unwrap();
        Entries::from(&config.network)
    }

    fn desired(names: &[&str], layers: &[&str]) -> Desired {
        let layers: Vec<Entries> = layers.iter().map(|text| entries(text)).collect();
        Desired::new(&cards(names), &layers, &Only::Undecided)
    }

    fn addresses(desired: &Desired, port: &str) -> Vec<String> {
        let port = &desired.ports[port];
        port.setup
            .addresses
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn a_link_nobody_names_asks_dhcp_servers() {
        let desired = desired(&["eth0"], &[""]);
        assert_eq!(desired.ports["eth0"].setup, Setup::usual());
        assert!(!desired.ports["eth0"].is_set && desired.problems.is_empty());
    }

    #[test]
    fn who_counts_more_and_names_a_link_counts_alone() {
        let high = "[[network.link]]\nname = \"eth0\"\naddresses = \"10.0.0.7/24\"\n";
        let low = "[[network.link]]\nmac = \"02:00:00:00:00:00\"\nvlan = 42\n\
                   [[network.link]]\nname = \"eth1\"\naddresses = \"10.1.0.7/24\"\n";
        let desired = desired(&["eth0", "eth1"], &[high, low]);
        assert!(desired.vlans.is_empty(), "{desired:?}");
        assert_eq!(addresses(&desired, "eth0"), ["10.0.0.7/24"]);
        assert_eq!(addresses(&desired, "eth1"), ["10.1.0.7/24"]);
    }

    #[test]
    fn a_vlan_is_on_top_of_a_link_without_addresses() {
        let text = "[[network.link]]\nname = \"eth0\"\nvlan = 42\nmtu = 9000\n\
                    addresses = \"10.0.0.7/24\"\n";
        let desired = desired(&["eth0"], &[text]);
        assert_eq!(desired.vlans["eth0.42"], ("eth0".to_owned(), 42));
        assert_eq!(addresses(&desired, "eth0.42"), ["10.0.0.7/24"]);
        let bare = &desired.ports["eth0"].setup;
        assert!(!bare.dhcp && bare.addresses.is_empty());
        assert_eq!(bare.mtu.unwrap().get(), 9000, "it must let them through");
        assert_eq!(vlan_name("enp0s31f6-long", 4094), "vlan4094");
    }

    const BOND: &str = "[[network.bond]]\nname = \"bond0\"\nmembers = [\"eth0\", \
                        \"02:00:00:00:00:01\"]\nvlan = 42\naddresses = \"10.0.0.7/24\"\n";

    #[test]
    fn a_bond_has_the_addresses_of_its_links() {
        let desired = desired(&["eth0", "eth1", "eth2"], &[BOND]);
        let own = vec!["eth0".to_owned(), "eth1".to_owned()];
        assert_eq!(desired.bonds["bond0"], (1, own));
        assert_eq!(desired.vlans["bond0.42"], ("bond0".to_owned(), 42));
        let names: Vec<&str> = desired.ports.keys().map(String::as_str).collect();
        assert_eq!(names, ["bond0", "bond0.42", "eth2"]);
        assert!(!desired.ports["bond0"].setup.dhcp);
    }

    #[test]
    fn the_operator_takes_a_link_out_of_a_bond_or_sets_the_bond_itself() {
        let operator = "[[network.link]]\nname = \"eth0\"\naddresses = \"10.9.0.7/24\"\n";
        let desired1 = desired(&["eth0", "eth1"], &[operator, BOND]);
        assert_eq!(desired1.bonds["bond0"].1, ["eth1"]);
        assert_eq!(addresses(&desired1, "eth0"), ["10.9.0.7/24"]);
        let operator = operator.replace("\"eth0\"", "\"bond0\"\nvlan = 42");
        let desired = desired(&["eth0", "eth1"], &[&operator, BOND]);
        assert_eq!(addresses(&desired, "bond0.42"), ["10.9.0.7/24"]);
        assert!(desired.problems.is_empty(), "{desired:?}");
    }

    #[test]
    fn what_is_not_there_is_told() {
        let text = "[[network.link]]\nname = \"eth9\"\nmac = \"02:00:00:00:00:09\"\n";
        let nothing = desired(&["eth0"], &[text]);
        assert_eq!(
            nothing.problems,
            [
                "there is no link called eth9 and with the hardware address 02:00:00:00:00:09, which \
              is set"
            ]
        );
        let nothing = desired(&["eth7"], &[BOND]);
        assert_eq!(nothing.problems, ["bond0: none of its links is there"]);
        assert_eq!(nothing.ports["eth7"].setup, Setup::usual());
    }

    #[test]
    fn the_only_link_is_waited_for() {
        let layers = [entries("[[network.link]]\naddresses = \"10.0.0.7/24\"\n")];
        let new = |only: Only| Desired::new(&cards(&["eth0", "eth1"]), &layers, &only);
        let undecided = new(Only::Undecided);
        assert!(!undecided.ports["eth0"].setup.dhcp && !undecided.ports["eth1"].setup.dhcp);
        let chosen = new(Only::Link("eth1".into()));
        assert_eq!(addresses(&chosen, "eth1"), ["10.0.0.7/24"]);
        assert!(chosen.ports["eth0"].setup.dhcp);
        let several = new(Only::Several(vec!["eth0".into(), "eth1".into()]));
        assert!(several.problems[0].contains("eth0, eth1"), "{several:?}");
        let both = Only::Several(vec!["eth0".into(), "eth1".into()]);
        let nobody_asks = Desired::new(&cards(&["eth0", "eth1"]), &[], &both);
        assert!(nobody_asks.problems.is_empty(), "{nobody_asks:?}");
    }
}
