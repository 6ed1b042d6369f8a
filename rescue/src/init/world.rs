//! The dialogue's view of this machine: real disks, real repositories, the
//! restore engine.

use std::fs;

use anyhow::Context;
use image::{DiskImage, Image, ImageState, ImageSummary, Repository};
use serde_json::json;

use super::devices::{self, Devices};
use super::network::{self, Network};
use super::places;
use super::plans::Known;
use super::state::Board;
use super::volumes;
use crate::event::{Event, Sink};
use crate::inventory::{self, Disk, Machine, contents};
use crate::restore::{self, Options, Report, Verify};
use crate::ui::dialogue::{Choice, DiskLine, ImageLine, Place, TargetLine, World};

/// This machine.
pub struct Here<'a> {
    sink: &'a dyn Sink,
    port: &'a dyn Sink,
    board: Board,
    plans: &'a Known,
}

impl std::fmt::Debug for Here<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Here").finish_non_exhaustive()
    }
}

impl<'a> Here<'a> {
    /// Events of a restore go to `sink`; what the dialogue shows by itself
    /// goes to `port`, for automation.
    #[must_use]
    pub(super) fn new(sink: &'a dyn Sink, port: &'a dyn Sink, plans: &'a Known) -> Self {
        Self {
            sink,
            port,
            board: Board::system(),
            plans,
        }
    }

    fn repository(&self, location: &str) -> anyhow::Result<Repository> {
        let location = places::resolve(&location.parse()?)?;
        Ok(Repository::open(store::open(&location)?)?)
    }

    fn image(&self, location: &str, image: &str) -> anyhow::Result<(Repository, Image)> {
        let repository = self.repository(location)?;
        let image = repository.image(image)?;
        Ok((repository, image))
    }

    fn planned(&self, choice: &Choice) -> anyhow::Result<(restore::Plan, Image)> {
        let (repository, image) = self.image(&choice.location, &choice.image)?;
        let disk = find_disk(&image, choice.disk)?;
        // What is known of the disk may have changed since it was chosen.
        let target = inventory::disk_at(&choice.target.path)?;
        ensure_same(&choice.target, &target)?;
        let options = Options {
            verify: if choice.verify {
                Verify::ReadBack
            } else {
                Verify::No
            },
            ..Options::default()
        };
        let plan = restore::plan(&repository, &image, disk, &target, &options)?;
        Ok((plan, image))
    }
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
        match self.plans.fresh() {
            Ok(found) => found.into_iter().next().map(|plan| plan.origin),
            Err(error) => {
                let text = format!("looking for a plan: {error:#}");
                self.sink.emit(Event::Warning { text });
                None
            }
        }
    }

    fn greeting(&mut self) -> String {
        let devices: Devices = self.board.read(devices::STATE).unwrap_or_default();
        let network: Network = self.board.read(network::STATE).unwrap_or_default();
        let disks = inventory::disks();
        let known = disks.as_deref().unwrap_or_default();
        tell_disks(self.port, known);
        self.port.emit(Event::Fact {
            name: "first-screen".to_owned(),
            value: json!(env!("CARGO_PKG_VERSION")),
        });
        let mut text = format!(
            "\nrescue {}: brings captured machines back\n",
            env!("CARGO_PKG_VERSION")
        );
        text.push_str(&format!("\nThis machine: {}\n", this_machine()));
        text.push_str(&section(
            "Network:",
            network.lines(),
            "no wired link with a driver",
        ));
        let lines = known.iter().map(disk_line).collect();
        text.push_str(&section("Disks:", lines, "none that a driver knows"));
        for problem in problems(&devices, disks.err()) {
            text.push_str(&format!("warning: {problem}\n"));
        }
        text
    }

    fn places(&mut self) -> Vec<Place> {
        let place = |found: places::Found| Place {
            title: found.on,
            location: found.location,
        };
        places::repositories().into_iter().map(place).collect()
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
        if !folder.starts_with("http://") {
            Machine::host().mark_repository(&mut disks, folder.as_ref())?;
        }
        Ok(disks.into_iter().map(target_line).collect())
    }

    fn plan(&mut self, choice: &Choice) -> anyhow::Result<String> {
        let (plan, _) = self.planned(choice)?;
        self.sink.emit(Event::Fact {
            name: "plan".to_owned(),
            value: json!(plan),
        });
        let location = places::resolve(&choice.location.parse()?)?;
        Ok(places::in_words(&plan.to_string(), &location))
    }

    fn restore(&mut self, choice: &Choice) -> anyhow::Result<String> {
        let (plan, image) = self.planned(choice)?;
        let outcome = restore::execute(plan, self.sink);
        match outcome {
            Ok(report) => {
                tell(self.port, &report);
                Ok(report_text(&report, &others(&image, choice.disk)))
            }
            Err(error) => {
                let error = anyhow::Error::from(error);
                super::work::tell_failure(self.port, &error);
                Err(error)
            }
        }
    }
}

/// Tells automation which disks there are.
pub(super) fn tell_disks(sink: &dyn Sink, disks: &[Disk]) {
    sink.emit(Event::Fact {
        name: "disks".to_owned(),
        value: json!(disks),
    });
}

/// Tells automation of a restore that succeeded.
pub(super) fn tell(sink: &dyn Sink, report: &Report) {
    sink.emit(Event::Fact {
        name: "report".to_owned(),
        value: json!(report),
    });
    sink.emit(Event::Done {
        summary: report.to_string(),
    });
}

/// What was done, how it was checked, and what was not done.
pub(super) fn report_text(report: &Report, others: &[String]) -> String {
    let mut text = String::new();
    let serial = report.serial.as_deref().unwrap_or("none");
    text.push_str(&format!(
        "{report}\nimage {}, disk serial number {serial}\n",
        report.image
    ));
    for change in &report.changes {
        text.push_str(&format!("changed: {change}\n"));
    }
    for warning in &report.warnings {
        text.push_str(&format!("warning: {warning}\n"));
    }
    text.push_str(
        "not done: the restored system was not adapted to this machine's hardware, and it was \
         not started\n",
    );
    for other in others {
        text.push_str(&format!(
            "not done: {other} of the image was not restored\n"
        ));
    }
    text
}

/// The disks of an image beside the one restored.
pub(crate) fn others(image: &Image, index: u32) -> Vec<String> {
    let disks = image.manifest.disks.iter().filter(|d| d.index != index);
    disks
        .map(|d| format!("disk {} ({})", d.index, image_disk(d)))
        .collect()
}

fn image_disk(disk: &DiskImage) -> String {
    let partitions = disk
        .regions
        .iter()
        .filter(|r| r.partition().is_some())
        .count();
    format!(
        "{}: {}, {} of it data, {partitions} partitions",
        disk.model.as_deref().unwrap_or(&disk.source),
        disk::human_bytes(disk.size),
        disk::human_bytes(disk.data_bytes()),
    )
}

fn image_line(image: &ImageSummary) -> ImageLine {
    let (title, unusable) = match &image.state {
        ImageState::Readable {
            name,
            created,
            hostname,
            disks,
            size,
            data_bytes,
        } => {
            let host = hostname.as_deref().filter(|h| h != name);
            let host = host.map(|h| format!(" ({h})")).unwrap_or_default();
            let plural = if *disks == 1 { "disk" } else { "disks" };
            let (size, data) = (disk::human_bytes(*size), disk::human_bytes(*data_bytes));
            let title =
                format!("{name}{host}, captured {created}, {disks} {plural}, {data} of {size}");
            (title, None)
        }
        ImageState::Unreadable { reason } => ("an image".to_owned(), Some(reason.clone())),
    };
    ImageLine {
        id: image.id.to_string(),
        title,
        unusable,
    }
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

fn section(heading: &str, lines: Vec<String>, none: &str) -> String {
    let lines = if lines.is_empty() {
        vec![none.to_owned()]
    } else {
        lines
    };
    let lines: Vec<String> = lines.into_iter().map(|l| format!("  {l}\n")).collect();
    format!("{heading}\n{}", lines.concat())
}

fn problems(devices: &Devices, inventory: Option<anyhow::Error>) -> Vec<String> {
    let mut problems: Vec<String> = devices.error.clone().into_iter().collect();
    problems.extend(devices.missing.iter().cloned());
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
    let firmware = if fs::exists("/sys/firmware/efi").unwrap_or(false) {
        "UEFI"
    } else {
        "BIOS"
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
