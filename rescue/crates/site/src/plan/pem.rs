//! Certificates and keys that a plan gives.

use std::convert::Infallible;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Deserializer};

/// A file of certificates or keys, or its text.
#[derive(Clone, PartialEq, Eq)]
pub enum Pem {
    /// A file.
    File(PathBuf),
    /// "-----BEGIN …".
    Text(String),
}

impl std::fmt::Debug for Pem {
    /// Without the text, which may be a private key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Text(_) => f.write_str("Text(…)"),
        }
    }
}

impl FromStr for Pem {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text.trim_start().starts_with("-----BEGIN ") {
            true => Self::Text(text.to_owned()),
            false => Self::File(PathBuf::from(text)),
        })
    }
}

impl<'de> Deserialize<'de> for Pem {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let Ok(pem) = text.parse();
        Ok(pem)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_told_from_a_file_and_never_shown() {
        let text: Pem = "\n-----BEGIN PRIVATE KEY-----\nsecret".parse().unwrap();
        assert!(matches!(text, Pem::Text(_)));
        assert!(!format!("{text:?}").contains("secret"));
        let file: Pem = "/etc/ca.pem".parse().unwrap();
        assert_eq!(file, Pem::File("/etc/ca.pem".into()));
    }
}
