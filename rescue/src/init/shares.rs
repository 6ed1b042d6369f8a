//! Folders of NFS and SMB servers, mounted by the kernel.
//!
//! No program of user space is asked: names are resolved here, and passwords go
//! to the kernel without ever being on a command line.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use ::site::plan::share::{Nfs, Server, Smb};
use anyhow::{Context, bail};
use store::{UNREACHED, is_unreached};
use sys::mount::{Access, Trust};

use super::kernel_log::KernelLog;
use super::share_errors::{Problem, nfs_problem, smb_problem};
use super::volumes::{self, MOUNTS};

/// How long a server may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(10);

/// Between two such tries.
const PAUSE: Duration = Duration::from_secs(1);

/// A server that is silent for five minutes in the middle of the work gives an
/// error instead of hanging for ever; until then the kernel tries again.
const NFS_PATIENCE: &str = "softerr,timeo=300,retrans=9,nolock,proto=tcp";

/// Tells the ports of version 3's services.
const PORTMAPPER: u16 = 111;

/// From new to old.
const NFS_VERSIONS: [&str; 4] = ["4.2", "4.1", "4.0", "3"];

/// Mounts an NFS folder and returns where. One that is mounted already stays.
///
/// # Errors
/// In words, what keeps it from being used and what to do about it.
pub fn nfs(nfs: &Nfs, access: Access) -> anyhow::Result<PathBuf> {
    let target = mount_point("nfs", &nfs.server, &nfs.to_string(), access);
    if volumes::is_mounted(&target) {
        return Ok(target);
    }
    volumes::ensure_known("nfs")?;
    let address = reach(&nfs.server, 2049)?;
    fs::create_dir_all(&target).with_context(|| format!("creating {}", target.display()))?;
    let source = nfs_source(nfs);
    let mut first = None;
    let mut known_to_4 = false;
    for version in NFS_VERSIONS {
        if version == "3" && !answers(address, PORTMAPPER) {
            // The kernel would ask it for the port of the mount service, for minutes.
            break;
        }
        if version != "3" && known_to_4 {
            continue;
        }
        let options = nfs_options(nfs, address, version);
        let Err(error) = mount(&source, &target, "nfs", access, &options) else {
            return Ok(target);
        };
        let problem = nfs_problem(&error);
        if problem.is_version() {
            continue;
        }
        // Version 3 may know the folder by another name; an older 4 does not.
        known_to_4 = true;
        first.get_or_insert((problem, error));
        if problem != Problem::NoFolder {
            break;
        }
    }
    let _ = fs::remove_dir(&target);
    match first {
        Some((problem, error)) => bail!("{}", problem.sentence(&nfs.to_string(), &error)),
        None => bail!(
            "{nfs}: the server at {address} speaks none of the versions 3 to 4.2 of NFS over TCP"
        ),
    }
}

/// Mounts the share and returns its folder.
///
/// # Errors
/// In words, what keeps it from being used and what to do about it.
pub fn smb(smb: &Smb, access: Access) -> anyhow::Result<PathBuf> {
    let whole = Smb {
        folder: PathBuf::new(),
        ..smb.clone()
    };
    let target = mount_point("smb", &smb.server, &whole.reveal(), access);
    if !volumes::is_mounted(&target) {
        volumes::ensure_known("cifs")?;
        let address = reach(&smb.server, 445)?;
        fs::create_dir_all(&target).with_context(|| format!("creating {}", target.display()))?;
        let log = KernelLog::from_now();
        let source = format!("//{}/{}", smb.server.host, smb.share);
        if let Err(error) = mount(&source, &target, "cifs", access, &smb_options(smb, address)) {
            let _ = fs::remove_dir(&target);
            let status = log.and_then(|mut log| log.last_word("STATUS_"));
            let problem = smb_problem(&error, status.as_deref(), smb.user.is_some());
            let mut sentence = problem.sentence(&whole.to_string(), &error);
            if let Some(status) = status {
                sentence.push_str(&format!(" (the server said {status})"));
            }
            bail!("{sentence}");
        }
    }
    Ok(target.join(&smb.folder))
}

/// Where a share is mounted: told apart by everything that makes it what it is.
fn mount_point(kind: &str, server: &Server, whole: &str, access: Access) -> PathBuf {
    let mut hasher = DefaultHasher::new();
    (whole, access == Access::ReadOnly).hash(&mut hasher);
    let host: String = server.host.chars().filter(|c| *c != ':').take(40).collect();
    Path::new(MOUNTS).join(format!("{kind}-{host}-{:08x}", hasher.finish() >> 32))
}

fn mount(source: &str, target: &Path, kind: &str, access: Access, data: &str) -> io::Result<()> {
    let source = Path::new(source);
    sys::mount::mount(source, target, kind, access, Trust::Foreign, Some(data))
}

fn answers(address: IpAddr, port: u16) -> bool {
    TcpStream::connect_timeout(&SocketAddr::new(address, port), CONNECT).is_ok()
}

/// The first address of `server` that accepts connections.
pub(super) fn reach(server: &Server, usual_port: u16) -> anyhow::Result<IpAddr> {
    let stream = connect(server, usual_port)?;
    Ok(stream.peer_addr().context("asking who answered")?.ip())
}

/// A connection to the first address of `server` that accepts one.
pub(super) fn connect(server: &Server, usual_port: u16) -> anyhow::Result<TcpStream> {
    let port = server.port.unwrap_or(usual_port);
    let found = (server.host.as_str(), port).to_socket_addrs();
    let found: Vec<SocketAddr> = match found {
        Ok(found) => found.collect(),
        Err(error) => bail!(
            "the address of the server {:?} is not known ({error}): look after its name and the \
             network's DNS server, or write its address instead of its name",
            server.host
        ),
    };
    let try_one = |address: &SocketAddr| TcpStream::connect_timeout(address, CONNECT);
    let problems = match first_of(&found, UNREACHED, PAUSE, try_one) {
        Ok(stream) => return Ok(stream),
        Err(problems) => problems,
    };
    bail!(
        "the server {} does not answer ({}): is it on, is the service running, and does a \
         firewall let port {port} through?",
        server.host,
        problems.join("; ")
    )
}

/// What `try_one` has of the first address where it succeeds, else what is wrong
/// with each. Addresses to none of which packets get are tried again, up to
/// `patience`.
fn first_of<T>(
    addresses: &[SocketAddr],
    patience: Duration,
    pause: Duration,
    mut try_one: impl FnMut(&SocketAddr) -> io::Result<T>,
) -> Result<T, Vec<String>> {
    let started = Instant::now();
    loop {
        let (mut problems, mut reached) = (Vec::new(), addresses.is_empty());
        for address in addresses {
            match try_one(address) {
                Ok(it) => return Ok(it),
                Err(error) => {
                    reached |= !is_unreached(error.kind());
                    problems.push(format!("{address}: {error}"));
                }
            }
        }
        if reached || started.elapsed().saturating_add(pause) > patience {
            return Err(problems);
        }
        sleep(pause);
    }
}

/// "10.0.0.1:/srv/backup".
fn nfs_source(nfs: &Nfs) -> String {
    let host = Server {
        port: None,
        ..nfs.server.clone()
    };
    format!("{host}:{}", nfs.path)
}

fn nfs_options(nfs: &Nfs, address: IpAddr, version: &str) -> String {
    let mut options = format!("vers={version},addr={address},{NFS_PATIENCE}");
    if version == "3" {
        options.push_str(",mountproto=tcp,mountvers=3");
    }
    if let Some(port) = nfs.server.port {
        options.push_str(&format!(",port={port}"));
    }
    options
}

fn smb_options(smb: &Smb, address: IpAddr) -> String {
    // A comma ends an option; two are one.
    let value = |text: &str| text.replace(',', ",,");
    let host = &smb.server.host;
    let mut options = format!("ip={address},unc=\\\\{host}\\{}", value(&smb.share));
    match &smb.user {
        Some(user) => {
            options.push_str(&format!(",username={}", value(&user.name)));
            let password = user.password.as_ref().map(|p| p.reveal());
            options.push_str(&format!(
                ",password={}",
                value(password.unwrap_or_default())
            ));
            if let Some(domain) = &user.domain {
                options.push_str(&format!(",domain={}", value(domain)));
            }
        }
        None => options.push_str(",sec=none,username=,password="),
    }
    if let Some(port) = smb.server.port {
        options.push_str(&format!(",port={port}"));
    }
    options
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::ErrorKind;

    fn smb_at(text: &str) -> Smb {
        Smb::parse(text).unwrap()
    }

    #[test]
    fn options_hold_what_the_kernel_needs() {
        let address: IpAddr = "10.0.0.1".parse().unwrap();
        let options = smb_options(&smb_at("W;me:a%2Cb@nas:1445/s"), address);
        assert_eq!(
            options,
            "ip=10.0.0.1,unc=\\\\nas\\s,username=me,password=a,,b,domain=W,port=1445"
        );
        assert!(smb_options(&smb_at("nas/s"), address).contains("sec=none"));
        let nfs = Nfs::parse("[fd00::1]:2050/srv/b").unwrap();
        assert_eq!(nfs_source(&nfs), "[fd00::1]:/srv/b");
        let options = nfs_options(&nfs, "fd00::1".parse().unwrap(), "3");
        assert!(
            options.starts_with("vers=3,addr=fd00::1,softerr,"),
            "{options}"
        );
        assert!(options.ends_with("mountvers=3,port=2050"), "{options}");
    }

    #[test]
    fn mounts_are_told_apart_by_user_and_access() {
        let point = |text: &str, access| {
            let smb = smb_at(text);
            mount_point("smb", &smb.server, &smb.reveal(), access)
        };
        let one = point("me:a@nas/s", Access::ReadOnly);
        assert_ne!(one, point("me:b@nas/s", Access::ReadOnly));
        assert_ne!(one, point("me:a@nas/s", Access::ReadWrite));
        assert_eq!(one, point("me:a@nas/s", Access::ReadOnly));
        assert!(!one.display().to_string().contains("me:"));
    }

    #[test]
    fn a_server_is_tried_again_only_while_no_packet_gets_there() {
        let two: Vec<SocketAddr> = ["10.0.0.1:1", "10.0.0.2:1"]
            .iter()
            .map(|a| a.parse().unwrap())
            .collect();
        let run = |patience, kinds: &[ErrorKind]| {
            let (mut kinds, mut tries) = (kinds.iter(), 0);
            let outcome = first_of(&two, patience, Duration::from_millis(1), |_| {
                tries += 1;
                kinds.next().map_or(Ok(()), |kind| Err((*kind).into()))
            });
            (outcome.map_err(|problems| problems.len()), tries)
        };
        use ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable, TimedOut};
        let none = [HostUnreachable, NetworkUnreachable, TimedOut];
        assert_eq!(run(UNREACHED, &none), (Ok(()), 4));
        assert_eq!(run(Duration::ZERO, &none), (Err(2), 2), "the time is over");
        let refused = [HostUnreachable, ConnectionRefused];
        assert_eq!(run(UNREACHED, &refused), (Err(2), 2), "one answered");
    }

    #[test]
    fn a_server_that_is_not_there_is_told_in_words() {
        // A port that was just free on the loopback.
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let server = Server::parse(&format!("127.0.0.1:{port}")).unwrap();
        let error = reach(&server, 1).unwrap_err().to_string();
        assert!(
            error.contains("does not answer") && error.contains("firewall"),
            "{error}"
        );
        let nobody = Server::parse("no-such-host.invalid").unwrap();
        let error = reach(&nobody, 1).unwrap_err().to_string();
        assert!(error.contains("is not known"), "{error}");
    }
}
