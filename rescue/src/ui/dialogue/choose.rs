//! What is restored, and onto what.

use super::*;
use crate::inventory::Disk;
use crate::volumes::Passphrases;

const REPOSITORY_HELP: &str = "\
A repository is the folder that `rescue capture --to` filled. Those on this machine's disks and \
sticks are found by themselves: attach a disk now if it is on one.
Anywhere else it has an address:
  https://server/folder              on a web server (or http://)
  nfs://server/export/folder         on an NFS server
  smb://user:password@server/share   on a Windows or Samba server
  iscsi://server/TARGET/LUN/folder   on a disk of an iSCSI server
  label:NAME/folder                  on the file system with that label
  uuid:UUID/folder                   on the file system with that UUID
  medium:/folder                     on this medium
  /folder                            in this system";

impl Talk<'_> {
    pub(super) fn repository(&mut self) -> Step {
        self.terminal.busy("Looking for repositories ...");
        let places = self.world.places();
        let forms = self.world.place_forms();
        let mut items: Vec<Item> = places.iter().map(|p| Item::usable(&p.title)).collect();
        items.push(Item::usable("Somewhere else: type its address"));
        items.extend(forms.iter().map(|form| Item::usable(&form.offer)));
        let heading = if places.is_empty() {
            "No repository was found on this machine's disks. Where is it?"
        } else {
            "Which repository? Choose one that was found, or say where it is:"
        };
        let screen = Screen {
            id: "repository",
            title: "Repository",
            body: String::new(),
            heading: heading.to_owned(),
            asks: Asks::Menu(items, Typed::Taken),
            help: REPOSITORY_HELP.to_owned(),
            until: Until::Redrawn,
        };
        match self.ask(&screen) {
            Said::Item(at) => chosen_place(places, forms, at),
            Said::Text(typed) => Step::Image(typed),
            Said::Again | Said::Form(_) => Step::Repository,
            Said::Back => Step::Welcome(Operator::Choosing),
            Said::End(ending) => Step::End(ending),
        }
    }

    pub(super) fn image(&mut self, location: String) -> Step {
        self.terminal.busy("Reading the repository ...");
        let images = match self.world.images(&location) {
            Ok(images) => images,
            Err(error) => {
                self.sorry(&error);
                return Step::Repository;
            }
        };
        if images.is_empty() {
            self.note("This repository holds no image yet.");
            return Step::Repository;
        }
        let screen = Screen {
            id: "image",
            title: "Image",
            body: String::new(),
            heading: "Which image? The newest is first.".to_owned(),
            asks: Asks::Menu(images.iter().map(image_item).collect(), Typed::Refused),
            help: "An image is one machine's disks at one moment; each is complete in itself. \
                   An image that is damaged or was made by a newer version cannot be chosen."
                .to_owned(),
            until: Until::Answered,
        };
        match self.ask(&screen) {
            Said::Item(at) => match images.into_iter().nth(at) {
                Some(image) => Step::ImageDisk(location, image.id),
                None => Step::Image(location),
            },
            Said::Again => Step::Image(location),
            Said::Back | Said::Text(_) | Said::Form(_) => Step::Repository,
            Said::End(ending) => Step::End(ending),
        }
    }

    pub(super) fn image_disk(&mut self, location: String, image: String) -> Step {
        let disks = match self.world.disks(&location, &image) {
            Ok(disks) => disks,
            Err(error) => {
                self.sorry(&error);
                return Step::Image(location);
            }
        };
        if let [only] = disks.as_slice() {
            return Step::Target(location, image, only.index);
        }
        let items = disks.iter().map(|d| Item::usable(&d.title)).collect();
        let screen = Screen {
            id: "image-disk",
            title: "Disk of the image",
            body: String::new(),
            heading: "This image has several disks. Which one is restored now?".to_owned(),
            asks: Asks::Menu(items, Typed::Refused),
            help: "The disks of an image are restored one after the other. Begin with the one \
                   the machine boots from."
                .to_owned(),
            until: Until::Answered,
        };
        match self.ask(&screen) {
            Said::Item(at) => match disks.get(at) {
                Some(disk) => Step::Target(location, image, disk.index),
                None => Step::ImageDisk(location, image),
            },
            Said::Again => Step::ImageDisk(location, image),
            Said::Back | Said::Text(_) | Said::Form(_) => Step::Image(location),
            Said::End(ending) => Step::End(ending),
        }
    }

    pub(super) fn target(&mut self, location: String, image: String, disk: u32) -> Step {
        self.terminal.busy("Looking at this machine's disks ...");
        let targets = match self.world.targets(&location) {
            Ok(targets) => targets,
            Err(error) => {
                self.sorry(&error);
                return Step::Image(location);
            }
        };
        let back = match self.world.disks(&location, &image) {
            Ok(disks) if disks.len() > 1 => Step::ImageDisk(location.clone(), image.clone()),
            _ => Step::Image(location.clone()),
        };
        match self.ask(&target_screen(&targets)) {
            Said::Item(at) => match targets.into_iter().nth(at) {
                Some(line) => Step::Passphrase(Choice {
                    location,
                    image,
                    disk,
                    target: line.disk,
                    verify: false,
                    start_over: false,
                    drivers: None,
                    passphrases: Passphrases::default(),
                    keep: false,
                }),
                None => Step::Target(location, image, disk),
            },
            Said::Again => Step::Target(location, image, disk),
            Said::Back | Said::Text(_) | Said::Form(_) => back,
            Said::End(ending) => Step::End(ending),
        }
    }
}

/// The places come first, then "type its address", then the forms.
fn chosen_place(places: Vec<Place>, forms: Vec<Form>, at: usize) -> Step {
    let found = places.len();
    if let Some(place) = places.into_iter().nth(at) {
        return Step::Image(place.location);
    }
    match at.checked_sub(found) {
        Some(0) => Step::Address,
        Some(beyond) => {
            let form = forms.into_iter().nth(beyond.saturating_sub(1));
            form.map_or(Step::Repository, Step::PlaceForm)
        }
        None => Step::Repository,
    }
}

fn image_item(image: &ImageLine) -> Item {
    let mut details = vec![image.id.clone()];
    details.extend(image.details.iter().cloned());
    Item {
        title: image.title.clone(),
        details,
        unusable: image.unusable.clone(),
    }
}

fn target_screen(targets: &[TargetLine]) -> Screen {
    let heading = if targets.is_empty() {
        "This machine has no disk that a driver knows. Attach one and press Enter, or go back."
    } else {
        "Onto which disk? EVERYTHING ON IT WILL BE LOST."
    };
    Screen {
        id: "target",
        title: "Target disk",
        body: String::new(),
        heading: heading.to_owned(),
        asks: Asks::Menu(targets.iter().map(target_item).collect(), Typed::Refused),
        help: "The whole disk is overwritten. The medium you booted from, the disk that holds \
               the repository, and disks in use cannot be chosen. The disk must be at least as \
               large as the captured one and have sectors of the same size."
            .to_owned(),
        until: Until::Redrawn,
    }
}

fn target_item(line: &TargetLine) -> Item {
    let Disk { path, .. } = &line.disk;
    let what = line.disk.describe();
    Item {
        unusable: line.unusable.clone(),
        ..Item::usable(format!("{}  {what}", path.display())).detail(format!("now: {}", line.holds))
    }
}
