//! What is known about the machine's links.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use ::site::network::{Cidr, Setup};
use serde::{Deserialize, Serialize};

use crate::init::dhcp::Lease;

/// The name of [`Network`] on the [`Board`](crate::init::state::Board).
pub const STATE: &str = "network";

/// What is known about the machine's links.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// Wired links, bonds and VLANs, by name.
    pub links: BTreeMap<String, LinkState>,
    /// Which of the [`settings`](super::settings::Given) are obeyed.
    pub serial: u64,
    /// Something that is set has not come up yet, and still may.
    pub waiting: bool,
    /// Settings that cannot be obeyed, in words.
    pub problems: Vec<String>,
}

/// One link.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkState {
    /// Its hardware address, "52:54:00:12:34:56".
    pub mac: String,
    /// A cable is plugged in and the other side answers.
    pub carrier: bool,
    /// The bond that it is a part of.
    pub part_of: Option<String>,
    /// Those that mean something beyond the cable, and can be used.
    pub addresses: Vec<Address>,
    /// DHCP servers are asked.
    pub asking: bool,
    /// What a DHCP server granted.
    pub lease: Option<Lease>,
    /// What went wrong last.
    pub problem: Option<String>,
}

/// An address of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// It.
    pub address: IpAddr,
    /// Bits of the network's part.
    pub prefix: u8,
    /// Who gave it.
    pub origin: Origin,
}

/// Who gave an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// It was set.
    Set,
    /// A DHCP server.
    Lease,
    /// A router (IPv6).
    Router,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl LinkState {
    /// Whether it has an address that can be used now.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.carrier && !self.addresses.is_empty()
    }

    /// Whether every address that `setup` asks for can be used, or any if it asks for
    /// none.
    #[must_use]
    pub fn has_all(&self, setup: &Setup) -> bool {
        let has = |wanted: &Cidr| self.addresses.iter().any(|a| a.address == wanted.address);
        self.is_up() && setup.addresses.iter().all(has)
    }

    fn describe(&self) -> String {
        if let Some(bond) = &self.part_of {
            let cable = if self.carrier { "" } else { ", no cable" };
            return format!("part of {bond}{cable}");
        }
        let mut parts: Vec<String> = self.addresses.iter().map(|a| self.told(a)).collect();
        if !parts.is_empty() && !self.carrier {
            parts.push("no cable, or nothing at its other end".to_owned());
        }
        parts.extend(self.problem.clone());
        if parts.is_empty() {
            parts.push(match (self.carrier, self.asking) {
                (true, true) => "asking for an address".to_owned(),
                (true, false) => "no address".to_owned(),
                (false, _) => "no cable, or nothing at its other end".to_owned(),
            });
        }
        parts.join("; ")
    }

    fn told(&self, address: &Address) -> String {
        match (address.origin, &self.lease) {
            (Origin::Lease, Some(lease)) => format!("{address} (from {})", lease.server),
            (Origin::Router, _) => format!("{address} (from a router)"),
            _ => format!("{address} (as set)"),
        }
    }
}

impl Network {
    /// The time servers that DHCP servers told.
    #[must_use]
    pub fn time_servers(&self) -> Vec<String> {
        let leases = self.links.values().filter_map(|l| l.lease.as_ref());
        leases
            .flat_map(|l| &l.ntp)
            .map(ToString::to_string)
            .collect()
    }

    /// Whether any link has an address that can be used now.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.links.values().any(LinkState::is_up)
    }

    /// One line per link for a person, and what cannot be obeyed.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let line = |(name, link): (&String, &LinkState)| {
            format!("{name} ({}): {}", link.mac, link.describe())
        };
        let problems = self.problems.iter().cloned();
        self.links.iter().map(line).chain(problems).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(carrier: bool, addresses: &[(&str, u8, Origin)]) -> LinkState {
        let address = |(address, prefix, origin): &(&str, u8, Origin)| Address {
            address: address.parse().unwrap(),
            prefix: *prefix,
            origin: *origin,
        };
        LinkState {
            mac: "52:54:00:12:34:56".into(),
            carrier,
            addresses: addresses.iter().map(address).collect(),
            ..LinkState::default()
        }
    }

    #[test]
    fn an_address_counts_only_with_a_cable() {
        let addresses = [("10.0.0.9", 24, Origin::Set)];
        assert!(link(true, &addresses).is_up() && !link(false, &addresses).is_up());
        assert!(link(true, &[("fd00::7", 64, Origin::Router)]).is_up());
        assert!(!link(true, &[]).is_up());
    }

    #[test]
    fn links_read_well() {
        let leased = LinkState {
            lease: Some(super::super::port::tests::lease(9)),
            ..link(
                true,
                &[
                    ("10.0.0.9", 24, Origin::Lease),
                    ("fd00::9", 64, Origin::Router),
                ],
            )
        };
        let member = LinkState {
            part_of: Some("bond0".into()),
            ..link(false, &[])
        };
        let asking = LinkState {
            asking: true,
            ..link(true, &[])
        };
        let network = Network {
            links: [
                (
                    "bond0".to_owned(),
                    link(true, &[("10.7.0.9", 24, Origin::Set)]),
                ),
                ("eth0".to_owned(), leased),
                ("eth1".to_owned(), member),
                ("eth2".to_owned(), link(false, &[])),
                ("eth3".to_owned(), asking),
            ]
            .into(),
            problems: vec!["no link is called eth9".into()],
            ..Network::default()
        };
        assert!(network.is_up());
        assert_eq!(
            network.lines(),
            [
                "bond0 (52:54:00:12:34:56): 10.7.0.9/24 (as set)",
                "eth0 (52:54:00:12:34:56): 10.0.0.9/24 (from 10.0.0.1); fd00::9/64 (from a router)",
                "eth1 (52:54:00:12:34:56): part of bond0, no cable",
                "eth2 (52:54:00:12:34:56): no cable, or nothing at its other end",
                "eth3 (52:54:00:12:34:56): asking for an address",
                "no link is called eth9",
            ]
        );
    }
}
