//! A disk that a BIOS started, restored for a machine that starts by UEFI.
//!
//! ```text
//! the image: table, systems ── Survey ── SystemConversion ── disk::to_gpt ── NewNames
//!                                              └ files of the ESP ──────────────┘
//! ```
//!
//! The table and the EFI system partition (ESP) know nothing of systems: a
//! [`SystemConversion`] says which partition may become the ESP and what has to be on
//! it, and what its system calls the partitions by is changed in its own place (for
//! Windows in [`adapt`](crate::adapt)). Everything is planned from the image, before
//! the first write. See docs/adr/0013-bios-to-uefi.md.

mod esp;
mod guids;
mod names;
mod windows;

use std::sync::Arc;

use ::site::plan::Firmware as Wish;
use disk::{Converted, Extent, ReadAt, Table, TableKind, ToGpt, ToGptRefusal, human_bytes, is_esp};
use image::{DiskImage, Manifest};
use serde::Serialize;

pub(crate) use esp::EspImage;
pub(crate) use guids::disk_guid;
pub(crate) use names::NewNames;

use crate::adapt::volume::NewFile;
use crate::identity::Looker;
use crate::inventory::{Machine, StartedBy};

/// For what a disk is restored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Firmware {
    /// For whatever started it before.
    #[default]
    Keep,
    /// For UEFI.
    Uefi {
        /// By the operator, who wants to hear when there is nothing to convert.
        asked: bool,
    },
}

impl Firmware {
    /// As `wish` says, on the machine this runs on; `adapts`: whether systems are
    /// changed for its hardware.
    #[must_use]
    pub fn here(wish: Wish, adapts: bool) -> Self {
        match wish {
            Wish::Uefi => Self::Uefi { asked: true },
            Wish::Auto if adapts && Machine::host().started_by() == StartedBy::Uefi => {
                Self::Uefi { asked: false }
            }
            Wish::Auto | Wish::Keep => Self::Keep,
        }
    }
}

/// A system that a BIOS started and that UEFI is to start.
pub(crate) trait SystemConversion {
    /// What it is called in messages.
    fn title(&self) -> &str;
    /// The partition of `table` that may become the ESP, or why there is none.
    fn reuse(&self, table: &Table) -> Result<u32, String>;
    /// The files of the ESP whatever partitions are called.
    fn fixed(&self) -> &[NewFile];
    /// Those that name partitions, with sentences of what was done.
    fn named(&self, names: &NewNames) -> Result<Named, String>;
}

/// Files that name partitions.
#[derive(Debug, Default)]
pub(crate) struct Named {
    pub(crate) files: Vec<NewFile>,
    /// What was changed in them, thing by thing.
    pub(crate) edits: Vec<String>,
    pub(crate) warnings: Vec<String>,
}

/// What becomes of a disk.
#[derive(Debug)]
pub(crate) struct Conversion {
    pub(crate) converted: Converted,
    pub(crate) names: NewNames,
    pub(crate) esp: EspImage,
    /// Sentences.
    pub(crate) lines: Vec<String>,
    pub(crate) edits: Vec<String>,
    pub(crate) warnings: Vec<String>,
}

/// The same for programs. Field names are part of the interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Told {
    /// "uefi".
    pub to: &'static str,
    /// Number of the EFI system partition.
    pub esp: u32,
    /// Its first byte.
    pub esp_start: u64,
    /// Its bytes.
    pub esp_size: u64,
    /// Whether it was a partition of the image, whose content is not restored.
    pub esp_reused: bool,
    /// The GUID of the disk.
    pub disk_id: String,
}

impl Conversion {
    pub(crate) fn told(&self) -> Told {
        Told {
            to: "uefi",
            esp: self.converted.esp,
            esp_start: self.esp.extent.start,
            esp_size: self.esp.extent.len,
            esp_reused: self.converted.reused,
            disk_id: self.names.disk.to_string(),
        }
    }
}

/// A conversion, none because there is nothing to convert, or why it cannot be.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) conversion: Option<Conversion>,
    pub(crate) refusals: Vec<String>,
    /// Why it stays as it was, where that may surprise.
    pub(crate) warning: Option<String>,
}

/// A disk of an image and the target it goes to.
pub(crate) struct Case<'a> {
    pub(crate) source: &'a Arc<dyn ReadAt>,
    pub(crate) manifest: &'a Manifest,
    pub(crate) disk: &'a DiskImage,
    /// The image's table.
    pub(crate) table: &'a Table,
    pub(crate) target_size: u64,
}

/// Whether a disk that a BIOS started is left so unless its conversion is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stays {
    No,
    /// Nothing on it is known to start.
    Silently,
    /// For a reason that the operator has to know.
    Told(String),
}

/// Whether the disk stays as it is.
pub(crate) fn stays(case: &Case<'_>, firmware: Firmware) -> Stays {
    /// Types of partitions of systems that would lose their boot loader, which is in
    /// sector 0 and behind it: Linux, its LVM and RAID, BSD, Solaris, Mac OS.
    const OTHERS: [&str; 9] = [
        "0x82", "0x83", "0x85", "0x8e", "0xfd", "0xa5", "0xa6", "0xa9", "0xaf",
    ];
    if firmware != (Firmware::Uefi { asked: false }) || !is_for_bios(case.table) {
        return Stays::No;
    }
    let systems = case.manifest.systems.iter();
    let here: Vec<_> = systems.filter(|s| s.disk == case.disk.index).collect();
    let windows = |name: &str| {
        here.iter()
            .any(|s| s.name.as_deref().unwrap_or_default().contains(name))
    };
    let other = here.iter().any(|s| s.family != crate::identity::WINDOWS)
        || case
            .table
            .partitions
            .iter()
            .any(|p| OTHERS.contains(&&*p.type_id));
    let why = match () {
        () if here.is_empty() => return Stays::Silently,
        () if case.manifest.machine.firmware.as_deref() == Some("uefi") => {
            "the captured machine was started by UEFI, so it was not started from this disk"
        }
        () if other => "another system is on it, too, whose boot loader would be lost",
        () if windows("Windows 7") || windows("2008") || windows("Vista") => {
            "a Windows of that age starts by UEFI on few machines"
        }
        () => return Stays::No,
    };
    Stays::Told(format!(
        "This machine was started by UEFI, and the disk is one that a BIOS starts. It is not \
         converted: {why}. If this machine is to start from it, set its firmware to BIOS (legacy, \
         CSM), or restore with --firmware uefi."
    ))
}

/// Whether a disk is one that a BIOS starts. (A GPT without an EFI system partition is,
/// too, but not a Windows on it.)
fn is_for_bios(table: &Table) -> bool {
    table.kind == TableKind::Mbr && !table.partitions.iter().any(|p| is_esp(&p.type_id))
}

/// Plans the conversion of a disk.
pub(crate) fn plan(looker: &Looker, case: &Case<'_>, firmware: Firmware) -> Outcome {
    let mut outcome = Outcome::default();
    let Firmware::Uefi { asked } = firmware else {
        return outcome;
    };
    if !is_for_bios(case.table) {
        return outcome;
    }
    match stays(case, firmware) {
        Stays::Silently => {}
        Stays::Told(why) => outcome.warning = Some(why),
        Stays::No => match find_and_convert(looker, case, asked) {
            Ok(conversion) => outcome.conversion = conversion,
            Err(refusals) => outcome.refusals = refusals,
        },
    }
    outcome
}

fn find_and_convert(
    looker: &Looker,
    case: &Case<'_>,
    asked: bool,
) -> Result<Option<Conversion>, Vec<String>> {
    match windows::find(looker, case)? {
        Some(system) => convert(case, &system).map(Some),
        None if asked => Err(vec![
            "No Windows was found on the disk that a BIOS starts from it, so it cannot be \
             converted for UEFI; leave --firmware at auto or keep"
                .to_owned(),
        ]),
        None => Ok(None),
    }
}

fn convert(case: &Case<'_>, system: &dyn SystemConversion) -> Result<Conversion, Vec<String>> {
    let title = system.title();
    let one = |why: String| vec![format!("{title} cannot be converted for UEFI: {why}")];
    let guid = |place: Option<u64>| guids::guid(case.table, place);
    let content = size_of(system.fixed());
    let least = esp::least(content, case.table.sector);
    let reuse = reusable(system, case.table, least);
    let wanted = ToGpt {
        reuse: reuse.as_ref().ok().copied(),
        esp_size: esp::usual(least, case.table.sector),
        guid: &guid,
    };
    let converted = disk::to_gpt(case.table, &**case.source, case.target_size, &wanted);
    let converted = converted.map_err(|why| match (&why, reuse) {
        (ToGptRefusal::NoRoom { .. }, Err(not)) => one(format!("{why} ({not})")),
        _ => one(crate::ui::chain(&why.into()).replace('\n', ": ")),
    })?;
    if !converted.reused && !is_empty(case.source, converted.esp_extent).map_err(one)? {
        return Err(one(format!(
            "the image has data outside of partitions where its EFI system partition would be, at \
             byte {}; --firmware keep restores the disk as it was",
            converted.esp_extent.start
        )));
    }
    let names = NewNames::new(case.table, &converted).map_err(one)?;
    let named = system.named(&names).map_err(one)?;
    let files = || system.fixed().iter().chain(&named.files);
    let sector = case.table.sector;
    let image = esp::build(converted.esp_extent, sector, names.esp, files());
    let image = image.map_err(|e| one(format!("making its EFI system partition: {e}")))?;
    let lines = vec![format!(
        "{title}: it will be started by UEFI; {} files ({}) for that are put onto the EFI system \
         partition, among them its boot store.",
        files().count(),
        human_bytes(files().map(|f| f.bytes.len() as u64).sum()),
    )];
    let titled = |text: String| format!("{title}: {text}");
    Ok(Conversion {
        converted,
        names,
        esp: image,
        lines,
        edits: named.edits.into_iter().map(titled).collect(),
        warnings: named.warnings.into_iter().map(titled).collect(),
    })
}

/// Whether the image has nothing but zeros in `extent`.
fn is_empty(source: &Arc<dyn ReadAt>, extent: Extent) -> Result<bool, String> {
    const PIECE: usize = 1 << 20;
    let mut buffer = vec![0; PIECE];
    let end = extent.end().min(source.size());
    let mut at = extent.start;
    while at < end {
        let len = usize::try_from(end - at).unwrap_or(PIECE).min(PIECE);
        let piece = buffer.get_mut(..len).unwrap_or_default();
        let read = source.read_exact_at(piece, at);
        read.map_err(|e| format!("reading the image at byte {at}: {e}"))?;
        if piece.iter().any(|byte| *byte != 0) {
            return Ok(false);
        }
        at = at.saturating_add(len as u64);
    }
    Ok(true)
}

fn size_of(files: &[NewFile]) -> u64 {
    files.iter().map(|file| file.bytes.len() as u64).sum()
}

/// The partition that becomes the ESP, if it is large enough.
fn reusable(system: &dyn SystemConversion, table: &Table, least: u64) -> Result<u32, String> {
    let number = system.reuse(table)?;
    let mut partitions = table.partitions.iter();
    let found = partitions.find(|p| p.number == number);
    let len = found.map_or(0, |p| p.len);
    match len >= least {
        true => Ok(number),
        false => Err(format!(
            "partition {number}, from which a BIOS started it, is too small to become one: it has \
             {}, {} are needed",
            human_bytes(len),
            human_bytes(least)
        )),
    }
}
