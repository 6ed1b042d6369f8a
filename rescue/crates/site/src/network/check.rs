//! Settings that cannot be meant.

use std::net::IpAddr;

use super::link::{Bond, Link, Setup};

/// Whether a link's settings fit each other.
pub(super) fn link(link: &Link) -> Result<(), String> {
    setup(&link.setup())
}

fn setup(setup: &Setup) -> Result<(), String> {
    for v4 in [true, false] {
        let gateways: Vec<&IpAddr> = setup
            .gateways
            .iter()
            .filter(|g| g.is_ipv4() == v4)
            .collect();
        match gateways.as_slice() {
            [] => {}
            [one] => gateway(**one, setup)?,
            [one, other, ..] => {
                return Err(format!(
                    "`gateway` has both {one} and {other}: packets for elsewhere take one way; \
                     give one gateway for IPv4 and one for IPv6 at most"
                ));
            }
        }
    }
    for server in &setup.dns {
        if server.is_unspecified() || server.is_multicast() {
            return Err(format!("`dns`: no machine has the address {server}"));
        }
    }
    Ok(())
}

fn gateway(gateway: IpAddr, setup: &Setup) -> Result<(), String> {
    let (mut own, mut reached) = (Vec::new(), false);
    for address in setup
        .addresses
        .iter()
        .filter(|a| a.address.is_ipv4() == gateway.is_ipv4())
    {
        if address.address == gateway {
            return Err(format!("`gateway` {gateway} is the link's own address"));
        }
        // A single address has its gateway outside; so has every link in IPv6.
        reached |= address.contains(gateway) || address.is_single();
        own.push(address.to_string());
    }
    if own.is_empty() {
        return Err(format!(
            "`gateway` {gateway} needs an address of its own kind among `addresses`; DHCP servers \
             and IPv6 routers name theirs themselves"
        ));
    }
    let local = matches!(gateway, IpAddr::V6(v6) if v6.is_unicast_link_local());
    if reached || local {
        return Ok(());
    }
    Err(format!(
        "`gateway` {gateway} is not in the network of {}; if it is reached all the same, the \
         address has /{}",
        own.join(" or "),
        if gateway.is_ipv4() { 32 } else { 128 }
    ))
}

/// Whether a link may be set beside those `seen` before it, and the bonds.
pub(super) fn beside(link: &Link, seen: &[&Link], bonds: &[&Bond]) -> Result<(), String> {
    let lonely = |l: &Link| l.is_about_the_only_one();
    if let Some(other) = seen.iter().find(|l| lonely(l) != lonely(link)) {
        let named = if lonely(link) { other } else { link };
        return Err(format!(
            "a [[network.link]] without `mac` and `name` is the machine's only link, and another \
             names {}: say which link each is",
            which(named)
        ));
    }
    if let (true, Some(bond)) = (lonely(link), bonds.first()) {
        return Err(format!(
            "say which link this is (`mac` or `name`): there is a bond, {}, too",
            bond.name
        ));
    }
    let same = |l: &&&Link| l.mac == link.mac && l.name == link.name && l.vlan == link.vlan;
    if seen.iter().find(same).is_some() {
        let vlan = link.vlan.map(|v| format!(", VLAN {}", v.get()));
        return Err(format!(
            "{}{} is set twice",
            which(link),
            vlan.unwrap_or_default()
        ));
    }
    for bond in bonds {
        let name = link.name.as_ref().map(|n| n.as_str()).unwrap_or_default();
        let member = bond
            .members
            .iter()
            .find(|m| m.is(name, link.mac.map(|m| m.0)));
        if let Some(member) = member {
            return Err(format!(
                "{member} is a member of {}: give the settings to the bond",
                bond.name
            ));
        }
        if bond.name.as_str() == name && bond.vlan == link.vlan {
            return Err(format!("{name} is a bond, and set there already"));
        }
    }
    Ok(())
}

fn which(link: &Link) -> String {
    match (&link.name, &link.mac) {
        (Some(name), _) => name.to_string(),
        (None, Some(mac)) => mac.to_string(),
        (None, None) => "the only link".to_owned(),
    }
}

/// Whether a bond can be made beside those `before` it.
pub(super) fn bond(bond: &Bond, before: &[&Bond]) -> Result<(), String> {
    setup(&bond.setup())?;
    if bond.members.is_empty() {
        return Err(format!(
            "the bond {} has no `members`: name its links, by hardware address or name",
            bond.name
        ));
    }
    if before.iter().any(|b| b.name == bond.name) {
        return Err(format!(
            "there are two bonds {}: for another VLAN on top of it, write [[network.link]] with \
             name = \"{0}\" and vlan",
            bond.name
        ));
    }
    for (at, member) in bond.members.iter().enumerate() {
        let twice = bond.members.iter().take(at).any(|m| m == member);
        let other = before.iter().find(|b| b.members.contains(member));
        if twice || other.is_some() {
            let other = other.map_or(&bond.name, |b| &b.name);
            return Err(format!("{member} is a member of {other} already"));
        }
    }
    Ok(())
}
