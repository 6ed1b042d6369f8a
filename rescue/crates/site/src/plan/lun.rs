//! Disks that iSCSI servers share.

use std::fmt;
use std::path::PathBuf;

use super::secret::Secret;
use super::share::{Server, decode, decoded_folder, encode};

/// Who asks an iSCSI target (CHAP).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Initiator {
    /// The name.
    pub name: String,
    /// The password.
    pub password: Secret,
}

/// A folder on a disk of an iSCSI server:
/// "iscsi://user:password@server/iqn.2025-01.org.example:backup/1/folder".
///
/// The target and the number of the disk may be left out where there is no
/// choice. A first segment that begins with "iqn.", "eui." or "naa." is the
/// target; a segment of digits in its place or behind it is the number, so that
/// a folder whose name is a number needs the disk's before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lun {
    /// Who asks; nobody where the target lets everybody in.
    pub user: Option<Initiator>,
    /// The server ("portal").
    pub server: Server,
    /// The target's name; the server's only one, when it is not said.
    pub target: Option<String>,
    /// The disk's number; the target's only one, when it is not said.
    pub number: Option<u64>,
    /// The folder on its file system.
    pub folder: PathBuf,
}

/// Whether `name` is the name of a target: "iqn.…", "eui.…" or "naa.…" (RFC 7143,
/// section 4.2.7). The underscore, which the standard does not have, is in use.
#[must_use]
pub fn is_target(name: &str) -> bool {
    let kind = ["iqn.", "eui.", "naa."].iter().any(|k| name.starts_with(k));
    let fine = |c: char| c.is_alphanumeric() || "-.:_".contains(c);
    kind && name.len() <= 223 && name.chars().all(fine)
}

fn number(segment: &str) -> Option<u64> {
    let digits = !segment.is_empty() && segment.bytes().all(|b| b.is_ascii_digit());
    // SAM-5: a LUN of single-level addressing has up to 14 bits, Linux takes more.
    let number: u64 = segment.parse().ok().filter(|_| digits)?;
    (number <= u64::from(u32::MAX)).then_some(number)
}

impl Lun {
    /// Reads what follows "iscsi://".
    #[must_use]
    pub fn parse(rest: &str) -> Option<Self> {
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, server) = match authority.rsplit_once('@') {
            Some((user, server)) => (Some(parse_user(user)?), server),
            None => (None, authority),
        };
        let mut segments = path.split('/').filter(|s| !s.is_empty()).peekable();
        let target = match segments.peek() {
            Some(first)
                if ["iqn.", "eui.", "naa."]
                    .iter()
                    .any(|k| first.starts_with(k)) =>
            {
                Some(decode(segments.next()?).filter(|name| is_target(name))?)
            }
            _ => None,
        };
        let number = segments.next_if(|s| number(s).is_some()).and_then(number);
        let folder: Vec<&str> = segments.collect();
        Some(Self {
            user,
            server: Server::parse(server)?,
            target,
            number,
            folder: decoded_folder(&folder.join("/"))?,
        })
    }

    /// The address with the password that [`fmt::Display`] leaves out.
    #[must_use]
    pub fn reveal(&self) -> String {
        self.text(true)
    }

    fn text(&self, reveal: bool) -> String {
        let mut text = "iscsi://".to_owned();
        if let Some(user) = &self.user {
            text.push_str(&encode(&user.name, ""));
            if reveal {
                text.push_str(&format!(":{}", encode(user.password.reveal(), "")));
            }
            text.push('@');
        }
        text.push_str(&self.server.to_string());
        if let Some(target) = &self.target {
            text.push_str(&format!("/{target}"));
        }
        if let Some(number) = self.number {
            text.push_str(&format!("/{number}"));
        }
        text.push_str(&self.folder_text());
        text
    }

    /// The folder, written so that its beginning is taken for nothing else.
    fn folder_text(&self) -> String {
        let folder = encode(&self.folder.display().to_string(), "/");
        if folder.is_empty() {
            return String::new();
        }
        let first = folder.split('/').next().unwrap_or_default();
        let as_target = self.target.is_none() && self.number.is_none() && is_target(first);
        let as_number = self.number.is_none() && number(first).is_some();
        match folder.chars().next() {
            Some(c) if as_target || as_number => {
                let code = u32::from(c);
                format!("/%{code:02X}{}", folder.get(1..).unwrap_or_default())
            }
            _ => format!("/{folder}"),
        }
    }
}

impl fmt::Display for Lun {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(false))
    }
}

fn parse_user(text: &str) -> Option<Initiator> {
    let (name, password) = text.split_once(':')?;
    Some(Initiator {
        name: decode(name).filter(|n| !n.is_empty())?,
        password: Secret::new(decode(password).filter(|p| !p.is_empty())?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const IQN: &str = "iqn.2003-01.org.linux-iscsi.nas:sn.01";

    #[test]
    fn a_disk_with_everything() {
        let text = format!("joe:a%40b%3Ac%25@nas:3261/{IQN}/2/Back%20ups/web");
        let lun = Lun::parse(&text).unwrap();
        assert_eq!(lun.target.as_deref(), Some(IQN));
        assert_eq!((lun.number, lun.server.port), (Some(2), Some(3261)));
        assert_eq!(lun.user.clone().unwrap().password.reveal(), "a@b:c%");
        assert_eq!(lun.folder, PathBuf::from("Back ups/web"));
        assert_eq!(lun.reveal(), format!("iscsi://{text}"));
        let shown = format!("iscsi://joe@nas:3261/{IQN}/2/Back%20ups/web");
        assert_eq!(lun.to_string(), shown);
        assert!(!format!("{lun:?}").contains("a@b"));
    }

    #[test]
    fn what_may_be_left_out() {
        let parts = |text: &str| {
            let lun = Lun::parse(text).unwrap();
            let folder = lun.folder.display().to_string();
            (lun.target.is_some(), lun.number, folder)
        };
        assert_eq!(parts("nas"), (false, None, String::new()));
        assert_eq!(parts("[fd00::1]/a/b"), (false, None, "a/b".to_owned()));
        assert_eq!(parts("nas/3"), (false, Some(3), String::new()));
        let text = format!("nas/{IQN}/backup/2024");
        assert_eq!(parts(&text), (true, None, "backup/2024".to_owned()));
        let text = format!("nas/{IQN}/0/2024");
        assert_eq!(parts(&text), (true, Some(0), "2024".to_owned()));
        let text = format!("nas/{IQN}/%32024");
        assert_eq!(parts(&text), (true, None, "2024".to_owned()));
    }

    #[test]
    fn what_is_no_disk_is_refused() {
        for bad in [
            "",
            "/iqn.a",
            "joe@nas",
            "joe:@nas",
            ":pw@nas",
            "nas/iqn.a%20b",
            "nas/iqn.a/1/../..",
            "nas/%zz",
            "nas:0/iqn.a",
        ] {
            assert_eq!(Lun::parse(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(
            name in "[^\\p{Cc}]{1,9}", password in "[^\\p{Cc}]{1,9}", user: bool,
            target in proptest::option::of("iqn\\.[a-z0-9.:-]{1,9}"),
            number in proptest::option::of(0..16384_u64),
            folder in prop::collection::vec("[0-9]{1,4}|iqn\\.[a-z]{1,4}|[^\\p{Cc}/.]{1,6}", 0..4),
        ) {
            let password = Secret::new(password);
            let lun = Lun {
                user: user.then_some(Initiator { name, password }),
                server: Server::parse("nas").unwrap(),
                target,
                number,
                folder: folder.join("/").into(),
            };
            let text = lun.reveal();
            prop_assert_eq!(Lun::parse(text.strip_prefix("iscsi://").unwrap()), Some(lun));
        }

        #[test]
        fn nothing_makes_it_panic(text in "\\PC*") {
            let _ = Lun::parse(&text);
        }
    }
}
