//! Telling a web server something, beside the objects it keeps.

use std::thread::sleep;
use std::time::Duration;

use crate::trust::refusal;
use crate::{Error, HttpStore, Result, Store, Web};

/// Waits between tries when the server cannot be reached, in seconds.
const WAITS: [u64; 3] = [1, 2, 4];

/// What a server answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status, 100 to 599.
    pub status: u16,
}

/// Sends `json` to `address` by POST. A server that cannot be reached is tried
/// again a few times; one that answers is not, whatever it says.
///
/// # Errors
/// [`Error::Unreachable`] when no try reached it, or one does not trust the other.
pub fn post_json(address: &str, json: &[u8], web: &Web) -> Result<Answer> {
    let store = HttpStore::new(address, web)?;
    let mut waits = WAITS.iter();
    loop {
        let sent = store
            .agent()
            .post(address)
            .header("Content-Type", "application/json")
            .send(json);
        let reason = match sent {
            Ok(response) => {
                let status = response.status().as_u16();
                return Ok(Answer { status });
            }
            Err(error) => match refusal(&error) {
                Some(reason) => {
                    let location = store.location();
                    return Err(Error::Unreachable { location, reason });
                }
                None => error.to_string(),
            },
        };
        let Some(wait) = waits.next() else {
            return Err(Error::Unreachable {
                location: store.location(),
                reason: format!("{reason} (tried {} times)", WAITS.len() + 1),
            });
        };
        sleep(Duration::from_secs(*wait));
    }
}
