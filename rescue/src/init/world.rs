//! The dialogue's view of this machine: real disks, real repositories, the
//! restore engine.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use ::site::plan::{Adapt as Wish, Firmware as FirmwareWish};
use anyhow::Context;
use disk::ReadAt;
use image::{DiskImage, Image, ImageState, ImageSummary, Repository, Signed};
use serde_json::json;
use store::{Silence, Web};

use super::clock;
use super::devices::{self, Devices};
use super::driver_folders;
use super::network::{self, Network};
use super::network_forms;
use super::place_forms;
use super::places;
use super::plans::Known;
use super::port::Both;
use super::prompt;
use super::role::{self, Request};
use super::site;
use super::ssh::{self, Ssh};
use super::state::Board;
use super::told::{image_disk, in_full, others, tell, tell_controllers, tell_disks};
use super::volumes;
use crate::adapt::Drivers;
use crate::boot_entries::BootEntries;
use crate::event::{Event, Sink};
use crate::firmware::{Firmware, Told};
use crate::identity;
use crate::inventory::{self, Disk, Machine, StartedBy, contents};
use crate::restore::{self, Adapt, Options, Resume, Verify};
use crate::trust::Trust;
use crate::ui::dialogue::{
    Choice, Converts, DiskLine, Filled, Form, ImageLine, Left, Next, Overview, Place, Planned,
    Stopped, TargetLine, World,
};
use crate::web;

/// This machine.
pub struct Here<'a> {
    port: &'a dyn Sink,
    board: Board,
    plans: &'a Known,
    /// Why plans could not be looked for.
    problem: Option<String>,
    /// Whether the repository's server is waited for.
    silence: Arc<Silence>,
    /// What the plan that was shown last does, by its digest.
    shown: Option<[u8; 32]>,
}

impl std::fmt::Debug for Here<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Here").finish_non_exhaustive()
    }
}

impl<'a> Here<'a> {
    /// What the dialogue shows by itself goes to `port`, too, for automation.
    #[must_use]
    pub(super) fn new(port: &'a dyn Sink, plans: &'a Known) -> Self {
        Self {
            port,
            board: Board::system(),
            plans,
            problem: None,
            silence: Arc::default(),
            shown: None,
        }
    }

    fn repository(&self, location: &str) -> anyhow::Result<Repository> {
        let location = places::resolve(&location.parse()?)?;
        let web = Web {
            silence: Arc::clone(&self.silence),
            ..web::Access::default().web()?
        };
        Trust::default().open(store::open(&location, &web)?)
    }

    fn image(&self, location: &str, image: &str) -> anyhow::Result<(Repository, Image)> {
        let repository = self.repository(location)?;
        let image = repository.image(image)?;
        Ok((repository, image))
    }

    fn planned(&self, choice: &Choice) -> anyhow::Result<Considered> {
        let (repository, image) = self.image(&choice.location, &choice.image)?;
        let disk = find_disk(&image, choice.disk)?;
        // What is known of the disk may have changed since it was chosen.
        let target = inventory::disk_at(&choice.target.path)?;
        ensure_same(&choice.target, &target)?;
        let (drivers, drivers_from) = match &choice.drivers {
            Some(place) => {
                let folder = places::resolve(&place.parse()?)?;
                (Some(Drivers::read(Path::new(&folder))?), None)
            }
            None => driver_folders::taken(&image, &target, self.port).unzip(),
        };
        // Whoever types the serial number has read the warnings.
        let adapt = Adapt::here(Wish::Auto, &target, true, drivers);
        let adapt = adapt.unlocking(choice.passphrases.clone());
        let wish = match choice.keep {
            true => FirmwareWish::Keep,
            false => FirmwareWish::Auto,
        };
        let firmware = Firmware::here(wish, adapt != Adapt::No);
        let options = Options {
            verify: if choice.verify {
                Verify::ReadBack
            } else {
                Verify::No
            },
            resume: if choice.start_over {
                Resume::StartOver
            } else {
                Resume::IfSame
            },
            adapt,
            firmware,
            boot_entries: BootEntries::here(Wish::Auto, None),
            ..Options::default()
        };
        let plan = restore::plan(&repository, &image, disk, &target, &options)?;
        Ok(Considered {
            plan,
            image,
            drivers_from: drivers_from.map(|folder| folder.on),
        })
    }
}

/// A plan, and what it was made of.
struct Considered {
    plan: restore::Plan,
    image: Image,
    /// The folder of drivers that nobody named.
    drivers_from: Option<String>,
}

/// Refuses when the path leads to another disk than the one that was chosen (and
/// whose serial number was typed): names change when disks come and go.
fn ensure_same(chosen: &Disk, now: &Disk) -> anyhow::Result<()> {
    let identity = |d: &Disk| {
        (
            d.serial.clone(),
            d.wwn.clone(),
            d.model.clone(),
            d.size,
            d.bus,
        )
    };
    anyhow::ensure!(
        identity(chosen) == identity(now),
        "{} is another disk now: {} was chosen, and {} is there. Nothing was written to it; \
         choose the disk again",
        chosen.path.display(),
        chosen.describe(),
        now.describe()
    );
    Ok(())
}

fn find_disk(image: &Image, index: u32) -> anyhow::Result<&DiskImage> {
    let mut disks = image.manifest.disks.iter();
    let found = disks.find(|d| d.index == index);
    found.with_context(|| format!("image {} has no disk {index}", image.id))
}

impl World for Here<'_> {
    fn unattended(&mut self) -> Option<String> {
        let found = self.plans.fresh();
        let error = found.as_ref().err();
        self.problem = error.map(|error| format!("looking for a plan: {error:#}"));
        found.ok()?.into_iter().next().map(|plan| plan.origin)
    }

    fn overview(&mut self) -> Overview {
        let devices: Devices = self.board.read(devices::STATE).unwrap_or_default();
        let network: Network = self.board.read(network::STATE).unwrap_or_default();
        let ssh: Option<Ssh> = self.board.read(ssh::STATE);
        let ssh = ssh.map(|ssh| format!("ssh root@ here: host key {}", ssh.fingerprint));
        let disks = inventory::disks();
        let known = disks.as_deref().unwrap_or_default();
        tell_disks(self.port, known);
        tell_controllers(self.port, &devices);
        self.port.emit(Event::Fact {
            name: "first-screen".to_owned(),
            value: json!(env!("CARGO_PKG_VERSION")),
        });
        let lines = known.iter().map(disk_line).collect();
        let mut warnings = problems(&devices, disks.err());
        warnings.extend(self.problem.clone());
        let site = site::current();
        warnings.extend(site.problems);
        warnings.extend(clock::warnings());
        Overview {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            site: site.name,
            machine: this_machine(),
            network: network.lines().into_iter().chain(ssh).collect(),
            disks: lines,
            looking: !devices.settled,
            warnings,
        }
    }

    fn places(&mut self) -> Vec<Place> {
        let place = |found: places::Found| Place {
            title: found.on,
            location: found.location,
        };
        let given = site::current().repositories.into_iter();
        let given = given.map(|location| Place {
            title: "named by the medium's configuration".to_owned(),
            location,
        });
        given
            .chain(places::repositories().into_iter().map(place))
            .collect()
    }

    fn place_forms(&mut self) -> Vec<Form> {
        place_forms::forms()
    }

    fn network_forms(&mut self) -> Vec<Form> {
        network_forms::forms(&self.board)
    }

    fn submit(&mut self, form: &Form, values: &[String]) -> anyhow::Result<Filled> {
        match form.id {
            network_forms::LINK | network_forms::PROXY => {
                network_forms::submit(&self.board, form, values)
            }
            place => Ok(Filled::Place(place_forms::place(place, values)?.reveal())),
        }
    }

    fn images(&mut self, location: &str) -> anyhow::Result<Vec<ImageLine>> {
        let mut images = self.repository(location)?.images()?;
        images.reverse();
        Ok(images.iter().map(image_line).collect())
    }

    fn disks(&mut self, location: &str, image: &str) -> anyhow::Result<Vec<DiskLine>> {
        let (_, image) = self.image(location, image)?;
        let line = |disk: &DiskImage| DiskLine {
            index: disk.index,
            title: image_disk(disk),
        };
        Ok(image.manifest.disks.iter().map(line).collect())
    }

    fn targets(&mut self, location: &str) -> anyhow::Result<Vec<TargetLine>> {
        let folder = places::resolve(&location.parse()?)?;
        // Looking for repositories leaves volumes mounted; only the chosen one is needed.
        volumes::release_others(folder.as_ref());
        let mut disks = inventory::disks()?;
        if !folder.starts_with("http://") && !folder.starts_with("https://") {
            Machine::host().mark_repository(&mut disks, folder.as_ref())?;
        }
        Ok(disks.into_iter().map(target_line).collect())
    }

    fn driver_folders(&mut self, target: &Disk) -> Vec<Place> {
        let place = |found: driver_folders::Folder| Place {
            title: found.on,
            location: found.path.display().to_string(),
        };
        driver_folders::all(target).into_iter().map(place).collect()
    }

    fn locked(&mut self, choice: &Choice) -> anyhow::Result<Vec<String>> {
        let (repository, image) = self.image(&choice.location, &choice.image)?;
        let disk = find_disk(&image, choice.disk)?;
        let device: Arc<dyn ReadAt> = Arc::new(repository.read_at(disk)?);
        let places = identity::Place::of(disk);
        Ok(crate::volumes::locked(
            &device,
            &places,
            &choice.passphrases,
        ))
    }

    fn plan(&mut self, choice: &Choice) -> anyhow::Result<Planned> {
        let Considered {
            plan, drivers_from, ..
        } = self.planned(choice)?;
        self.shown = Some(plan.digest());
        self.port.emit(Event::Fact {
            name: "plan".to_owned(),
            value: json!(plan),
        });
        let location = places::resolve(&choice.location.parse()?)?;
        let from = drivers_from.map(|on| format!("Drivers for Windows are taken from {on}.\n"));
        let text = places::in_words(&plan.to_string(), &location);
        Ok(Planned {
            text: text + &from.unwrap_or_default(),
            resumes: plan.summary().resumes_at.is_some(),
            lacks_driver: plan.lacks_driver(),
            converts: match plan.summary().firmware {
                Some(Told::Uefi { .. }) => Converts::For(StartedBy::Uefi),
                Some(Told::Bios { .. }) => Converts::For(StartedBy::Bios),
                None if choice.keep => Converts::Kept(Machine::host().started_by()),
                None => Converts::Nothing,
            },
        })
    }

    fn restore(&mut self, choice: &Choice, sink: &dyn Sink) -> Result<String, Stopped> {
        let shown = self.shown;
        let planned = self.planned(choice).and_then(|Considered { plan, image, .. }| {
            anyhow::ensure!(
                shown.is_none_or(|shown| shown == plan.digest()),
                "what is to be changed for this hardware is not what the plan showed any more (the \
                 image could not be read as before?). Nothing was written now; look at the plan again"
            );
            Ok((plan, image))
        });
        let (plan, image) = planned.map_err(|error| Stopped {
            error,
            next: Next::Begins,
        })?;
        let both = Both(sink, self.port);
        match web::watched(&self.silence, &both, || restore::execute(plan, &both)) {
            Ok(report) => {
                let others = others(&image, choice.disk);
                in_full(&report, &others, sink);
                tell(self.port, &report);
                Ok(crate::ui::report::screen(&report, &others))
            }
            Err(error) => {
                let next = next(error.left());
                let error = anyhow::Error::from(error);
                super::work::tell_failure(self.port, &error);
                Err(Stopped { error, next })
            }
        }
    }

    fn shell(&mut self) -> anyhow::Result<Left> {
        match role::shell() {
            Some(mut shell) => {
                shell.status().context("starting the shell")?;
                Ok(Left::Back)
            }
            None => Ok(match prompt::run()? {
                Request::Reboot => Left::Reboot,
                Request::PowerOff => Left::PowerOff,
                Request::Prompt | Request::Dialogue => Left::Back,
            }),
        }
    }
}

/// What the same restore does next, by what the last one left.
fn next(left: restore::Left) -> Next {
    match left {
        restore::Left::Untouched => Next::Begins,
        restore::Left::Unfinished => Next::Continues,
        restore::Left::NoJournal | restore::Left::Wrong | restore::Left::Complete => {
            Next::StartsOver
        }
    }
}

fn image_line(image: &ImageSummary) -> ImageLine {
    let (title, details, unusable) = match &image.state {
        ImageState::Readable {
            name,
            created,
            hostname,
            machine,
            systems,
            disks,
            size,
            data_bytes,
            signed,
        } => {
            let host = hostname.as_deref().filter(|h| h != name);
            let host = host.map(|h| format!(" ({h})")).unwrap_or_default();
            let plural = if *disks == 1 { "disk" } else { "disks" };
            let (size, data) = (disk::human_bytes(*size), disk::human_bytes(*data_bytes));
            let title =
                format!("{name}{host}, captured {created}, {disks} {plural}, {data} of {size}");
            let systems = systems.iter().map(system_line);
            let mut details: Vec<String> = systems.chain(machine_details(machine)).collect();
            if let Ok(Signed::Trusted(key)) = signed {
                details.push(format!("signed by key {key}, which this medium trusts"));
            }
            let refused = signed.as_ref().err().map(ToString::to_string);
            (title, details, refused)
        }
        ImageState::Unreadable { reason } => {
            ("an image".to_owned(), Vec::new(), Some(reason.clone()))
        }
    };
    ImageLine {
        id: image.id.to_string(),
        title,
        details,
        unusable,
    }
}

/// "Debian GNU/Linux 12 (bookworm), web1: ssh host key ed25519 SHA256:…".
fn system_line(system: &image::System) -> String {
    let keys = system.identity.iter();
    let mut keys = keys.filter(|(name, _)| name.starts_with("ssh host key"));
    // One is enough to tell machines apart; the line must stay one.
    let key = keys
        .find(|(name, _)| name.ends_with("ed25519"))
        .or_else(|| keys.next());
    let key = key.map(|(name, print)| format!(": {name} {print}"));
    format!("system: {}{}", system.title(), key.unwrap_or_default())
}

/// "Dell Inc. PowerEdge R740, serial number 7XK3M, started by uefi"; nothing for
/// an image made of files, which do not tell.
fn machine_details(machine: &image::Machine) -> Vec<String> {
    let names = [machine.vendor.as_deref(), machine.product.as_deref()];
    let names: Vec<&str> = names.into_iter().flatten().collect();
    let serial = machine
        .serial
        .as_ref()
        .map(|s| format!("serial number {s}"));
    let firmware = machine.firmware.as_ref().map(|f| f.to_uppercase());
    let firmware = firmware.map(|f| format!("started by {f}"));
    let name = (!names.is_empty()).then(|| names.join(" "));
    let known: Vec<String> = [name, serial, firmware].into_iter().flatten().collect();
    let line = (!known.is_empty()).then(|| format!("machine: {}", known.join(", ")));
    line.into_iter().collect()
}

fn target_line(disk: Disk) -> TargetLine {
    let holds = disk.open().map(|file| match disk.sectors() {
        Ok(sector) => contents(&file, sector).describe(),
        Err(error) => error.to_string(),
    });
    let unusable = match disk
        .uses
        .iter()
        .find(|u| u.is_protected())
        .or(disk.uses.first())
    {
        Some(held) => Some(held.to_string()),
        None if disk.read_only => Some("it cannot be written".to_owned()),
        None => None,
    };
    TargetLine {
        holds: holds.unwrap_or_else(|error| format!("it cannot be read: {error}")),
        unusable,
        disk,
    }
}

fn disk_line(disk: &Disk) -> String {
    let held = disk
        .uses
        .iter()
        .find(|u| u.is_protected())
        .or(disk.uses.first());
    let held = held.map(|u| format!(" ({u})")).unwrap_or_default();
    format!("{}  {}{held}", disk.path.display(), disk.describe())
}

fn problems(devices: &Devices, inventory: Option<anyhow::Error>) -> Vec<String> {
    let mut problems: Vec<String> = devices.error.clone().into_iter().collect();
    problems.extend(devices.missing.iter().chain(&devices.firmware).cloned());
    problems.extend(inventory.map(|error| format!("{error:#}")));
    problems
}

/// Vendor, model and serial number, as the firmware tells them (DMI).
fn this_machine() -> String {
    let read = |name: &str| {
        let text = fs::read_to_string(format!("/sys/class/dmi/id/{name}")).ok()?;
        let text = text.trim();
        (!text.is_empty() && !text.eq_ignore_ascii_case("not specified")).then(|| text.to_owned())
    };
    let names: Vec<String> = ["sys_vendor", "product_name"]
        .iter()
        .filter_map(|n| read(n))
        .collect();
    let name = if names.is_empty() {
        "unknown".to_owned()
    } else {
        names.join(" ")
    };
    let serial = read("product_serial").map(|s| format!(", serial number {s}"));
    let firmware = match Machine::host().started_by() {
        StartedBy::Uefi | StartedBy::Uefi32 => "UEFI",
        StartedBy::Bios => "BIOS",
    };
    format!(
        "{name}{}, started by {firmware}",
        serial.unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_disk_at_the_same_path_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(1 << 20).unwrap();
        let chosen = inventory::disk_at(file.path()).unwrap();
        assert!(ensure_same(&chosen, &chosen).is_ok());
        let mut now = chosen.clone();
        now.serial = Some("OTHER".to_owned());
        let error = ensure_same(&chosen, &now).unwrap_err().to_string();
        assert!(error.contains("another disk now"), "{error}");
        now.serial = chosen.serial.clone();
        now.size += 512;
        assert!(ensure_same(&chosen, &now).is_err());
    }
}
