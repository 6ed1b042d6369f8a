//! Where a repository is, as a plan or an operator says it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, de};

use super::address::Address;

/// A place a repository may be at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A web server's folder.
    Http(String),
    /// A folder on the file system with that label.
    Label {
        /// The label.
        label: String,
        /// The folder on it.
        folder: PathBuf,
    },
    /// A folder on the medium this was booted from.
    Medium(PathBuf),
    /// A folder of the running system.
    Path(PathBuf),
}

/// Text that is no place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no place for a repository: write \"https://server/folder\", \"http://server/folder\", \
     \"label:RESCUE/folder\", \"medium:/folder\" or \"/folder\""
)]
pub struct NoPlace(String);

impl FromStr for Place {
    type Err = NoPlace;

    fn from_str(text: &str) -> Result<Self, NoPlace> {
        let text = text.trim();
        let wrong = || NoPlace(text.to_owned());
        let web = text.strip_prefix("http://");
        if let Some(rest) = web.or_else(|| text.strip_prefix("https://")) {
            let named = !rest.is_empty() && !rest.starts_with('/');
            return if named {
                Ok(Self::Http(text.to_owned()))
            } else {
                Err(wrong())
            };
        }
        if let Some(rest) = text.strip_prefix("label:") {
            let (label, folder) = rest.split_once('/').unwrap_or((rest, ""));
            if label.is_empty() {
                return Err(wrong());
            }
            return Ok(Self::Label {
                label: label.to_owned(),
                folder: inside(folder).ok_or_else(wrong)?,
            });
        }
        if let Some(rest) = text.strip_prefix("medium:") {
            return Ok(Self::Medium(inside(rest).ok_or_else(wrong)?));
        }
        let path = text.strip_prefix("file://").unwrap_or(text);
        if path.starts_with('/') {
            return Ok(Self::Path(PathBuf::from(path)));
        }
        Err(wrong())
    }
}

/// A folder relative to a file system's root; `None` when it leads out of it.
fn inside(folder: &str) -> Option<PathBuf> {
    let parts = folder.split('/').filter(|p| !p.is_empty() && *p != ".");
    parts.map(|p| (p != "..").then_some(p)).collect()
}

impl<'de> Deserialize<'de> for Place {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(address) => match address.parse::<Address>() {
                Ok(address) => address.fmt(f),
                Err(_) => f.write_str(address),
            },
            Self::Label { label, folder } => write!(f, "label:{label}/{}", folder.display()),
            Self::Medium(folder) => write!(f, "medium:/{}", folder.display()),
            Self::Path(path) => write!(f, "{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_four_kinds_and_back() {
        for text in [
            "http://10.0.2.2:8000/repo",
            "https://backup.example/repo",
            "label:RESCUE/backup/web",
            "medium:/images",
            "/mnt/backup",
        ] {
            assert_eq!(text.parse::<Place>().unwrap().to_string(), text);
        }
        let whole = "label:RESCUE".parse::<Place>().unwrap();
        assert_eq!(whole.to_string(), "label:RESCUE/");
        assert_eq!("file:///a".parse::<Place>().unwrap().to_string(), "/a");
    }

    #[test]
    fn what_leads_nowhere_or_out_is_refused() {
        for bad in [
            "",
            "backup",
            "http://",
            "http:///x",
            "https://",
            "ftp://h/x",
            "label:",
            "label:/x",
            "label:R/../..",
            "medium:../x",
        ] {
            assert!(bad.parse::<Place>().is_err(), "{bad}");
        }
    }
}
