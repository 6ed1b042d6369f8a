//! Folders that file servers share: NFS exports and SMB shares.

use std::fmt::{self, Write as _};
use std::path::PathBuf;

use serde::{Deserialize, Deserializer, de};

use super::secret::Secret;

/// "server", "10.0.0.1:2049", "[fd00::1]:445".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Name or address, without brackets.
    pub host: String,
    /// When it is not the usual one.
    pub port: Option<u16>,
}

impl Server {
    /// Reads "host", "host:port" or "[address]:port".
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, after) = rest.split_once(']')?;
                host.parse::<std::net::Ipv6Addr>().ok()?;
                match after {
                    "" => (host, None),
                    _ => (host, Some(after.strip_prefix(':')?)),
                }
            }
            None => match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        // What would end an option of a mount, or a word of a command line.
        let fine = |c: char| c.is_alphanumeric() || ".-_:%".contains(c);
        let named = !host.is_empty() && !host.starts_with('-') && host.chars().all(fine);
        let port = match port {
            None => None,
            Some(port) => Some(port.parse().ok().filter(|port| *port != 0)?),
        };
        let host = host.to_owned();
        named.then_some(Self { host, port })
    }
}

impl<'de> Deserialize<'de> for Server {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            de::Error::custom(format!(
                "{text:?} is no time server: write \"name\", \"address\", \"name:port\" or \"[address]:port\""
            ))
        })
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]", self.host)?,
            false => f.write_str(&self.host)?,
        }
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

/// A folder of an NFS server: "nfs://server/export/folder".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nfs {
    /// The server.
    pub server: Server,
    /// Export and folder, as the server names them: "/srv/backup/web1".
    pub path: String,
}

impl Nfs {
    /// Reads what follows "nfs://".
    #[must_use]
    pub fn parse(rest: &str) -> Option<Self> {
        let (server, path) = rest.split_once('/')?;
        let folder = decoded_folder(path)?;
        Some(Self {
            server: Server::parse(server)?,
            path: format!("/{}", folder.display()),
        })
    }
}

impl fmt::Display for Nfs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "nfs://{}{}", self.server, encode(&self.path, "/"))
    }
}

/// Who asks an SMB server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The domain, where there is one.
    pub domain: Option<String>,
    /// The name.
    pub name: String,
    /// The password, where it is known already.
    pub password: Option<Secret>,
}

/// A folder of a share: "smb://domain;user:password@server/share/folder".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Smb {
    /// Who asks; nobody is a guest.
    pub user: Option<User>,
    /// The server.
    pub server: Server,
    /// The name of the share.
    pub share: String,
    /// The folder in it.
    pub folder: PathBuf,
}

impl Smb {
    /// Reads what follows "smb://".
    #[must_use]
    pub fn parse(rest: &str) -> Option<Self> {
        let (authority, path) = rest.split_once('/')?;
        let (user, server) = match authority.rsplit_once('@') {
            Some((user, server)) => (Some(parse_user(user)?), server),
            None => (None, authority),
        };
        let (share, folder) = path.split_once('/').unwrap_or((path, ""));
        let share = decode(share).filter(|s| !s.is_empty() && !s.contains(['/', '\\']))?;
        Some(Self {
            user,
            server: Server::parse(server)?,
            share,
            folder: decoded_folder(folder)?,
        })
    }

    /// The address with the password that [`fmt::Display`] leaves out.
    #[must_use]
    pub fn reveal(&self) -> String {
        self.text(true)
    }

    fn text(&self, reveal: bool) -> String {
        let mut text = "smb://".to_owned();
        if let Some(user) = &self.user {
            if let Some(domain) = &user.domain {
                text.push_str(&format!("{};", encode(domain, "")));
            }
            text.push_str(&encode(&user.name, ""));
            if let Some(password) = user.password.as_ref().filter(|_| reveal) {
                text.push_str(&format!(":{}", encode(password.reveal(), "")));
            }
            text.push('@');
        }
        text.push_str(&format!("{}/{}", self.server, encode(&self.share, "")));
        if !self.folder.as_os_str().is_empty() {
            let folder = self.folder.display().to_string();
            text.push_str(&format!("/{}", encode(&folder, "/")));
        }
        text
    }
}

impl fmt::Display for Smb {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(false))
    }
}

fn parse_user(text: &str) -> Option<User> {
    let (who, password) = match text.split_once(':') {
        Some((who, password)) => (who, Some(Secret::new(decode(password)?))),
        None => (text, None),
    };
    let (domain, name) = match who.split_once(';') {
        Some((domain, name)) => (Some(decode(domain)?), name),
        None => (None, who),
    };
    let name = decode(name).filter(|n| !n.is_empty())?;
    Some(User {
        domain,
        name,
        password,
    })
}

/// A folder below a root; `None` when it leads out of it.
pub(super) fn decoded_folder(text: &str) -> Option<PathBuf> {
    super::place::inside(&decode(text)?)
}

/// Undoes `%20` and the like (RFC 3986, section 2.1); `None` when what it makes is
/// no text, or holds a control character.
pub(crate) fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, tail) = rest.split_at_checked(2)?;
        let digits = std::str::from_utf8(digits).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = tail;
    }
    let text = String::from_utf8(bytes).ok()?;
    (!text.chars().any(char::is_control)).then_some(text)
}

/// Makes [`decode`] give `text` back; what is in `also` stays as it is, too.
pub(crate) fn encode(text: &str, also: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_alphanumeric() || "-._~$".contains(c) || also.contains(c) {
            out.push(c);
            continue;
        }
        let mut buffer = [0; 4];
        for byte in c.encode_utf8(&mut buffer).bytes() {
            // Writing to text does not fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn servers_are_read_and_written() {
        for good in ["nas", "10.0.0.1:2049", "[fd00::1]", "[fd00::1]:445"] {
            assert_eq!(Server::parse(good).unwrap().to_string(), good);
        }
        for bad in [
            "", "a,b", "a b", "[fd00::1", "[x]", "h:", "h:0", "h:70000", "-h", "h:1:2",
        ] {
            assert_eq!(Server::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_share_with_everything() {
        let text = "WORK;me:a%2Cb%40c%25@nas:1445/Back%20ups$/web/1";
        let smb = Smb::parse(text).unwrap();
        let user = smb.user.clone().unwrap();
        assert_eq!(user.domain.as_deref(), Some("WORK"));
        assert_eq!(user.password.clone().unwrap().reveal(), "a,b@c%");
        assert_eq!(
            (smb.share.as_str(), smb.server.port),
            ("Back ups$", Some(1445))
        );
        assert_eq!(smb.reveal(), format!("smb://{text}"));
        assert_eq!(smb.to_string(), "smb://WORK;me@nas:1445/Back%20ups$/web/1");
        assert!(!format!("{smb:?}").contains("a,b"));
    }

    #[test]
    fn what_is_no_share_is_refused() {
        for bad in [
            "",
            "nas",
            "nas/",
            "/share",
            "@nas/s",
            "u:p@/s",
            "nas/s/../x",
            "nas/a%5Cb",
            "nas/%zz",
            "nas/%0A",
        ] {
            assert_eq!(Smb::parse(bad), None, "{bad}");
        }
        for bad in ["", "nas", "/x", "nas/../x", "nas/%00"] {
            assert_eq!(Nfs::parse(bad), None, "{bad}");
        }
        assert_eq!(Nfs::parse("nas/").unwrap().path, "/");
        assert_eq!(Nfs::parse("nas//a/b/").unwrap().path, "/a/b");
    }

    proptest! {
        #[test]
        fn what_is_encoded_comes_back(text in "[^\\p{Cc}]{0,20}") {
            prop_assert_eq!(decode(&encode(&text, "")), Some(text));
        }

        #[test]
        fn nothing_makes_it_panic(text in "\\PC*") {
            let _ = (Smb::parse(&text), Nfs::parse(&text), Server::parse(&text));
        }
    }
}
