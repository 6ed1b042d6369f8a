//! The event port: JSON lines on a serial port of their own, for automation.
//!
//! Named by `rescue.events=ttyS1` on the kernel command line, or by QEMU's
//! `-fw_cfg name=opt/org.rescue/events,string=ttyS1`.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::cmdline::Cmdline;
use crate::event::{Event, Sink};
use crate::ui;

/// Progress is told at most this often: a serial line carries 11 KiB a second,
/// and the restore waits for it.
const PROGRESS: Duration = Duration::from_millis(250);

/// PID 1 has at most this many events waiting.
const WAITING: usize = 256;

/// What QEMU was told to tell us under `opt/org.rescue/NAME`; `None` also while
/// the driver that knows is not loaded.
pub(super) fn fw_cfg(name: &str) -> Option<String> {
    const FOLDER: &str = "/sys/firmware/qemu_fw_cfg/by_name/opt/org.rescue";
    std::fs::read_to_string(format!("{FOLDER}/{name}/raw")).ok()
}

/// Which device the events go to, if any; `None` also while the driver that
/// knows is not loaded.
#[must_use]
pub fn path(cmdline: &Cmdline) -> Option<PathBuf> {
    let named = match cmdline.value("rescue.events") {
        Some(name) => name.to_owned(),
        None => fw_cfg("events")?,
    };
    device(&named)
}

/// "ttyS1" or "/dev/ttyS1" as a path; `None` for anything but a plain name.
fn device(named: &str) -> Option<PathBuf> {
    let name = named.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    let name = name.strip_prefix("/dev/").unwrap_or(name);
    let plain = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric());
    plain.then(|| Path::new("/dev").join(name))
}

fn open() -> Option<File> {
    let file = sys::console::open(&path(&Cmdline::current())?).ok()?;
    // A port that is no terminal is written to as it is.
    let _ = sys::console::set_raw(&file);
    Some(file)
}

/// Writes events to the port. Without a port it drops them.
#[derive(Debug, Default)]
pub struct Port {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    file: Option<File>,
    /// When progress was told last.
    told: Option<Instant>,
}

impl State {
    /// Whether `event` is worth the time it takes on a slow line: progress is
    /// told now and then, everything else always.
    fn is_due(&mut self, event: &Event, now: Instant) -> bool {
        match event {
            Event::Progress { .. } => {}
            // Told as seldom by the engine itself.
            Event::Part { .. } => return true,
            _ => {
                self.told = None;
                return true;
            }
        }
        let due = self
            .told
            .is_none_or(|told| now.duration_since(told) >= PROGRESS);
        if due {
            self.told = Some(now);
        }
        due
    }
}

impl Port {
    /// The port of this boot. Writing waits for the other side: events are
    /// not lost.
    #[must_use]
    pub fn current() -> Self {
        let file = open();
        let mut file = file.filter(|f| sys::console::set_blocking(f).is_ok());
        if let Some(file) = &mut file {
            // Firmware and boot loaders may have left half a line there.
            let _ = file.write_all(b"\n");
        }
        Self::over(file)
    }

    fn over(file: Option<File>) -> Self {
        let state = State { file, told: None };
        Self {
            state: Mutex::new(state),
        }
    }

    /// Whether there is a port.
    #[must_use]
    pub fn is_open(&self) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.file.is_some()
    }

    /// Tells a fact.
    pub fn fact(&self, name: &str, value: Value) {
        self.emit(Event::Fact {
            name: name.to_owned(),
            value,
        });
    }
}

impl Sink for Port {
    fn emit(&self, event: Event) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !state.is_due(&event, Instant::now()) {
            return;
        }
        if let (Some(file), Some(line)) = (state.file.as_mut(), ui::json_line(&event)) {
            // A port that fails must not stop a restore.
            let _ = file.write_all(&line);
        }
    }
}

/// The port for PID 1, which must never wait: a thread does. (Writing without
/// waiting would not do: the kernel refuses while another process writes, and
/// lines of the two could end up inside each other.)
#[derive(Debug)]
pub struct Relay {
    lines: SyncSender<Event>,
    finished: Receiver<()>,
}

impl Relay {
    /// Starts the thread; `None` when there is no port (yet).
    #[must_use]
    pub fn start() -> Option<Self> {
        let port = Port::current();
        if !port.is_open() {
            return None;
        }
        let (lines, receiver) = sync_channel::<Event>(WAITING);
        let (done, finished) = sync_channel::<()>(1);
        let work = move || {
            receiver.into_iter().for_each(|event| port.emit(event));
            drop(port);
            let _ = done.try_send(());
        };
        let thread = std::thread::Builder::new().name("events".to_owned());
        thread.spawn(work).ok()?;
        Some(Self { lines, finished })
    }

    /// Tells a fact; lost when too many wait.
    pub fn fact(&self, name: &str, value: Value) {
        let _ = self.lines.try_send(Event::Fact {
            name: name.to_owned(),
            value,
        });
    }

    /// Lets what was told go out, for as long as `limit`.
    pub fn finish(self, limit: Duration) {
        drop(self.lines);
        let _ = self.finished.recv_timeout(limit);
    }
}

/// Every event goes to both.
#[derive(Debug)]
pub struct Both<A, B>(pub A, pub B);

impl<A: Sink, B: Sink> Sink for Both<A, B> {
    fn emit(&self, event: Event) {
        self.0.emit(event.clone());
        self.1.emit(event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_told_now_and_then_and_the_rest_always() {
        let mut state = State::default();
        let progress = Event::Progress { done: 1 };
        let note = Event::Note { text: "x".into() };
        let start = Instant::now();
        assert!(state.is_due(&progress, start));
        assert!(!state.is_due(&progress, start + PROGRESS / 2));
        assert!(state.is_due(&note, start + PROGRESS / 2));
        assert!(
            state.is_due(&progress, start + PROGRESS / 2),
            "first of a phase"
        );
        assert!(state.is_due(&progress, start + PROGRESS * 2));
    }

    #[test]
    fn only_plain_names_are_devices() {
        assert_eq!(device("ttyS1\0\n"), Some(PathBuf::from("/dev/ttyS1")));
        assert_eq!(device("/dev/hvc0"), Some(PathBuf::from("/dev/hvc0")));
        for bad in ["", "../sda", "/dev/", "a/b", "/etc/passwd"] {
            assert_eq!(device(bad), None, "{bad}");
        }
    }
}
