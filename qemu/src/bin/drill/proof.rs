//! What a restored system has to show before it counts as started.

use crate::agent::Agent;
use anyhow::{Context, Result};
use qemu::Vm;
use serde_json::Value;
use std::io::Read;
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::str::FromStr;
use std::time::{Duration, Instant};

/// One kind of proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Proof {
    Login,
    Port(u16),
    Agent,
    Facts,
    Text(String),
    Script(PathBuf),
}

impl FromStr for Proof {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
        match (kind, rest) {
            ("login", "") => Ok(Self::Login),
            ("agent", "") => Ok(Self::Agent),
            ("facts", "") => Ok(Self::Facts),
            ("port", port) => match port.parse() {
                Ok(0) | Err(_) => Err(format!("{port:?} is no TCP port (port:22)")),
                Ok(port) => Ok(Self::Port(port)),
            },
            ("text", "") => Err("which words? (text:Welcome)".to_owned()),
            ("text", words) => Ok(Self::Text(words.to_owned())),
            ("script", "") => Err("which program? (script:./check)".to_owned()),
            ("script", file) => Ok(Self::Script(file.into())),
            _ => Err("there are login, port:N, agent, facts, text:WORDS, script:FILE".to_owned()),
        }
    }
}

impl Proof {
    /// As it is written on the command line.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Login => "login".to_owned(),
            Self::Agent => "agent".to_owned(),
            Self::Facts => "facts".to_owned(),
            Self::Port(port) => format!("port:{port}"),
            Self::Text(words) => format!("text:{words}"),
            Self::Script(file) => format!("script:{}", file.display()),
        }
    }

    /// What is waited for, in words.
    pub(crate) fn wish(&self) -> String {
        match self {
            Self::Login => "a login prompt on the serial console".to_owned(),
            Self::Agent => "an answer of the QEMU guest agent".to_owned(),
            Self::Facts => "facts on the second serial port".to_owned(),
            Self::Port(port) => format!("an answer on TCP port {port}"),
            Self::Text(words) => format!("the text {words:?}"),
            Self::Script(file) => format!("success of {}", file.display()),
        }
    }
}

/// What was shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shown {
    /// In a sentence.
    pub(crate) told: String,
    /// The host name it told with it.
    pub(crate) hostname: Option<String>,
    /// The machine id it told with it.
    pub(crate) machine_id: Option<String>,
}

impl Shown {
    fn only(told: String) -> Self {
        Self {
            told,
            hostname: None,
            machine_id: None,
        }
    }
}

/// What the machine said until now.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// The serial console's text, all of it.
    pub(crate) console: String,
    /// The facts event.
    pub(crate) facts: Option<Value>,
    /// The lines of a text screen, as they are now.
    pub(crate) screen: Vec<String>,
}

/// Looks for one proof.
#[derive(Debug)]
pub(crate) struct Watcher {
    pub(crate) proof: Proof,
    searched: usize,
    call: Option<(TcpStream, Instant)>,
    agent: Option<Agent>,
    script: Option<Script>,
}

/// A connection that was not answered is made anew after this.
const RING: Duration = Duration::from_secs(20);

impl Watcher {
    /// `agent` is the socket of the agent's port; `environment` is for scripts.
    pub(crate) fn new(
        proof: &Proof,
        agent: &Path,
        environment: &[(String, String)],
    ) -> Result<Self> {
        let script = match proof {
            Proof::Script(file) => Some(Script::start(file, environment)?),
            _ => None,
        };
        Ok(Self {
            proof: proof.clone(),
            searched: 0,
            call: None,
            agent: (*proof == Proof::Agent).then(|| Agent::new(agent.to_owned())),
            script,
        })
    }

    /// Whether it has been shown by now.
    ///
    /// # Errors
    /// When it never will be.
    pub(crate) fn look(&mut self, vm: &mut Vm, heard: &Heard) -> Result<Option<Shown>> {
        match &self.proof {
            Proof::Login => {
                let (shown, searched) = login_prompt(&heard.console, self.searched);
                self.searched = searched;
                Ok(shown)
            }
            Proof::Text(words) => {
                let screen = heard.screen.iter().any(|line| line.contains(words));
                let found = screen || heard.console.contains(words);
                Ok(found.then(|| Shown::only(format!("it printed {words:?}"))))
            }
            Proof::Facts => Ok(heard.facts.as_ref().map(facts)),
            Proof::Port(port) => {
                let port = *port;
                self.call(vm, port)
            }
            Proof::Agent => {
                let Some(agent) = &mut self.agent else {
                    return Ok(None);
                };
                let system = agent.asks(Duration::from_millis(500));
                Ok(system.map(|system| Shown {
                    told: match &system.name {
                        Some(name) => format!("its QEMU guest agent answered: {name}"),
                        None => "its QEMU guest agent answered".to_owned(),
                    },
                    hostname: system.hostname,
                    machine_id: None,
                }))
            }
            Proof::Script(_) => match &mut self.script {
                Some(script) => script.ended(),
                None => Ok(None),
            },
        }
    }

    /// Calls the port, and asks QEMU whether the guest took the call.
    fn call(&mut self, vm: &mut Vm, port: u16) -> Result<Option<Shown>> {
        if let Some((stream, _)) = &mut self.call
            && vm.is_answered(port)?
        {
            let greeting = greeting(stream);
            return Ok(Some(Shown::only(match greeting.as_str() {
                "" => format!("TCP port {port} was answered"),
                greeting => format!("TCP port {port} was answered: {greeting}"),
            })));
        }
        if self.call.as_ref().is_none_or(|(_, at)| at.elapsed() > RING) {
            self.call = None;
            let host = vm.forwarded(port)?;
            let host = host.with_context(|| format!("no port leads to {port} of the system"))?;
            let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, host));
            self.call = stream.ok().map(|stream| (stream, Instant::now()));
        } else if let Some((stream, _)) = &mut self.call
            && is_refused(stream)
        {
            self.call = None;
        }
        Ok(None)
    }
}

/// Whether the guest has hung up: QEMU closes the host's side then.
fn is_refused(stream: &TcpStream) -> bool {
    let brief = stream.set_read_timeout(Some(Duration::from_millis(1)));
    brief.is_ok() && matches!(stream.peek(&mut [0]), Ok(0))
}

/// What a server says first, when it does (SSH, SMTP, …), in one printable line.
fn greeting(stream: &mut TcpStream) -> String {
    let mut bytes = [0; 100];
    let patience = stream.set_read_timeout(Some(Duration::from_secs(2)));
    let read = patience.and_then(|()| stream.read(&mut bytes)).unwrap_or(0);
    let text = String::from_utf8_lossy(bytes.get(..read).unwrap_or_default()).into_owned();
    let line = text.lines().next().unwrap_or_default();
    line.chars().filter(|c| !c.is_control()).collect()
}

fn facts(event: &Value) -> Shown {
    let text = |key: &str| event[key].as_str().map(str::to_owned);
    Shown {
        told: "it told its facts on the second serial port".to_owned(),
        hostname: text("hostname"),
        machine_id: text("machine_id"),
    }
}

/// A getty's prompt, "web1 login:", at or after byte `from`; and from where to
/// search the next time.
fn login_prompt(console: &str, from: usize) -> (Option<Shown>, usize) {
    let rest = console.get(from..).unwrap_or_default();
    for line in rest.lines() {
        // Messages of the kernel may come behind it.
        let Some((before, _)) = line.split_once(" login:") else {
            continue;
        };
        let host = before.trim();
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
        if !host.is_empty() && host != "Last" && host.chars().all(is_name) {
            let shown = Shown {
                told: format!("a login prompt on the serial console: {host} login:"),
                hostname: Some(host.to_owned()),
                machine_id: None,
            };
            return (Some(shown), from);
        }
    }
    let open = rest.rfind('\n').map_or(0, |at| at + 1);
    (None, from + open)
}

/// A program of the user's; ended with the value.
#[derive(Debug)]
struct Script {
    child: Child,
    name: String,
    output: tempfile::NamedTempFile,
}

impl Script {
    fn start(file: &Path, environment: &[(String, String)]) -> Result<Self> {
        let output = tempfile::NamedTempFile::new().context("making a file for a script")?;
        // One place in the file for both.
        let out = output.reopen()?;
        let err = out.try_clone()?;
        let variables = environment.iter().map(|(k, v)| (k.as_str(), v.as_str()));
        let child = Command::new(file)
            .envs(variables)
            .stdin(Stdio::null())
            .stdout(Stdio::from(out))
            .stderr(Stdio::from(err))
            .spawn();
        Ok(Self {
            child: child.with_context(|| format!("starting the script {}", file.display()))?,
            name: file.display().to_string(),
            output,
        })
    }

    fn ended(&mut self) -> Result<Option<Shown>> {
        let Some(status) = self.child.try_wait().context("waiting for a script")? else {
            return Ok(None);
        };
        let mut said = String::new();
        let file = self.output.reopen().context("reading a script's output")?;
        // A script may print anything, and much of it.
        drop(file.take(1 << 16).read_to_string(&mut said));
        let last = said.lines().rev().find(|line| !line.trim().is_empty());
        let name = &self.name;
        let said = last.map_or(String::new(), |line| format!(": {line}"));
        anyhow::ensure!(
            status.success(),
            "the script {name} ended with {status}{said}"
        );
        Ok(Some(Shown::only(format!(
            "the script {name} succeeded{said}"
        ))))
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        // Gone already in the usual case.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proofs_are_read_and_written_the_same() {
        for text in [
            "login",
            "agent",
            "facts",
            "port:22",
            "text:a: b",
            "script:./x",
        ] {
            assert_eq!(text.parse::<Proof>().unwrap().name(), text);
        }
        for text in [
            "",
            "login:x",
            "port:",
            "port:70000",
            "text:",
            "script:",
            "ssh",
        ] {
            assert!(text.parse::<Proof>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_login_prompt_is_told_from_what_looks_like_one() {
        let console = "Debian GNU/Linux 12 web1 ttyS0\n\nLast login: Tue\nsee the login: x\n";
        let (shown, from) = login_prompt(console, 0);
        assert_eq!(shown, None, "a sentence is no host name");
        assert_eq!(from, console.len());
        let more = format!("{console}web1.example login: [  12.3] late message");
        let (shown, _) = login_prompt(&more, from);
        assert_eq!(shown.unwrap().hostname.as_deref(), Some("web1.example"));
    }

    #[test]
    fn a_prompt_in_pieces_is_found() {
        let (shown, from) = login_prompt("x\nweb1 log", 0);
        assert_eq!((shown, from), (None, 2));
        let (shown, _) = login_prompt("x\nweb1 login: ", from);
        assert!(shown.is_some());
    }

    fn outcome(script: &str) -> Result<Shown> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("check");
        std::fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
        let runs = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&file, runs).unwrap();
        let environment = [("DRILL_IMAGE".to_owned(), "an image".to_owned())];
        let mut script = Script::start(&file, &environment).unwrap();
        loop {
            if let Some(shown) = script.ended()? {
                return Ok(shown);
            }
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_script_proves_by_its_status() {
        let shown = outcome("echo \"$DRILL_IMAGE is fine\"").unwrap();
        assert!(shown.told.ends_with("succeeded: an image is fine"));
        let failed = outcome("echo first; echo no shop >&2; exit 3")
            .unwrap_err()
            .to_string();
        assert!(failed.contains("status: 3: no shop"), "{failed}");
    }
}
