//! Talking to an iSCSI server before the kernel does.

use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use ::iscsi::client;
use ::iscsi::login::{Credentials, Session, Who};
use ::iscsi::{Error, PORT, Refusal};
use ::site::plan::lun::Lun;
use ::site::plan::share::Server;
use anyhow::{Context, bail};

use super::super::shares;

/// How long the server may take for each answer.
const ANSWER: Duration = Duration::from_secs(15);

/// How often a target may send us elsewhere.
const MOVES: usize = 3;

/// Before the address of a network card: our name, which the domain "invalid"
/// keeps from being anybody's (RFC 2606).
pub(crate) const OUR_NAMES: &str = "iqn.2025-11.invalid.rescue:";

/// Logs in; the connection is ready for the kernel.
pub(super) fn log_in(lun: &Lun, target: &str) -> anyhow::Result<(TcpStream, Session)> {
    let mut server = lun.server.clone();
    for _ in 0..=MOVES {
        let mut stream = connect(&server)?;
        match client::login(&mut stream, who(lun, Some(target))) {
            Ok(session) => {
                stream.set_read_timeout(None).context("a socket option")?;
                stream.set_write_timeout(None).context("a socket option")?;
                return Ok((stream, session));
            }
            Err(Error::Moved { to }) => {
                let elsewhere = portal(&to);
                let wrong = || format!("{lun}: the target sends us to {to:?}, which is no address");
                server = elsewhere.with_context(wrong)?;
            }
            Err(error) => bail!("{lun}: {}", refused(lun, target, &error)),
        }
    }
    bail!("{lun}: the target sends us from one address to the next, {MOVES} times")
}

/// The server's target, when it has one only.
pub(super) fn only_target(lun: &Lun) -> anyhow::Result<String> {
    let mut stream = connect(&lun.server)?;
    let found = match client::discover(&mut stream, who(lun, None)) {
        Ok(found) => found,
        Err(error) => bail!("{lun}: asking for targets: {}", sentence(lun, &error)),
    };
    let names: Vec<&str> = found.iter().map(|target| target.name.as_str()).collect();
    match names.as_slice() {
        [only] => Ok((*only).to_owned()),
        [] => bail!(
            "{lun}: the server has no target for this machine ({})",
            us()
        ),
        _ => bail!(
            "{lun}: the server has several targets: write the one that is meant behind the \
             server, as iscsi://{}/{}; there are:\n{}",
            lun.server,
            names.first().copied().unwrap_or_default(),
            names.join("\n")
        ),
    }
}

/// What `error` means for somebody who wants `target`; where the server has other
/// targets, which.
fn refused(lun: &Lun, target: &str, error: &Error) -> String {
    let mut text = sentence(lun, error);
    if matches!(error, Error::Refused(Refusal::NoTarget)) {
        let ask = || client::discover(&mut connect(&lun.server).ok()?, who(lun, None)).ok();
        let others: Vec<String> = ask().into_iter().flatten().map(|t| t.name).collect();
        let others: Vec<&String> = others.iter().filter(|name| *name != target).collect();
        for other in &others {
            text.push_str(&format!("\nthere is: {other}"));
        }
    }
    text
}

fn sentence(lun: &Lun, error: &Error) -> String {
    match error {
        Error::Refused(Refusal::Authentication) if lun.user.is_some() => {
            "user name or password are wrong (CHAP): iscsi://user:password@server/…, or fill in \
             the form for iSCSI disks"
                .to_owned()
        }
        Error::Refused(Refusal::Authentication) => format!(
            "the target wants a user and a password (iscsi://user:password@server/…, or the form \
             for iSCSI disks), or does not let {} in",
            us()
        ),
        Error::Refused(Refusal::NotAllowed) => format!(
            "the target does not let this machine in: allow its name, {}, there",
            us()
        ),
        silent if silent.is_silence() => {
            "the server accepts connections and then does not answer: is it an iSCSI server, and \
             does it work?"
                .to_owned()
        }
        other => crate::ui::chain(&anyhow::anyhow!("{other}")),
    }
}

fn connect(server: &Server) -> anyhow::Result<TcpStream> {
    let stream = shares::connect(server, PORT)?;
    let set = stream
        .set_read_timeout(Some(ANSWER))
        .and_then(|()| stream.set_write_timeout(Some(ANSWER)))
        .and_then(|()| stream.set_nodelay(true));
    set.context("a socket option")?;
    Ok(stream)
}

fn who(lun: &Lun, target: Option<&str>) -> Who {
    let credentials = lun.user.as_ref().map(|user| Credentials {
        name: user.name.clone(),
        password: user.password.reveal().to_owned(),
    });
    Who {
        initiator: us(),
        // "Random" (RFC 7143, section 11.12.5), but always the same: a session that
        // was left behind when the machine was switched off ends with the next.
        isid: [0x80, 0x72, 0x65, 0x73, 0, 0],
        target: target.map(str::to_owned),
        credentials,
    }
}

/// The name of this machine for targets.
pub(super) fn us() -> String {
    let mac = mac(Path::new("/sys/class/net"));
    format!("{OUR_NAMES}{}", mac.unwrap_or_else(|| "unknown".to_owned()))
}

/// The address of the first network card that has one, without colons.
fn mac(folder: &Path) -> Option<String> {
    let entries = fs::read_dir(folder).ok()?.flatten();
    let mut cards: Vec<_> = entries.map(|entry| entry.path()).collect();
    cards.sort_unstable();
    let address = |card: std::path::PathBuf| {
        // A real card: links of the kernel's own making have no device.
        card.join("device").exists().then_some(())?;
        let text = fs::read_to_string(card.join("address")).ok()?;
        let digits: String = text.trim().chars().filter(|c| *c != ':').collect();
        let fine = digits.len() == 12 && digits.chars().all(|c| c.is_ascii_hexdigit());
        (fine && digits != "000000000000").then_some(digits)
    };
    cards.into_iter().find_map(address)
}

/// "10.0.0.1:3260,1": where a target is, and its portal group.
fn portal(text: &str) -> Option<Server> {
    Server::parse(text.split_once(',').map_or(text, |(portal, _)| portal))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lun(text: &str) -> Lun {
        Lun::parse(text).unwrap()
    }

    #[test]
    fn refusals_say_what_to_do() {
        let refused = Error::Refused(Refusal::Authentication);
        let with = sentence(&lun("joe:pw@nas/iqn.a"), &refused);
        assert!(with.contains("password are wrong"), "{with}");
        let without = sentence(&lun("nas/iqn.a"), &refused);
        assert!(without.contains("wants a user"), "{without}");
        let kept_out = sentence(&lun("nas/iqn.a"), &Error::Refused(Refusal::NotAllowed));
        assert!(kept_out.contains(OUR_NAMES), "{kept_out}");
    }

    #[test]
    fn the_machine_is_named_by_its_first_card() {
        let folder = tempfile::tempdir().unwrap();
        for (card, address, is_real) in [
            ("eth1", "52:54:00:00:00:02\n", true),
            ("eth0", "52:54:00:00:00:01\n", true),
            ("bond0", "52:54:00:00:00:09\n", false),
            ("dummy", "00:00:00:00:00:00\n", true),
        ] {
            let card = folder.path().join(card);
            fs::create_dir(&card).unwrap();
            fs::write(card.join("address"), address).unwrap();
            if is_real {
                fs::create_dir(card.join("device")).unwrap();
            }
        }
        assert_eq!(mac(folder.path()).as_deref(), Some("525400000001"));
        assert_eq!(mac(Path::new("/nonexistent")), None);
    }

    #[test]
    fn targets_may_be_elsewhere() {
        assert_eq!(portal("10.0.0.1:3260,1"), Server::parse("10.0.0.1:3260"));
        assert_eq!(portal("[fd00::1]:3260"), Server::parse("[fd00::1]:3260"));
        assert_eq!(portal(",1"), None);
    }

    #[test]
    fn a_silent_server_is_told_in_words() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = Server::parse(&format!("127.0.0.1:{port}")).unwrap();
        let mut stream = connect(&server).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_millis(50)))
            .unwrap();
        let lun = lun("nas/iqn.a");
        let error = client::login(&mut stream, who(&lun, Some("iqn.a"))).unwrap_err();
        let said = sentence(&lun, &error);
        assert!(said.contains("does not answer"), "{said}");
    }
}
