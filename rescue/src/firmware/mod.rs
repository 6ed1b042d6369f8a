//! A disk that a BIOS started, restored for a machine that starts by UEFI; the way back
//! is in [`bios`].
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

mod bios;
mod esp;
mod guids;
pub(crate) mod linux;
mod names;
mod starts;
mod windows;

use std::path::Path;
use std::sync::Arc;

use ::site::plan::Firmware as Wish;
use disk::{
    Converted, Extent, Layout, ReadAt, Table, TableKind, ToGpt, ToGptRefusal, human_bytes, is_esp,
};
use image::{DiskImage, Manifest, Region};
use serde::Serialize;

pub(crate) use bios::ToBios;
pub(crate) use esp::EspImage;
pub(crate) use guids::disk_guid;
pub(crate) use names::NewNames;
pub(crate) use starts::{Starter, only};

use crate::adapt::bitlocker;
use crate::adapt::volume::NewFile;
use crate::identity::Looker;
use crate::inventory::{Hardware, Machine, StartedBy};
use crate::volumes::Passphrases;

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
    /// For a BIOS.
    Bios {
        /// By the operator.
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
            Wish::Bios => Self::Bios { asked: true },
            Wish::Auto if adapts => match Machine::host().started_by() {
                StartedBy::Uefi => Self::Uefi { asked: false },
                StartedBy::Bios => Self::Bios { asked: false },
                StartedBy::Uefi32 => Self::Keep,
            },
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
    /// Whether its logical partitions may become ordinary ones.
    fn logical(&self) -> bool {
        false
    }
    /// The firmware's boot entry that it gets: `"Windows Boot Manager"`.
    fn entry(&self) -> &str;
    /// What is among the files of the ESP, in few words.
    fn among(&self) -> &'static str;
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
    /// The firmware's boot entry: `"debian" (\EFI\debian\shimx64.efi)`.
    pub(crate) entry: String,
    /// Sentences.
    pub(crate) lines: Vec<String>,
    pub(crate) edits: Vec<String>,
    pub(crate) warnings: Vec<String>,
}

/// The same for programs. Field names are part of the interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Told {
    /// For UEFI.
    Uefi {
        /// "uefi".
        to: &'static str,
        /// Number of the EFI system partition.
        esp: u32,
        /// Its first byte.
        esp_start: u64,
        /// Its bytes.
        esp_size: u64,
        /// Whether it was a partition of the image, whose content is not restored.
        esp_reused: bool,
        /// The GUID of the disk.
        disk_id: String,
    },
    /// For a BIOS.
    Bios {
        /// "bios".
        to: &'static str,
        /// Number of the BIOS boot partition.
        bios_boot: u32,
        /// Its first byte.
        bios_boot_start: u64,
        /// Its bytes.
        bios_boot_size: u64,
        /// The GUID of the disk, which it keeps.
        disk_id: String,
    },
}

impl Conversion {
    pub(crate) fn told(&self) -> Told {
        Told::Uefi {
            to: "uefi",
            esp: self.converted.esp,
            esp_start: self.esp.extent.start,
            esp_size: self.esp.extent.len,
            esp_reused: self.converted.reused,
            disk_id: self.names.disk.to_string(),
        }
    }
}

/// For which firmware a disk is changed, and how.
#[derive(Debug, Default)]
pub(crate) enum Becomes {
    /// It is not.
    #[default]
    Same,
    Uefi(Box<Conversion>),
    Bios(Box<ToBios>),
}

impl Becomes {
    /// What becomes of it for UEFI.
    pub(crate) fn conversion(&self) -> Option<&Conversion> {
        match self {
            Self::Uefi(conversion) => Some(conversion),
            Self::Same | Self::Bios(_) => None,
        }
    }

    /// Its new table, and how that is written.
    pub(crate) fn table(&self) -> Option<(&Table, &Layout)> {
        match self {
            Self::Same => None,
            Self::Uefi(it) => Some((&it.converted.table, &it.converted.layout)),
            Self::Bios(it) => Some((&it.made.table, &it.made.layout)),
        }
    }

    /// What is said of it: in sentences, thing by thing, and to be warned of.
    pub(crate) fn said(&self) -> [&[String]; 3] {
        match self {
            Self::Same => [&[]; 3],
            Self::Uefi(it) => [&it.lines, &it.edits, &it.warnings],
            Self::Bios(it) => [&it.lines, &it.edits, &it.warnings],
        }
    }
}

/// What becomes of a disk, nothing because nothing has to, or why it cannot be.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) becomes: Becomes,
    pub(crate) refusals: Vec<String>,
    /// Why it stays as it was, where that may surprise.
    pub(crate) warning: Option<String>,
}

impl Outcome {
    /// What `make` makes of a disk, unless it stays.
    fn of(stays: Stays, make: impl FnOnce() -> Result<Becomes, Vec<String>>) -> Self {
        let mut outcome = Self::default();
        match stays {
            Stays::Silently => {}
            Stays::Told(why) => outcome.warning = Some(why),
            Stays::No => match make() {
                Ok(becomes) => outcome.becomes = becomes,
                Err(refusals) => outcome.refusals = refusals,
            },
        }
        outcome
    }
}

/// A disk of an image and the target it goes to.
pub(crate) struct Case<'a> {
    pub(crate) source: &'a Arc<dyn ReadAt>,
    pub(crate) manifest: &'a Manifest,
    pub(crate) disk: &'a DiskImage,
    /// The image's table.
    pub(crate) table: &'a Table,
    pub(crate) target_size: u64,
    /// What opens what is encrypted.
    pub(crate) passphrases: &'a Passphrases,
    /// Another folder than the medium's with GRUB for a BIOS.
    pub(crate) grub: Option<&'a Path>,
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
    /// sector 0 and behind it: Linux, its LVM, RAID and LUKS; BSD, Solaris, Mac OS.
    const LINUX: [&str; 6] = ["0x82", "0x83", "0x85", "0x8e", "0xe8", "0xfd"];
    const OTHERS: [&str; 4] = ["0xa5", "0xa6", "0xa9", "0xaf"];
    if firmware != (Firmware::Uefi { asked: false }) || !is_for_bios(case.table) {
        return Stays::No;
    }
    let systems = case.manifest.systems.iter();
    let here: Vec<_> = systems.filter(|s| s.disk == case.disk.index).collect();
    let windows = |name: &str| {
        here.iter()
            .any(|s| s.name.as_deref().unwrap_or_default().contains(name))
    };
    let has = |types: &[&str]| {
        let mut partitions = case.table.partitions.iter();
        partitions.any(|p| types.contains(&&*p.type_id))
    };
    let all = |family: &str| here.iter().all(|s| s.family == family);
    let other = match () {
        () if all(crate::identity::LINUX) => here.len() > 1 || has(&OTHERS),
        () if all(crate::identity::WINDOWS) => has(&LINUX) || has(&OTHERS),
        () => true,
    };
    let why = match () {
        () if here.is_empty() && is_locked(case.disk) => {
            "its Windows may be in a volume that is encrypted with BitLocker, where nothing can be \
             read or changed"
        }
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

/// Whether a disk is one that a BIOS starts.
fn is_for_bios(table: &Table) -> bool {
    only(table) == Some(Starter::Bios)
}

/// Whether the disk of an image may start something, and only by a BIOS.
pub(crate) fn needs_bios(disk: &DiskImage, has_systems: bool) -> bool {
    let partitions = || disk.regions.iter().filter_map(Region::partition);
    let by_uefi = partitions().any(|p| is_esp(&p.type_id));
    let by_bios = match disk.table {
        image::TableKind::Mbr => true,
        image::TableKind::Gpt => partitions().any(|p| p.type_id == starts::BIOS_BOOT),
        image::TableKind::None => false,
    };
    by_bios && !by_uefi && (has_systems || is_locked(disk))
}

/// Whether there is a volume on it that nobody can look into.
fn is_locked(disk: &DiskImage) -> bool {
    let mut volumes = disk.regions.iter().filter_map(|r| r.fs.as_ref());
    volumes.any(bitlocker::is_locked)
}

/// What to say of a disk that stays as it was because somebody said so, and for a
/// machine that does not start it like that.
pub(crate) fn kept(case: &Case<'_>, firmware: Firmware, hardware: &Hardware) -> Option<String> {
    let is_here = |system: &image::System| system.disk == case.disk.index;
    let has_systems = case.manifest.systems.iter().any(is_here);
    let by_uefi = hardware.started_by == Some(StartedBy::Uefi);
    let told = firmware == Firmware::Keep && by_uefi && needs_bios(case.disk, has_systems);
    told.then(|| {
        "The disk is one that a BIOS starts, it is not converted, and the machine was started by \
         UEFI: it will not start from the disk unless its firmware is set to BIOS (legacy, CSM), \
         which many machines do not have any more. --firmware uefi converts what can be converted."
            .to_owned()
    })
}

/// Plans the conversion of a disk.
pub(crate) fn plan(looker: &Looker, case: &Case<'_>, firmware: Firmware) -> Outcome {
    match firmware {
        Firmware::Bios { asked } => bios::plan(looker, case, asked),
        Firmware::Uefi { asked } if is_for_bios(case.table) => {
            Outcome::of(stays(case, firmware), || {
                find_and_convert(looker, case, asked)
            })
        }
        Firmware::Uefi { .. } | Firmware::Keep => Outcome::default(),
    }
}

fn find_and_convert(looker: &Looker, case: &Case<'_>, asked: bool) -> Result<Becomes, Vec<String>> {
    let converted = |system: &dyn SystemConversion| {
        let conversion = convert(case, system)?;
        Ok(Becomes::Uefi(Box::new(conversion)))
    };
    // (A BIOS does not start Windows from a GPT.)
    if case.table.kind == TableKind::Mbr
        && let Some(system) = windows::find(looker, case)?
    {
        return converted(&system);
    }
    if let Some(system) = linux::find(looker, case)? {
        return converted(&system);
    }
    match asked {
        true => Err(vec![
            "No Windows or Linux was found on the disk that a BIOS starts from it, so it cannot \
             be converted for UEFI (what is encrypted with LUKS is looked into with its \
             passphrase only); leave --firmware at auto or keep"
                .to_owned(),
        ]),
        false => Ok(Becomes::Same),
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
        logical: system.logical(),
        guid: &guid,
    };
    let make = match case.table.kind {
        TableKind::Gpt => disk::add_esp,
        _ => disk::to_gpt,
    };
    let converted = make(case.table, &**case.source, case.target_size, &wanted);
    let converted = converted.map_err(|why| match (&why, reuse) {
        (ToGptRefusal::NoRoom { .. }, Err(not)) => one(format!("{why} ({not})")),
        _ => one(crate::ui::chain(&why.into()).replace('\n', ": ")),
    })?;
    let empty = || is_empty(case.source, case.table, converted.esp_extent);
    if !converted.reused && !empty().map_err(one)? {
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
         partition, among them {}.",
        files().count(),
        human_bytes(files().map(|f| f.bytes.len() as u64).sum()),
        system.among(),
    )];
    let titled = |text: String| format!("{title}: {text}");
    Ok(Conversion {
        converted,
        names,
        esp: image,
        entry: system.entry().to_owned(),
        lines,
        edits: named.edits.into_iter().map(titled).collect(),
        warnings: named.warnings.into_iter().map(titled).collect(),
    })
}

/// Whether the image has nothing but zeros in `extent`, and what the new table takes the
/// place of: parts of the old one.
fn is_empty(source: &Arc<dyn ReadAt>, table: &Table, extent: Extent) -> Result<bool, String> {
    let structures = table.structures.iter().map(|structure| structure.extent);
    let others = disk::complement(&disk::normalize(structures.collect()), source.size());
    let parts = others.into_iter().map(|other| {
        let start = other.start.max(extent.start);
        let len = other.end().min(extent.end()).saturating_sub(start);
        Extent { start, len }
    });
    for part in parts.filter(|part| part.len > 0) {
        if !is_zero(source, part)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether the image has nothing but zeros in `extent`.
fn is_zero(source: &Arc<dyn ReadAt>, extent: Extent) -> Result<bool, String> {
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
