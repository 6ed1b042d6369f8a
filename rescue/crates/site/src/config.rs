//! `site.toml`: what this site's media do differently.

use std::str::FromStr;

use serde::{Deserialize, Deserializer, de};

use crate::network::Network;
use crate::plan::Place;
use crate::plan::share::Server;
use crate::text::{self, Wrong};

/// The configuration of a medium. Everything may be left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    /// Whose medium this is; shown on the first screen.
    pub name: Option<String>,
    /// The name of the machine while the rescue system runs.
    pub hostname: Option<Hostname>,
    /// Repositories that are offered besides those found on disks.
    pub repositories: Vec<Place>,
    /// Servers that are asked for the time, before those that DHCP servers name.
    pub time_servers: Vec<Server>,
    /// How this site's network is reached.
    pub network: Network,
}

/// Why a file is no configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {what}")]
pub struct ConfigError {
    /// File and line.
    pub place: String,
    /// What is wrong there.
    pub what: String,
}

/// The most characters of a [`Config::name`]: it shares a line of 80.
const LONGEST_NAME: usize = 60;

impl Config {
    /// Reads the configuration in `text`; `file` is its name for messages.
    ///
    /// # Errors
    /// [`ConfigError`], with the line it is about.
    pub fn parse(file: &str, text: &str) -> Result<Self, ConfigError> {
        let wrong = |wrong: Wrong| ConfigError {
            place: wrong.place,
            what: wrong.what,
        };
        let config: Self = text::read(file, text).map_err(wrong)?;
        config.network.check(file, text).map_err(wrong)?;
        config.check().map_err(|what| ConfigError {
            place: file.to_owned(),
            what,
        })?;
        Ok(config)
    }

    fn check(&self) -> Result<(), String> {
        let name = self.name.as_deref().unwrap_or("-");
        let length = name.chars().count();
        if length == 0 || length > LONGEST_NAME || name.chars().any(char::is_control) {
            return Err(format!(
                "`name` is shown on one line: give 1 to {LONGEST_NAME} characters, not {length}, \
                 and no control characters"
            ));
        }
        Ok(())
    }
}

/// The name of a machine, as RFC 1123 has it: labels of letters, digits and `-`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hostname(String);

/// Text that is no name of a machine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no host name: use letters, digits and `-`, with dots between, at most 64 characters"
)]
pub struct NoHostname(String);

impl Hostname {
    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Hostname {
    type Err = NoHostname;

    fn from_str(text: &str) -> Result<Self, NoHostname> {
        let label = |label: &str| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        };
        // The kernel keeps 64 bytes.
        if text.len() <= 64 && text.split('.').all(label) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NoHostname(text.to_owned()))
        }
    }
}

impl<'de> Deserialize<'de> for Hostname {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: &str = "name = \"ACME Berlin\"\nhostname = \"rescue-1.acme\"\nrepositories = [\"http://backup/r\"]\ntime-servers = [\"ntp.acme:1123\"]\n";

    #[test]
    fn a_full_configuration_and_an_empty_one() {
        let config = Config::parse("site.toml", FULL).unwrap();
        assert_eq!(config.name.as_deref(), Some("ACME Berlin"));
        assert_eq!(config.hostname.unwrap().as_str(), "rescue-1.acme");
        assert_eq!(config.repositories[0].to_string(), "http://backup/r");
        assert_eq!(config.time_servers[0].to_string(), "ntp.acme:1123");
        assert_eq!(Config::parse("x", "").unwrap(), Config::default());
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        let wrong = |from: &str, to: &str| {
            let error = Config::parse("site.toml", &FULL.replace(from, to)).unwrap_err();
            error.to_string()
        };
        let text = wrong("hostname", "hostnam");
        assert!(
            text.starts_with("site.toml, line 2: unknown field `hostnam`"),
            "{text}"
        );
        let text = wrong("rescue-1", "rescue_1");
        assert!(
            text.starts_with("site.toml, line 2:") && text.contains("host name"),
            "{text}"
        );
        assert!(wrong("http://backup/r", "ftp://x").contains("line 3"));
        let text = wrong("ntp.acme:1123", "http://ntp/");
        assert!(
            text.contains("line 4") && text.contains("time server"),
            "{text}"
        );
        assert!(wrong("ACME Berlin", "").contains("`name`"));
        assert!(wrong("ACME", "\\u001b[2J").contains("control"));
        for bad in ["", "-a", "a-", "a..b", "ü", &"a".repeat(64)] {
            assert!(bad.parse::<Hostname>().is_err(), "{bad}");
        }
    }
}
