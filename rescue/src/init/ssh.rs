//! Operators from elsewhere: an SSH server that lets in who has one of the keys
//! that the medium was given, and nobody else (docs/SSH.md).
//!
//! The server is dropbear, of the tools layer. Whoever comes in gets the same
//! dialogue as at the console, or has a command run.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

use super::role::{self, Request};
use super::site;
use super::state::Board;
use super::work::{self, Plans};
use crate::ui::say;

/// The name of [`Ssh`] on the [`Board`].
pub const STATE: &str = "ssh";

const SERVER: &str = "/usr/sbin/dropbear";
/// Where dropbear looks for the keys of root.
const KEYS: &str = "/root/.ssh/authorized_keys";
const HOST_KEY: &str = "/run/rescue/host-key";

/// What an operator has to know to come in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ssh {
    /// Of the host's key, "SHA256:...".
    pub fingerprint: String,
}

/// Whether anybody is to be let in: the medium was given keys.
#[must_use]
pub fn is_wanted() -> bool {
    given("authorized_keys").is_some()
}

/// The file `name` that the site gave.
fn given(name: &str) -> Option<Vec<u8>> {
    let path = Path::new(site::FOLDER).join("ssh").join(name);
    fs::read(path).ok().filter(|bytes| !bytes.is_empty())
}

/// Becomes the server.
///
/// # Errors
/// When that cannot be, with why.
pub fn run() -> anyhow::Result<()> {
    if !Path::new(SERVER).exists() {
        bail!("this medium has no SSH server: its boot parts came without the tools layer");
    }
    let keys = given("authorized_keys").context("no keys were given")?;
    private(Path::new(KEYS), &keys)?;
    let fingerprint = host_key(Path::new(HOST_KEY))?;
    let ssh = Ssh { fingerprint };
    let told = Board::system().publish(STATE, &ssh);
    told.context("telling the fingerprint")?;
    // In front, errors to the log, no passwords, no forwarding of any kind.
    let error = Command::new(SERVER)
        .args(["-F", "-E", "-s", "-g", "-j", "-k", "-p", "22"])
        .args(["-r", HOST_KEY, "-c", "/bin/rescue worker session"])
        .exec();
    Err(error).context("starting the SSH server")
}

/// Writes what only root may read.
fn private(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let write = || {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
            if folder.starts_with("/root") {
                fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
            }
        }
        let mut options = fs::File::options();
        options.write(true).create(true).truncate(true).mode(0o600);
        options.open(path)?.write_all(bytes)
    };
    write().with_context(|| format!("writing {}", path.display()))
}

/// Makes the host's key, unless it is there (the server was started again), of
/// what the site gave or anew; its fingerprint.
fn host_key(path: &Path) -> anyhow::Result<String> {
    if !path.exists() {
        match given("host_ed25519_key") {
            Some(key) => {
                let source = Path::new("/run/rescue/host-key.openssh");
                private(source, &key)?;
                let mut command = Command::new("/usr/lib/dropbear/dropbearconvert");
                command.args(["openssh", "dropbear"]).args([source, path]);
                output(command).context("taking the host key of the site")?;
                let _ = fs::remove_file(source);
            }
            None => {
                let mut command = Command::new("/usr/bin/dropbearkey");
                command.args(["-t", "ed25519", "-f"]).arg(path);
                output(command).context("making a host key")?;
            }
        }
    }
    let mut command = Command::new("/usr/bin/dropbearkey");
    command.arg("-y").arg("-f").arg(path);
    let text = output(command).context("reading the host key")?;
    fingerprint(&text).with_context(|| format!("dropbearkey told no fingerprint: {text:?}"))
}

fn output(mut command: Command) -> anyhow::Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let out = command
        .output()
        .with_context(|| format!("starting {name}"))?;
    if !out.status.success() {
        let why = String::from_utf8_lossy(&out.stderr).trim().to_owned();
        bail!("{name} ended with {}: {why}", out.status);
    }
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}

/// The fingerprint in what `dropbearkey -y` prints: "Fingerprint: SHA256:...".
fn fingerprint(text: &str) -> Option<String> {
    let line = text.lines().find_map(|l| l.strip_prefix("Fingerprint: "))?;
    let word = line.split_whitespace().find(|w| w.starts_with("SHA256:"))?;
    Some(word.to_owned())
}

/// Serves somebody who came in: obeys the command that was given to `ssh`, or
/// shows the dialogue on the terminal of the session.
///
/// # Errors
/// When there is neither, and whatever ends the dialogue.
pub fn session() -> anyhow::Result<()> {
    // dropbear sets it for sessions without a command, too.
    let command = std::env::var("SSH_ORIGINAL_COMMAND").unwrap_or_default();
    if !command.is_empty() {
        return Err(role::shell_command(&command).exec()).context("starting the shell");
    }
    if !std::io::IsTerminal::is_terminal(&std::io::stdin()) {
        bail!("this session has no terminal: use `ssh -t`, or give a command");
    }
    loop {
        match work::run(Plans::Ignored)? {
            Request::Dialogue => {}
            Request::Reboot => {
                return sys::process::ask_init(sys::power::Stop::Reboot).context("rebooting");
            }
            Request::PowerOff => {
                return sys::process::ask_init(sys::power::Stop::PowerOff).context("switching off");
            }
            Request::Prompt => match role::shell() {
                Some(mut shell) => drop(shell.status().context("starting the shell")?),
                None => say("this medium has no shell\n"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_found_in_what_dropbearkey_prints() {
        let text =
            "Public key portion is:\nssh-ed25519 AAAAC3 root@(none)\nFingerprint: SHA256:abc/+d\n";
        assert_eq!(fingerprint(text).unwrap(), "SHA256:abc/+d");
        assert_eq!(fingerprint("Fingerprint: md5 00:11\n"), None);
    }

    #[test]
    fn nobody_is_let_in_where_no_keys_were_given() {
        assert!(!is_wanted());
    }
}
