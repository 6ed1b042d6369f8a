//! The operating systems on an image's disks, and what makes each itself.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// An operating system that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct System {
    /// The disk it is on, by its number in the image.
    pub disk: u32,
    /// The partition, by its number; 0: the whole disk.
    pub partition: u32,
    /// "linux", "windows".
    pub family: String,
    /// "Debian GNU/Linux 12 (bookworm)".
    pub name: Option<String>,
    /// What it calls itself.
    pub hostname: Option<String>,
    /// What makes it itself, by name: names and fingerprints that are public,
    /// and keyed hashes of what is secret ([`IdentityKey`]).
    pub identity: BTreeMap<String, String>,
}

impl System {
    /// "Debian GNU/Linux 12 (bookworm), web1".
    #[must_use]
    pub fn title(&self) -> String {
        let name = self.name.as_deref().unwrap_or(&self.family);
        let title = match &self.hostname {
            Some(host) => format!("{name}, {host}"),
            None => name.to_owned(),
        };
        // A manifest may be anybody's, and this goes to terminals.
        title.chars().filter(|c| !c.is_control()).collect()
    }

    /// What is not the same in `other`, a sentence each. What only `other` tells
    /// is no difference: whoever captured this may not have looked for it.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let differs =
            self.identity
                .iter()
                .filter_map(|(name, before)| match other.identity.get(name) {
                    Some(now) if now == before => None,
                    Some(_) => Some(format!("{name} is another")),
                    None => Some(format!("{name} is gone")),
                });
        differs.collect()
    }
}

/// The key of an image's keyed hashes: with it equal secrets are known to be
/// equal, and nobody can look a hash up in a table.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct IdentityKey([u8; 32]);

impl IdentityKey {
    /// A key of these random bytes.
    #[must_use]
    pub fn new(random: [u8; 32]) -> Self {
        Self(random)
    }

    /// What stands for `secret` in [`System::identity`], under the same `name`.
    #[must_use]
    pub fn hash(&self, name: &str, secret: &[u8]) -> String {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        // The name's length keeps name and secret apart.
        hasher.update(&(name.len() as u64).to_le_bytes());
        hasher.update(name.as_bytes());
        hasher.update(secret);
        let mut out = [0; 16];
        hasher.finalize_xof().fill(&mut out);
        format!("keyed:{}", hex(&out))
    }
}

impl fmt::Debug for IdentityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdentityKey(..)")
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

impl From<IdentityKey> for String {
    fn from(key: IdentityKey) -> Self {
        hex(&key.0)
    }
}

/// Text that is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an identity key has 64 hexadecimal digits, this has {0} characters")]
pub struct NoKey(usize);

impl TryFrom<String> for IdentityKey {
    type Error = NoKey;

    fn try_from(text: String) -> Result<Self, NoKey> {
        let wrong = NoKey(text.chars().count());
        let digits = text.as_bytes();
        let mut key = [0; 32];
        // (`from_str_radix` takes a sign.)
        if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(wrong);
        }
        for (byte, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| wrong.clone())?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| wrong.clone())?;
        }
        Ok(Self(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn system(items: &[(&str, &str)]) -> System {
        System {
            disk: 0,
            partition: 2,
            family: "linux".to_owned(),
            name: Some("Debian GNU/Linux 12 (bookworm)".to_owned()),
            hostname: Some("web1".to_owned()),
            identity: items
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect(),
        }
    }

    #[test]
    fn differences_are_named() {
        let a = system(&[("hostname", "web1"), ("machine-id", "x"), ("keytab", "y")]);
        let b = system(&[("hostname", "web1"), ("machine-id", "z"), ("tdb", "y")]);
        assert_eq!(a.differences(&a), [] as [String; 0]);
        assert_eq!(
            a.differences(&b),
            ["keytab is gone", "machine-id is another"]
        );
        assert_eq!(a.title(), "Debian GNU/Linux 12 (bookworm), web1");
    }

    #[test]
    fn hashes_depend_on_key_name_and_secret() {
        let key = IdentityKey::new([1; 32]);
        let one = key.hash("machine-id", b"secret");
        assert_eq!(one, key.hash("machine-id", b"secret"));
        for other in [
            key.hash("machine-i", b"dsecret"),
            key.hash("machine-id", b"secreT"),
            IdentityKey::new([2; 32]).hash("machine-id", b"secret"),
        ] {
            assert_ne!(one, other);
        }
        assert!(one.starts_with("keyed:") && one.len() == 38, "{one}");
        assert_eq!(format!("{key:?}"), "IdentityKey(..)");
    }

    #[test]
    fn a_key_is_read_back_and_nothing_else_is_one() {
        let key = IdentityKey::new([0xa5; 32]);
        let text: String = key.clone().into();
        assert_eq!(IdentityKey::try_from(text.clone()), Ok(key));
        for bad in [
            "",
            "zz",
            &text[1..],
            &text.replace('a', "ä"),
            &text.replace('a', "+"),
        ] {
            assert!(IdentityKey::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }
}
