//! A web server that serves a repository's folder: read-only.
//!
//! All it needs is to serve files and byte ranges of them. It cannot list, so
//! the one listing a reader needs, of images, is an object:
//! `snap/index.json`, a JSON array of names in `snap/`.

use std::io::{ErrorKind, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use ureq::http::{Response, StatusCode};
use ureq::{Agent, Body};

use crate::proxy::refused;
use crate::trust::{refusal, refusal_while_reading};
use crate::web::{PATIENCE, Silence, Web};
use crate::{Error, Result, Store, names};

const LISTED_FOLDER: &str = "snap/";
const LISTING: &str = "snap/index.json";
const MAX_LISTING: u64 = 64 << 20;
/// Waits between tries. A server that restarts is back within this time; one
/// that is gone is reported after it.
const BACK_OFF_MS: [u32; 5] = [100, 300, 1000, 2000, 4000];
/// Between later tries, while a server is waited for.
const LONGEST_WAIT_MS: u32 = 4000;
/// How long a server is tried to which no packet gets, even one never heard:
/// after a link came up, a switch with spanning tree lets none through for half
/// a minute.
pub const UNREACHED: Duration = Duration::from_secs(40);
/// A server that ignores ranges sends everything from the start; what ends
/// within this many bytes is read that way, the rest is refused.
const MAX_SKIPPED: u64 = 4 << 20;

/// Objects below a web address. Connections are kept and reused.
#[derive(Debug)]
pub struct HttpStore {
    base: String,
    agent: Agent,
    /// The proxy that is used, for messages.
    through: Option<String>,
    silence: Arc<Silence>,
    /// Whether the server has answered once: from then on its silence is
    /// waited out, up to [`PATIENCE`].
    answered: AtomicBool,
    patience: Duration,
    unreached: Duration,
    /// What one of [`BACK_OFF_MS`] stands for.
    millisecond: Duration,
}

/// Why one try failed.
enum Failure {
    /// May work the next time: the server answered, but not well.
    Passing(String),
    /// The server did not answer: a cable is out, it starts again.
    Silent(String),
    /// No packet gets to the server, or none comes back.
    Unreached(String),
    /// One of the two does not trust the other, or the proxy does not let us through.
    Untrusted(String),
    /// Will not.
    Lasting(Error),
}

impl From<ureq::Error> for Failure {
    fn from(error: ureq::Error) -> Self {
        if let Some(words) = refusal(&error) {
            return Self::Untrusted(words);
        }
        match error {
            ureq::Error::Io(ref io) if is_unreached(io.kind()) => {
                Self::Unreached(error.to_string())
            }
            ureq::Error::Io(_)
            | ureq::Error::Timeout(_)
            | ureq::Error::ConnectionFailed
            | ureq::Error::HostNotFound => Self::Silent(error.to_string()),
            ureq::Error::ConnectProxyFailed(reason) => match refused(&reason) {
                Ok(reason) => Self::Silent(reason),
                Err(final_words) => Self::Untrusted(final_words),
            },
            _ => Self::Passing(error.to_string()),
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        if let Some(words) = refusal_while_reading(&error) {
            return Self::Untrusted(words);
        }
        match error.kind() {
            ErrorKind::UnexpectedEof => Self::Passing("the connection ended early".to_owned()),
            _ => Self::Silent(error.to_string()),
        }
    }
}

/// Whether no packet came back from a server.
#[must_use]
pub fn is_unreached(kind: ErrorKind) -> bool {
    use ErrorKind::{HostUnreachable, NetworkUnreachable, TimedOut};
    matches!(kind, HostUnreachable | NetworkUnreachable | TimedOut)
}

type Try<T> = std::result::Result<T, Failure>;

impl HttpStore {
    /// The store below `address` ("https://server/backups"), reached by `web`.
    ///
    /// # Errors
    /// [`Error::Unreachable`] when the certificates of `web` cannot be used.
    pub fn new(address: &str, web: &Web) -> Result<Self> {
        let base = address.trim_end_matches('/').to_owned();
        match web.agent(address) {
            Ok(agent) => Ok(Self {
                base,
                agent,
                through: web.proxy_towards(address).map(ToString::to_string),
                silence: Arc::clone(&web.silence),
                answered: AtomicBool::new(false),
                patience: PATIENCE,
                unreached: UNREACHED,
                millisecond: Duration::from_millis(1),
            }),
            Err(error) => Err(Error::Unreachable {
                location: without_password(&base),
                reason: error.to_string(),
            }),
        }
    }

    /// What sends requests.
    pub(crate) fn agent(&self) -> &Agent {
        &self.agent
    }

    fn url(&self, name: &str) -> Result<String> {
        if names::is_valid(name) {
            return Ok(format!("{}/{name}", self.base));
        }
        Err(self.unreachable(format!("{name:?} is not a possible object name")))
    }

    fn unreachable(&self, reason: String) -> Error {
        let reason = match &self.through {
            Some(proxy) => format!("{reason} (through the proxy {proxy})"),
            None => reason,
        };
        Error::Unreachable {
            location: self.location(),
            reason,
        }
    }

    /// Tries until it works, fails for good, or the waits are used up. A server
    /// that answered before is waited for much longer when it falls silent.
    fn retry<T>(&self, mut attempt: impl FnMut() -> Try<T>) -> Result<T> {
        let (started, mut tries) = (Instant::now(), 0_usize);
        loop {
            // For how long it is tried again; whether the server is silent.
            let (reason, patience, silent) = match attempt() {
                Ok(value) => {
                    self.heard();
                    return Ok(value);
                }
                Err(Failure::Lasting(error)) => {
                    self.heard();
                    return Err(error);
                }
                Err(Failure::Untrusted(reason)) => return Err(self.unreachable(reason)),
                Err(Failure::Passing(reason)) => (reason, Duration::ZERO, false),
                Err(Failure::Silent(reason)) => (reason, Duration::ZERO, true),
                Err(Failure::Unreached(reason)) => (reason, self.unreached, true),
            };
            let wait = BACK_OFF_MS.get(tries);
            tries = tries.saturating_add(1);
            let waits = silent && self.answered.load(Ordering::Relaxed);
            let patience = if waits { self.patience } else { patience };
            let wait = match wait {
                Some(wait) => *wait,
                None if started.elapsed() < patience => LONGEST_WAIT_MS,
                None => return Err(self.unreachable(gave_up(&reason, tries, started.elapsed()))),
            };
            if waits {
                self.silence.begins(&reason);
            }
            sleep(self.millisecond.saturating_mul(wait));
        }
    }

    /// The server answered.
    fn heard(&self) {
        self.answered.store(true, Ordering::Relaxed);
        self.silence.ends();
    }

    /// Sorts out the statuses that mean the same for every request.
    fn checked(&self, name: &str, response: Response<Body>) -> Try<Response<Body>> {
        let status = response.status();
        if status.is_success() || status == StatusCode::RANGE_NOT_SATISFIABLE {
            return Ok(response);
        }
        if status == StatusCode::NOT_FOUND || status == StatusCode::GONE {
            return Err(Failure::Lasting(Error::NotFound {
                location: self.location(),
                name: name.to_owned(),
            }));
        }
        let mut reason = format!("{name}: the server answered {status}");
        if status == StatusCode::BAD_REQUEST && self.base.starts_with("https://") {
            // What nginx says to one who shows no certificate, or a wrong one.
            reason.push_str(
                "; it may want to know who asks: give --client-cert and --client-key (`client-cert` \
                 and `client-key` in the plan), signed by an authority that it trusts",
            );
        }
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            return Err(Failure::Passing(reason));
        }
        Err(Failure::Lasting(self.unreachable(reason)))
    }

    fn try_range(&self, name: &str, url: &str, offset: u64, buf: &mut [u8]) -> Try<()> {
        let expected = offset.saturating_add(buf.len() as u64);
        let range = format!("bytes={offset}-{}", expected.saturating_sub(1));
        let response = self.agent.get(url).header("Range", &range).call()?;
        let mut response = self.checked(name, response)?;
        let part = content_range(&response);
        let short = |size| {
            Failure::Lasting(Error::ShortObject {
                location: self.location(),
                name: name.to_owned(),
                size,
                expected,
            })
        };
        match (response.status(), part) {
            (StatusCode::PARTIAL_CONTENT, Some(part)) if part.first == Some(offset) => {
                if let Some(total) = part.total.filter(|total| *total < expected) {
                    return Err(short(total));
                }
            }
            (StatusCode::RANGE_NOT_SATISFIABLE, part) => {
                let total = part.and_then(|p| p.total);
                return Err(short(total.unwrap_or(offset)));
            }
            (StatusCode::OK, _) => {
                if let Some(size) = content_length(&response).filter(|size| *size < expected) {
                    return Err(short(size));
                }
                self.skip_to(name, &mut response, offset, expected)?;
            }
            (status, _) => {
                return Err(Failure::Passing(format!(
                    "{name}: the server answered {status} to a request for {range}"
                )));
            }
        }
        read_body(&mut response, buf)
    }

    /// The server ignored the range: skips what was not asked for.
    fn skip_to(
        &self,
        name: &str,
        response: &mut Response<Body>,
        offset: u64,
        expected: u64,
    ) -> Try<()> {
        if expected > MAX_SKIPPED {
            return Err(Failure::Lasting(self.unreachable(format!(
                "{name}: the server ignores byte ranges and would send the whole object for \
                 every piece of it; use a server that supports them (nginx, Apache, Caddy)"
            ))));
        }
        let skipped = response.body_mut().as_reader().take(offset);
        match std::io::copy(&mut { skipped }, &mut std::io::sink()) {
            Ok(len) if len == offset => Ok(()),
            Ok(_) => Err(Failure::Passing("the connection ended early".to_owned())),
            Err(error) => Err(error.into()),
        }
    }

    fn try_get(&self, name: &str, url: &str, cap: u64) -> Try<Vec<u8>> {
        let response = self.agent.get(url).call()?;
        let mut response = self.checked(name, response)?;
        let too_large = |size| {
            Failure::Lasting(Error::TooLarge {
                location: self.location(),
                name: name.to_owned(),
                size,
                cap,
            })
        };
        let size = content_length(&response);
        if let Some(size) = size.filter(|size| *size > cap) {
            return Err(too_large(size));
        }
        let mut bytes = Vec::new();
        let limit = cap.saturating_add(1);
        response
            .body_mut()
            .as_reader()
            .take(limit)
            .read_to_end(&mut bytes)
            .map_err(Failure::from)?;
        let found = bytes.len() as u64;
        if found > cap {
            return Err(too_large(found));
        }
        match size {
            Some(size) if size != found => Err(Failure::Passing(format!(
                "{name}: the connection ended after {found} of {size} bytes"
            ))),
            _ => Ok(bytes),
        }
    }

    fn try_size(&self, name: &str, url: &str) -> Try<u64> {
        let response = self.agent.head(url).call()?;
        let response = self.checked(name, response)?;
        content_length(&response).ok_or_else(|| {
            Failure::Lasting(self.unreachable(format!("{name}: the server does not tell its size")))
        })
    }
}

fn gave_up(reason: &str, tries: usize, after: Duration) -> String {
    match after.as_secs() {
        60.. => format!("{reason} (no answer for {} min)", after.as_secs() / 60),
        _ => format!("{reason} (tried {tries} times)"),
    }
}

/// The address as it may be shown.
fn without_password(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://") else {
        return address.to_owned();
    };
    let (authority, path) = match rest.find('/') {
        Some(at) => rest.split_at_checked(at).unwrap_or((rest, "")),
        None => (rest, ""),
    };
    let Some((user, host)) = authority.rsplit_once('@') else {
        return address.to_owned();
    };
    let name = user.split(':').next().unwrap_or_default();
    format!("{scheme}://{name}@{host}{path}")
}

/// Reads exactly `buf.len()` bytes of the body.
fn read_body(response: &mut Response<Body>, buf: &mut [u8]) -> Try<()> {
    let mut reader = response.body_mut().as_reader();
    match reader.read_exact(buf) {
        Ok(()) => {
            // Only a body read to its end gives its connection back to the
            // pool. More than was asked for, or an error, does not matter.
            let _ = reader.read(&mut [0]);
            Ok(())
        }
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
            Err(Failure::Passing("the connection ended early".to_owned()))
        }
        Err(error) => Err(error.into()),
    }
}

fn content_length(response: &Response<Body>) -> Option<u64> {
    let value = response.headers().get("content-length")?;
    value.to_str().ok()?.trim().parse().ok()
}

#[derive(Debug, PartialEq, Eq)]
struct ContentRange {
    first: Option<u64>,
    total: Option<u64>,
}

fn content_range(response: &Response<Body>) -> Option<ContentRange> {
    parse_range(response.headers().get("content-range")?.to_str().ok()?)
}

/// "bytes 10-19/200" or "bytes */200" (RFC 9110, 14.4).
fn parse_range(text: &str) -> Option<ContentRange> {
    let (range, total) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
    let first = range
        .split_once('-')
        .and_then(|(a, _)| a.trim().parse().ok());
    Some(ContentRange {
        first,
        total: total.trim().parse().ok(),
    })
}

impl Store for HttpStore {
    fn location(&self) -> String {
        without_password(&self.base)
    }

    fn get(&self, name: &str, cap: u64) -> Result<Vec<u8>> {
        let url = self.url(name)?;
        self.retry(|| self.try_get(name, &url, cap))
    }

    fn read_range(&self, name: &str, offset: u64, buf: &mut [u8]) -> Result<()> {
        if buf.is_empty() {
            return Ok(());
        }
        let url = self.url(name)?;
        self.retry(|| self.try_range(name, &url, offset, buf))
    }

    fn size(&self, name: &str) -> Result<u64> {
        let url = self.url(name)?;
        self.retry(|| self.try_size(name, &url))
    }

    fn put(&self, name: &str, _bytes: &[u8]) -> Result<()> {
        Err(self.read_only(name))
    }

    fn list(&self, prefix: &str) -> Result<Vec<String>> {
        if prefix != LISTED_FOLDER {
            return Err(self.unreachable(format!("a web server cannot list {prefix:?}")));
        }
        let bytes = self
            .get(LISTING, MAX_LISTING)
            .map_err(|error| match error {
                Error::NotFound { .. } => self.unreachable(format!(
                    "it has no {LISTING}; is this the address of a repository?"
                )),
                other => other,
            })?;
        let listed: Vec<String> = serde_json::from_slice(&bytes)
            .map_err(|e| self.unreachable(format!("{LISTING} is no list of names: {e}")))?;
        let mut out: Vec<String> = listed
            .iter()
            .map(|name| format!("{LISTED_FOLDER}{name}"))
            .filter(|name| names::is_valid(name))
            .collect();
        out.sort_unstable();
        Ok(out)
    }

    fn delete(&self, name: &str) -> Result<()> {
        Err(self.read_only(name))
    }
}

impl HttpStore {
    fn read_only(&self, name: &str) -> Error {
        Error::ReadOnly {
            location: self.location(),
            name: name.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(patience: Duration) -> HttpStore {
        let mut store = HttpStore::new("https://me:secret@h/r", &Web::default()).unwrap();
        store.patience = patience;
        store.unreached = Duration::ZERO;
        store.millisecond = Duration::from_micros(10);
        store
    }

    #[test]
    fn passwords_are_not_told() {
        assert_eq!(store(PATIENCE).location(), "https://me@h/r");
        assert_eq!(without_password("http://h/a@b"), "http://h/a@b");
    }

    #[test]
    fn a_server_that_falls_silent_is_waited_for_and_one_never_heard_is_not() {
        let store = store(Duration::from_secs(20));
        let gone = || -> Try<()> { Err(Failure::Silent("no route".to_owned())) };
        store.heard();
        let mut tries = 0;
        let late = store.retry(|| {
            tries += 1;
            if tries <= BACK_OFF_MS.len() + 1 {
                return gone();
            }
            assert!(store.silence.now().is_some(), "the silence is known");
            Ok(())
        });
        late.unwrap();
        assert!(store.silence.now().is_none(), "it is over");
        let other = self::store(PATIENCE);
        let error = other.retry(gone).unwrap_err().to_string();
        assert!(error.contains("tried 6 times"), "{error}");
        assert!(other.silence.now().is_none());
    }

    #[test]
    fn a_server_to_which_no_packet_gets_is_tried_longer() {
        let failure = |kind| Failure::from(ureq::Error::Io(std::io::Error::from(kind)));
        let mut store = store(PATIENCE);
        store.unreached = Duration::from_secs(20);
        let mut tries = 0;
        let late = store.retry(|| {
            tries += 1;
            match tries <= BACK_OFF_MS.len() + 1 {
                true => Err(failure(ErrorKind::HostUnreachable)),
                false => Ok(()),
            }
        });
        late.unwrap();
        let refused = || -> Try<()> { Err(failure(ErrorKind::ConnectionRefused)) };
        let mut other = self::store(PATIENCE);
        other.unreached = Duration::from_secs(20);
        let error = other.retry(refused).unwrap_err().to_string();
        assert!(error.contains("tried 6 times"), "{error}");
    }

    #[test]
    fn mistrust_is_not_tried_again() {
        let mut tries = 0;
        let error = store(PATIENCE).retry(|| -> Try<()> {
            tries += 1;
            Err(Failure::Untrusted("expired".to_owned()))
        });
        assert_eq!(tries, 1);
        assert!(error.unwrap_err().to_string().contains("expired"));
    }

    #[test]
    fn content_ranges() {
        let range = |first, total| Some(ContentRange { first, total });
        assert_eq!(parse_range("bytes 10-19/200"), range(Some(10), Some(200)));
        assert_eq!(parse_range("bytes */200"), range(None, Some(200)));
        assert_eq!(parse_range("bytes 0-9/*"), range(Some(0), None));
        assert_eq!(parse_range("items 0-9/10"), None);
    }
}
