//! Another process of this program: a socket to it, used until a moment and no
//! longer, and what it said when it ended.

use std::io::{ErrorKind, Read, Result, Write};
use std::os::unix::net::UnixStream;
use std::process::Child;
use std::time::{Duration, Instant};

/// The socket.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) socket: UnixStream,
    /// From then on every call fails with [`ErrorKind::TimedOut`].
    pub(crate) until: Instant,
}

impl Line {
    /// Time for the next call; none left is an error.
    fn left(&self) -> Result<Option<Duration>> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        Ok(Some(left))
    }
}

impl Read for Line {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize> {
        self.socket.set_read_timeout(self.left()?)?;
        self.socket.read(buf)
    }
}

impl Write for Line {
    fn write(&mut self, buf: &[u8]) -> Result<usize> {
        self.socket.set_write_timeout(self.left()?)?;
        self.socket.write(buf)
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

/// Receives `N` bytes.
pub(crate) fn array<const N: usize>(from: &mut impl Read) -> Result<[u8; N]> {
    let mut bytes = [0; N];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Whether the other end of a [`Line`] is gone.
pub(crate) fn is_closed(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe | ErrorKind::ConnectionReset
    )
}

/// Whether the time of a [`Line`] is over.
pub(crate) fn is_late(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// The lines, trimmed and none of them empty, that a process which has ended left on
/// its standard error.
pub(crate) fn last_words(child: &mut Child) -> Vec<String> {
    /// Bytes that are told at most.
    const MOST: u64 = 4096;
    let mut said = Vec::new();
    if let Some(errors) = child.stderr.take() {
        let _ = errors.take(MOST).read_to_end(&mut said);
    }
    let said = String::from_utf8_lossy(&said);
    let lines = said.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.map(str::to_owned).collect()
}
