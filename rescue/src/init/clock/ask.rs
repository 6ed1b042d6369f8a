//! Asking a time server.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::time::{Duration, Instant, SystemTime};

use ::site::plan::share::Server;
use anyhow::{Context, bail};

use super::sntp;

/// The port of NTP.
const PORT: u16 = 123;

/// How often a server is asked, and how long each answer may take.
const TRIES: u32 = 3;
const PATIENCE: Duration = Duration::from_millis(1500);

/// How far a clock is from the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Off {
    /// The clock shows an earlier time.
    Behind(Duration),
    /// The clock shows a later time.
    Ahead(Duration),
}

impl Off {
    /// Seconds to be added to the clock.
    pub(super) fn seconds(self) -> i64 {
        let whole = |d: Duration| i64::try_from(d.as_secs()).unwrap_or(i64::MAX);
        match self {
            Self::Behind(by) => whole(by),
            Self::Ahead(by) => whole(by).saturating_neg(),
        }
    }

    /// The time, when `clock` is off by this much.
    pub(super) fn correct(self, clock: SystemTime) -> Option<SystemTime> {
        match self {
            Self::Behind(by) => clock.checked_add(by),
            Self::Ahead(by) => clock.checked_sub(by),
        }
    }

    pub(super) fn by(self) -> Duration {
        match self {
            Self::Behind(by) | Self::Ahead(by) => by,
        }
    }
}

/// How far this machine's clock is from that of `server`.
pub(super) fn ask(server: &Server) -> anyhow::Result<Off> {
    let port = server.port.unwrap_or(PORT);
    let address = (server.host.as_str(), port)
        .to_socket_addrs()
        .with_context(|| format!("the address of the time server {server} is not known"))?
        .next()
        .with_context(|| format!("the time server {server} has no address"))?;
    let mut last = None;
    for _ in 0..TRIES {
        match ask_once(address) {
            Ok(off) => return Ok(off),
            Err(error) => last = Some(error),
        }
    }
    match last {
        Some(error) => Err(error.context(format!("the time server {server}"))),
        None => bail!("the time server {server} was not asked"),
    }
}

fn ask_once(address: SocketAddr) -> anyhow::Result<Off> {
    let any: SocketAddr = match address {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any).context("opening a socket")?;
    socket.connect(address).context("reaching it")?;
    let cookie = RandomState::new().build_hasher().finish();
    let (asked, clock) = (Instant::now(), SystemTime::now());
    socket.send(&sntp::question(cookie)).context("asking it")?;
    let mut packet = [0; 512];
    loop {
        let left = PATIENCE.saturating_sub(asked.elapsed());
        if left.is_zero() {
            bail!("it does not answer");
        }
        socket
            .set_read_timeout(Some(left))
            .context("waiting for its answer")?;
        let length = match socket.recv(&mut packet) {
            Ok(length) => length,
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => continue,
            Err(e) if e.kind() == ErrorKind::ConnectionRefused => bail!("it gives no time"),
            Err(error) => return Err(error).context("waiting for its answer"),
        };
        let round_trip = asked.elapsed();
        match sntp::answer(packet.get(..length).unwrap_or_default(), cookie) {
            Err(sntp::NoTime::NoAnswer) => {}
            Err(why) => bail!("{why}"),
            Ok(time) => {
                let here = clock.checked_add(round_trip / 2).unwrap_or(clock);
                return Ok(match time.duration_since(here) {
                    Ok(by) => Off::Behind(by),
                    Err(error) => Off::Ahead(error.duration()),
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server on the loopback that answers once, `ahead` of this machine.
    fn server(ahead: Duration) -> Server {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        std::thread::spawn(move || {
            let mut question = [0; 64];
            let (_, from) = socket.recv_from(&mut question).unwrap();
            // Something foreign first: it must not count.
            socket.send_to(&[0; 48], from).unwrap();
            let now = SystemTime::now() + ahead;
            let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap();
            let seconds = u32::try_from(since.as_secs() + 2_208_988_800).unwrap();
            let mut answer = [0; 48];
            (answer[0], answer[1]) = (0x24, 1);
            answer[24..32].copy_from_slice(&question[40..48]);
            answer[32..36].copy_from_slice(&seconds.to_be_bytes());
            answer[40..44].copy_from_slice(&seconds.to_be_bytes());
            socket.send_to(&answer, from).unwrap();
        });
        Server::parse(&format!("127.0.0.1:{port}")).unwrap()
    }

    #[test]
    fn the_difference_is_told_and_corrected() {
        let off = ask(&server(Duration::from_secs(1000))).unwrap();
        let seconds = off.seconds();
        assert!((998..=1000).contains(&seconds), "{off:?}");
        let now = SystemTime::now();
        assert_eq!(off.correct(now), now.checked_add(off.by()));
        assert_eq!(Off::Ahead(Duration::from_secs(5)).seconds(), -5);
    }

    #[test]
    fn a_server_that_is_silent_or_not_there_is_told() {
        let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = silent.local_addr().unwrap().port();
        let server = Server::parse(&format!("127.0.0.1:{port}")).unwrap();
        let error = format!("{:#}", ask(&server).unwrap_err());
        assert!(error.ends_with("it does not answer"), "{error}");
        drop(silent);
        let error = format!("{:#}", ask(&server).unwrap_err());
        assert!(
            error.contains(&format!("127.0.0.1:{port}: it gives no time")),
            "{error}"
        );
    }
}
