//! Everything a machine says, gathered by one thread per port in one place that
//! waiters can block on.

use crate::qmp::Monitor;
use crate::transcript::Transcript;
use serde_json::Value;
use std::io::Read;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Port {
    Console,
    Events,
    Monitor,
}

impl Port {
    pub(crate) const ALL: [Self; 3] = [Self::Console, Self::Events, Self::Monitor];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Console => "console",
            Self::Events => "events",
            Self::Monitor => "monitor",
        }
    }
}

/// What has arrived so far.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) console: Transcript,
    pub(crate) events: Events,
    pub(crate) monitor: Monitor,
    pub(crate) stderr: Vec<u8>,
    writers: Vec<(Port, Arc<UnixStream>)>,
    /// Ports (and QEMU's stderr) that may still say something.
    open: usize,
}

impl State {
    /// QEMU is gone and everything it said has been read.
    pub(crate) fn ended(&self) -> bool {
        self.open == 0
    }

    pub(crate) fn writer(&self, port: Port) -> Option<Arc<UnixStream>> {
        let found = self.writers.iter().find(|(p, _)| *p == port)?;
        Some(Arc::clone(&found.1))
    }

    fn receive(&mut self, port: Port, bytes: &[u8]) {
        match port {
            Port::Console => self.console.push(bytes),
            Port::Events => self.events.push(bytes),
            Port::Monitor => self.monitor.push(bytes),
        }
    }
}

/// The event port: one JSON value a line, read in order.
#[derive(Debug, Default)]
pub(crate) struct Events {
    lines: Lines,
    all: Vec<Value>,
    read: usize,
    /// Lines that were not JSON.
    noise: Vec<String>,
}

impl Events {
    fn push(&mut self, bytes: &[u8]) {
        for line in self.lines.push(bytes) {
            match event(&line) {
                Some(value) => self.all.push(value),
                None => self.noise.push(line),
            }
        }
    }

    /// Reads up to and including the next event that `wanted` accepts.
    pub(crate) fn take(&mut self, wanted: &mut dyn FnMut(&Value) -> bool) -> Option<Value> {
        while let Some(event) = self.all.get(self.read) {
            self.read += 1;
            if wanted(event) {
                return Some(event.clone());
            }
        }
        None
    }

    pub(crate) fn all(&self) -> Vec<Value> {
        self.all.clone()
    }

    /// For error messages: the last events and what was no event.
    pub(crate) fn tail(&self, count: usize) -> String {
        let from = self.all.len().saturating_sub(count);
        let events = self.all.iter().skip(from).map(Value::to_string);
        let noise = self.noise.iter().map(|line| format!("not JSON: {line}"));
        events.chain(noise).collect::<Vec<_>>().join("\n")
    }
}

/// The JSON in a line. UEFI firmware and GRUB may use the port before its owner does,
/// and leave cursor movements there without an end of line.
fn event(line: &str) -> Option<Value> {
    let begins = line.find("{\"event\"").unwrap_or(0);
    serde_json::from_str(line.get(begins..)?).ok()
}

/// Splits a byte stream into lines; empty ones are dropped.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    partial: Vec<u8>,
}

impl Lines {
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut complete = Vec::new();
        for byte in bytes {
            if *byte != b'\n' {
                self.partial.push(*byte);
                continue;
            }
            let line = std::mem::take(&mut self.partial);
            let line = String::from_utf8_lossy(&line).trim().to_owned();
            if !line.is_empty() {
                complete.push(line);
            }
        }
        complete
    }
}

#[derive(Debug)]
pub(crate) struct Hub {
    state: Mutex<State>,
    changed: Condvar,
}

impl Hub {
    /// A hub that expects every port and QEMU's stderr.
    pub(crate) fn new() -> Arc<Self> {
        let state = State {
            open: Port::ALL.len() + 1,
            ..State::default()
        };
        Arc::new(Self {
            state: Mutex::new(state),
            changed: Condvar::new(),
        })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn update(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    /// Blocks until `check` gives an answer; `None` when `deadline` comes first.
    pub(crate) fn wait<T>(
        &self,
        deadline: Instant,
        mut check: impl FnMut(&mut State) -> Option<T>,
    ) -> Option<T> {
        let mut state = self.lock();
        loop {
            if let Some(answer) = check(&mut state) {
                return Some(answer);
            }
            let left = deadline.checked_duration_since(Instant::now())?;
            state = self
                .changed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Reads `port` to its end. QEMU connects to `listener`, so nothing the
    /// guest says is lost however late we look.
    pub(crate) fn read_port(self: &Arc<Self>, port: Port, listener: UnixListener) {
        let hub = Arc::clone(self);
        thread::spawn(move || {
            if let Ok((stream, _)) = listener.accept() {
                drop(listener);
                let stream = Arc::new(stream);
                hub.update(|state| state.writers.push((port, Arc::clone(&stream))));
                pump(&*stream, |bytes| {
                    hub.update(|state| state.receive(port, bytes));
                });
            }
            hub.update(|state| state.open = state.open.saturating_sub(1));
        });
    }

    /// Reads QEMU's stderr to its end, which is the end of QEMU; then releases
    /// ports that it never connected to.
    pub(crate) fn read_stderr(self: &Arc<Self>, stderr: impl Read + Send + 'static, dir: &Path) {
        let hub = Arc::clone(self);
        let sockets = Port::ALL.map(|port| dir.join(port.name()));
        thread::spawn(move || {
            pump(stderr, |bytes| {
                hub.update(|state| state.stderr.extend_from_slice(bytes));
            });
            for socket in sockets {
                // Refused when QEMU had connected: then there is nothing to release.
                drop(UnixStream::connect(socket));
            }
            hub.update(|state| state.open = state.open.saturating_sub(1));
        });
    }
}

fn pump(mut source: impl Read, mut take: impl FnMut(&[u8])) {
    let mut buffer = [0; 8192];
    loop {
        match source.read(&mut buffer) {
            Ok(0) => return,
            Ok(n) => take(buffer.get(..n).unwrap_or_default()),
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn events_are_read_in_order_and_noise_is_told() {
        let mut events = Events::default();
        events.push(b"{\"event\":\"phase\",\"n\":1}\nhello\r\n{\"event\":");
        events.push(b"\"done\"}\n");
        let done = events.take(&mut |e| e["event"] == "done").unwrap();
        assert_eq!(done["event"], "done");
        assert!(events.take(&mut |e| e["event"] == "phase").is_none());
        assert_eq!(events.all().len(), 2);
        events.push(b"\x1b[0m\x1b[5;1H{\"event\":\"late\"}\n");
        assert!(events.take(&mut |e| e["event"] == "late").is_some());
        assert!(events.tail(1).ends_with("not JSON: hello"));
    }

    #[test]
    fn a_wait_ends_at_its_deadline() {
        let hub = Hub::new();
        let limit = Duration::from_millis(20);
        let answer = hub.wait(Instant::now() + limit, |_| None::<()>);
        assert!(answer.is_none());
        assert!(!hub.lock().ended());
    }
}
