//! The processes PID 1 starts: this program again, in one of these roles.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context;
use clap::ValueEnum;

/// What a process of the rescue system does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ValueEnum)]
pub enum Role {
    /// Unpacks what the site put into the medium.
    Site,
    /// Loads drivers.
    Devices,
    /// Brings up wired links and asks for addresses.
    Network,
    /// Asks time servers and sets the clock.
    Clock,
    /// Talks to the operator or follows the unattended plan; restores.
    Main,
    /// Talks to the operator, whatever plan there is.
    Dialogue,
    /// A few commands to look around with.
    Prompt,
    /// The medium's own shell.
    Shell,
    /// Lets operators in from elsewhere.
    Ssh,
    /// Serves one of them.
    Session,
}

/// What the process in front asks of PID 1 by its exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Request {
    /// Start the machine again.
    Reboot = 90,
    /// Switch it off.
    PowerOff = 91,
    /// Show the command prompt (or the medium's shell).
    Prompt = 92,
    /// Show the dialogue. (Not the plan: nobody asked for that again.)
    Dialogue = 93,
}

impl Request {
    /// The request behind an exit code.
    #[must_use]
    pub fn from_code(code: i32) -> Option<Self> {
        [Self::Reboot, Self::PowerOff, Self::Prompt, Self::Dialogue]
            .into_iter()
            .find(|r| i32::from(*r as u8) == code)
    }
}

const SHELL: &str = "/bin/sh";

impl Role {
    /// The name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Site => "site",
            Self::Devices => "devices",
            Self::Network => "network",
            Self::Clock => "clock",
            Self::Main => "main",
            Self::Dialogue => "dialogue",
            Self::Prompt => "prompt",
            Self::Shell => "shell",
            Self::Ssh => "ssh",
            Self::Session => "session",
        }
    }

    /// Whether it talks to the operator.
    #[must_use]
    pub fn is_in_front(self) -> bool {
        matches!(
            self,
            Self::Main | Self::Dialogue | Self::Prompt | Self::Shell
        )
    }

    /// The shell where the medium has one, else the simple prompt.
    #[must_use]
    pub fn best_prompt() -> Self {
        if Path::new(SHELL).exists() {
            Self::Shell
        } else {
            Self::Prompt
        }
    }

    /// Starts a process in this role: on `terminal` when it talks to the
    /// operator, else with its output in a log file. Its process id.
    ///
    /// # Errors
    /// When no process can be started, or the terminal or log not opened.
    pub fn start(self, terminal: &Path) -> anyhow::Result<u32> {
        let mut command = Command::new("/proc/self/exe");
        command
            .arg("worker")
            .arg(self.name())
            .env("PATH", "/bin:/sbin:/usr/bin:/usr/sbin")
            .env("HOME", "/root")
            .env("TERM", "linux");
        if self.is_in_front() {
            let open = || {
                let file = sys::console::open(terminal)?;
                sys::console::set_blocking(&file)?;
                Ok::<File, std::io::Error>(file)
            };
            let file = open().with_context(|| format!("opening {}", terminal.display()))?;
            let (input, output) = (file.try_clone()?, file.try_clone()?);
            command.stdin(input).stdout(output).stderr(file);
        } else {
            let path = Path::new(super::mounts::STATE).join(format!("{}.log", self.name()));
            let log = File::options()
                .create(true)
                .append(true)
                .open(&path)
                .with_context(|| format!("opening {}", path.display()))?;
            command
                .stdin(Stdio::null())
                .stdout(log.try_clone()?)
                .stderr(log);
        }
        let child = command
            .spawn()
            .with_context(|| format!("starting {}", self.name()))?;
        // PID 1 reaps every process; the handle is not needed for that.
        Ok(child.id())
    }

    /// What a new process does first: signals arrive again, the kernel may end
    /// it when memory runs out (PID 1 it may not), Ctrl-C reaches it.
    pub fn settle_in(self) {
        let _ = sys::process::unblock_all();
        let score = if self.is_in_front() || self == Self::Session {
            "0"
        } else {
            "-500"
        };
        let _ = std::fs::write("/proc/self/oom_score_adj", score);
        if self.is_in_front() {
            let _ = sys::console::take_standard_input();
        }
    }
}

/// What the shell greets with.
const GREETING: &str = "
This is a shell (busybox) on the rescue system; what you do here is done at once.
  rescue inspect          the machine's disks, and what holds them
  rescue images --from X  images of a repository; rescue --help lists all commands
  rescue worker prompt    a simple prompt that mounts volumes read-only
  dmesg, /run/rescue      the kernel's messages; logs and state of this system
  exit                    back to the dialogue
";

/// Becomes the medium's shell; returns only when that fails.
#[must_use]
pub fn become_shell() -> std::io::Error {
    use std::os::unix::process::CommandExt;
    match shell() {
        Some(mut shell) => shell.exec(),
        None => std::io::Error::other("this medium has none"),
    }
}

/// The medium's shell, to be run on this process's own terminal; `None` on a
/// medium without one.
#[must_use]
pub fn shell() -> Option<Command> {
    let mut shell = Command::new(SHELL);
    shell.arg("-i").env("PS1", "rescue:\\w# ");
    if !Path::new(SHELL).exists() {
        return None;
    }
    crate::ui::say(GREETING);
    Some(shell)
}

/// The shell with `command` to be obeyed; as its user would have typed it.
#[must_use]
pub fn shell_command(command: &str) -> Command {
    let mut shell = Command::new(SHELL);
    // It must not be obeyed again by a session that the command starts.
    shell
        .arg("-c")
        .arg(command)
        .env_remove("SSH_ORIGINAL_COMMAND");
    shell
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_from_exit_codes() {
        assert_eq!(Request::from_code(90), Some(Request::Reboot));
        assert_eq!(Request::from_code(93), Some(Request::Dialogue));
        for code in [0, 1, 2, 26, 31, 89, 94, 346, -1] {
            assert_eq!(Request::from_code(code), None, "{code}");
        }
    }

    #[test]
    fn names_are_those_of_the_command_line() {
        for role in Role::value_variants() {
            let value = role.to_possible_value().unwrap();
            assert_eq!(value.get_name(), role.name());
        }
    }
}
