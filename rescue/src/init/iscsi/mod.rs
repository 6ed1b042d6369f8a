//! Disks of iSCSI servers: found, logged in to, and handed to the kernel, which
//! makes block devices of them.
//!
//! Such a disk is only ever read: the kernel is told to refuse writes to it before
//! anything else looks at it, so it is no target of a restore either.

mod portal;
mod session;

pub(crate) use portal::OUR_NAMES;

use std::fs::File;
use std::io;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use ::site::plan::lun::Lun;
use anyhow::{Context, bail};

use super::places;
use super::volumes::{self, Volume};
use session::{Kernel, Unit};

/// How long a disk may take to appear after the login.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often it is looked for.
const PAUSE: Duration = Duration::from_millis(100);

/// The SCSI type of disks.
const DISK: u32 = 0;

/// Makes the place readable; the folder, as [`store::open`] takes it. What is there
/// already stays.
///
/// # Errors
/// In words, what keeps it from being used and what to do about it.
pub fn folder(lun: &Lun) -> anyhow::Result<String> {
    let disk = disk(lun)?;
    let own = |v: &Volume| v.name == disk || places::is_partition(&v.name, &disk);
    let found = settled(|| volumes::list().into_iter().filter(own).collect());
    if found.is_empty() {
        bail!("{lun}: the disk has no file system that can be read here");
    }
    let (names, shown) = (places::names(&found), lun.folder.display());
    match places::folders_in(&found, &lun.folder)?.as_slice() {
        [one] => Ok(one.display().to_string()),
        [] => bail!("{lun}: there is no folder /{shown} on {names}"),
        _ => bail!("{lun}: {names} all have a folder /{shown}"),
    }
}

/// The partitions of a disk that just came: they come one by one.
fn settled(mut list: impl FnMut() -> Vec<Volume>) -> Vec<Volume> {
    const LOOKS: usize = 100;
    let mut before = list();
    for _ in 0..LOOKS {
        sleep(PAUSE);
        let now = list();
        if now == before && !now.is_empty() {
            return now;
        }
        before = now;
    }
    before
}

/// Makes the kernel show the disk, for reading only; its name: "sdb".
fn disk(lun: &Lun) -> anyhow::Result<String> {
    let kernel = Kernel::ready().with_context(|| lun.to_string())?;
    let (id, is_new) = session(&kernel, lun)?;
    let found = find(&kernel, id, lun.number).with_context(|| lun.to_string());
    if found.is_err() && is_new {
        kernel.end(id);
    }
    found
}

/// The session with the target, and whether it was made just now.
fn session(kernel: &Kernel, lun: &Lun) -> anyhow::Result<(u32, bool)> {
    let target = match &lun.target {
        Some(target) => target.clone(),
        None => portal::only_target(lun)?,
    };
    if let Some(id) = kernel.alive(&target, &lun.server.host) {
        return Ok((id, false));
    }
    let (stream, agreed) = portal::log_in(lun, &target)?;
    let handed = kernel.take(&stream, &agreed, &target, &lun.server);
    let id = handed.with_context(|| format!("{lun}: handing the connection to the kernel"))?;
    Ok((id, true))
}

/// The disk with that number, or the only one. Every disk that comes up is
/// protected, also those that are not meant.
fn find(kernel: &Kernel, id: u32, number: Option<u64>) -> anyhow::Result<String> {
    kernel.scan(id, number)?;
    let unit = pick(&kernel.units(id)?, number);
    if unit.is_none() && number.is_some() {
        // To tell what else there is.
        kernel.scan(id, None)?;
    }
    let units = kernel.units(id)?;
    let mut meant = None;
    for disk in units.iter().filter(|u| u.kind == DISK) {
        let named = wait_for(|| kernel.disk(id, disk.number))?;
        let name = named.with_context(|| format!("disk {} does not come up", disk.number))?;
        protect(&Path::new("/dev").join(&name), |path| File::open(path))?;
        if unit == Some(disk.number) {
            meant = Some(name);
        }
    }
    meant.with_context(|| choice(&units, number))
}

/// Has the kernel refuse writes to the disk `path`, as soon as it can be opened.
fn protect(path: &Path, open: impl Fn(&Path) -> io::Result<File>) -> anyhow::Result<()> {
    let opened = wait_for(|| match open(path) {
        Ok(disk) => Ok(Some(disk)),
        Err(error) if sys::block::is_early(&error) => Ok(None),
        Err(error) => Err(error.into()),
    });
    let disk = opened.and_then(|disk| disk.context("it does not open"));
    let done = disk.and_then(|disk| Ok(sys::block::make_read_only(&disk)?));
    done.with_context(|| format!("protecting {} from writes", path.display()))
}

/// Ends every session: the machine is about to stop, and nothing is mounted.
pub fn log_out_all() {
    if let Some(kernel) = Kernel::running() {
        kernel.drop_all();
    }
}

/// The unit that is meant, among those that are there.
fn pick(units: &[Unit], number: Option<u64>) -> Option<u64> {
    let mut disks = units.iter().filter(|u| u.kind == DISK).map(|u| u.number);
    match number {
        Some(number) => disks.find(|n| *n == number),
        None => disks.next().filter(|_| disks.next().is_none()),
    }
}

/// Why none could be picked.
fn choice(units: &[Unit], wanted: Option<u64>) -> String {
    let disks = units.iter().filter(|u| u.kind == DISK);
    let numbers: Vec<String> = disks.map(|u| u.number.to_string()).collect();
    match (numbers.as_slice(), wanted) {
        ([], _) => "the target has no disk for this machine".to_owned(),
        (_, Some(wanted)) => format!(
            "the target has no disk number {wanted} (LUN) for this machine; it has {}",
            numbers.join(", ")
        ),
        (_, None) => format!(
            "the target has several disks: write the number (LUN) of the one that is meant behind \
             the target's name: {}",
            numbers.join(", ")
        ),
    }
}

/// Asks until there is an answer; `None` when it takes too long.
fn wait_for<T>(mut ask: impl FnMut() -> anyhow::Result<Option<T>>) -> anyhow::Result<Option<T>> {
    let began = Instant::now();
    loop {
        if let Some(found) = ask()? {
            return Ok(Some(found));
        }
        if began.elapsed() > PATIENCE {
            return Ok(None);
        }
        sleep(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn units(all: &[(u64, u32)]) -> Vec<Unit> {
        let unit = |(number, kind): &(u64, u32)| Unit {
            number: *number,
            kind: *kind,
        };
        all.iter().map(unit).collect()
    }

    #[test]
    fn a_disk_that_does_not_open_yet_is_waited_for() {
        let asked = Cell::new(0);
        let open = |_: &Path| {
            asked.set(asked.get() + 1);
            Err(io::Error::from_raw_os_error(match asked.get() {
                // ENOENT, ENXIO, EACCES
                1 => 2,
                2 | 3 => 6,
                _ => 13,
            }))
        };
        let error = protect(Path::new("/dev/sdx"), open).expect_err("it never opens");
        assert_eq!(asked.get(), 4);
        let said = format!("{error:#}");
        assert!(
            said.starts_with("protecting /dev/sdx from writes: Perm"),
            "{said}"
        );
    }

    #[test]
    fn the_only_disk_needs_no_number() {
        let one = units(&[(0, 12), (1, 0)]);
        assert_eq!(pick(&one, None), Some(1));
        assert_eq!(pick(&one, Some(0)), None, "the controller is no disk");
        let two = units(&[(1, 0), (2, 0)]);
        assert_eq!((pick(&two, None), pick(&two, Some(2))), (None, Some(2)));
        let said = choice(&two, None);
        assert!(
            said.contains("several disks") && said.ends_with(": 1, 2"),
            "{said}"
        );
        let said = choice(&two, Some(7));
        assert!(
            said.contains("no disk number 7") && said.ends_with("1, 2"),
            "{said}"
        );
        assert!(choice(&units(&[(0, 12)]), None).contains("no disk for this machine"));
    }
}
