//! A web server that serves a repository's folder: read-only.
//!
//! All it needs is to serve files and byte ranges of them. It cannot list, so
//! the one listing a reader needs, of images, is an object:
//! `snap/index.json`, a JSON array of names in `snap/`.

use std::io::{ErrorKind, Read};
use std::thread::sleep;
use std::time::Duration;

use ureq::http::{Response, StatusCode};
use ureq::{Agent, Body};

use crate::{Error, Result, Store, names};

const LISTED_FOLDER: &str = "snap/";
const LISTING: &str = "snap/index.json";
const MAX_LISTING: u64 = 64 << 20;
/// Waits between tries. A server that restarts is back within this time; one
/// that is gone is reported after it.
const BACK_OFF_MS: [u64; 5] = [100, 300, 1000, 2000, 4000];
/// A server that ignores ranges sends everything from the start; what ends
/// within this many bytes is read that way, the rest is refused.
const MAX_SKIPPED: u64 = 4 << 20;

/// Objects below a web address. Connections are kept and reused.
#[derive(Debug)]
pub struct HttpStore {
    base: String,
    agent: Agent,
}

/// Why one try failed.
enum Failure {
    /// May work the next time.
    Passing(String),
    /// Will not.
    Lasting(Error),
}

impl From<ureq::Error> for Failure {
    fn from(error: ureq::Error) -> Self {
        Self::Passing(error.to_string())
    }
}

type Try<T> = std::result::Result<T, Failure>;

impl HttpStore {
    /// The store below `address` ("http://server/backups").
    #[must_use]
    pub fn new(address: &str) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .user_agent("rescue")
            .timeout_connect(Some(Duration::from_secs(10)))
            .timeout_recv_response(Some(Duration::from_secs(30)))
            .timeout_per_read(Some(Duration::from_secs(30)))
            .max_idle_connections(64)
            .max_idle_connections_per_host(64)
            .build();
        Self {
            base: address.trim_end_matches('/').to_owned(),
            agent: config.into(),
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
        Error::Unreachable {
            location: self.base.clone(),
            reason,
        }
    }

    /// Tries until it works, fails for good, or the waits are used up.
    fn retry<T>(&self, mut attempt: impl FnMut() -> Try<T>) -> Result<T> {
        let mut waits = BACK_OFF_MS.iter();
        loop {
            let reason = match attempt() {
                Ok(value) => return Ok(value),
                Err(Failure::Lasting(error)) => return Err(error),
                Err(Failure::Passing(reason)) => reason,
            };
            let Some(wait) = waits.next() else {
                let tries = BACK_OFF_MS.len() + 1;
                return Err(self.unreachable(format!("{reason} (tried {tries} times)")));
            };
            sleep(Duration::from_millis(*wait));
        }
    }

    /// Sorts out the statuses that mean the same for every request.
    fn checked(&self, name: &str, response: Response<Body>) -> Try<Response<Body>> {
        let status = response.status();
        if status.is_success() || status == StatusCode::RANGE_NOT_SATISFIABLE {
            return Ok(response);
        }
        if status == StatusCode::NOT_FOUND || status == StatusCode::GONE {
            return Err(Failure::Lasting(Error::NotFound {
                location: self.base.clone(),
                name: name.to_owned(),
            }));
        }
        let reason = format!("{name}: the server answered {status}");
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
                location: self.base.clone(),
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
            Err(error) => Err(Failure::Passing(error.to_string())),
        }
    }

    fn try_get(&self, name: &str, url: &str, cap: u64) -> Try<Vec<u8>> {
        let response = self.agent.get(url).call()?;
        let mut response = self.checked(name, response)?;
        let too_large = |size| {
            Failure::Lasting(Error::TooLarge {
                location: self.base.clone(),
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
            .map_err(|e| Failure::Passing(e.to_string()))?;
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
        Err(error) => Err(Failure::Passing(error.to_string())),
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
        self.base.clone()
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
            location: self.base.clone(),
            name: name.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges() {
        let range = |first, total| Some(ContentRange { first, total });
        assert_eq!(parse_range("bytes 10-19/200"), range(Some(10), Some(200)));
        assert_eq!(parse_range("bytes */200"), range(None, Some(200)));
        assert_eq!(parse_range("bytes 0-9/*"), range(Some(0), None));
        assert_eq!(parse_range("items 0-9/10"), None);
    }
}
