//! Following a plan: everything is looked up and checked, then one restore.

use std::path::Path;
use std::time::{Duration, Instant};

use ::site::plan::Adapt as Wish;
use anyhow::Context;
use image::{DiskImage, Image, Repository};
use serde_json::json;
use store::{Answer, Web};

use super::find;
use super::machine::Names;
use super::once::{self, OnceError};
use super::plan::{OnFailure, Once, Plan, Restore, Target, Then};
use super::report::Outcome;
use super::target::{TargetError, choose};
use crate::adapt::Drivers;
use crate::boot_entries::BootEntries;
use crate::event::{Event, Sink};
use crate::exit::{self, Code};
use crate::firmware::Firmware;
use crate::init::devices::{self, Devices};
use crate::init::driver_folders;
use crate::init::network::STATE;
use crate::init::network::settings::{Entries, Given};
use crate::init::places;
use crate::init::state::Board;
use crate::inventory::{self, Disk};
use crate::restore::{self, Adapt, Carried, Discard, Options, Report, Resume, Verify};
use crate::trust::{self, Trust};
use crate::volumes::Passphrases;
use crate::web;

/// How long the target may take to appear.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long no disk may have come or gone before a target that its plan does not
/// name for certain is chosen: controllers show their disks one by one, and "the
/// only disk" must not mean the first.
const CALM: Duration = Duration::from_secs(10);

/// How long the machine may take to become calm.
const LONGEST: Duration = Duration::from_secs(120);

/// Why a plan was not followed though nothing is broken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotDone {
    /// The disk carries what the plan would restore.
    #[error(
        "{target} already carries {machine}: it is not restored again. To restore it again, \
         choose it in the dialogue, or clear its partition table"
    )]
    AlreadyRestored {
        /// The disk.
        target: String,
        /// The machine on it.
        machine: String,
    },
    /// The disk is not blank, and nothing tells whether it carries the image.
    #[error(
        "{target} may already carry {machine}: the image has no disk id and no filesystem UUID by \
         which to tell, and the disk is not blank. To restore it, choose it in the dialogue, or \
         clear its first MiB"
    )]
    Undecidable {
        /// The disk.
        target: String,
        /// The machine of the image.
        machine: String,
    },
    /// The image has several disks and the plan does not say which.
    #[error("{image} has {count} disks: add `disk = N` to [restore]; they are numbered {numbers}")]
    WhichDisk {
        /// The image.
        image: String,
        /// How many.
        count: usize,
        /// Their numbers.
        numbers: String,
    },
    /// The image has no disk of that number.
    #[error("{image} has no disk {wanted}; they are numbered {numbers}")]
    NoSuchDisk {
        /// The image.
        image: String,
        /// The one that was asked for.
        wanted: u32,
        /// Their numbers.
        numbers: String,
    },
}

/// What the machine does after a plan, whatever came of it: `failed` says
/// why it was not followed.
///
/// A machine that already carries its image must not start again into the
/// same plan for ever; one whose restore failed stays reachable, unless its
/// plan says otherwise.
#[must_use]
pub fn afterwards(restore: &Restore, failed: Option<&anyhow::Error>) -> Then {
    let Some(error) = failed else {
        return restore.then;
    };
    let carries = exit::classify(error) == Code::AlreadyRestored;
    let off = carries && restore.then == Then::Poweroff;
    if off || restore.on_failure == OnFailure::Poweroff {
        return Then::Poweroff;
    }
    Then::Wait
}

/// Restores what `plan` says: the report, and the image's other disks, which
/// were not restored.
///
/// # Errors
/// [`NotDone`], [`TargetError`], a refusal of the restore engine, or what
/// stopped it.
pub fn follow(plan: &Plan, sink: &dyn Sink) -> anyhow::Result<(Report, Vec<String>)> {
    let wanted = &plan.restore;
    let board = Board::system();
    Given::change(&board, |given| given.plan = Entries::from(&plan.network))
        .context("telling how the plan reaches the network")?;
    let location = places::resolve(&wanted.from)
        .with_context(|| format!("looking for the repository {}", wanted.from))?;
    let web = web::Access::from(plan).web()?;
    let trust = Trust::from(wanted);
    trust.unwatched()?;
    let repository = trust.open(store::open(&location, &web)?)?;
    let image = repository.image(&wanted.image)?;
    trust::tell(&image, sink);
    let disk = pick_disk(&image, wanted.disk)?;
    let target = choose_target(&plan.target, sink)?;
    refuse_again(&repository, &image, disk, &target)?;
    let drivers = match &wanted.drivers {
        Some(_) if wanted.adapt == Wish::No => {
            anyhow::bail!("the plan has `drivers` and `adapt = \"no\"`: leave one of them out")
        }
        Some(place) => {
            let folder = places::resolve(place)
                .with_context(|| format!("looking for the drivers {place}"))?;
            Some(Drivers::read(Path::new(&folder))?)
        }
        None if wanted.adapt == Wish::No => None,
        None => driver_folders::taken(&image, &target, sink).map(|(drivers, _)| drivers),
    };
    let adapt = Adapt::here(wanted.adapt, &target, wanted.force, drivers);
    let secrets = wanted.passphrases.iter().map(::site::plan::Secret::reveal);
    let adapt = adapt.unlocking(Passphrases::new(secrets));
    let firmware = Firmware::here(wanted.firmware, adapt != Adapt::No);
    let options = Options {
        verify: if wanted.verify {
            Verify::ReadBack
        } else {
            Verify::No
        },
        discard: if wanted.discard {
            Discard::Target
        } else {
            Discard::No
        },
        resume: if wanted.start_over {
            Resume::StartOver
        } else {
            Resume::IfSame
        },
        adapt,
        firmware,
        boot_entries: BootEntries::here(wanted.boot_entries, None),
        ..Options::default()
    };
    let steps = restore::plan(&repository, &image, disk, &target, &options)?;
    sink.emit(Event::Note {
        text: places::in_words(&steps.to_string(), &location),
    });
    sink.emit(Event::Fact {
        name: "plan".to_owned(),
        value: serde_json::to_value(&steps).unwrap_or_default(),
    });
    if let Some(once) = &plan.once {
        claim(once, &steps, &web)?;
    }
    let report = web::watched(&web.silence, sink, || restore::execute(steps, sink))?;
    Ok((report, crate::init::told::others(&image, disk.index)))
}

/// Asks the server for leave, unless it gave it before the restore was
/// interrupted.
fn claim(once: &Once, steps: &restore::Plan, web: &Web) -> Result<(), OnceError> {
    if steps.summary().resumes_at.is_some() {
        return Ok(());
    }
    let question = json!({"v": 1, "machine": this_machine(), "restore": steps});
    let answer = store::post_json(once.claim.as_str(), question.to_string().as_bytes(), web);
    once::judge(&once.claim, answer)
}

fn this_machine() -> Names {
    let network = Board::system().read(STATE).unwrap_or_default();
    Names::of(&network, Path::new(find::DMI))
}

/// Tells the server that the plan names how it ended. That it cannot be told
/// changes nothing about the restore.
pub fn tell_server(
    plan: &Plan,
    origin: &str,
    result: Result<&Report, &anyhow::Error>,
    seconds: f64,
    sink: &dyn Sink,
) {
    let Some(to) = &plan.report else { return };
    let machine = this_machine();
    let outcome = json!(Outcome::new(result, &machine, origin, seconds));
    // Certificates that cannot be used stopped the restore already.
    let web = web::Access::from(plan).web().unwrap_or_default();
    let problem = match store::post_json(to.url.as_str(), outcome.to_string().as_bytes(), &web) {
        Ok(Answer { status: 200..=299 }) => None,
        Ok(Answer { status }) => Some(format!("it answered {status}")),
        Err(error) => Some(error.to_string()),
    };
    sink.emit(match problem {
        None => Event::Note {
            text: format!("reported to {}", to.url),
        },
        Some(why) => Event::Warning {
            text: format!("{} could not be told how this ended: {why}", to.url),
        },
    });
}

fn pick_disk(image: &Image, wanted: Option<u32>) -> Result<&DiskImage, NotDone> {
    let disks = &image.manifest.disks;
    let numbers: Vec<String> = disks.iter().map(|d| d.index.to_string()).collect();
    let numbers = numbers.join(", ");
    let name = format!("image {} ({})", image.id, image.manifest.name);
    match (wanted, disks.as_slice()) {
        (None, [only]) => Ok(only),
        (None, _) => Err(NotDone::WhichDisk {
            image: name,
            count: disks.len(),
            numbers,
        }),
        (Some(wanted), _) => disks
            .iter()
            .find(|d| d.index == wanted)
            .ok_or(NotDone::NoSuchDisk {
                image: name,
                wanted,
                numbers,
            }),
    }
}

/// The disk that is meant, once it is there and nothing else can be meant.
fn choose_target(target: &Target, sink: &dyn Sink) -> anyhow::Result<Disk> {
    let board = Board::system();
    if target.is_certain() {
        return wait_for_target(&board, &mut || try_target(target));
    }
    sink.emit(Event::Note {
        text: format!(
            "the plan names the target by neither serial number nor WWN: waiting until no disk \
             has come for {} s",
            CALM.as_secs()
        ),
    });
    when_calm(&board, CALM, &mut || try_target(target))
}

/// What `pick` says after `calm` without news of disks.
fn when_calm(
    board: &Board,
    calm: Duration,
    pick: &mut dyn FnMut() -> anyhow::Result<Disk>,
) -> anyhow::Result<Disk> {
    let started = Instant::now();
    let devices = |board: &Board| board.read::<Devices>(devices::STATE).unwrap_or_default();
    while started.elapsed() < LONGEST {
        wait_for_target(board, pick)?;
        let settled = board
            .wait_for(LONGEST, |b| Some(devices(b)).filter(|d| d.settled))
            .context("waiting for drivers")?;
        let Some(before) = settled else { break };
        let news = |b: &Board| (devices(b).generation != before.generation).then_some(());
        if board
            .wait_for(calm, news)
            .context("watching disks")?
            .is_none()
        {
            return pick();
        }
    }
    Err(TargetError::Restless.into())
}

/// The disk that is meant now. One that is not there yet is waited for; several
/// that fit are refused at once.
fn wait_for_target(
    board: &Board,
    pick: &mut dyn FnMut() -> anyhow::Result<Disk>,
) -> anyhow::Result<Disk> {
    let mut last: Option<anyhow::Error> = None;
    let found = board
        .wait_for(PATIENCE, |_| match pick() {
            Ok(disk) => Some(Ok(disk)),
            Err(error) => match error.downcast_ref() {
                Some(TargetError::Several { .. }) => Some(Err(error)),
                _ => {
                    last = Some(error);
                    None
                }
            },
        })
        .context("waiting for the target")?;
    match (found, last) {
        (Some(found), _) => found,
        (None, Some(error)) => Err(error),
        (None, None) => Err(TargetError::None { all: Vec::new() }.into()),
    }
}

fn try_target(target: &Target) -> anyhow::Result<Disk> {
    let disks = inventory::disks()?;
    Ok(choose(target, &disks)?.clone())
}

/// The guard against restoring for ever.
fn refuse_again(
    repository: &Repository,
    image: &Image,
    disk: &DiskImage,
    target: &Disk,
) -> anyhow::Result<()> {
    let carried = restore::already_carries(repository, disk, target)?;
    let target = format!("{} {}", target.path.display(), target.describe());
    let machine = image.manifest.name.clone();
    match carried {
        Carried::No => Ok(()),
        Carried::Yes => Err(NotDone::AlreadyRestored { target, machine }.into()),
        Carried::Unknown => Err(NotDone::Undecidable { target, machine }.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(then: &str, on_failure: &str) -> Restore {
        let text = format!(
            "[restore]\nfrom = \"/r\"\nthen = \"{then}\"\non-failure = \"{on_failure}\"\n\
             [target]\nonly-disk = true\n"
        );
        super::super::plan::parse("x", &text).unwrap().restore
    }

    #[test]
    fn a_restored_machine_is_not_started_into_the_same_plan_again() {
        let carries = anyhow::Error::from(NotDone::AlreadyRestored {
            target: "/dev/sda".into(),
            machine: "web1".into(),
        })
        .context("following the plan");
        assert_eq!(
            afterwards(&wanted("reboot", "wait"), Some(&carries)),
            Then::Wait
        );
        let off = afterwards(&wanted("poweroff", "wait"), Some(&carries));
        assert_eq!(off, Then::Poweroff);
        assert_eq!(
            afterwards(&wanted("wait", "wait"), Some(&carries)),
            Then::Wait
        );
    }

    fn some_disk() -> Disk {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(1 << 20).unwrap();
        inventory::disk_at(file.path()).unwrap()
    }

    fn publish(board: &Board, generation: u64) {
        let state = Devices {
            generation,
            settled: true,
            ..Devices::default()
        };
        board.publish(devices::STATE, &state).unwrap();
    }

    #[test]
    fn the_first_disk_to_come_is_not_taken_for_the_only_one() {
        let folder = tempfile::tempdir().unwrap();
        let board = Board::at(folder.path());
        publish(&board, 1);
        let other = board.clone();
        let late = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(200));
            publish(&other, 2);
        });
        // One disk fits until the second controller has shown its own.
        let seen = board.clone();
        let mut pick = move || match seen.read::<Devices>(devices::STATE) {
            Some(devices) if devices.generation > 1 => {
                Err(TargetError::Several { fit: Vec::new() }.into())
            }
            _ => Ok(some_disk()),
        };
        let chosen = when_calm(&board, Duration::from_secs(2), &mut pick);
        late.join().unwrap();
        let error = chosen.unwrap_err();
        assert!(matches!(
            error.downcast_ref(),
            Some(TargetError::Several { .. })
        ));
    }

    #[test]
    fn a_machine_at_rest_gets_its_disk() {
        let folder = tempfile::tempdir().unwrap();
        let board = Board::at(folder.path());
        publish(&board, 1);
        let calm = Duration::from_millis(50);
        assert!(when_calm(&board, calm, &mut || Ok(some_disk())).is_ok());
    }

    #[test]
    fn a_failure_leaves_the_machine_reachable() {
        let failed = anyhow::anyhow!("connection refused");
        for then in ["poweroff", "reboot", "shell"] {
            assert_eq!(afterwards(&wanted(then, "wait"), Some(&failed)), Then::Wait);
        }
        assert_eq!(afterwards(&wanted("reboot", "wait"), None), Then::Reboot);
        let off = afterwards(&wanted("reboot", "poweroff"), Some(&failed));
        assert_eq!(off, Then::Poweroff);
    }
}
