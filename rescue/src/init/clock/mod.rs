//! This machine's clock. A wrong one makes good certificates bad, and a domain
//! turns a restored machine away whose clock is more than minutes off.
//!
//! The process asks the time servers that the medium's configuration or a DHCP
//! server names, and sets the clock of this system. The hardware clock is left
//! alone: the restored system may want local time in it, as Windows does.

mod ask;
pub mod sntp;
mod words;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use ::site::plan::share::Server;
use anyhow::Context;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::network::{self, Network};
use super::port::Port;
use super::site;
use super::state::Board;

/// The name of [`Clock`] on the [`Board`].
pub const STATE: &str = "clock";

/// How long whoever needs the right time waits for it: all servers but one may
/// be silent, and are asked one after the other.
const PATIENCE: Duration = Duration::from_secs(12);

/// When servers that told nothing are asked again, and when one that did is.
const SOON: Duration = Duration::from_secs(60);
const LATER: Duration = Duration::from_secs(6 * 3600);

/// A smaller difference is none: nothing here needs it better.
const SMALL: Duration = Duration::from_millis(500);

/// What is known about the clock.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// The servers that were asked.
    pub asked: Vec<String>,
    /// Whose time it has.
    pub server: Option<String>,
    /// By how many seconds it was behind (or, below zero, ahead) when the machine started.
    pub was_behind: Option<i64>,
    /// Why no server told the time.
    pub problem: Option<String>,
}

/// Runs until killed.
///
/// # Errors
/// When it cannot be told how things stand, or waited for news.
pub fn run() -> anyhow::Result<()> {
    let board = Board::system();
    let mut clock = Clock::default();
    loop {
        let outlook = Outlook::now(&board);
        clock = match outlook.network {
            true => look(&outlook.servers, clock.was_behind),
            false => Clock {
                was_behind: clock.was_behind,
                ..Clock::default()
            },
        };
        board
            .publish(STATE, &clock)
            .context("publishing the clock")?;
        if !clock.asked.is_empty() {
            Port::current().fact(STATE, json!(clock));
        }
        let limit = if clock.server.is_some() { LATER } else { SOON };
        let other = |board: &Board| (Outlook::now(board) != outlook).then_some(());
        board
            .wait_for(limit, other)
            .context("waiting for time servers")?;
    }
}

/// Whom to ask, and whether they can be reached: when that changes, they are
/// asked anew.
#[derive(Debug, PartialEq, Eq)]
struct Outlook {
    network: bool,
    /// With another one, servers may be reached that were not.
    addresses: BTreeSet<IpAddr>,
    servers: Vec<String>,
}

impl Outlook {
    fn now(board: &Board) -> Self {
        let network: Network = board.read(network::STATE).unwrap_or_default();
        let up = network.links.values().filter(|link| link.is_up());
        let addresses = up.flat_map(|link| &link.addresses).map(|a| a.address);
        Self {
            network: network.is_up(),
            addresses: addresses.collect(),
            servers: servers(&network),
        }
    }
}

/// Asks the servers in their order until one tells the time, and sets the clock.
fn look(servers: &[String], was_behind: Option<i64>) -> Clock {
    let mut problems = Vec::new();
    for text in servers {
        let told = Server::parse(text)
            .context("it is no server")
            .and_then(|server| set_by(&server));
        match told {
            Ok(behind) => {
                return Clock {
                    asked: servers.to_vec(),
                    server: Some(text.clone()),
                    // The hardware clock's error is the first that was seen.
                    was_behind: was_behind.or(Some(behind)),
                    problem: None,
                };
            }
            Err(error) => problems.push(format!("{error:#}")),
        }
    }
    Clock {
        asked: servers.to_vec(),
        server: None,
        was_behind,
        problem: (!problems.is_empty()).then(|| problems.join("; ")),
    }
}

/// Sets this system's clock; by how many seconds it was behind.
fn set_by(server: &Server) -> anyhow::Result<i64> {
    let off = ask::ask(server)?;
    if off.by() > SMALL {
        let time = off.correct(SystemTime::now());
        let time =
            time.with_context(|| format!("{server} tells a time beyond this clock's range"))?;
        sys::time::set_clock(time).context("setting the clock")?;
    }
    Ok(off.seconds())
}

/// Those of the configuration first, then those that DHCP servers told.
fn servers(network: &Network) -> Vec<String> {
    let mut all = site::current().time_servers;
    for server in network.time_servers() {
        if !all.contains(&server) {
            all.push(server);
        }
    }
    all
}

/// Waits until the clock was set, or no server that is known told the time. For
/// whoever is about to judge a certificate, once there is a network.
pub fn wait() {
    let settled = |board: &Board| {
        let servers = Outlook::now(board).servers;
        let clock: Clock = board.read(STATE).unwrap_or_default();
        (servers.is_empty() || clock.server.is_some() || clock.asked == servers).then_some(())
    };
    // With a wrong clock the certificate is refused, and that says why.
    let _ = Board::system().wait_for(PATIENCE, settled);
}

/// What an operator should know about the clock.
#[must_use]
pub fn warnings() -> Vec<String> {
    let clock: Clock = Board::system().read(STATE).unwrap_or_default();
    words::warnings(&clock, SystemTime::now())
}
