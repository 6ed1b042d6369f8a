//! The names that files of an area can have. There are no others: nothing in
//! an area can take the place of a file of the rescue system.

use std::fmt;

/// The name of a file in an area.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

/// What a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `site.toml`: the configuration, a [`crate::Config`].
    Config,
    /// `plan.toml`: an unattended plan, a [`crate::plan::Plan`].
    Plan,
    /// `ssh/authorized_keys`: who may come in.
    AuthorizedKeys,
    /// `ssh/host_ed25519_key`: by which the machine is known. A secret.
    HostKey,
    /// `tls/ca/*.pem`: certificates that servers are trusted by.
    Ca,
    /// `tls/client.pem`: the certificate shown to servers.
    ClientCertificate,
    /// `tls/client.key`: its key. A secret.
    ClientKey,
    /// `keys/*.pub`: keys that images are trusted by.
    TrustedKey,
    /// `firmware/…`: files that drivers ask for.
    Firmware,
    /// `modules/*.ko`: more drivers.
    Module,
    /// `modules/index.json`: what they are for.
    ModuleIndex,
}

/// Text that is no name of a file in an area.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no name of a file in a site area")]
pub struct BadName(String);

/// Longer names are refused.
const LONGEST: usize = 200;

impl Name {
    /// Checks `name`.
    ///
    /// # Errors
    /// [`BadName`] when it is not one of those listed at [`Kind`].
    pub fn new(name: &str) -> Result<Self, BadName> {
        match kind(name) {
            Some(_) if name.len() <= LONGEST => Ok(Self(name.to_owned())),
            _ => Err(BadName(name.chars().take(LONGEST).collect())),
        }
    }

    /// As a path below the area's folder.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What it is for.
    #[must_use]
    pub fn kind(&self) -> Kind {
        // A name that has no kind cannot be made.
        kind(&self.0).unwrap_or(Kind::Firmware)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Kind {
    /// What it is called.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Config => "configuration",
            Self::Plan => "unattended plan",
            Self::AuthorizedKeys => "SSH keys",
            Self::HostKey => "SSH host key",
            Self::Ca => "CA certificates",
            Self::ClientCertificate => "client certificate",
            Self::ClientKey => "client key",
            Self::TrustedKey => "trusted signing key",
            Self::Firmware => "firmware",
            Self::Module => "driver",
            Self::ModuleIndex => "index of drivers",
        }
    }

    /// Whether it must not be shown.
    #[must_use]
    pub fn is_secret(self) -> bool {
        matches!(self, Self::HostKey | Self::ClientKey)
    }

    /// The most bytes that make sense.
    #[must_use]
    pub fn largest(self) -> u64 {
        match self {
            Self::TrustedKey => 4 << 10,
            Self::HostKey | Self::ClientKey => 16 << 10,
            Self::Config | Self::Plan | Self::AuthorizedKeys | Self::ClientCertificate => 64 << 10,
            Self::Ca => 1 << 20,
            Self::ModuleIndex => 4 << 20,
            Self::Firmware | Self::Module => 32 << 20,
        }
    }
}

fn kind(name: &str) -> Option<Kind> {
    let parts: Vec<&str> = name.split('/').collect();
    if !parts.iter().all(|part| is_plain(part)) {
        return None;
    }
    let ends = |name: &str, end: &str| name.len() > end.len() && name.ends_with(end);
    match parts.as_slice() {
        ["site.toml"] => Some(Kind::Config),
        ["plan.toml"] => Some(Kind::Plan),
        ["ssh", "authorized_keys"] => Some(Kind::AuthorizedKeys),
        ["ssh", "host_ed25519_key"] => Some(Kind::HostKey),
        ["tls", "ca", name] if ends(name, ".pem") => Some(Kind::Ca),
        ["tls", "client.pem"] => Some(Kind::ClientCertificate),
        ["tls", "client.key"] => Some(Kind::ClientKey),
        ["keys", name] if ends(name, ".pub") => Some(Kind::TrustedKey),
        ["modules", "index.json"] => Some(Kind::ModuleIndex),
        ["modules", name] if ends(name, ".ko") => Some(Kind::Module),
        ["firmware", _, ..] => Some(Kind::Firmware),
        _ => None,
    }
}

/// A part of a path that leads nowhere else and is easy to read.
fn is_plain(part: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-+@,:=~".contains(c);
    !part.is_empty() && !part.starts_with('.') && part.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_fixed_names_are_taken() {
        let kind = |name: &str| Name::new(name).map(|name| name.kind()).ok();
        assert_eq!(kind("site.toml"), Some(Kind::Config));
        assert_eq!(kind("tls/ca/acme-root.pem"), Some(Kind::Ca));
        assert_eq!(kind("keys/backup.pub"), Some(Kind::TrustedKey));
        assert_eq!(kind("modules/mpt3sas.ko"), Some(Kind::Module));
        assert_eq!(kind("firmware/ql2600_fw.bin"), Some(Kind::Firmware));
        assert_eq!(kind("firmware/bnx2x/a.fw"), Some(Kind::Firmware));
        let long = format!("firmware/{}", "a".repeat(200));
        for bad in [
            "",
            "/site.toml",
            "init",
            "bin/rescue",
            "tls/ca/.pem",
            "tls/ca/x",
            "tls/ca/a/b.pem",
            "firmware",
            "firmware/",
            "firmware/../init",
            "firmware/.x",
            "firmware//x",
            "firmware/a b",
            "modules/x.sh",
            "keys/../x.pub",
            "ssh/host_rsa_key",
            "firmware/\u{e4}",
            "site.toml\0",
            &long,
        ] {
            assert!(Name::new(bad).is_err(), "{bad}");
        }
    }
}
