//! The kernel's side: sessions it keeps, as /sys shows them.

use std::fs;
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use ::iscsi::PORT;
use ::iscsi::login::Session;
use ::site::plan::share::Server;
use anyhow::{Context, bail};
use sys::iscsi::{Iscsi, Param};

use super::super::cmdline::Cmdline;
use super::super::modules::{CATALOGUE, Catalogue, Loader, Outcome};
use super::super::volumes;
use super::portal::{OUR_NAMES, us};

const TRANSPORT: &str = "/sys/class/iscsi_transport/tcp/handle";
const SESSIONS: &str = "/sys/class/iscsi_session";

/// Commands that wait in a session and on one of its disks: the kernel's defaults.
const COMMANDS: u16 = 128;
const DEPTH: u16 = 32;

/// What the kernel does about a connection that does not work: after half a minute
/// of silence it asks, after five minutes without an answer it gives up. A
/// connection that broke is not made again: what was read from then on fails, after
/// five seconds.
const TIMES: [(Param, &str); 3] = [
    (Param::ReceiveTimeout, "30"),
    (Param::PingTimeout, "300"),
    (Param::RecoveryTimeout, "5"),
];

/// Something that a target has: a disk, a tape, its own controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unit {
    /// Its number (LUN).
    pub(super) number: u64,
    /// Its SCSI type.
    pub(super) kind: u32,
}

/// The kernel's iSCSI over TCP.
#[derive(Debug)]
pub(super) struct Kernel {
    iscsi: Iscsi,
}

impl Kernel {
    /// With its driver loaded.
    pub(super) fn ready() -> anyhow::Result<Self> {
        if let Some(kernel) = Self::running() {
            return Ok(kernel);
        }
        let catalogue = Catalogue::read(Path::new(CATALOGUE))?;
        let cmdline = Cmdline::current();
        let loader = Loader::new(&catalogue, &cmdline);
        // Disks need their own driver; the kernel may have it built in.
        loader.load("sd_mod");
        match loader.load("iscsi_tcp") {
            Outcome::Ready => Self::running().context("the driver for iSCSI disks does not start"),
            Outcome::Unknown => bail!("this medium has no driver for iSCSI disks (iscsi_tcp)"),
            Outcome::Refused(why) => bail!("the kernel refuses the driver iscsi_tcp: {why}"),
        }
    }

    /// When its driver is loaded.
    pub(super) fn running() -> Option<Self> {
        let handle = text(Path::new(TRANSPORT))?.parse().ok()?;
        let iscsi = Iscsi::open(handle).ok()?;
        Some(Self { iscsi })
    }

    /// The session with that target that works; those that do not are ended.
    pub(super) fn alive(&self, target: &str, host: &str) -> Option<u32> {
        for (id, session) in ours(Path::new(SESSIONS)) {
            let address =
                format!("/sys/class/iscsi_connection/connection{id}:0/persistent_address");
            let seen = Seen {
                target: text(&session.join("targetname")),
                host: text(Path::new(&address)),
                state: text(&session.join("state")),
            };
            match seen.fate(target, host) {
                Fate::Use => return Some(id),
                Fate::End => self.end(id),
                Fate::Leave => {}
            }
        }
        None
    }

    /// Gives the kernel a connection that is logged in; the session's number.
    pub(super) fn take(
        &self,
        stream: &TcpStream,
        agreed: &Session,
        target: &str,
        server: &Server,
    ) -> anyhow::Result<u32> {
        let session = self.iscsi.create(agreed.command, COMMANDS, DEPTH);
        let session = session.context("creating a session")?;
        let begun = self.begin(session, stream, agreed, target, server);
        if begun.is_err() {
            let _ = self.iscsi.destroy(session.id);
        }
        begun.map(|()| session.id)
    }

    fn begin(
        &self,
        session: sys::iscsi::Session,
        stream: &TcpStream,
        agreed: &Session,
        target: &str,
        server: &Server,
    ) -> anyhow::Result<()> {
        self.iscsi
            .bind(session, stream.as_fd())
            .context("binding the connection")?;
        let set = |param: Param, value: &str| {
            let done = self.iscsi.set(session, param, value);
            done.with_context(|| format!("setting {param:?} to {value}"))
        };
        for (param, number) in numbers(agreed) {
            set(param, &number.to_string())?;
        }
        set(Param::TargetName, target)?;
        set(Param::InitiatorName, &us())?;
        set(Param::Address, &server.host)?;
        set(Param::Port, &server.port.unwrap_or(PORT).to_string())?;
        if let Some(group) = agreed.portal_group {
            set(Param::PortalGroup, &group.to_string())?;
        }
        for (param, seconds) in TIMES {
            set(param, seconds)?;
        }
        self.iscsi
            .start(session)
            .context("starting the connection")?;
        Ok(())
    }

    /// Makes the kernel look for unit `number`, or all.
    pub(super) fn scan(&self, id: u32, number: Option<u64>) -> anyhow::Result<()> {
        let device = device(id)?;
        let host = device.parent().and_then(Path::file_name);
        let host = host.context("a session without a host")?;
        let file = Path::new("/sys/class/scsi_host").join(host).join("scan");
        let what = number.map_or("- - -".to_owned(), |number| format!("- - {number}"));
        fs::write(&file, what).context("looking for the target's disks")
    }

    /// What the kernel found.
    pub(super) fn units(&self, id: u32) -> anyhow::Result<Vec<Unit>> {
        let unit = |folder: PathBuf| {
            let number = address(&folder)?.parse().ok()?;
            let kind = text(&folder.join("type"))?.parse().ok()?;
            Some(Unit { number, kind })
        };
        Ok(folders(&device(id)?).into_iter().filter_map(unit).collect())
    }

    /// The name of the disk that unit `number` is; `None` when it has none yet.
    pub(super) fn disk(&self, id: u32, number: u64) -> anyhow::Result<Option<String>> {
        let is_it = |folder: &PathBuf| address(folder) == Some(number.to_string());
        let folder = folders(&device(id)?).into_iter().find(is_it);
        let names = folder.and_then(|folder| fs::read_dir(folder.join("block")).ok());
        let first = names
            .and_then(|mut names| names.next())
            .and_then(Result::ok);
        let name = first.and_then(|entry| entry.file_name().into_string().ok());
        Ok(name.filter(|name| Path::new("/dev").join(name).exists()))
    }

    /// Ends every session.
    pub(super) fn drop_all(&self) {
        for (id, _) in ours(Path::new(SESSIONS)) {
            self.end(id);
        }
    }

    /// Ends a session, and what is mounted of its disks.
    pub(super) fn end(&self, id: u32) {
        for folder in device(id).map(|d| folders(&d)).unwrap_or_default() {
            let disks = fs::read_dir(folder.join("block")).into_iter().flatten();
            for disk in disks.flatten() {
                volumes::give_up(&disk.file_name().to_string_lossy());
            }
        }
        // What is left of it shows in what is tried next.
        let _ = self.iscsi.destroy(id);
    }
}

/// What the kernel tells of a session.
#[derive(Debug)]
struct Seen {
    target: Option<String>,
    host: Option<String>,
    state: Option<String>,
}

/// What is to be done with a session when a target is asked for.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    Use,
    End,
    Leave,
}

impl Seen {
    /// When `target` on `host` is asked for.
    fn fate(&self, target: &str, host: &str) -> Fate {
        let is_target = self.target.as_deref() == Some(target);
        let works = self.state.as_deref() == Some("LOGGED_IN");
        match (is_target, works, self.host.as_deref() == Some(host)) {
            (true, true, true) => Fate::Use,
            (true, false, _) => Fate::End,
            // The same server under another name, or another that was cloned from it:
            // what is read through this session goes on.
            (true, true, false) | (false, ..) => Fate::Leave,
        }
    }
}

/// What the kernel is told of the negotiation.
fn numbers(agreed: &Session) -> [(Param, u32); 13] {
    let settings = &agreed.settings;
    [
        (Param::MaxReceive, settings.receive),
        (Param::MaxSend, settings.send),
        (Param::HeaderDigest, 0),
        (Param::DataDigest, 0),
        (Param::InitialR2t, settings.initial_r2t.into()),
        (Param::MaxR2t, 1),
        (Param::ImmediateData, settings.immediate_data.into()),
        (Param::FirstBurst, settings.first_burst),
        (Param::MaxBurst, settings.max_burst),
        (Param::PduInOrder, 1),
        (Param::SequenceInOrder, 1),
        (Param::ErrorRecovery, 0),
        (Param::ExpStatSn, agreed.status),
    ]
}

/// Our sessions below `root`: number and folder.
fn ours(root: &Path) -> Vec<(u32, PathBuf)> {
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    let session = |entry: fs::DirEntry| {
        let name = entry.file_name().into_string().ok()?;
        let id = name.strip_prefix("session")?.parse().ok()?;
        let initiator = text(&entry.path().join("initiatorname"))?;
        initiator.starts_with(OUR_NAMES).then(|| (id, entry.path()))
    };
    entries.filter_map(session).collect()
}

/// The session's device: /sys/devices/platform/host2/session1.
fn device(id: u32) -> anyhow::Result<PathBuf> {
    let link = Path::new(SESSIONS).join(format!("session{id}/device"));
    fs::canonicalize(link).context("the iSCSI session is gone")
}

/// The folders of a session's units: target2:0:0/2:0:0:1.
fn folders(device: &Path) -> Vec<PathBuf> {
    let inside = |folder: &Path| {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect::<Vec<_>>()
    };
    let is_target = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("target")
    };
    let targets = inside(device).into_iter().filter(is_target);
    targets.flat_map(|target| inside(&target)).collect()
}

/// The number of the unit in folder "2:0:0:1"; `None` for other folders.
fn address(folder: &Path) -> Option<String> {
    let name = folder.file_name()?.to_str()?;
    let parts: Vec<&str> = name.split(':').collect();
    match parts.as_slice() {
        [_, _, _, number] if number.bytes().all(|b| b.is_ascii_digit()) => {
            Some((*number).to_owned())
        }
        _ => None,
    }
}

fn text(file: &Path) -> Option<String> {
    Some(fs::read_to_string(file).ok()?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_that_works_is_never_ended() {
        let seen = |target: &str, host: &str, state: &str| Seen {
            target: Some(target.to_owned()),
            host: Some(host.to_owned()),
            state: Some(state.to_owned()),
        };
        let fate = |seen: Seen| seen.fate("iqn.a", "nas");
        assert_eq!(fate(seen("iqn.a", "nas", "LOGGED_IN")), Fate::Use);
        assert_eq!(fate(seen("iqn.a", "10.0.0.1", "LOGGED_IN")), Fate::Leave);
        assert_eq!(fate(seen("iqn.a", "10.0.0.1", "FAILED")), Fate::End);
        assert_eq!(fate(seen("iqn.b", "nas", "FAILED")), Fate::Leave);
    }

    #[test]
    fn only_our_own_sessions_are_touched() {
        let root = tempfile::tempdir().unwrap();
        let own = format!("{OUR_NAMES}525400000001\n");
        let names = [
            ("session1", own.as_str()),
            ("session2", "iqn.1993-08.org.debian:01:abc\n"),
            ("other", own.as_str()),
        ];
        for (session, name) in names {
            let folder = root.path().join(session);
            fs::create_dir(&folder).unwrap();
            fs::write(folder.join("initiatorname"), name).unwrap();
        }
        let found = ours(root.path());
        assert_eq!(found, [(1, root.path().join("session1"))]);
    }

    #[test]
    fn units_are_found_below_their_session() {
        let device = tempfile::tempdir().unwrap();
        for folder in [
            "target2:0:0/2:0:0:1/block/sdb",
            "target2:0:0/power",
            "power",
        ] {
            fs::create_dir_all(device.path().join(folder)).unwrap();
        }
        let found = folders(device.path());
        let numbers: Vec<String> = found.iter().filter_map(|f| address(f)).collect();
        assert_eq!(numbers, ["1"]);
    }
}
