//! Following a plan: everything is looked up and checked, then one restore.

use std::time::Duration;

use anyhow::Context;
use image::{DiskImage, Image, Repository};

use super::plan::{Plan, Target, Then};
use super::target::{TargetError, choose};
use crate::event::{Event, Sink};
use crate::init::places;
use crate::init::state::Board;
use crate::inventory::{self, Disk};
use crate::restore::{self, Options, Report, Verify};

/// How long the target may take to appear.
const PATIENCE: Duration = Duration::from_secs(30);

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
/// same plan for ever; one whose restore failed stays reachable.
#[must_use]
pub fn afterwards(then: Then, failed: Option<&anyhow::Error>) -> Then {
    let carries = failed
        .is_some_and(|error| matches!(error.downcast_ref(), Some(NotDone::AlreadyRestored { .. })));
    match (failed, carries, then) {
        (None, _, then) => then,
        (Some(_), true, Then::Poweroff) => Then::Poweroff,
        (Some(_), _, _) => Then::Wait,
    }
}

/// Restores what `plan` says: the report, and the image's other disks, which
/// were not restored.
///
/// # Errors
/// [`NotDone`], [`TargetError`], a refusal of the restore engine, or what
/// stopped it.
pub fn follow(plan: &Plan, sink: &dyn Sink) -> anyhow::Result<(Report, Vec<String>)> {
    let wanted = &plan.restore;
    let location = places::resolve(&wanted.from)
        .with_context(|| format!("looking for the repository {}", wanted.from))?;
    let repository = Repository::open(store::open(&location)?)?;
    let image = repository.image(&wanted.image)?;
    let disk = pick_disk(&image, wanted.disk)?;
    let target = wait_for_target(&plan.target)?;
    refuse_again(&image, disk, &target)?;
    let options = Options {
        verify: if wanted.verify {
            Verify::ReadBack
        } else {
            Verify::No
        },
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
    let report = restore::execute(steps, sink)?;
    Ok((report, crate::init::world::others(&image, disk.index)))
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

/// The disk that is meant. One that is not there yet is waited for; several
/// that fit are refused at once.
fn wait_for_target(target: &Target) -> anyhow::Result<Disk> {
    let mut last: Option<anyhow::Error> = None;
    let found = Board::system()
        .wait_for(PATIENCE, |_| match try_target(target) {
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
fn refuse_again(image: &Image, disk: &DiskImage, target: &Disk) -> anyhow::Result<()> {
    let carries = restore::already_carries(target, disk)
        .with_context(|| format!("reading {}", target.path.display()))?;
    if !carries {
        return Ok(());
    }
    Err(NotDone::AlreadyRestored {
        target: format!("{} {}", target.path.display(), target.describe()),
        machine: image.manifest.name.clone(),
    }
    .into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restored_machine_is_not_started_into_the_same_plan_again() {
        let carries = anyhow::Error::from(NotDone::AlreadyRestored {
            target: "/dev/sda".into(),
            machine: "web1".into(),
        })
        .context("following the plan");
        assert_eq!(afterwards(Then::Reboot, Some(&carries)), Then::Wait);
        assert_eq!(afterwards(Then::Poweroff, Some(&carries)), Then::Poweroff);
        assert_eq!(afterwards(Then::Wait, Some(&carries)), Then::Wait);
    }

    #[test]
    fn a_failure_leaves_the_machine_reachable() {
        let failed = anyhow::anyhow!("connection refused");
        assert_eq!(afterwards(Then::Poweroff, Some(&failed)), Then::Wait);
        assert_eq!(afterwards(Then::Reboot, Some(&failed)), Then::Wait);
        assert_eq!(afterwards(Then::Reboot, None), Then::Reboot);
    }
}
