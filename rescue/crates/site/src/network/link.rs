//! Links, VLANs on top of them, bonds of several.

use std::fmt;
use std::marker::PhantomData;
use std::net::IpAddr;
use std::str::FromStr;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::address::{Cidr, Domain, LinkName, Mac, Mtu, Unfit, VlanId, as_text, read_named};

/// What a link is given, whichever it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Setup {
    /// Whether DHCP servers are asked (IPv4).
    pub dhcp: bool,
    /// Its addresses.
    pub addresses: Vec<Cidr>,
    /// Where packets for elsewhere go; one for IPv4, one for IPv6 at most.
    pub gateways: Vec<IpAddr>,
    /// Name servers.
    pub dns: Vec<IpAddr>,
    /// Domains that short names are completed with.
    pub search: Vec<Domain>,
    /// Its largest packet, in bytes.
    pub mtu: Option<Mtu>,
}

impl Setup {
    /// What a link gets that nothing was said about.
    #[must_use]
    pub fn usual() -> Self {
        Self {
            dhcp: true,
            ..Self::default()
        }
    }
}

/// A table with the keys that links and bonds share; serde cannot do that and
/// refuse unknown keys.
macro_rules! table {
    ($(#[$doc:meta])* $name:ident { $($own:tt)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields, rename_all = "kebab-case")]
        pub struct $name {
            $($own)*
            /// The settings are those of this VLAN on top of it.
            #[serde(default)]
            pub vlan: Option<VlanId>,
            /// Whether DHCP servers are asked; if not said, when there are no addresses.
            #[serde(default)]
            pub dhcp: Option<bool>,
            /// Its addresses.
            #[serde(default, deserialize_with = "one_or_more")]
            pub addresses: Vec<Cidr>,
            /// Where packets for elsewhere go.
            #[serde(default, deserialize_with = "one_or_more")]
            pub gateway: Vec<IpAddr>,
            /// Name servers.
            #[serde(default, deserialize_with = "one_or_more")]
            pub dns: Vec<IpAddr>,
            /// Domains that short names are completed with.
            #[serde(default, deserialize_with = "one_or_more")]
            pub search: Vec<Domain>,
            /// Its largest packet, in bytes.
            #[serde(default)]
            pub mtu: Option<Mtu>,
        }

        impl $name {
            /// What the link, or the VLAN on top of it, is given.
            #[must_use]
            pub fn setup(&self) -> Setup {
                Setup {
                    dhcp: self.dhcp.unwrap_or(self.addresses.is_empty()),
                    addresses: self.addresses.clone(),
                    gateways: self.gateway.clone(),
                    dns: self.dns.clone(),
                    search: self.search.clone(),
                    mtu: self.mtu,
                }
            }
        }
    };
}

table!(
    /// `[[network.link]]`: a wired link, or a VLAN on top of it. Without `mac`
    /// and `name`, the only link there is.
    Link {
        /// Its hardware address.
        #[serde(default)]
        pub mac: Option<Mac>,
        /// Its name; that of a bond, too.
        #[serde(default)]
        pub name: Option<LinkName>,
    }
);

impl Link {
    /// One about which nothing is said yet.
    #[must_use]
    pub fn blank() -> Self {
        Self {
            mac: None,
            name: None,
            vlan: None,
            dhcp: None,
            addresses: Vec::new(),
            gateway: Vec::new(),
            dns: Vec::new(),
            search: Vec::new(),
            mtu: None,
        }
    }

    /// Whether it is about the link of that name and hardware address, by name.
    #[must_use]
    pub fn is_about(&self, name: &str, mac: Option<[u8; 6]>) -> bool {
        let named = self.name.as_ref().is_some_and(|n| n.as_str() == name);
        let has = self.mac.is_some_and(|m| mac == Some(m.0));
        match (&self.name, &self.mac) {
            (Some(_), Some(_)) => named && has,
            _ => named || has,
        }
    }

    /// Whether it leaves open which link it is about.
    #[must_use]
    pub fn is_about_the_only_one(&self) -> bool {
        self.mac.is_none() && self.name.is_none()
    }
}

table!(
    /// `[[network.bond]]`: several links that are used as one.
    Bond {
        /// Its name: "bond0".
        pub name: LinkName,
        /// The links it is made of.
        pub members: Vec<Member>,
        /// How they share the work.
        #[serde(default)]
        pub mode: Mode,
    }
);

/// A link of a bond, by hardware address or name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Member {
    /// "52:54:00:12:34:56".
    Mac(Mac),
    /// "eth0".
    Name(LinkName),
}

impl Member {
    /// Whether it is the link of that name and hardware address.
    #[must_use]
    pub fn is(&self, name: &str, mac: Option<[u8; 6]>) -> bool {
        match self {
            Self::Mac(own) => mac == Some(own.0),
            Self::Name(own) => own.as_str() == name,
        }
    }
}

impl FromStr for Member {
    type Err = Unfit;

    fn from_str(text: &str) -> Result<Self, Unfit> {
        // No name of a link has a colon in it.
        match text.contains(':') {
            true => Ok(Self::Mac(text.parse()?)),
            false => Ok(text
                .parse()
                .map_or(Self::Name(text.parse::<LinkName>()?), Self::Mac)),
        }
    }
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mac(mac) => mac.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

as_text!(Member);

/// How the links of a bond share the work. The numbers are the kernel's
/// (`include/uapi/linux/if_bonding.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[repr(u8)]
pub enum Mode {
    /// In turn, packet by packet.
    #[serde(rename = "balance-rr")]
    BalanceRr = 0,
    /// One works, the others wait for it to fail. Needs nothing of the switch.
    #[default]
    #[serde(rename = "active-backup")]
    ActiveBackup = 1,
    /// By a hash of where a packet goes.
    #[serde(rename = "balance-xor")]
    BalanceXor = 2,
    /// Every packet on all of them.
    #[serde(rename = "broadcast")]
    Broadcast = 3,
    /// As agreed with the switch (LACP).
    #[serde(rename = "802.3ad")]
    Lacp = 4,
    /// Sending by load, receiving on one.
    #[serde(rename = "balance-tlb")]
    BalanceTlb = 5,
    /// Sending and receiving by load.
    #[serde(rename = "balance-alb")]
    BalanceAlb = 6,
}

/// A list, or one text instead of a list of one.
fn one_or_more<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: fmt::Display>,
{
    deserializer.deserialize_any(OneOrMore(PhantomData))
}

struct OneOrMore<T>(PhantomData<T>);

impl<'de, T: FromStr<Err: fmt::Display>> Visitor<'de> for OneOrMore<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a list of texts")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Vec<T>, E> {
        Ok(vec![read_named(text).map_err(E::custom)?])
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut all: A) -> Result<Vec<T>, A::Error> {
        let mut out = Vec::new();
        while let Some(Named(one)) = all.next_element()? {
            out.push(one);
        }
        Ok(out)
    }
}

/// Read from text, with errors that name it.
struct Named<T>(T);

impl<'de, T: FromStr<Err: fmt::Display>> Deserialize<'de> for Named<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(Self(read_named(&text).map_err(de::Error::custom)?))
    }
}
