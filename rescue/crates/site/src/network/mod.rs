//! `[network]` of site.toml and of unattended plans: addresses that no DHCP
//! server gives, VLANs, bonds, the proxy. See docs/NETWORK.md.

mod address;
mod check;
mod link;
mod proxy;
mod words;

use serde::Deserialize;
use toml::Spanned;

pub use address::{Cidr, Domain, LinkName, Mac, Mtu, VlanId};
pub use link::{Bond, Link, Member, Mode, Setup};
pub use proxy::{NoProxy, NoProxyError, Proxy};
pub use words::BadWord;

use crate::text::{self, Wrong};

/// Settings of the network. Everything may be left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Network {
    link: Vec<Spanned<Link>>,
    bond: Vec<Spanned<Bond>>,
    /// How http:// and https:// servers are reached.
    pub proxy: Option<Proxy>,
    /// Servers that are reached without it.
    pub no_proxy: Vec<NoProxy>,
}

impl Network {
    /// The links that are set, in the order of the file.
    pub fn links(&self) -> impl Iterator<Item = &Link> {
        self.link.iter().map(Spanned::get_ref)
    }

    /// The bonds, in the order of the file.
    pub fn bonds(&self) -> impl Iterator<Item = &Bond> {
        self.bond.iter().map(Spanned::get_ref)
    }

    /// Refuses settings that contradict themselves; `text` is the `file` they
    /// were read from.
    pub(crate) fn check(&self, file: &str, text: &str) -> Result<(), Wrong> {
        let mut before: Vec<&Bond> = Vec::new();
        for bond in &self.bond {
            check::bond(bond.get_ref(), &before)
                .map_err(|what| text::wrong(file, text, bond.span().start, what))?;
            before.push(bond.get_ref());
        }
        let mut seen: Vec<&Link> = Vec::new();
        for link in &self.link {
            check::link(link.get_ref())
                .and_then(|()| check::beside(link.get_ref(), &seen, &before))
                .map_err(|what| text::wrong(file, text, link.span().start, what))?;
            seen.push(link.get_ref());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
