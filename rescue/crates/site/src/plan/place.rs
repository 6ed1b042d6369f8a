//! Where a repository is, as a plan or an operator says it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, de};

use super::address::Address;
use super::lun::Lun;
use super::share::{Nfs, Smb};

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
    /// A folder on the file system with that UUID.
    Uuid {
        /// The UUID (of FAT and exFAT the serial number), as `blkid` shows it.
        uuid: String,
        /// The folder on it.
        folder: PathBuf,
    },
    /// A folder on the medium this was booted from.
    Medium(PathBuf),
    /// A folder of an NFS server.
    Nfs(Nfs),
    /// A folder of an SMB server (Windows, Samba, NAS).
    Smb(Smb),
    /// A folder on a disk of an iSCSI server.
    Iscsi(Lun),
    /// A folder of the running system.
    Path(PathBuf),
}

/// Text that is no place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no place for a repository: write \"https://server/folder\", \"http://server/folder\", \
     \"nfs://server/export/folder\", \"smb://user@server/share/folder\", \
     \"iscsi://server/TARGET/LUN/folder\", \"label:RESCUE/folder\", \
     \"uuid:UUID/folder\", \"medium:/folder\" or \"/folder\" (%20 stands for a space in addresses of servers)"
)]
pub struct NoPlace(String);

impl NoPlace {
    /// What cannot be read may hold a password all the same.
    fn new(text: &str) -> Self {
        let masked = text.split_once("://").and_then(|(scheme, rest)| {
            let (user, host) = rest.rsplit_once('@')?;
            let (name, _) = user.split_once(':')?;
            Some(format!("{scheme}://{name}@{host}"))
        });
        Self(masked.unwrap_or_else(|| text.to_owned()))
    }
}

impl FromStr for Place {
    type Err = NoPlace;

    fn from_str(text: &str) -> Result<Self, NoPlace> {
        let text = text.trim();
        let wrong = || NoPlace::new(text);
        let web = text.strip_prefix("http://");
        if let Some(rest) = web.or_else(|| text.strip_prefix("https://")) {
            let named = !rest.is_empty() && !rest.starts_with('/');
            return if named {
                Ok(Self::Http(text.to_owned()))
            } else {
                Err(wrong())
            };
        }
        if let Some(rest) = text.strip_prefix("nfs://") {
            return Nfs::parse(rest).map(Self::Nfs).ok_or_else(wrong);
        }
        let windows = text.strip_prefix("smb://");
        if let Some(rest) = windows.or_else(|| text.strip_prefix("cifs://")) {
            return Smb::parse(rest).map(Self::Smb).ok_or_else(wrong);
        }
        if let Some(rest) = text.strip_prefix("iscsi://") {
            return Lun::parse(rest).map(Self::Iscsi).ok_or_else(wrong);
        }
        if let Some(rest) = text.strip_prefix("uuid:") {
            let (uuid, folder) = rest.split_once('/').unwrap_or((rest, ""));
            let fine = |c: char| c.is_ascii_alphanumeric() || c == '-';
            if uuid.is_empty() || !uuid.chars().all(fine) {
                return Err(wrong());
            }
            return Ok(Self::Uuid {
                uuid: uuid.to_owned(),
                folder: inside(folder).ok_or_else(wrong)?,
            });
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
pub(super) fn inside(folder: &str) -> Option<PathBuf> {
    let parts = folder.split('/').filter(|p| !p.is_empty() && *p != ".");
    parts.map(|p| (p != "..").then_some(p)).collect()
}

impl Place {
    /// As it was written, with the password that [`fmt::Display`] leaves out:
    /// for what opens it, not for people.
    #[must_use]
    pub fn reveal(&self) -> String {
        match self {
            Self::Http(address) => address.clone(),
            Self::Smb(smb) => smb.reveal(),
            Self::Iscsi(lun) => lun.reveal(),
            other => other.to_string(),
        }
    }
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
            Self::Uuid { uuid, folder } => write!(f, "uuid:{uuid}/{}", folder.display()),
            Self::Nfs(nfs) => nfs.fmt(f),
            Self::Smb(smb) => smb.fmt(f),
            Self::Iscsi(lun) => lun.fmt(f),
            Self::Medium(folder) => write!(f, "medium:/{}", folder.display()),
            Self::Path(path) => write!(f, "{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_kinds_and_back() {
        for text in [
            "http://10.0.2.2:8000/repo",
            "https://backup.example/repo",
            "label:RESCUE/backup/web",
            "medium:/images",
            "nfs://nas:2049/srv/backup",
            "smb://me@nas/share/web",
            "iscsi://nas/iqn.2025-01.org.example:backup/1/web",
            "uuid:41f8-33AA/backup",
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
            "nfs://nas",
            "smb://nas/",
            "iscsi:///iqn.a",
            "uuid:/x",
            "uuid:a_b/x",
        ] {
            assert!(bad.parse::<Place>().is_err(), "{bad}");
        }
    }

    #[test]
    fn passwords_are_kept_and_not_shown() {
        for (given, shown) in [
            ("smb://me:pw@nas/s/f", "smb://me@nas/s/f"),
            ("https://me:pw@h/r", "https://me@h/r"),
            ("iscsi://me:pw@h/iqn.a/1", "iscsi://me@h/iqn.a/1"),
        ] {
            let place: Place = given.parse().unwrap();
            assert_eq!(
                (place.reveal().as_str(), place.to_string().as_str()),
                (given, shown)
            );
        }
        let error = "smb://me:pw@nas".parse::<Place>().unwrap_err().to_string();
        assert!(
            error.contains("smb://me@nas") && !error.contains("pw"),
            "{error}"
        );
    }
}
