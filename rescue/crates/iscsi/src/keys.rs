//! "Key=Value" texts, each ended by NUL (RFC 7143, section 6.1).

use crate::Error;

/// More keys than this are refused.
const MANY: usize = 1024;

/// Keys and values, in the order they came or go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keys(Vec<(String, String)>);

impl Keys {
    /// Reads the data of a message.
    ///
    /// # Errors
    /// When it is no text, or a line has no "=".
    pub fn parse(data: &[u8]) -> Result<Self, Error> {
        let wrong = |at: usize, expected: &str, found: String| Error::Malformed {
            what: "a key",
            at: at.saturating_add(crate::pdu::HEADER),
            expected: expected.to_owned(),
            found,
        };
        let mut keys = Vec::new();
        let mut at = 0_usize;
        for line in data.split(|b| *b == 0) {
            let start = at;
            at = at.saturating_add(line.len()).saturating_add(1);
            if line.is_empty() {
                continue;
            }
            let shown = || format!("{:?}", String::from_utf8_lossy(line));
            let text = std::str::from_utf8(line).map_err(|_| wrong(start, "UTF-8", shown()))?;
            let Some((key, value)) = text.split_once('=') else {
                return Err(wrong(start, "\"Key=Value\"", shown()));
            };
            if keys.len() >= MANY {
                return Err(wrong(start, "at most 1024 keys", "more".to_owned()));
            }
            keys.push((key.to_owned(), value.to_owned()));
        }
        Ok(Self(keys))
    }

    /// Adds one at the end.
    pub fn push(&mut self, key: &str, value: impl Into<String>) {
        self.0.push((key.to_owned(), value.into()));
    }

    /// The first value of `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.iter().find(|(k, _)| *k == key).map(|(_, value)| value)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (&**key, &**value))
    }

    /// Takes those of `other` behind its own.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// As the data of a message.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (key, value) in self.iter() {
            bytes.extend_from_slice(key.as_bytes());
            bytes.push(b'=');
            bytes.extend_from_slice(value.as_bytes());
            bytes.push(0);
        }
        bytes
    }
}

impl<'a> FromIterator<(&'a str, &'a str)> for Keys {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(pairs: I) -> Self {
        let owned = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
        Self(pairs.into_iter().map(owned).collect())
    }
}

/// A target of a server, and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its name.
    pub name: String,
    /// "address:port,group", as many as there are; none means where we asked.
    pub addresses: Vec<String>,
}

/// The targets that an answer to SendTargets lists (section 4.3 of its appendix C).
#[must_use]
pub fn targets(keys: &Keys) -> Vec<Target> {
    let mut targets: Vec<Target> = Vec::new();
    for (key, value) in keys.iter() {
        match key {
            "TargetName" => targets.push(Target {
                name: value.to_owned(),
                addresses: Vec::new(),
            }),
            "TargetAddress" => {
                if let Some(target) = targets.last_mut() {
                    target.addresses.push(value.to_owned());
                }
            }
            _ => {}
        }
    }
    targets
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn targets_have_addresses_or_not() {
        let keys = Keys::parse(
            b"TargetName=iqn.a\0TargetAddress=10.0.0.1:3260,1\0TargetAddress=[fd00::1]:3260,1\0\
              TargetName=iqn.b\0",
        )
        .unwrap();
        let found = targets(&keys);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].addresses.len(), 2);
        assert_eq!(
            (found[1].name.as_str(), found[1].addresses.len()),
            ("iqn.b", 0)
        );
        assert!(targets(&[("TargetAddress", "x")].into_iter().collect()).is_empty());
    }

    #[test]
    fn what_is_no_text_is_refused_where_it_is() {
        let error = Keys::parse(b"A=B\0oops\0").unwrap_err().to_string();
        assert!(
            error.contains("byte 52") && error.contains("oops"),
            "{error}"
        );
        assert!(Keys::parse(b"A=\xff").is_err());
        assert!(Keys::parse(&b"A=B\0".repeat(MANY + 1)).is_err());
    }

    proptest! {
        #[test]
        fn keys_come_back(pairs in prop::collection::vec(("[A-Za-z]{1,9}", "[^\0]{0,9}"), 0..9)) {
            let keys: Keys = pairs.iter().map(|(k, v)| (&**k, &**v)).collect();
            prop_assert_eq!(Keys::parse(&keys.bytes()).unwrap(), keys);
        }
    }
}
