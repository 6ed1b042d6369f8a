//! What settings of a link are made of: addresses, names, numbers.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Text or a number that is not what a key takes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unfit(String);

/// Reads `text`, and names it when that fails.
pub(super) fn read_named<T: FromStr<Err: fmt::Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: T::Err| {
        let error = error.to_string();
        // Errors of our own types name the text; those of the standard library do not.
        match error.contains(&format!("{text:?}")) || error.starts_with(text) {
            true => error,
            false => format!("{text:?}: {error}"),
        }
    })
}

/// Reads and writes a type as its text.
macro_rules! as_text {
    ($type:ty) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(de::Error::custom)
            }
        }
    };
}

pub(super) use as_text;

/// An address in its network: "10.0.0.7/24", "fd00::7/64".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cidr {
    /// The address.
    pub address: IpAddr,
    /// Bits of the network's part.
    pub prefix: u8,
}

impl Cidr {
    /// Whether `other` is in this network.
    #[must_use]
    pub fn contains(&self, other: IpAddr) -> bool {
        let same = |own: u128, other: u128, width: u32| {
            let shift = width.saturating_sub(self.prefix.into());
            own.checked_shr(shift).unwrap_or(0) == other.checked_shr(shift).unwrap_or(0)
        };
        match (self.address, other) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                same(u32::from(own).into(), u32::from(other).into(), 32)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => same(own.into(), other.into(), 128),
            _ => false,
        }
    }

    /// Whether the network is this one address.
    #[must_use]
    pub fn is_single(&self) -> bool {
        self.prefix == bits(self.address)
    }
}

fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

impl FromStr for Cidr {
    type Err = Unfit;

    fn from_str(text: &str) -> Result<Self, Unfit> {
        let wrong = |why: &str| Unfit(format!("{text:?} is no address of a link: {why}"));
        let (address, prefix) = text
            .split_once('/')
            .ok_or_else(|| wrong("add the bits of its network, as in \"10.0.0.7/24\""))?;
        let address: IpAddr = address
            .parse()
            .map_err(|_| wrong("expected one like \"10.0.0.7/24\" or \"fd00::7/64\""))?;
        let most = bits(address);
        let prefix = prefix.parse().ok().filter(|p| (1..=most).contains(p));
        let prefix = prefix.ok_or_else(|| wrong(&format!("the network has 1 to {most} bits")))?;
        if address.is_unspecified() || address.is_multicast() || address.is_loopback() {
            return Err(wrong("no machine has this one"));
        }
        match address {
            IpAddr::V4(v4) if is_edge(v4, prefix) => Err(wrong(
                "it stands for the network itself, or for everybody in it",
            )),
            _ => Ok(Self { address, prefix }),
        }
    }
}

/// Whether it is the first or the last of a network that has such.
fn is_edge(address: Ipv4Addr, prefix: u8) -> bool {
    let host = u32::MAX.checked_shr(prefix.into()).unwrap_or(0);
    let own = u32::from(address) & host;
    prefix < 31 && (own == 0 || own == host)
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

as_text!(Cidr);

/// A hardware address: "52:54:00:12:34:56".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mac(pub [u8; 6]);

impl FromStr for Mac {
    type Err = Unfit;

    fn from_str(text: &str) -> Result<Self, Unfit> {
        let wrong = || {
            Unfit(format!(
                "{text:?} is no hardware address: expected one like \"52:54:00:12:34:56\""
            ))
        };
        let mut bytes = [0; 6];
        let mut parts = text.split([':', '-']);
        for byte in &mut bytes {
            let part = parts.next().filter(|p| p.len() == 2).ok_or_else(wrong)?;
            *byte = u8::from_str_radix(part, 16).map_err(|_| wrong())?;
        }
        match parts.next() {
            None => Ok(Self(bytes)),
            Some(_) => Err(wrong()),
        }
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.map(|b| format!("{b:02x}")).join(":"))
    }
}

as_text!(Mac);

/// The kernel's name of a link: "eth0".
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LinkName(String);

impl LinkName {
    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for LinkName {
    type Err = Unfit;

    fn from_str(text: &str) -> Result<Self, Unfit> {
        // As `dev_valid_name` in Linux's net/core/dev.c.
        let fine = |c: char| !c.is_whitespace() && !c.is_control() && c != '/' && c != ':';
        let named = !text.is_empty() && text.len() <= 15 && text.chars().all(fine);
        if named && text != "." && text != ".." && text != "lo" {
            return Ok(Self(text.to_owned()));
        }
        Err(Unfit(format!(
            "{text:?} is no name of a link: expected one like \"eth0\", of at most 15 characters"
        )))
    }
}

impl fmt::Display for LinkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

as_text!(LinkName);

/// A domain that short names are completed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Domain(String);

impl Domain {
    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Domain {
    type Err = Unfit;

    fn from_str(text: &str) -> Result<Self, Unfit> {
        let fine = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if !text.is_empty() && text.len() <= 253 && text.chars().all(fine) {
            return Ok(Self(text.to_owned()));
        }
        Err(Unfit(format!(
            "{text:?} is no domain: use letters, digits and `-`, with dots between"
        )))
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

as_text!(Domain);

/// A number within bounds, read and written as such.
macro_rules! bounded {
    ($(#[$doc:meta])* $name:ident($number:ty), $range:expr, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
        pub struct $name($number);

        impl $name {
            /// As a number.
            #[must_use]
            pub fn get(self) -> $number {
                self.0
            }
        }

        impl TryFrom<i64> for $name {
            type Error = Unfit;

            fn try_from(number: i64) -> Result<Self, Unfit> {
                let range: std::ops::RangeInclusive<i64> = $range;
                let fits = range.contains(&number).then_some(number);
                match fits.and_then(|n| <$number>::try_from(n).ok()) {
                    Some(number) => Ok(Self(number)),
                    None => Err(Unfit(format!(
                        "{number} is no {}: expected {} to {}",
                        $what,
                        range.start(),
                        range.end()
                    ))),
                }
            }
        }

        impl FromStr for $name {
            type Err = Unfit;

            fn from_str(text: &str) -> Result<Self, Unfit> {
                let number: Result<i64, _> = text.parse();
                match number {
                    Ok(number) => Self::try_from(number),
                    Err(_) => Err(Unfit(format!("{text:?} is no {}: expected a number", $what))),
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::try_from(i64::deserialize(deserializer)?).map_err(de::Error::custom)
            }
        }
    };
}

bounded!(
    /// The number of a VLAN (IEEE 802.1Q; 0 and 4095 mean something else).
    VlanId(u16), 1..=4094, "number of a VLAN"
);

bounded!(
    /// The largest packet, in bytes.
    Mtu(u32), 576..=65535, "size of the largest packet"
);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn addresses_are_read_with_their_network() {
        let v4: Cidr = "10.0.0.7/24".parse().unwrap();
        assert!(v4.contains("10.0.0.1".parse().unwrap()));
        assert!(!v4.contains("10.0.1.1".parse().unwrap()));
        assert!(!v4.contains("fd00::1".parse().unwrap()));
        let v6: Cidr = "fd00::7/64".parse().unwrap();
        assert!(v6.contains("fd00::1".parse().unwrap()) && !v6.is_single());
        assert!(!v6.contains("fd01::1".parse().unwrap()));
        assert!("10.0.0.0/31".parse::<Cidr>().is_ok());
        assert!("10.0.0.7/32".parse::<Cidr>().unwrap().is_single());
        assert_eq!(
            "FD00::07/64".parse::<Cidr>().unwrap().to_string(),
            "fd00::7/64"
        );
    }

    #[test]
    fn what_is_no_address_of_a_link_is_refused_with_the_reason() {
        for (text, why) in [
            ("10.0.0.7", "add the bits"),
            ("10.0.0/24", "expected one like"),
            ("10.0.0.7/33", "1 to 32 bits"),
            ("10.0.0.7/0", "1 to 32 bits"),
            ("fd00::7/129", "1 to 128 bits"),
            ("10.0.0.0/24", "the network itself"),
            ("10.0.0.255/24", "everybody in it"),
            ("127.0.0.1/8", "no machine"),
            ("224.0.0.1/4", "no machine"),
            ("::/64", "no machine"),
        ] {
            let error = text.parse::<Cidr>().unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn hardware_addresses_names_and_numbers() {
        let mac: Mac = "52-54-00-AB-34-56".parse().unwrap();
        assert_eq!(mac.to_string(), "52:54:00:ab:34:56");
        for bad in [
            "",
            "52:54:00:12:34",
            "52:54:00:12:34:56:7",
            "5:4:0:1:3:6",
            "52:54:00:12:34:zz",
        ] {
            assert!(bad.parse::<Mac>().is_err(), "{bad}");
        }
        assert_eq!("eth0".parse::<LinkName>().unwrap().as_str(), "eth0");
        for bad in ["", "lo", ".", "a b", "a/b", "a:1", "a234567890123456"] {
            assert!(bad.parse::<LinkName>().is_err(), "{bad}");
        }
        assert_eq!("42".parse::<VlanId>().unwrap().get(), 42);
        for bad in ["0", "4095", "-1", "x"] {
            assert!(bad.parse::<VlanId>().is_err(), "{bad}");
        }
        assert!("575".parse::<Mtu>().is_err() && "9000".parse::<Mtu>().is_ok());
        assert!("a b".parse::<Domain>().is_err() && "lab.example".parse::<Domain>().is_ok());
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(text in "\\PC{0,20}") {
            let _ = (text.parse::<Cidr>(), text.parse::<Mac>(), text.parse::<LinkName>());
            let _ = (text.parse::<Domain>(), text.parse::<VlanId>());
        }

        #[test]
        fn an_address_is_in_its_own_network(address: u128, prefix in 1u8..=128) {
            let address = IpAddr::V6(address.into());
            let contains = Cidr { address, prefix }.contains(address);
            prop_assert!(contains);
        }
    }
}
