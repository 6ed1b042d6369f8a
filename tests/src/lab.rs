//! A network of its own for servers and machines: a user and network namespace
//! with a tap device, which needs no root and touches nothing of the host.

use anyhow::{Context, Result, bail, ensure};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// The tap device that a machine is plugged into.
pub const TAP: &str = "tap0";
/// The lab's own address on it.
pub const ADDRESS: &str = "10.77.0.1";

/// Everything in it ends when this does: it is process 1 of a PID namespace. It
/// ends with its input, so also when the test is killed.
const HOLDER: &str = "set -e
ip link set lo up
ip tuntap add tap0 mode tap
ip address add 10.77.0.1/24 dev tap0
ip address add fd77::1/64 dev tap0 nodad
ip link set tap0 up
echo ready
exec cat";

/// The namespaces, held open by a process.
#[derive(Debug)]
pub struct Lab {
    holder: Child,
    /// The process inside, as the host sees it.
    inner: u32,
}

/// A server in the lab.
#[derive(Debug)]
pub struct Server {
    child: Child,
    lines: Receiver<String>,
    said: Arc<Mutex<String>>,
}

impl Lab {
    /// Makes the namespaces.
    ///
    /// # Errors
    /// When this system does not let users make namespaces, or lacks a tool.
    pub fn new() -> Result<Self> {
        let mut holder = Command::new("unshare")
            .args([
                "--user",
                "--map-root-user",
                "--net",
                "--pid",
                "--fork",
                "--kill-child",
            ])
            .args(["--mount-proc", "sh", "-c", HOLDER])
            .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("running unshare (package util-linux)")?;
        let mut line = String::new();
        let out = holder.stdout.take().context("its output")?;
        BufReader::new(out).read_line(&mut line)?;
        if line != "ready\n" {
            let ended = holder.wait_with_output()?;
            bail!(
                "no network namespace for the test: {}(kernel.unprivileged_userns_clone, \
                 kernel.apparmor_restrict_unprivileged_userns and the package iproute2 decide)",
                String::from_utf8_lossy(&ended.stderr)
            );
        }
        let inner = child_of(holder.id())?;
        Ok(Self { holder, inner })
    }

    /// What to put before a command line so that it runs in the lab's network.
    #[must_use]
    pub fn enter(&self) -> Vec<String> {
        let target = self.inner.to_string();
        let words = [
            "nsenter",
            "--preserve-credentials",
            "-U",
            "-n",
            "-t",
            &target,
            "--",
        ];
        words.map(str::to_owned).to_vec()
    }

    /// Starts a server; what it prints is kept.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(&self, words: &[&str]) -> Result<Server> {
        spawn(&self.enter(), words)
    }

    /// Whether [`Lab::start_as_root`] can work.
    #[must_use]
    pub fn has_root() -> bool {
        let owner = |path| std::fs::metadata(path).map(|m| m.uid());
        owner("/proc/self").is_ok_and(|uid| uid == 0)
    }

    /// As [`Lab::start`], for a server that needs what only the host's root may do:
    /// it is in the network of the lab and ends with it, but not in its user namespace.
    ///
    /// # Errors
    /// When it cannot be started, or this is not root.
    pub fn start_as_root(&self, words: &[&str]) -> Result<Server> {
        let target = self.inner.to_string();
        let enter = ["nsenter", "-n", "-p", "-t", &target, "--"].map(str::to_owned);
        spawn(&enter, words)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        drop(self.holder.kill());
        drop(self.holder.wait());
    }
}

fn spawn(enter: &[String], words: &[&str]) -> Result<Server> {
    let (nsenter, entry) = enter.split_first().context("a command")?;
    let mut child = Command::new(nsenter)
        .args(entry)
        .args(words)
        .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("starting {words:?}"))?;
    let (send, lines) = channel();
    let said = Arc::new(Mutex::new(String::new()));
    let out = child.stdout.take().context("its output")?;
    let err = child.stderr.take().context("its errors")?;
    for stream in [
        Box::new(out) as Box<dyn std::io::Read + Send>,
        Box::new(err),
    ] {
        let (send, said) = (send.clone(), Arc::clone(&said));
        thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
                said.push_str(&line);
                said.push('\n');
                drop(send.send(line));
            }
        });
    }
    Ok(Server { child, lines, said })
}

impl Server {
    /// Waits until a line with `text` was printed since the last wait.
    ///
    /// # Errors
    /// When it was not in `limit`, or the server ended; with what it said.
    pub fn wait_for(&self, text: &str, limit: Duration) -> Result<String> {
        let started = Instant::now();
        loop {
            let left = limit.saturating_sub(started.elapsed());
            match self.lines.recv_timeout(left) {
                Ok(line) if line.contains(text) => return Ok(line),
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => bail!("no {text:?} in:\n{}", self.said()),
                Err(RecvTimeoutError::Disconnected) => bail!("it ended:\n{}", self.said()),
            }
        }
    }

    /// Everything it printed.
    #[must_use]
    pub fn said(&self) -> String {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.clone()
    }

    /// Passes when `text` is among what it printed.
    ///
    /// # Errors
    /// With what it printed.
    pub fn has_said(&self, text: &str) -> Result<()> {
        let said = self.said();
        ensure!(said.contains(text), "no {text:?} in:\n{said}");
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // TERM, so that a script can end what it started.
        let pid = self.child.id().to_string();
        drop(Command::new("kill").arg(&pid).status());
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(3) {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The one child of process `pid`.
fn child_of(pid: u32) -> Result<u32> {
    let file = format!("/proc/{pid}/task/{pid}/children");
    let text = std::fs::read_to_string(&file).with_context(|| format!("reading {file}"))?;
    let first = text.split_whitespace().next().context("no child")?;
    Ok(first.parse()?)
}
