//! Public keys that a plan trusts.

use std::convert::Infallible;
use std::path::PathBuf;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// A file of a public key (minisign), or its text. What it holds is checked
/// where it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// A file.
    File(PathBuf),
    /// "untrusted comment: …" and the key, or the key alone ("RW…").
    Text(String),
}

/// Keys of which one must have signed an image; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys(Vec<Key>);

/// A key as base64, without its comment.
const BARE: usize = 56;

impl FromStr for Key {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let trimmed = text.trim();
        let is_base64 = |b: u8| b.is_ascii_alphanumeric() || b"+/".contains(&b);
        let bare = trimmed.len() == BARE && trimmed.starts_with("RW");
        let is_text =
            trimmed.starts_with("untrusted comment:") || (bare && trimmed.bytes().all(is_base64));
        Ok(match is_text {
            true => Self::Text(trimmed.to_owned()),
            false => Self::File(PathBuf::from(text)),
        })
    }
}

impl Keys {
    /// Them.
    #[must_use]
    pub fn as_slice(&self) -> &[Key] {
        &self.0
    }
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a key or a list of keys")]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let texts = match OneOrMore::deserialize(deserializer)? {
            OneOrMore::One(text) => vec![text],
            OneOrMore::More(texts) => texts,
        };
        // No key at all would trust nothing, or be taken for trusting everything.
        if texts.is_empty() {
            return Err(D::Error::custom(
                "give at least one key, or leave the list out",
            ));
        }
        let key = |text: &String| {
            let Ok(key) = text.parse();
            key
        };
        Ok(Self(texts.iter().map(key).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::parse;

    const BARE_KEY: &str = "RWRL06f9NbQRS3+QjQjtEC0XL6UNC4ikvyil/5eJRpuo59pm64vqDpF3";

    fn plan(key: &str) -> Result<Option<Keys>, String> {
        let text = format!("[restore]\nfrom = \"/r\"\n{key}\n[target]\nserial = \"S\"\n");
        let plan = parse("p", &text).map_err(|error| error.to_string());
        plan.map(|plan| plan.restore.trust_key)
    }

    #[test]
    fn text_is_told_from_a_file() {
        let one = plan("trust-key = \"/etc/keys/a.pub\"").unwrap().unwrap();
        assert_eq!(one.as_slice(), [Key::File("/etc/keys/a.pub".into())]);
        let list = format!("trust-key = [\"{BARE_KEY}\", \"b.pub\"]");
        let more = plan(&list).unwrap().unwrap();
        let bare = Key::Text(BARE_KEY.to_owned());
        assert_eq!(more.as_slice(), [bare, Key::File("b.pub".into())]);
        let whole = format!("trust-key = \"\"\"\nuntrusted comment: x\n{BARE_KEY}\n\"\"\"");
        let whole = plan(&whole).unwrap().unwrap();
        assert!(matches!(whole.as_slice(), [Key::Text(text)] if text.ends_with(BARE_KEY)));
        assert_eq!(plan("").unwrap(), None);
    }

    #[test]
    fn an_empty_list_is_refused_with_its_line() {
        let error = plan("trust-key = []").unwrap_err();
        assert!(
            error.contains("line 3") && error.contains("at least one key"),
            "{error}"
        );
        let error = plan("trust-key = 3").unwrap_err();
        assert!(error.contains("a key or a list of keys"), "{error}");
    }
}
