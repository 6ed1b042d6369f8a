//! Waiting for what may carry a plan: the medium this was booted from and USB
//! disks, which appear seconds after everything else.

use std::fs::{self, File};
use std::io::Read;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use sys::poll::{Interest, wait as wait_for_any};
use sys::watch::Watch;

use super::mounts;
use super::places;
use super::volumes;

/// How long they may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// The class of USB interfaces that are disks ("Mass Storage").
const MASS_STORAGE: &str = "08";

/// How far below its USB interface a disk is: host, target, LUN, "block".
const DEPTH: usize = 5;

/// Waits until all of it is there, a file system meant for us is, the operator
/// presses Enter, or [`PATIENCE`] is at its end.
///
/// # Errors
/// When the folder of states cannot be watched.
pub(super) fn wait(tell: &mut dyn FnMut(&str)) -> anyhow::Result<()> {
    let watch = Watch::folder(Path::new(mounts::STATE)).context("watching devices")?;
    let started = Instant::now();
    let mut told = false;
    loop {
        watch.drain().context("watching devices")?;
        let Some(missing) = missing() else {
            return Ok(());
        };
        let left = PATIENCE.saturating_sub(started.elapsed());
        if left.is_zero() {
            return Ok(());
        }
        if !told {
            told = true;
            let seconds = PATIENCE.as_secs();
            tell(&format!(
                "waiting up to {seconds} s for {missing}; Enter goes on without it"
            ));
        }
        let stdin = std::io::stdin();
        let fds = [stdin.as_fd(), watch.as_fd()];
        let interests = fds.map(|fd| Interest { fd, output: false });
        let ready = wait_for_any(&interests, Some(left)).context("waiting for disks")?;
        if ready.first().is_some_and(|r| r.input || r.hangup) {
            // A line, or keys: the terminal may be in either mode.
            let mut typed = [0; 256];
            let _ = File::from(stdin.as_fd().try_clone_to_owned()?).read(&mut typed);
            return Ok(());
        }
    }
}

/// What is not there yet, in words; `None` when nothing is worth waiting for.
fn missing() -> Option<String> {
    let volumes = volumes::list();
    if !places::labelled(&volumes, volumes::LABEL).is_empty() {
        return None;
    }
    let medium = places::medium_label().filter(|_| places::medium(&volumes).is_none());
    if let Some(label) = medium {
        return Some(format!("the medium {label}"));
    }
    is_usb_disk_coming(Path::new("/sys/bus/usb/devices")).then(|| "a USB disk".to_owned())
}

/// Whether a USB device says it is a disk, and the kernel has none for it yet.
fn is_usb_disk_coming(devices: &Path) -> bool {
    let interfaces = fs::read_dir(devices).into_iter().flatten().flatten();
    interfaces.map(|e| e.path()).any(|interface| {
        let class = fs::read_to_string(interface.join("bInterfaceClass")).unwrap_or_default();
        class.trim() == MASS_STORAGE && !has_disk_below(&interface, DEPTH)
    })
}

fn has_disk_below(folder: &Path, depth: usize) -> bool {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut folders = entries.filter(|e| e.file_type().is_ok_and(|t| t.is_dir()));
    folders.any(|e| e.file_name() == "block" || (depth > 0 && has_disk_below(&e.path(), depth - 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_usb_disk_is_coming_until_it_is_there() {
        let root = tempfile::tempdir().unwrap();
        let interface = |name: &str, class: &str| {
            let folder = root.path().join(name);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("bInterfaceClass"), class).unwrap();
            folder
        };
        interface("1-1:1.0", "03\n");
        assert!(!is_usb_disk_coming(root.path()), "a keyboard is no disk");
        let stick = interface("1-2:1.0", "08\n");
        assert!(is_usb_disk_coming(root.path()));
        fs::create_dir_all(stick.join("host6/target6:0:0/6:0:0:0/block/sda")).unwrap();
        assert!(!is_usb_disk_coming(root.path()));
        assert!(!is_usb_disk_coming(&root.path().join("none")));
    }
}
