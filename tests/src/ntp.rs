//! A time server that tells this machine's time (RFC 4330).

use anyhow::{Context, Result};
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds from 1900 to 1970.
const TO_1970: u64 = 2_208_988_800;

/// Answers until the test ends.
#[derive(Debug)]
pub struct TimeServer {
    port: u16,
    asked: Arc<AtomicU32>,
}

impl TimeServer {
    /// Starts one on a free port of the loopback.
    ///
    /// # Errors
    /// When there is none.
    pub fn start() -> Result<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0").context("opening a port")?;
        let port = socket.local_addr()?.port();
        let asked = Arc::new(AtomicU32::new(0));
        let counter = Arc::clone(&asked);
        thread::spawn(move || {
            let mut question = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut question) {
                counter.fetch_add(1, Ordering::Relaxed);
                let question = question.get(..length).unwrap_or_default();
                if let Some(answer) = answer(question) {
                    let _ = socket.send_to(&answer, from);
                }
            }
        });
        Ok(Self { port, asked })
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How many questions came.
    #[must_use]
    pub fn asked(&self) -> u32 {
        self.asked.load(Ordering::Relaxed)
    }
}

/// The time now, at stratum 1, for this question.
fn answer(question: &[u8]) -> Option<[u8; 48]> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    let seconds = u32::try_from(since.as_secs().checked_add(TO_1970)?).ok()?;
    let mut answer = [0; 48];
    (answer[0], answer[1]) = (0b00_100_100, 1);
    answer[24..32].copy_from_slice(question.get(40..48)?);
    for at in [32, 40] {
        answer[at..at + 4].copy_from_slice(&seconds.to_be_bytes());
    }
    Some(answer)
}
