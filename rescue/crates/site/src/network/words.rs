//! `rescue.ip=` on the kernel command line: one link's settings as a word.
//!
//! "10.0.0.7/24,gateway=10.0.0.1,dns=10.0.0.53,link=eth0,vlan=42", in any order;
//! what may be a list is given several times.

use super::address::read_named as read;
use super::check;
use super::link::{Link, Member};

/// A word that says nothing that can be done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("rescue.ip={word}: {what}")]
pub struct BadWord {
    /// The word.
    pub word: String,
    /// What is wrong with it.
    pub what: String,
}

impl Link {
    /// Reads what follows `rescue.ip=`.
    ///
    /// # Errors
    /// [`BadWord`], with the part that is wrong.
    pub fn from_word(word: &str) -> Result<Self, BadWord> {
        let bad = |what: String| BadWord {
            word: word.to_owned(),
            what,
        };
        let mut link = Self::blank();
        for part in word.split(',').filter(|part| !part.is_empty()) {
            add(&mut link, part).map_err(bad)?;
        }
        if link == Self::blank() {
            return Err(bad("it is empty".to_owned()));
        }
        check::link(&link).map_err(bad)?;
        Ok(link)
    }
}

fn add(link: &mut Link, part: &str) -> Result<(), String> {
    match part.split_once('=') {
        None if part == "dhcp" => link.dhcp = Some(true),
        None => link.addresses.push(read(part)?),
        Some(("gateway", value)) => link.gateway.push(read(value)?),
        Some(("dns", value)) => link.dns.push(read(value)?),
        Some(("search", value)) => link.search.push(read(value)?),
        Some(("mtu", value)) => link.mtu = Some(read(value)?),
        Some(("vlan", value)) => link.vlan = Some(read(value)?),
        Some(("link", value)) => match read(value)? {
            Member::Mac(mac) => link.mac = Some(mac),
            Member::Name(name) => link.name = Some(name),
        },
        Some((key, _)) => {
            return Err(format!(
                "there is no `{key}`: an address with its network (10.0.0.7/24), dhcp, gateway=, \
                 dns=, search=, mtu=, vlan=, link= are known"
            ));
        }
    }
    Ok(())
}
