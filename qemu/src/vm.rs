//! A running machine.

use crate::accel::Accel;
use crate::args::{Host, arguments};
use crate::error::{Error, Result};
use crate::firmware::Ovmf;
use crate::hub::{Hub, Port, State};
use crate::machine::Machine;
use crate::transcript::Search;
use serde_json::Value;
use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const PROGRAM: &str = "qemu-system-x86_64";
/// How much of the console an error shows.
const TAIL: usize = 40;
/// For QEMU itself (not the guest) to do something, before stretching.
const PATIENCE: Duration = Duration::from_secs(20);
/// What Linux says last.
const PANIC: &str = "Kernel panic - not syncing";

/// How a machine ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exit {
    /// The guest switched it off.
    PoweredOff,
    /// The guest rebooted (and the machine was not allowed to).
    Rebooted,
    /// The harness or someone else asked QEMU to stop.
    Quit,
    /// QEMU ended by itself with this status: a guest that wrote to
    /// `isa-debug-exit`, or QEMU's own failure.
    Status(i32),
    /// QEMU was killed by a signal.
    Killed,
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PoweredOff => f.write_str("the guest powered off"),
            Self::Rebooted => f.write_str("the guest rebooted"),
            Self::Quit => f.write_str("QEMU was asked to quit"),
            Self::Status(code) => write!(f, "QEMU ended with status {code}"),
            Self::Killed => f.write_str("QEMU was killed"),
        }
    }
}

/// A running machine; dropping it ends it.
///
/// Every wait takes a time limit as for KVM, which [`Accel::scale`] stretches.
#[derive(Debug)]
pub struct Vm {
    child: Child,
    hub: Arc<Hub>,
    accel: Accel,
    ended: Option<Exit>,
    panic_is_error: bool,
    // Last: the sockets' folder outlives everything above.
    _dir: TempDir,
}

impl Vm {
    pub(crate) fn start(machine: Machine) -> Result<Self> {
        let dir = tempfile::Builder::new()
            .prefix("rescue-vm-")
            .tempdir()
            .map_err(Error::file("creating a folder in", std::env::temp_dir()))?;
        let accel = machine.accel.unwrap_or_else(Accel::best);
        let ovmf = own_variables(&machine, dir.path())?;
        let host = Host {
            accel,
            ovmf,
            dir: dir.path(),
        };
        let arguments = arguments(&machine, &host)?;
        let hub = Hub::new();
        for port in Port::ALL {
            let path = dir.path().join(port.name());
            let listener = UnixListener::bind(&path).map_err(Error::file("listening on", &path))?;
            hub.read_port(port, listener);
        }
        let child = spawn(&machine.wrapper, &arguments, &hub, dir.path())?;
        let mut vm = Self {
            child,
            hub,
            accel,
            ended: None,
            panic_is_error: true,
            _dir: dir,
        };
        vm.greet(&arguments)?;
        Ok(vm)
    }

    /// Waits for the monitor, and so for QEMU to have accepted its arguments.
    fn greet(&mut self, arguments: &[String]) -> Result<()> {
        let deadline = self.deadline(PATIENCE);
        let ready = self.hub.wait(deadline, |state| {
            if state.monitor.greeted() {
                return Some(true);
            }
            state.ended().then_some(false)
        });
        // The reply comes once the whole machine is built, so a device that QEMU
        // refuses shows here as its end.
        let answer = match ready {
            Some(true) => self.qmp("qmp_capabilities", Value::Null).map(drop),
            Some(false) | None => Err(self.not_started(arguments)),
        };
        match answer {
            Err(Error::Ended { .. } | Error::Send { .. }) => {
                let ended = |state: &mut State| state.ended().then_some(());
                self.hub.wait(self.deadline(PATIENCE), ended);
                Err(self.not_started(arguments))
            }
            other => other,
        }
    }

    fn not_started(&self, arguments: &[String]) -> Error {
        Error::NotStarted {
            stderr: self.stderr(),
            command: format!("{PROGRAM} {}", arguments.join(" ")),
        }
    }

    /// The accelerator in use.
    #[must_use]
    pub fn accel(&self) -> Accel {
        self.accel
    }

    /// `limit` as it is for this machine's accelerator.
    #[must_use]
    pub fn stretched(&self, limit: Duration) -> Duration {
        limit.saturating_mul(self.accel.scale())
    }

    fn deadline(&self, limit: Duration) -> Instant {
        Instant::now() + self.stretched(limit)
    }

    /// A kernel panic of the guest no longer ends waits.
    pub fn expect_panic(&mut self) {
        self.panic_is_error = false;
    }

    /// Waits until `text` appears on the console after what was waited for
    /// before; what was printed up to and including it.
    ///
    /// # Errors
    /// Time out, the machine's end, or a kernel panic, each with the console's tail.
    pub fn wait_for(&mut self, text: &str, limit: Duration) -> Result<String> {
        let mut search = Search::new(text);
        self.wait_until(&format!("{text:?} on the console"), limit, |state| {
            state.console.take_through(&mut search)
        })
    }

    /// Waits for an event that `wanted` accepts, after the events read before.
    /// `name` says in errors what was waited for.
    ///
    /// # Errors
    /// As [`Vm::wait_for`].
    pub fn wait_event(
        &mut self,
        name: &str,
        limit: Duration,
        mut wanted: impl FnMut(&Value) -> bool,
    ) -> Result<Value> {
        self.wait_until(&format!("the event {name}"), limit, |state| {
            state.events.take(&mut wanted)
        })
    }

    fn wait_until<T>(
        &mut self,
        waited_for: &str,
        limit: Duration,
        mut check: impl FnMut(&mut State) -> Option<T>,
    ) -> Result<T> {
        enum Seen<T> {
            Wanted(T),
            Panic,
            End,
        }
        let mut panic = self.panic_is_error.then(|| Search::new(PANIC));
        let seen = self.hub.wait(self.deadline(limit), |state| {
            if let Some(found) = check(state) {
                return Some(Seen::Wanted(found));
            }
            if let Some(panic) = &mut panic
                && panic.advance(&state.console).is_some()
            {
                return Some(Seen::Panic);
            }
            state.ended().then_some(Seen::End)
        });
        let waited_for = waited_for.to_owned();
        match seen {
            Some(Seen::Wanted(found)) => Ok(found),
            Some(Seen::Panic) => Err(Error::Panicked {
                waited_for,
                console: self.tail(),
            }),
            Some(Seen::End) => Err(self.over(&waited_for)),
            None => Err(Error::TimedOut {
                waited_for,
                limit: self.stretched(limit),
                console: self.tail(),
            }),
        }
    }

    /// Waits at most `patience` (as it is, not stretched) for more on the console
    /// than `at` bytes of text: what came, empty when nothing did, and up to where
    /// that is. [`Vm::wait_for`] is not affected, and panics are only text here.
    ///
    /// # Errors
    /// The machine's end, once everything was handed out.
    pub fn listen(&mut self, at: usize, patience: Duration) -> Result<(String, usize)> {
        let heard = self.hub.wait(Instant::now() + patience, |state| {
            let len = state.console.len();
            let more = (len > at).then(|| Some((state.console.after(at), len)));
            more.or_else(|| state.ended().then_some(None))
        });
        match heard {
            Some(Some(heard)) => Ok(heard),
            None => Ok((String::new(), at)),
            Some(None) => Err(self.over("more on the console")),
        }
    }

    /// Waits at most `patience` (as it is, not stretched) for the next event.
    ///
    /// # Errors
    /// The machine's end, once all events were handed out.
    pub fn next_event(&mut self, patience: Duration) -> Result<Option<Value>> {
        let heard = self.hub.wait(Instant::now() + patience, |state| {
            let event = state.events.take(&mut |_| true);
            event.map(Some).or_else(|| state.ended().then_some(None))
        });
        match heard {
            Some(Some(event)) => Ok(Some(event)),
            None => Ok(None),
            Some(None) => Err(self.over("an event")),
        }
    }

    fn over(&mut self, waited_for: &str) -> Error {
        let exit = self.reap();
        Error::Ended {
            waited_for: waited_for.to_owned(),
            exit: exit.map_or_else(|e| e.to_string(), |e| e.to_string()),
            log: self.tail(),
        }
    }

    /// Types `text` on the console.
    ///
    /// # Errors
    /// When the machine has ended.
    pub fn send(&mut self, text: &str) -> Result<()> {
        self.write(Port::Console, text.as_bytes())
    }

    fn write(&self, port: Port, bytes: &[u8]) -> Result<()> {
        let failed = |source| Error::Send {
            port: port.name(),
            source,
        };
        let writer = self.hub.wait(self.deadline(PATIENCE), |state| {
            let writer = state.writer(port);
            (writer.is_some() || state.ended()).then_some(writer)
        });
        let stream = writer
            .flatten()
            .ok_or_else(|| failed(io::Error::from(io::ErrorKind::NotConnected)))?;
        (&*stream).write_all(bytes).map_err(failed)
    }

    /// Runs a QMP command; `arguments` may be null.
    ///
    /// # Errors
    /// QEMU's refusal, or the machine's end.
    pub fn qmp(&mut self, command: &str, arguments: Value) -> Result<Value> {
        let (id, line) = self.hub.lock().monitor.request(command, &arguments);
        self.write(Port::Monitor, line.as_bytes())?;
        let reply = self.wait_until(&format!("QEMU's reply to {command}"), PATIENCE, |state| {
            state.monitor.take_reply(id)
        })?;
        reply.map_err(|reason| Error::Refused {
            command: command.to_owned(),
            reason,
        })
    }

    /// How often the guest's processors have been reset.
    #[must_use]
    pub fn resets(&self) -> usize {
        self.hub.lock().monitor.count("RESET")
    }

    /// Everything on the console so far, without control sequences.
    #[must_use]
    pub fn console(&self) -> String {
        self.hub.lock().console.text()
    }

    /// Every event so far.
    #[must_use]
    pub fn events(&self) -> Vec<Value> {
        self.hub.lock().events.all()
    }

    /// Waits for the machine to end by itself.
    ///
    /// # Errors
    /// Time out or a kernel panic, with the console's tail.
    pub fn wait_exit(&mut self, limit: Duration) -> Result<Exit> {
        self.wait_until("the machine's end", limit, |state| {
            state.ended().then_some(())
        })?;
        self.reap()
    }

    /// Cuts the power.
    ///
    /// # Errors
    /// When QEMU cannot be killed.
    pub fn kill(&mut self) -> Result<Exit> {
        if self.ended.is_none() {
            self.child.kill().map_err(Error::file("killing", PROGRAM))?;
        }
        self.reap()
    }

    fn reap(&mut self) -> Result<Exit> {
        if let Some(exit) = &self.ended {
            return Ok(exit.clone());
        }
        let status = self
            .child
            .wait()
            .map_err(Error::file("waiting for", PROGRAM))?;
        let state = self.hub.lock();
        let exit = match (state.monitor.shutdown_reason(), status.code()) {
            (_, None) => Exit::Killed,
            (Some("guest-shutdown"), Some(0)) => Exit::PoweredOff,
            (Some("guest-reset"), Some(0)) => Exit::Rebooted,
            (Some(_), Some(0)) => Exit::Quit,
            (_, Some(code)) => Exit::Status(code),
        };
        drop(state);
        self.ended = Some(exit.clone());
        Ok(exit)
    }

    fn stderr(&self) -> String {
        let state = self.hub.lock();
        String::from_utf8_lossy(&state.stderr).trim().to_owned()
    }

    fn tail(&self) -> String {
        let stderr = self.stderr();
        let state = self.hub.lock();
        let mut log = state.console.tail(TAIL);
        for (title, text) in [("events", state.events.tail(5)), ("QEMU", stderr)] {
            if !text.is_empty() {
                log.push_str(&format!("\n--- {title}:\n{text}"));
            }
        }
        log
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        if self.ended.is_none() {
            // Nothing to do about a process that is gone already.
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}

/// This machine's own copy of the firmware's variables.
fn own_variables(machine: &Machine, dir: &Path) -> Result<Option<Ovmf>> {
    let Some(template) = machine.firmware.ovmf()? else {
        return Ok(None);
    };
    let vars = machine
        .vars
        .clone()
        .unwrap_or_else(|| dir.join("variables.fd"));
    if !vars.exists() {
        fs::copy(&template.vars, &vars).map_err(Error::file("copying UEFI variables to", &vars))?;
    }
    Ok(Some(Ovmf { vars, ..template }))
}

fn spawn(wrapper: &[String], arguments: &[String], hub: &Arc<Hub>, dir: &Path) -> Result<Child> {
    let mut command = match wrapper.split_first() {
        Some((program, words)) => {
            let mut command = Command::new(program);
            command.args(words).arg(PROGRAM);
            command
        }
        None => Command::new(PROGRAM),
    };
    let spawned = command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match spawned {
        Ok(child) => child,
        Err(source) => {
            // Nobody will connect: let the port threads go.
            hub.read_stderr(io::empty(), dir);
            return Err(match source.kind() {
                io::ErrorKind::NotFound => Error::Missing {
                    what: PROGRAM.to_owned(),
                    package: "qemu-system-x86",
                },
                _ => Error::file("starting", PROGRAM)(source),
            });
        }
    };
    match child.stderr.take() {
        Some(stderr) => hub.read_stderr(stderr, dir),
        None => hub.read_stderr(io::empty(), dir),
    }
    Ok(child)
}
