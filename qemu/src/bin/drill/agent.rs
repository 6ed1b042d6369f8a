//! The QEMU guest agent of the started system.
//!
//! Protocol: QEMU's `docs/interop/qemu-ga-ref` ("QEMU Guest Agent Protocol
//! Reference"): one JSON object a line in both directions over a port of
//! virtio-serial; `guest-sync` to find the answer to one's own question.

use serde_json::{Value, json};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The name of the port that agents open.
const PORT: &str = "org.qemu.guest_agent.0";
/// An answer larger than this is none of ours.
const LONGEST: usize = 1 << 20;

/// The agent behind a socket of QEMU's.
#[derive(Debug)]
pub(crate) struct Agent {
    socket: PathBuf,
    stream: Option<UnixStream>,
    buffer: Vec<u8>,
    last: i64,
}

/// QEMU's arguments for the port, whose other end is `socket`.
pub(crate) fn arguments(socket: &Path) -> Vec<String> {
    let path = socket.to_string_lossy().replace(',', ",,");
    vec![
        "-chardev".to_owned(),
        format!("socket,id=agent,path={path},server=on,wait=off"),
        "-device".to_owned(),
        "virtio-serial-pci,id=agentbus".to_owned(),
        "-device".to_owned(),
        format!("virtserialport,bus=agentbus.0,chardev=agent,name={PORT}"),
    ]
}

impl Agent {
    pub(crate) fn new(socket: PathBuf) -> Self {
        Self {
            socket,
            stream: None,
            buffer: Vec::new(),
            last: 0,
        }
    }

    /// What the agent says of its system, if it answers within `patience`.
    pub(crate) fn asks(&mut self, patience: Duration) -> Option<System> {
        let deadline = Instant::now() + patience;
        self.last += 1;
        let id = self.last;
        let sync = json!({ "execute": "guest-sync", "arguments": { "id": id } });
        self.send(&sync)?;
        // Answers to earlier questions, which came too late, come first.
        while self.line(deadline)?["return"] != id {}
        let host = self.asked("guest-get-host-name", deadline);
        let os = self.asked("guest-get-osinfo", deadline);
        let text = |value: &Option<Value>, key: &str| {
            let found = value.as_ref()?[key].as_str()?;
            Some(found.to_owned())
        };
        Some(System {
            hostname: text(&host, "host-name"),
            name: text(&os, "pretty-name"),
        })
    }

    fn asked(&mut self, command: &str, deadline: Instant) -> Option<Value> {
        self.send(&json!({ "execute": command }))?;
        // An agent that does not know the command answers with an error.
        let answer = self.line(deadline)?;
        answer.get("return").cloned()
    }

    fn send(&mut self, message: &Value) -> Option<()> {
        if self.stream.is_none() {
            let stream = UnixStream::connect(&self.socket).ok()?;
            // Nobody may be there to read for a long time.
            let brief = Some(Duration::from_millis(100));
            stream.set_read_timeout(brief).ok()?;
            stream.set_write_timeout(brief).ok()?;
            self.stream = Some(stream);
        }
        let line = format!("{message}\n");
        let sent = self.stream.as_mut()?.write_all(line.as_bytes());
        match sent {
            Ok(()) => Some(()),
            Err(_) => {
                // A line may have gone half: start anew.
                self.stream = None;
                self.buffer.clear();
                None
            }
        }
    }

    fn line(&mut self, deadline: Instant) -> Option<Value> {
        loop {
            if let Some(end) = self.buffer.iter().position(|b| *b == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                // 0xff begins an answer to guest-sync-delimited of somebody else.
                let line = line.strip_prefix(&[0xff]).unwrap_or(&line);
                if let Ok(value) = serde_json::from_slice(line) {
                    return Some(value);
                }
                continue;
            }
            if Instant::now() >= deadline || self.buffer.len() > LONGEST {
                return None;
            }
            let mut chunk = [0; 4096];
            match self.stream.as_mut()?.read(&mut chunk) {
                Ok(0) => {
                    self.stream = None;
                    return None;
                }
                Ok(n) => self.buffer.extend(chunk.get(..n).unwrap_or_default()),
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => return None,
            }
        }
    }
}

/// What an agent tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct System {
    pub(crate) hostname: Option<String>,
    pub(crate) name: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader};
    use std::os::unix::net::UnixListener;

    /// Answers as qemu-ga does; knows no `guest-get-osinfo`.
    fn answers(listener: &UnixListener) {
        let (stream, _) = listener.accept().unwrap();
        let mut writer = stream.try_clone().unwrap();
        writer.write_all(b"{\"return\": 99}\nnoise\n").unwrap();
        for line in BufReader::new(stream).lines() {
            let Ok(line) = line else { return };
            let message: Value = serde_json::from_str(&line).unwrap();
            let answer = match message["execute"].as_str() {
                Some("guest-sync") => json!({ "return": message["arguments"]["id"] }),
                Some("guest-get-host-name") => json!({ "return": { "host-name": "web1" } }),
                _ => json!({ "error": { "class": "CommandNotFound" } }),
            };
            writeln!(writer, "{answer}").unwrap();
        }
    }

    #[test]
    fn an_agent_tells_its_host_name() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("agent");
        let listener = UnixListener::bind(&socket).unwrap();
        std::thread::spawn(move || answers(&listener));
        let mut agent = Agent::new(socket);
        let system = agent.asks(Duration::from_secs(10)).unwrap();
        assert_eq!(system.hostname.as_deref(), Some("web1"));
        assert_eq!(system.name, None);
        assert!(agent.asks(Duration::from_secs(10)).is_some());
    }

    /// The genuine agent, on this host instead of in a guest.
    #[test]
    fn host_the_real_agent_answers() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("agent");
        let started = std::process::Command::new("/usr/sbin/qemu-ga")
            .args(["-m", "unix-listen", "-t"])
            .arg(folder.path())
            .arg("-p")
            .arg(&socket)
            .spawn();
        let mut real = started.expect("package qemu-guest-agent");
        let mut agent = Agent::new(socket);
        let begun = Instant::now();
        let mut system = None;
        while system.is_none() && begun.elapsed() < Duration::from_secs(60) {
            system = agent.asks(Duration::from_secs(5));
        }
        drop(real.kill());
        drop(real.wait());
        let hostname = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        let system = system.expect("an answer");
        assert_eq!(system.hostname.as_deref(), Some(hostname.trim()));
        assert!(system.name.is_some(), "{system:?}");
    }

    #[test]
    fn nobody_answers() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("agent");
        let mut agent = Agent::new(socket.clone());
        assert_eq!(agent.asks(Duration::from_millis(10)), None);
        let _silent = UnixListener::bind(&socket).unwrap();
        assert_eq!(agent.asks(Duration::from_millis(10)), None);
    }
}
