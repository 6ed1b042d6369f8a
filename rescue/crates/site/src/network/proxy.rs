//! The proxy through which web servers are reached.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, de};

use crate::plan::secret::Secret;
use crate::plan::share::{Server, decode, encode};

/// "http://user:password@proxy:3128".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    /// Its name or address, and port.
    pub server: Server,
    /// Who asks, where it wants to know.
    pub user: Option<(String, Secret)>,
}

/// Text that is no proxy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is no proxy: write \"http://proxy:3128\", or \"http://user:password@proxy:3128\" with \
     %40 for an @ and the like; it is always http://, also for https:// servers"
)]
pub struct NoProxyError;

impl Proxy {
    /// The address with the password that [`fmt::Display`] leaves out.
    #[must_use]
    pub fn reveal(&self) -> String {
        let user = self.user.as_ref().map(|(name, password)| {
            format!("{}:{}@", encode(name, ""), encode(password.reveal(), ""))
        });
        format!("http://{}{}", user.unwrap_or_default(), self.server)
    }
}

impl FromStr for Proxy {
    type Err = NoProxyError;

    fn from_str(text: &str) -> Result<Self, NoProxyError> {
        parse(text.trim()).ok_or(NoProxyError)
    }
}

fn parse(text: &str) -> Option<Proxy> {
    let rest = text.strip_prefix("http://")?;
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (user, server) = match rest.rsplit_once('@') {
        Some((user, server)) => (Some(user), server),
        None => (None, rest),
    };
    let user = match user {
        Some(user) => {
            let (name, password) = user.split_once(':').unwrap_or((user, ""));
            let name = decode(name).filter(|n| !n.is_empty() && !n.contains(':'))?;
            Some((name, Secret::new(decode(password)?)))
        }
        None => None,
    };
    let server = Server::parse(server).filter(|s| s.port.is_some())?;
    Some(Proxy { server, user })
}

impl fmt::Display for Proxy {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.user {
            Some((name, _)) => write!(f, "http://{}@{}", encode(name, ""), self.server),
            None => write!(f, "http://{}", self.server),
        }
    }
}

impl<'de> Deserialize<'de> for Proxy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// A server that is reached without the proxy: "backup.example" (and what is below
/// that name), "10.0.0.7", "10.0.0.0/8".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoProxy(String);

impl NoProxy {
    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for NoProxy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let network = text.split_once('/').and_then(|(address, bits)| {
            let address: IpAddr = address.parse().ok()?;
            let most = if address.is_ipv4() { 32u8 } else { 128 };
            bits.parse().ok().filter(|bits: &u8| *bits <= most)
        });
        let fine = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let name = !text.is_empty() && text.chars().all(fine);
        if name || network.is_some() || text.parse::<IpAddr>().is_ok() {
            return Ok(Self(text.to_ascii_lowercase()));
        }
        Err(format!(
            "{text:?} is no server: expected a name (\"backup.example\", which stands for all below \
             it, too), an address, or a network (\"10.0.0.0/8\")"
        ))
    }
}

impl<'de> Deserialize<'de> for NoProxy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_proxy_with_a_password_never_shows_it() {
        let proxy: Proxy = "http://me:p%40%3Ass@proxy.lab:3128/".parse().unwrap();
        assert_eq!(proxy.user.as_ref().unwrap().1.reveal(), "p@:ss");
        assert_eq!(proxy.to_string(), "http://me@proxy.lab:3128");
        assert_eq!(proxy.reveal(), "http://me:p%40%3Ass@proxy.lab:3128");
        assert!(!format!("{proxy:?}").contains("ss\""), "{proxy:?}");
        let plain: Proxy = "http://[fd00::1]:8080".parse().unwrap();
        assert_eq!(plain.reveal(), "http://[fd00::1]:8080");
    }

    #[test]
    fn what_is_no_proxy_is_refused_without_its_password() {
        for bad in [
            "",
            "proxy:3128",
            "http://proxy",
            "https://proxy:3128",
            "socks5://proxy:1",
            "http://me:secret@:3128",
            "http://:secret@proxy:3128",
            "http://me:secret@proxy:0",
            "http://proxy:3128/x",
        ] {
            let error = bad.parse::<Proxy>().unwrap_err().to_string();
            assert!(!error.contains("secret@"), "{bad}: {error}");
        }
    }

    #[test]
    fn exceptions_are_names_addresses_and_networks() {
        for good in [
            "localhost",
            ".lab",
            "Backup.Lab",
            "10.0.0.7",
            "fd00::1",
            "10.0.0.0/8",
        ] {
            assert_eq!(
                good.parse::<NoProxy>().unwrap().as_str(),
                good.to_lowercase()
            );
        }
        for bad in ["", "a b", "http://x", "10.0.0.0/33", "x/8", "*"] {
            assert!(bad.parse::<NoProxy>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(text in "\\PC*") {
            let _ = (text.parse::<Proxy>(), text.parse::<NoProxy>());
        }
    }
}
