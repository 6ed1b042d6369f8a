//! The process that loads drivers: for the devices present at the start
//! ("coldplug") and for those that come later.
//!
//! A process of its own, because a driver may take seconds to look at its
//! hardware or take its process along when it fails; the consoles live on.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use anyhow::Context;
use serde::{Deserialize, Serialize};
use sys::poll::{Interest, readable, wait};
use sys::uevent::{Uevent, Uevents};

use super::cmdline::Cmdline;
use super::controllers::{self, Drivers};
use super::firmware::Firmware;
use super::modules::{Absent, Catalogue, Loader};
use super::state::Board;

/// The name of [`Devices`] on the [`Board`].
pub const STATE: &str = "devices";

/// Drivers have looked at their devices when none was heard of for this long.
const QUIET: Duration = Duration::from_millis(500);

/// How many drivers may look at their hardware at the same time.
const THREADS: usize = 4;

/// How deep /sys/devices is searched; real paths have about 20 parts.
const DEEPEST: usize = 64;

/// What is known about the machine's devices.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Devices {
    /// Raised whenever a disk came, went or changed.
    pub generation: u64,
    /// The devices present at the start have their drivers, and those have
    /// looked at them.
    pub settled: bool,
    /// Storage and network controllers without a driver, in sentences.
    pub missing: Vec<String>,
    /// Drivers that lack their firmware, in sentences.
    #[serde(default)]
    pub firmware: Vec<String>,
    /// Modules the kernel refused, and why.
    pub refused: BTreeMap<String, String>,
    /// Why no driver could be loaded at all.
    pub error: Option<String>,
}

/// Runs until killed.
///
/// # Errors
/// When the kernel's device messages cannot be had.
pub fn run() -> anyhow::Result<()> {
    let board = Board::system();
    let uevents = Uevents::open().context("listening for device messages")?;
    let cmdline = Cmdline::current();
    match catalogue() {
        Ok(catalogue) => {
            let loader = Loader::new(&catalogue, &cmdline);
            cold(&loader, catalogue.always());
            follow(
                &board,
                &uevents,
                Some((&catalogue, &loader)),
                Devices::default(),
            )
        }
        Err(error) => {
            let state = Devices {
                error: Some(format!("{error:#}")),
                ..Devices::default()
            };
            follow(&board, &uevents, None, state)
        }
    }
}

fn catalogue() -> anyhow::Result<Catalogue> {
    let catalogue = Catalogue::of_medium()?;
    let running = std::fs::read_to_string("/proc/sys/kernel/osrelease")
        .context("reading the kernel's version")?;
    catalogue.check_kernel(running.trim())?;
    Ok(catalogue)
}

/// Loads what every machine gets, then what its devices want.
fn cold(loader: &Loader<'_>, always: &[String]) {
    for name in always {
        loader.load(name);
    }
    let mut aliases = BTreeSet::new();
    for path in modaliases(Path::new("/sys/devices")) {
        if let Ok(alias) = std::fs::read_to_string(path) {
            aliases.insert(alias.trim().to_owned());
        }
    }
    let queue = Mutex::new(aliases.into_iter());
    std::thread::scope(|scope| {
        for _ in 1..THREADS {
            let _ = std::thread::Builder::new().spawn_scoped(scope, || drain(&queue, loader));
        }
        // This thread works too: no thread at all would do.
        drain(&queue, loader);
    });
}

fn drain(queue: &Mutex<impl Iterator<Item = String>>, loader: &Loader<'_>) {
    loop {
        let next = queue.lock().ok().and_then(|mut q| q.next());
        let Some(alias) = next else { return };
        loader.load_alias(&alias);
    }
}

/// Answers device messages for ever.
fn follow(
    board: &Board,
    uevents: &Uevents,
    drivers: Option<(&Catalogue, &Loader<'_>)>,
    mut state: Devices,
) -> anyhow::Result<()> {
    let loader = drivers.map(|(_, loader)| loader);
    let mut firmware = Firmware::from_start();
    loop {
        let mut heard = false;
        while readable(uevents.as_fd(), QUIET)? {
            heard |= take_all(uevents, loader, &mut state)?;
        }
        heard |= firmware.look();
        if heard || !state.settled {
            state.settled = true;
            state.refused = loader.map(Loader::refused).unwrap_or_default();
            state.missing = missing(drivers.map(|(catalogue, _)| catalogue), &state.refused);
            state.firmware = firmware.lines();
            board.publish(STATE, &state).context("publishing devices")?;
        }
        // Nothing to do until the next message, however long it takes.
        let fds = [Some(uevents.as_fd()), firmware.fd()].into_iter().flatten();
        let fds: Vec<_> = fds.map(|fd| Interest { fd, output: false }).collect();
        while !wait(&fds, None)?.iter().any(|r| r.input || r.hangup) {}
    }
}

fn missing(medium: Option<&Catalogue>, refused: &BTreeMap<String, String>) -> Vec<String> {
    let drivers = Drivers {
        medium,
        refused: Some(refused),
        absent: None,
    };
    let bus = Path::new("/sys/bus");
    if controllers::missing(bus, drivers).is_empty() {
        return Vec::new();
    }
    // Only now, because few machines need that list.
    let absent = Absent::of_medium();
    let absent = absent.as_ref();
    controllers::missing(bus, Drivers { absent, ..drivers })
}

/// Takes the messages that are there; whether one was about anything we tell.
fn take_all(
    uevents: &Uevents,
    loader: Option<&Loader<'_>>,
    state: &mut Devices,
) -> anyhow::Result<bool> {
    let mut heard = false;
    loop {
        match uevents.next() {
            Ok(Some(event)) => heard |= take(&event, loader, state),
            Ok(None) => return Ok(heard),
            Err(error) if error.kind() == ErrorKind::Interrupted => {
                // Messages were lost: look at everything again.
                if let Some(loader) = loader {
                    cold(loader, &[]);
                }
                state.generation = state.generation.saturating_add(1);
                heard = true;
            }
            Err(error) => return Err(error).context("reading device messages"),
        }
    }
}

fn take(event: &Uevent, loader: Option<&Loader<'_>>, state: &mut Devices) -> bool {
    if event.value("SUBSYSTEM") == Some("block") {
        state.generation = state.generation.saturating_add(1);
        return true;
    }
    match (event.action.as_str(), event.value("MODALIAS"), loader) {
        ("add", Some(alias), Some(loader)) => loader.load_alias(alias) > 0,
        _ => false,
    }
}

/// Every `modalias` file below `root`.
fn modaliases(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![(root.to_owned(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let Ok(kind) = entry.file_type() else {
                continue;
            };
            if kind.is_dir() && depth < DEEPEST {
                folders.push((entry.path(), depth + 1));
            } else if kind.is_file() && entry.file_name() == "modalias" {
                found.push(entry.path());
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_of_devices_is_walked() {
        let root = tempfile::tempdir().unwrap();
        let bus = root.path().join("bus/pci/devices");
        let raid = bus.join("0000:01:00.0");
        let card = bus.join("0000:02:00.0");
        std::fs::create_dir_all(&raid).unwrap();
        std::fs::create_dir_all(&card).unwrap();
        let alias = "pci:v00001000d0000005Dsv0sd0bc01sc04i00\n";
        std::fs::write(raid.join("modalias"), alias).unwrap();
        std::fs::write(card.join("modalias"), alias).unwrap();
        assert_eq!(modaliases(root.path()).len(), 2);
        std::os::unix::fs::symlink(&bus, raid.join("loop")).unwrap();
        assert_eq!(modaliases(root.path()).len(), 2, "links are not followed");
    }

    #[test]
    fn only_disks_raise_the_generation() {
        let mut state = Devices::default();
        let mut event = Uevent {
            action: "add".into(),
            devpath: "/devices/x".into(),
            values: [("SUBSYSTEM".to_owned(), "block".to_owned())].into(),
        };
        assert!(take(&event, None, &mut state));
        assert_eq!(state.generation, 1);
        event.values.insert("SUBSYSTEM".into(), "net".into());
        assert!(!take(&event, None, &mut state));
        assert_eq!(state.generation, 1);
    }
}
