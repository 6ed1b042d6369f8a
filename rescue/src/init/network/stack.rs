//! Making the bonds and VLANs that there are to be.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Result};

use sys::netlink::{Kind, Link, Route};

use super::desired::Desired;

/// What the kernel refused this often is left alone until something else is wanted:
/// each try makes news, which would make the next.
const TRIES: u32 = 3;

/// What was made, and what could not be.
#[derive(Debug, Default)]
pub(super) struct Stack {
    /// By name: as what.
    made: BTreeMap<String, Kind>,
    refused: BTreeMap<String, (u32, String)>,
    wanted: Desired,
}

impl Stack {
    /// Whether `link` was made here.
    pub(super) fn has(&self, link: &Link) -> bool {
        self.made.contains_key(&link.name)
    }

    /// What the kernel refused, in words.
    pub(super) fn problems(&self) -> impl Iterator<Item = String> {
        let told = |(name, (_, why)): (&String, &(u32, String))| format!("{name}: {why}");
        self.refused.iter().map(told)
    }

    /// Makes what `desired` has and `links` do not, and unmakes what is no longer
    /// wanted. What it did comes back as news of links, and it is called again.
    pub(super) fn settle(
        &mut self,
        route: &mut Route,
        desired: &Desired,
        links: &BTreeMap<u32, Link>,
    ) {
        if self.wanted != *desired {
            self.wanted = desired.clone();
            self.refused.clear();
        }
        self.remove_unwanted(route, links);
        for (name, (mode, members)) in &desired.bonds {
            self.make(route, name, Kind::Bond { mode: *mode }, links);
            let bond = find(links, name).filter(|bond| self.has(bond));
            if let Some(bond) = bond.map(|bond| bond.index) {
                for member in members.iter().filter_map(|name| find(links, name)) {
                    self.join(route, member, bond);
                }
            }
        }
        for (name, (parent, id)) in &desired.vlans {
            if let Some(parent) = find(links, parent).map(|parent| parent.index) {
                self.make(route, name, Kind::Vlan { parent, id: *id }, links);
            }
        }
    }

    fn remove_unwanted(&mut self, route: &mut Route, links: &BTreeMap<u32, Link>) {
        let desired = &self.wanted;
        let wanted = |name: &String| match desired.bonds.get(name) {
            Some((mode, _)) => Some(Kind::Bond { mode: *mode }),
            None => {
                let (parent, id) = desired.vlans.get(name)?;
                let parent = find(links, parent)?.index;
                Some(Kind::Vlan { parent, id: *id })
            }
        };
        self.made.retain(|name, kind| {
            let keep = wanted(name) == Some(*kind);
            if let (false, Some(link)) = (keep, find(links, name)) {
                let _ = route.remove_link(link.index);
            }
            keep
        });
        for link in links.values() {
            let bond = link.master.and_then(|index| links.get(&index));
            let Some((_, members)) = bond.and_then(|b| desired.bonds.get(&b.name)) else {
                continue;
            };
            if !members.contains(&link.name) {
                let _ = route.set_master(link.index, None);
            }
        }
    }

    fn make(&mut self, route: &mut Route, name: &str, kind: Kind, links: &BTreeMap<u32, Link>) {
        // Made, but not there any more: its parent came anew.
        if self.made.contains_key(name) && find(links, name).is_some() {
            return;
        }
        if self.attempt(name, || add(route, name, kind)) {
            self.made.insert(name.to_owned(), kind);
        }
    }

    fn join(&mut self, route: &mut Route, member: &Link, bond: u32) {
        if member.master == Some(bond) {
            return;
        }
        let joined = self.attempt(&member.name, || {
            route.set_down(member.index)?;
            route.set_master(member.index, Some(bond))
        });
        if !joined {
            // Better alone than not at all.
            let _ = route.set_up(member.index);
        }
    }

    /// Does something about `name`, unless it failed too often; whether it is done.
    fn attempt(&mut self, name: &str, act: impl FnOnce() -> Result<()>) -> bool {
        let tries = self.refused.get(name).map_or(0, |(tries, _)| *tries);
        if tries >= TRIES {
            return false;
        }
        match act() {
            Ok(()) => {
                self.refused.remove(name);
                true
            }
            Err(error) => {
                let why = format!("the kernel refuses it: {error}");
                let refused = (tries.saturating_add(1), why);
                self.refused.insert(name.to_owned(), refused);
                false
            }
        }
    }
}

/// The first bond loads the driver, which then makes "bond0" by itself: not as we
/// want it.
fn add(route: &mut Route, name: &str, kind: Kind) -> Result<()> {
    match route.add_link(name, kind) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let links = route.links()?;
            let stranger = links.iter().find(|link| link.name == name);
            let stranger = stranger.filter(|link| link.kind.as_deref() == Some(kind.word()));
            let Some(stranger) = stranger else {
                return Err(error);
            };
            route.remove_link(stranger.index)?;
            route.add_link(name, kind)
        }
        added => added,
    }
}

pub(super) fn find<'a>(links: &'a BTreeMap<u32, Link>, name: &str) -> Option<&'a Link> {
    links.values().find(|link| link.name == name)
}
