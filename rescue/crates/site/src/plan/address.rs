//! An address on a web server, as a plan gives it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, de};

/// "http://server/path" or "https://server/path".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address(String);

/// Text that is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no address: write \"http://server/path\" or \"https://server/path\"")]
pub struct NoAddress(String);

impl Address {
    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Address {
    type Err = NoAddress;

    fn from_str(text: &str) -> Result<Self, NoAddress> {
        let text = text.trim();
        let rest = text
            .strip_prefix("http://")
            .or_else(|| text.strip_prefix("https://"));
        let plain = |c: char| !c.is_whitespace() && !c.is_control();
        match rest {
            Some(rest) if !rest.is_empty() && !rest.starts_with('/') && rest.chars().all(plain) => {
                Ok(Self(text.to_owned()))
            }
            _ => Err(NoAddress(text.to_owned())),
        }
    }
}

impl fmt::Display for Address {
    /// Without the password it may hold.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, rest) = self.0.split_once("://").unwrap_or(("", &self.0));
        let host_end = rest.find('/').unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(host_end).unwrap_or((rest, ""));
        match authority.rsplit_once('@') {
            Some((user, host)) => {
                let name = user.split(':').next().unwrap_or_default();
                write!(f, "{scheme}://{name}@{host}{path}")
            }
            None => f.write_str(&self.0),
        }
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_shown() {
        let address: Address = "https://me:secret@h:8443/a@b".parse().unwrap();
        assert_eq!(address.to_string(), "https://me@h:8443/a@b");
        assert_eq!(address.as_str(), "https://me:secret@h:8443/a@b");
        let plain: Address = " http://h/x?y ".parse().unwrap();
        assert_eq!(plain.to_string(), "http://h/x?y");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for bad in [
            "",
            "h/x",
            "ftp://h",
            "http://",
            "http:///x",
            "http://h/a b",
            "http://h/a\nb",
        ] {
            assert!(bad.parse::<Address>().is_err(), "{bad}");
        }
    }
}
