//! What the site put into its medium (`imagebuilder customize`): checked and
//! unpacked when the rescue system starts, before anything else runs.
//!
//! A process of its own does it, because what it reads may be anything. PID 1
//! waits for it. An area that is damaged is reported and not obeyed, as a whole.

use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Command;

use anyhow::Context;
use serde::{Deserialize, Serialize};
use site::{Contents, Kind, area};

use super::mounts;
use super::state::Board;

/// The name of [`Site`] on the [`Board`].
pub const STATE: &str = "site";

/// Where the files of the area are unpacked.
pub const FOLDER: &str = "/run/rescue/site";

/// The unattended plan among them.
pub const PLAN: &str = "/run/rescue/site/plan.toml";

/// The index of additional drivers among them.
pub const MODULES: &str = "/run/rescue/site/modules/index.json";

/// Where the medium has it.
const AREA: &str = "/etc/rescue/site.area";

/// Where the kernel looks for firmware before it looks in /lib/firmware.
const FIRMWARE_PATH: &str = "/sys/module/firmware_class/parameters/path";

/// What is known about the site.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Site {
    /// Whose medium this is.
    pub name: Option<String>,
    /// The name of this machine, where the medium sets one.
    pub hostname: Option<String>,
    /// Repositories to offer.
    pub repositories: Vec<String>,
    /// Nothing of the area could be read: which keys it trusts is not known.
    #[serde(default)]
    pub damaged: bool,
    /// Time servers to ask.
    pub time_servers: Vec<String>,
    /// The files that were unpacked, by name.
    pub files: Vec<String>,
    /// What of it does not count, and what to do about it.
    pub problems: Vec<String>,
}

/// Has the area unpacked; for PID 1. What could not even be begun, in a sentence.
pub(super) fn set_up() -> Option<String> {
    let status = Command::new("/proc/self/exe")
        .args(["worker", "site"])
        .status();
    let why = match status {
        Ok(status) if status.success() => return None,
        Ok(status) => format!("reading it ended with {status}"),
        Err(error) => format!("reading it could not be started: {error}"),
    };
    let problem = damaged(&why);
    let site = Site {
        problems: vec![problem.clone()],
        damaged: true,
        ..Site::default()
    };
    let _ = Board::system().publish(STATE, &site);
    Some(problem)
}

fn damaged(why: &str) -> String {
    format!(
        "the medium's site area is damaged ({why}): nothing of it is used; write it again with \
         imagebuilder customize --reset"
    )
}

/// Reads the area, unpacks it and does what it says; the process that
/// [`set_up`] starts.
///
/// # Errors
/// When it cannot be told what was found.
pub fn run() -> anyhow::Result<()> {
    let site = match read(Path::new(AREA)) {
        Ok(Some(contents)) => obey(&contents, Path::new(FOLDER)),
        Ok(None) => Site::default(),
        Err(why) => Site {
            problems: vec![damaged(&format!("{why:#}"))],
            damaged: true,
            ..Site::default()
        },
    };
    // What is unpacked need not be in memory twice.
    let _ = fs::remove_file(AREA);
    Board::system()
        .publish(STATE, &site)
        .context("publishing what the site says")
}

/// The contents of the area at `path`; `None` when it is empty, or not there at
/// all (a medium of an older kind).
fn read(path: &Path) -> anyhow::Result<Option<Contents>> {
    let bytes = match fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        bytes => bytes.context("reading it")?,
    };
    Ok(area::read(&bytes)?)
}

fn obey(contents: &Contents, folder: &Path) -> Site {
    let mut site = Site::default();
    if let Err(error) = unpack(contents, folder) {
        let problem = format!("the files of the medium's site area could not be unpacked: {error}");
        site.problems.push(problem);
    }
    site.files = contents.iter().map(|(name, _)| name.to_string()).collect();
    match contents.config() {
        Ok(config) => {
            site.name = config.name;
            site.repositories = config.repositories.iter().map(|p| p.reveal()).collect();
            site.time_servers = config.time_servers.iter().map(|s| s.to_string()).collect();
            site.hostname = config.hostname.map(|name| name.as_str().to_owned());
        }
        Err(error) => site.problems.push(format!(
            "the medium's configuration is wrong ({error}): it is not used; write it again with \
             imagebuilder customize --config"
        )),
    }
    if let Some(name) = &site.hostname {
        set(&mut site.problems, "/proc/sys/kernel/hostname", name);
    }
    if contents
        .iter()
        .any(|(name, _)| name.kind() == Kind::Firmware)
    {
        let path = folder.join("firmware").display().to_string();
        set(&mut site.problems, FIRMWARE_PATH, &path);
    }
    site
}

/// Tells the kernel.
fn set(problems: &mut Vec<String>, path: &str, value: &str) {
    if let Err(error) = fs::write(path, value) {
        problems.push(format!("writing {value} to {path}: {error}"));
    }
}

/// Writes every file below `folder`. Names were checked: none leads out of it.
fn unpack(contents: &Contents, folder: &Path) -> std::io::Result<()> {
    for (name, data) in contents.iter() {
        let path = folder.join(name.as_str());
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        let public = matches!(
            name.kind(),
            Kind::Firmware | Kind::Module | Kind::ModuleIndex
        );
        let mut options = fs::File::options();
        options.write(true).create(true).truncate(true);
        options.mode(if public { 0o644 } else { 0o600 });
        options.open(path)?.write_all(data)?;
    }
    Ok(())
}

/// Whether this is a medium at all.
#[must_use]
pub fn is_medium() -> bool {
    fs::exists(mounts::STATE).unwrap_or(false)
}

/// What is known about the site; nothing where this is no medium.
#[must_use]
pub fn current() -> Site {
    let known = is_medium().then(|| Board::system().read(STATE)).flatten();
    known.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use site::Name;

    fn contents(files: &[(&str, &str)]) -> Contents {
        let mut out = Contents::default();
        for (name, data) in files {
            out.set(Name::new(name).unwrap(), data.as_bytes().to_vec());
        }
        out
    }

    #[test]
    fn files_are_unpacked_and_secrets_are_for_us_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let given = contents(&[
            ("site.toml", "name = \"ACME\"\nrepositories = [\"/r\"]\n"),
            ("tls/client.key", "secret"),
            ("modules/a.ko", "x"),
        ]);
        let site = obey(&given, folder.path());
        assert_eq!(site.name.as_deref(), Some("ACME"));
        assert_eq!(site.repositories, ["/r"]);
        assert_eq!(site.files, ["modules/a.ko", "site.toml", "tls/client.key"]);
        assert_eq!(site.problems, [] as [String; 0]);
        let key = folder.path().join("tls/client.key");
        assert_eq!(fs::read(&key).unwrap(), b"secret");
        let mode = key.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_wrong_configuration_is_named_and_the_rest_counts() {
        let folder = tempfile::tempdir().unwrap();
        let given = contents(&[("site.toml", "nam = 1\n"), ("keys/a.pub", "k")]);
        let site = obey(&given, folder.path());
        assert!(site.problems[0].contains("site.toml, line 1"), "{site:?}");
        assert!(folder.path().join("keys/a.pub").exists() && site.name.is_none());
    }

    #[test]
    fn an_area_that_is_damaged_or_empty_or_missing_is_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("site.area");
        assert_eq!(read(&path).unwrap(), None);
        fs::write(&path, area::write(4096, &Contents::default()).unwrap()).unwrap();
        assert_eq!(read(&path).unwrap(), None);
        let mut bytes = area::write(4096, &contents(&[("plan.toml", "x")])).unwrap();
        fs::write(&path, &bytes).unwrap();
        assert!(read(&path).unwrap().is_some());
        bytes[140] ^= 1;
        fs::write(&path, &bytes).unwrap();
        let why = format!("{:#}", read(&path).unwrap_err());
        assert_eq!(why, "its contents do not fit their checksum");
        assert!(damaged(&why).contains("nothing of it is used"));
    }
}
