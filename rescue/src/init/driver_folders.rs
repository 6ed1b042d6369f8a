//! Folders of unpacked drivers for Windows, on volumes of this machine.

use std::path::PathBuf;

use super::places::{self, is_partition, medium, spoken};
use super::volumes::{self, LABEL, Volume};
use crate::adapt::Drivers;
use crate::event::{Event, Sink};
use crate::init::site;
use crate::inventory::Disk;

/// What such a folder is called, at the top of a volume.
const NAME: &str = "drivers";

/// A folder of drivers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Folder {
    /// "/drivers on sdb3 (ext4, labelled RESCUE)".
    pub(crate) on: String,
    pub(crate) path: PathBuf,
    /// Whether it is on the medium this was booted from.
    of_medium: bool,
}

/// Those on volumes that `choose`, but for the disk that is going to be overwritten.
fn folders(target: &Disk, choose: impl Fn(&Volume, bool) -> bool) -> Vec<Folder> {
    let volumes = volumes::list();
    let booted_from = medium(&volumes).cloned();
    let mut found = Vec::new();
    for volume in places::without_copies(&volumes) {
        let of_medium = booted_from.as_ref() == Some(volume);
        let overwritten = is_part_of(&volume.name, &target.name);
        if overwritten || !choose(volume, of_medium) {
            continue;
        }
        let Ok(root) = volumes::mount(volume) else {
            continue;
        };
        let path = root.join(NAME);
        if path.is_dir() {
            found.push(Folder {
                on: spoken(volume, &root, &path),
                path,
                of_medium,
            });
        }
    }
    found
}

fn is_part_of(volume: &str, disk: &str) -> bool {
    volume == disk || is_partition(volume, disk)
}

/// All that the operator may mean.
pub(super) fn all(target: &Disk) -> Vec<Folder> {
    folders(target, |_, _| true)
}

/// The one that counts when nobody names one: on the medium, or else on the only
/// volume labelled RESCUE that has one.
fn own(target: &Disk) -> Option<Folder> {
    let ours =
        |volume: &Volume, of_medium: bool| of_medium || volume.label.as_deref() == Some(LABEL);
    pick(folders(target, ours))
}

fn pick(mut found: Vec<Folder>) -> Option<Folder> {
    if let Some(at) = found.iter().position(|folder| folder.of_medium) {
        return Some(found.swap_remove(at));
    }
    found.pop().filter(|_| found.is_empty())
}

/// The drivers of that folder for an image with a Windows, and where they are; told to
/// `sink`. One that cannot be read is told, too, and is as if it were not there.
pub(crate) fn taken(
    image: &image::Image,
    target: &Disk,
    sink: &dyn Sink,
) -> Option<(Drivers, Folder)> {
    let mut systems = image.manifest.systems.iter();
    let windows = systems.any(|system| system.family == crate::identity::WINDOWS);
    let folder = own(target).filter(|_| windows && site::is_medium())?;
    match Drivers::read(&folder.path) {
        Ok(drivers) => {
            sink.emit(Event::Note {
                text: format!("drivers for Windows are taken from {}", folder.on),
            });
            Some((drivers, folder))
        }
        Err(error) => {
            sink.emit(Event::Warning {
                text: format!("{} is left alone: {error:#}", folder.on),
            });
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str, of_medium: bool) -> Folder {
        Folder {
            on: name.to_owned(),
            path: PathBuf::from(name),
            of_medium,
        }
    }

    #[test]
    fn the_medium_counts_first_and_of_others_only_the_only_one() {
        let on = |folders: &[Folder]| pick(folders.to_vec()).map(|folder| folder.on);
        let (a, b, medium) = (folder("a", false), folder("b", false), folder("m", true));
        assert_eq!(on(&[]), None);
        assert_eq!(on(std::slice::from_ref(&a)).as_deref(), Some("a"));
        assert_eq!(on(&[a.clone(), b.clone()]), None, "which is meant?");
        assert_eq!(on(&[a, medium, b]).as_deref(), Some("m"));
    }

    #[test]
    fn the_disk_that_is_overwritten_is_no_source() {
        assert!(is_part_of("sda", "sda") && is_part_of("sda3", "sda"));
        assert!(is_part_of("nvme0n1p2", "nvme0n1") && !is_part_of("sdb1", "sda"));
    }
}
