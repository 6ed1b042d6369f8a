//! Who says how the network is reached, and whose word counts: the operator, then
//! the kernel command line, then the plan, then the medium.
//!
//! The plan and the operator are heard later than the network begins, by another
//! process: what they say is put on the [`Board`].

use std::io;
use std::path::Path;

use ::site::network::{Bond, Link, Mac, NoProxy, Proxy};
use serde::{Deserialize, Serialize};

use crate::init::cmdline::Cmdline;
use crate::init::site;
use crate::init::state::Board;

/// The name of [`Given`] on the [`Board`].
pub const STATE: &str = "network-settings";

/// What one of them says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entries {
    /// About links, and VLANs on top of them.
    pub links: Vec<Link>,
    /// Bonds.
    pub bonds: Vec<Bond>,
}

impl From<&::site::network::Network> for Entries {
    fn from(network: &::site::network::Network) -> Self {
        Self {
            links: network.links().cloned().collect(),
            bonds: network.bonds().cloned().collect(),
        }
    }
}

impl Entries {
    pub(super) fn is_empty(&self) -> bool {
        self.links.is_empty() && self.bonds.is_empty()
    }
}

/// What was said while the machine runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Given {
    /// Raised with every change.
    pub serial: u64,
    /// By the plan that is followed.
    pub plan: Entries,
    /// By the operator.
    pub operator: Entries,
    /// The operator's proxy, with its password; empty for none, whatever others say.
    pub proxy: Option<String>,
}

impl Given {
    /// What was said so far.
    #[must_use]
    pub fn read(board: &Board) -> Self {
        board.read(STATE).unwrap_or_default()
    }

    /// Changes it; the serial by which the network says that it obeys.
    ///
    /// # Errors
    /// When the board cannot be written.
    pub fn change(board: &Board, change: impl FnOnce(&mut Self)) -> io::Result<u64> {
        let before = Self::read(board);
        let mut after = before.clone();
        change(&mut after);
        if after == before {
            return Ok(before.serial);
        }
        after.serial = before.serial.saturating_add(1);
        board.publish(STATE, &after)?;
        Ok(after.serial)
    }
}

/// What all of them say, whoever counts most first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Layers {
    pub(super) all: [Entries; 4],
    pub(super) serial: u64,
    /// What is wrong with the kernel command line.
    pub(super) problems: Vec<String>,
}

impl Layers {
    pub(super) fn load(board: &Board, cmdline: &Cmdline) -> Self {
        let given = Given::read(board);
        let mut problems = Vec::new();
        let mut words = Entries::default();
        for word in cmdline.values("rescue.ip") {
            match Link::from_word(word) {
                Ok(link) => words.links.push(link),
                Err(error) => problems.push(format!("on the kernel command line: {error}")),
            }
        }
        let medium = of_medium(Path::new(site::FOLDER));
        let medium = medium.as_ref().map(Entries::from).unwrap_or_default();
        Self {
            all: [given.operator, words, given.plan, medium],
            serial: given.serial,
            problems,
        }
    }
}

/// What counts for the link `name` with the hardware address `mac`, by whoever
/// said it; `is_only` when it is meant where no link is named.
#[must_use]
pub fn of_link(board: &Board, name: &str, mac: Option<Mac>, is_only: bool) -> Option<Link> {
    let layers = Layers::load(board, &Cmdline::current()).all;
    let meant = |link: &&Link| {
        link.is_about(name, mac.map(|m| m.0)) || (is_only && link.is_about_the_only_one())
    };
    let mut links = layers.iter().flat_map(|layer| &layer.links);
    links.find(meant).cloned()
}

/// What the medium's configuration says; nothing when it is wrong, which the first
/// screen tells.
fn of_medium(folder: &Path) -> Option<::site::network::Network> {
    let text = std::fs::read_to_string(folder.join("site.toml")).ok()?;
    Some(::site::Config::parse("site.toml", &text).ok()?.network)
}

/// The operator's proxy, if this is a medium; empty for none, whatever others say.
#[must_use]
pub fn operators_proxy() -> Option<String> {
    match site::is_medium() {
        true => Given::read(&Board::system()).proxy,
        false => None,
    }
}

/// The proxy that the operator (`operators`) or the medium sets, and what is reached
/// without it.
#[must_use]
pub fn proxy(operators: Option<String>) -> (Option<Proxy>, Vec<NoProxy>) {
    let medium = of_medium(Path::new(site::FOLDER)).unwrap_or_default();
    match operators {
        Some(text) => (text.parse().ok(), medium.no_proxy),
        None => (medium.proxy, medium.no_proxy),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_numbered() {
        let folder = tempfile::tempdir().unwrap();
        let board = Board::at(folder.path());
        let link = Link::from_word("10.0.0.7/24,link=eth0").unwrap();
        let say = |link: &Link| {
            let links = vec![link.clone()];
            Given::change(&board, |given| given.operator.links = links).unwrap()
        };
        assert_eq!((say(&link), say(&link)), (1, 1), "the same is no news");
        assert_eq!(say(&Link::from_word("dhcp,link=eth0").unwrap()), 2);
        assert_eq!(Given::read(&board).operator.links.len(), 1);
    }

    #[test]
    fn the_command_line_is_read_and_its_mistakes_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let cmdline = Cmdline::parse("rescue.ip=10.0.0.7/24,link=eth0 rescue.ip=10.0.0 quiet");
        let layers = Layers::load(&Board::at(folder.path()), &cmdline);
        assert_eq!(layers.all[1].links.len(), 1);
        assert!(
            layers.problems[0].contains("rescue.ip=10.0.0:"),
            "{layers:?}"
        );
    }

    #[test]
    fn the_medium_says_nothing_when_its_configuration_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(of_medium(folder.path()), None);
        let file = folder.path().join("site.toml");
        std::fs::write(&file, "[network]\nproxy = \"http://p:1\"\n").unwrap();
        assert!(of_medium(folder.path()).unwrap().proxy.is_some());
        std::fs::write(&file, "[network]\nproxi = \"http://p:1\"\n").unwrap();
        assert_eq!(of_medium(folder.path()), None);
    }
}
