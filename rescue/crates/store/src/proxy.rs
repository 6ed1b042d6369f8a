//! Reaching web servers through a proxy (RFC 9110, CONNECT).

use std::fmt;
use std::net::IpAddr;

/// A proxy, and the servers that are reached without it.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    inner: ureq::Proxy,
    except: Vec<String>,
}

/// Text that is no address of a proxy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is no address of a proxy: expected \"http://proxy:3128\"")]
pub struct BadProxy;

impl Proxy {
    /// The proxy at `address`, "http://user:password@proxy:3128". Not used for the
    /// servers of `except`: names (and all below them), addresses, networks.
    ///
    /// # Errors
    /// [`BadProxy`].
    pub fn new(address: &str, except: &[String]) -> Result<Self, BadProxy> {
        Ok(Self {
            inner: ureq::Proxy::new(address).map_err(|_| BadProxy)?,
            except: except.to_vec(),
        })
    }

    /// It, when the server of `address` is reached through it.
    pub(crate) fn towards(&self, address: &str) -> Option<&Self> {
        let host = host(address).to_ascii_lowercase();
        let excepted = self.except.iter().any(|except| covers(except, &host));
        (!excepted).then_some(self)
    }

    pub(crate) fn inner(&self) -> ureq::Proxy {
        self.inner.clone()
    }
}

impl fmt::Display for Proxy {
    /// Without its user and password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}:{}", self.inner.host(), self.inner.port())
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self}, not for {:?})", self.except)
    }
}

/// The server's name in `address`, without port and brackets.
fn host(address: &str) -> &str {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let server = authority.rsplit_once('@').map_or(authority, |(_, s)| s);
    match server.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => server.split(':').next().unwrap_or_default(),
    }
}

/// Whether `except` ("lab", ".lab", "10.0.0.7", "10.0.0.0/8") means `host`.
fn covers(except: &str, host: &str) -> bool {
    if let Some((network, bits)) = except.split_once('/') {
        return is_inside(host, network, bits).unwrap_or(false);
    }
    if let (Ok(one), Ok(other)) = (except.parse::<IpAddr>(), host.parse::<IpAddr>()) {
        return one == other;
    }
    let name = except.strip_prefix('.').unwrap_or(except);
    let below = host.strip_suffix(name);
    below.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

fn is_inside(host: &str, network: &str, bits: &str) -> Option<bool> {
    let (host, network) = (host.parse().ok()?, network.parse().ok()?);
    let bits: u32 = bits.parse().ok()?;
    let (host, network, width): (u128, u128, u32) = match (host, network) {
        (IpAddr::V4(host), IpAddr::V4(network)) => {
            (u32::from(host).into(), u32::from(network).into(), 32)
        }
        (IpAddr::V6(host), IpAddr::V6(network)) => (host.into(), network.into(), 128),
        _ => return None,
    };
    let shift = width.checked_sub(bits)?;
    let part = |address: u128| address.checked_shr(shift).unwrap_or(0);
    Some(part(host) == part(network))
}

/// What it means that the proxy did not connect us. `Err` when it is final.
pub(crate) fn refused(reason: &str) -> Result<String, String> {
    // ureq has the status in its text only: "proxy server responded 407/…".
    let digits = reason.chars().skip_while(|c| !c.is_ascii_digit());
    let status: String = digits.take_while(char::is_ascii_digit).collect();
    match status.as_str() {
        // 401 is not for proxies, but tinyproxy gives it for a wrong password.
        "401" | "407" => Err(
            "the proxy wants another user and password: http://user:password@proxy:port, with %40 \
             for an @ and the like"
                .to_owned(),
        ),
        status if status.starts_with('4') => Err(format!(
            "the proxy answers {status}: it does not connect to this server. It must allow CONNECT \
             to the server's port (many allow port 443 only)"
        )),
        _ => Ok(format!("the proxy cannot reach it: {reason}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_an_address() {
        for (address, expected) in [
            ("http://h/x", "h"),
            ("https://u:p@h.lab:8443/a@b", "h.lab"),
            ("http://[fd00::1]:80", "fd00::1"),
            ("http://10.0.0.7?x", "10.0.0.7"),
            ("", ""),
            ("http://[", ""),
        ] {
            assert_eq!(host(address), expected, "{address}");
        }
    }

    #[test]
    fn exceptions_cover_names_addresses_and_networks() {
        for (except, host) in [
            ("lab", "lab"),
            ("lab", "a.b.lab"),
            (".lab", "a.lab"),
            ("10.0.0.7", "10.0.0.7"),
            ("fd00:0::7", "fd00::7"),
            ("10.0.0.0/8", "10.9.9.9"),
            ("fd00::/16", "fd00:1::1"),
            ("0.0.0.0/0", "1.2.3.4"),
        ] {
            assert!(covers(except, host), "{except} {host}");
        }
        for (except, host) in [
            ("lab", "collab"),
            ("a.lab", "lab"),
            ("10.0.0.7", "10.0.0.70"),
            ("10.0.0.0/8", "11.0.0.1"),
            ("10.0.0.0/8", "ten.lab"),
            ("10.0.0.0/8", "fd00::1"),
            ("10.0.0.0/99", "10.0.0.1"),
        ] {
            assert!(!covers(except, host), "{except} {host}");
        }
    }

    #[test]
    fn the_password_is_not_shown() {
        let proxy = Proxy::new("http://me:secret@proxy:3128", &["lab".to_owned()]).unwrap();
        assert_eq!(proxy.to_string(), "http://proxy:3128");
        assert!(!format!("{proxy:?}").contains("secret"));
        assert!(proxy.towards("http://x.LAB/r").is_none());
        assert!(proxy.towards("http://elsewhere/r").is_some());
        assert!(Proxy::new("http://", &[]).is_err());
    }

    #[test]
    fn what_a_proxy_says_is_final_or_not() {
        assert!(
            refused("proxy server responded 407/407")
                .unwrap_err()
                .contains("password")
        );
        assert!(
            refused("proxy server responded 403/403")
                .unwrap_err()
                .contains("CONNECT")
        );
        assert!(
            refused("proxy server responded 502/502")
                .unwrap()
                .contains("502")
        );
        assert!(refused("proxy server did not respond").is_ok());
    }
}
