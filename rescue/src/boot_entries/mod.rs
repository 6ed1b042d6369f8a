//! Boot entries: what a machine's UEFI firmware remembers of how to start, in its
//! non-volatile memory (NVRAM), and what it has to remember to start a restored disk.
//!
//! They are written when the disk is whole, and read back. That they cannot be
//! written is no failure of a restore: firmware starts the fallback loader of a disk
//! that it has no entry for, and it has a menu. See docs/BOOT_ENTRIES.md.

pub(crate) mod esp;
mod firmware;
mod on_disk;
mod others;
#[cfg(test)]
mod tests;
mod variables;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::site::plan::Adapt as Wish;
use disk::{ReadAt, SectorSize};
use efi::BootNumber;
use efi::plan::{Changes, Known, Stale, Wanted};
use serde::Serialize;

use crate::identity::Looker;
use crate::init::{mounts, site};
use crate::inventory::{self, Disk};
use firmware::{Applied, Failed};
pub(crate) use on_disk::Esp;
use on_disk::Found;
use variables::{Folder, Variables};

/// Whether boot entries are made, and where the firmware's variables are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum BootEntries {
    /// The firmware remembers what it did.
    #[default]
    No,
    /// They were asked for, and there can be none: why.
    Cannot(String),
    /// In this folder, where efivarfs is mounted.
    In(PathBuf),
}

impl BootEntries {
    /// As `wish` says, on this machine; `folder` is another place of the variables.
    #[must_use]
    pub fn here(wish: Wish, folder: Option<&Path>) -> Self {
        let wanted = match wish {
            Wish::Auto => site::is_medium() || folder.is_some(),
            Wish::Yes => true,
            Wish::No => false,
        };
        if !wanted {
            return Self::No;
        }
        if let Some(folder) = folder {
            return Self::In(folder.to_owned());
        }
        match (mounts::efi_variables(), wish) {
            (Ok(Some(folder)), _) => Self::In(folder),
            (Ok(None), Wish::Yes) => Self::Cannot("this machine was not started by UEFI".into()),
            (Ok(None), _) => Self::No,
            (Err(error), _) => Self::Cannot(format!("the firmware's variables: {error}")),
        }
    }
}

/// A boot entry that the firmware has for a restored disk. Field names are part of
/// the interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// "Boot0003".
    pub number: String,
    /// Its title in the firmware's menu.
    pub title: String,
    /// The loader: `\EFI\debian\shimx64.efi`.
    pub file: String,
    /// Whether it was made now, or was there.
    pub made: bool,
    /// Its place in the firmware's order, from 1.
    pub place: Option<usize>,
}

/// What is planned, or was done. Field names are part of the interface.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Told {
    /// The entries of the disk, in the firmware's order.
    pub entries: Vec<Entry>,
    /// What is done, in sentences.
    pub lines: Vec<String>,
    /// What the operator should know: told with all other warnings.
    #[serde(skip)]
    pub warnings: Vec<String>,
}

/// What [`make`] would do for `source`, a whole disk that holds systems of
/// `families` and goes to `target`.
#[must_use]
pub fn plan(
    wish: &BootEntries,
    source: &Arc<dyn ReadAt>,
    sector: SectorSize,
    families: &[String],
    target: &Disk,
) -> Told {
    let prepared = Prepared::of(wish, source, sector, families, target);
    prepared.map_or_else(|told| told, |prepared| prepared.planned())
}

/// Makes the firmware start `source`, a whole disk as it was restored to `target`.
#[must_use]
pub fn make(
    wish: &BootEntries,
    source: &Arc<dyn ReadAt>,
    sector: SectorSize,
    families: &[String],
    target: &Disk,
) -> Told {
    let prepared = Prepared::of(wish, source, sector, families, target);
    prepared.map_or_else(|told| told, Prepared::make)
}

/// What the firmware has, what the disk has, and what is to be done.
struct Prepared {
    variables: Box<dyn Variables>,
    found: Found,
    known: Known,
    changes: Changes,
    notes: Vec<String>,
}

impl Prepared {
    /// Or what is to be said when nothing can be done.
    fn of(
        wish: &BootEntries,
        source: &Arc<dyn ReadAt>,
        sector: SectorSize,
        families: &[String],
        target: &Disk,
    ) -> Result<Self, Told> {
        let look = |known: &Known| {
            let mut found = on_disk::look(&Looker::default(), source, sector, known, families);
            // (Without a list of them, what is stale is taken for this disk's.)
            let disks = inventory::disks().unwrap_or_default();
            found.disk.elsewhere = others::partitions(&disks, target);
            found
        };
        match wish {
            BootEntries::No => Err(Told::default()),
            BootEntries::Cannot(why) => Err(refused(&look(&Known::default()), why)),
            BootEntries::In(folder) => Self::with(Box::new(Folder::new(folder)), look),
        }
    }

    fn with(variables: Box<dyn Variables>, look: impl Fn(&Known) -> Found) -> Result<Self, Told> {
        let (known, mut notes) = match firmware::read(&*variables) {
            Ok(read) => read,
            Err(error) => return Err(refused(&look(&Known::default()), &error.to_string())),
        };
        let mut found = look(&known);
        notes.append(&mut found.notes);
        match known.changes(&found.disk) {
            Ok(changes) => {
                notes.extend(
                    changes
                        .kept
                        .iter()
                        .map(|number| may_be_a_copy_s(&known, *number)),
                );
                Ok(Self {
                    variables,
                    found,
                    known,
                    changes,
                    notes,
                })
            }
            Err(error) => Err(refused(&found, &error.to_string())),
        }
    }

    fn planned(&self) -> Told {
        let order = self.changes.order.as_ref().unwrap_or(&self.known.order);
        let mut told = Told {
            entries: self.entries(order, &[]),
            warnings: self.notes.clone(),
            ..Told::default()
        };
        for entry in &told.entries {
            told.lines.push(match entry.made {
                true => format!("The firmware gets the boot entry {entry}."),
                false => format!("The firmware has the boot entry {entry} already."),
            });
        }
        let removed = self.changes.remove.iter();
        told.lines.extend(removed.map(|(number, why)| {
            let title = self.title(*number);
            let why = because(*why);
            format!("The firmware's boot entry {number} {title:?} is removed: {why}.")
        }));
        if self.found.has_esp && self.found.disk.wanted.is_empty() {
            told.warnings.push(no_loader(&self.found));
        }
        told
    }

    fn make(self) -> Told {
        let done = firmware::apply(&*self.variables, &self.known, &self.changes);
        // What counts is what the firmware says now.
        let now = match firmware::read(&*self.variables) {
            Ok((now, _)) => now,
            Err(error) => return refused(&self.found, &error.to_string()),
        };
        let missing = self.missing(&now);
        let mut told = Told {
            entries: self.entries(&now.order, &missing),
            warnings: self.notes.clone(),
            ..Told::default()
        };
        let lines = told.entries.iter().map(|entry| in_words(entry, &now));
        told.lines = lines.collect();
        let removed = done.removed.iter().map(|number| {
            let title = self.title(*number);
            format!("The firmware's boot entry {number} {title:?}, which led nowhere, is removed.")
        });
        told.lines.extend(removed);
        told.warnings
            .extend(self.problems(&done, &missing, &told.entries));
        if self.found.has_esp && self.found.disk.wanted.is_empty() {
            told.warnings.push(no_loader(&self.found));
        }
        told
    }

    /// The loaders that the firmware, as it is `now`, does not start.
    fn missing(&self, now: &Known) -> Vec<BootNumber> {
        let numbers = self.changes.numbers.iter().copied();
        let wanted = numbers.zip(&self.found.disk.wanted);
        let lacks = |(number, wanted): &(BootNumber, &Wanted)| {
            let option = now.options.get(number);
            let leads = option.is_some_and(|o| o.is_active() && wanted.is_led_to_by(o));
            !leads || !now.order.contains(number)
        };
        wanted.filter(lacks).map(|(number, _)| number).collect()
    }

    fn entries(&self, order: &[BootNumber], missing: &[BootNumber]) -> Vec<Entry> {
        let numbers = self.changes.numbers.iter();
        let wanted = numbers.zip(&self.found.disk.wanted);
        let there = wanted.filter(|(number, _)| !missing.contains(number));
        let mut entries: Vec<Entry> = there
            .map(|(number, wanted)| Entry {
                number: number.to_string(),
                title: match self.known.options.get(number) {
                    Some(option) => plain(&option.title()),
                    None => wanted.title.clone(),
                },
                file: wanted.file.clone(),
                made: !self.known.options.contains_key(number),
                place: order.iter().position(|n| n == number).map(|at| at + 1),
            })
            .collect();
        entries.sort_by_key(|entry| entry.place.unwrap_or(usize::MAX));
        entries
    }

    fn problems(&self, done: &Applied, missing: &[BootNumber], entries: &[Entry]) -> Vec<String> {
        let mut failed: Vec<String> = done.failed.iter().map(Failed::to_string).collect();
        if failed.is_empty() {
            let lost = missing.iter();
            failed.extend(lost.map(|n| format!("{n} was written, and the firmware lost it")));
        }
        if failed.is_empty() {
            return Vec::new();
        }
        let why = failed.join("; ");
        match entries.is_empty() {
            true => refused(&self.found, &why).warnings,
            false => vec![format!(
                "Not all of the firmware's boot entries could be changed: {why}. The disk starts \
                 by those that are there."
            )],
        }
    }

    fn title(&self, number: BootNumber) -> String {
        let option = self.known.options.get(&number);
        option.map(|o| plain(&o.title())).unwrap_or_default()
    }
}

/// What there is to say when the firmware cannot be told anything.
fn refused(found: &Found, why: &str) -> Told {
    let mut warnings = found.notes.clone();
    let first = found.disk.wanted.first().map(|wanted| &wanted.file);
    let way = match (&found.fallback, first) {
        (Some(fallback), _) => Some(format!(
            "The firmware starts the disk by its fallback loader, {fallback}; should it start \
             something else, choose this disk in its menu"
        )),
        (None, Some(file)) => Some(format!(
            "The disk has no fallback loader ({}): choose {file} on it in the firmware's menu, \
             or make an entry for that file there",
            fallback_path()
        )),
        (None, None) => None,
    };
    if let Some(way) = way {
        warnings.push(format!(
            "No boot entry can be made in the firmware's memory ({why}). {way}."
        ));
    }
    Told {
        warnings,
        ..Told::default()
    }
}

/// An entry that leads nowhere on the restored disk, and stays.
fn may_be_a_copy_s(known: &Known, number: BootNumber) -> String {
    let title = known.options.get(&number).map(|o| plain(&o.title()));
    format!(
        "The firmware's boot entry {number} {:?} leads nowhere on the restored disk. It is kept, since \
         another disk in this machine has a partition of the same name (a copy?), and it may start \
         that: detach the disk that is not to start.",
        title.unwrap_or_default()
    )
}

/// An EFI system partition without a loader that is known.
fn no_loader(found: &Found) -> String {
    match &found.fallback {
        Some(file) => format!(
            "The disk needs no boot entry of its own: the firmware starts its fallback loader, \
             {file}."
        ),
        None => "Nothing that the firmware could start was found on the disk's EFI system \
                 partition: no boot entry is made."
            .to_owned(),
    }
}

fn fallback_path() -> String {
    use efi::loader::{FALLBACK_FILE, FALLBACK_FOLDER};
    format!("\\EFI\\{FALLBACK_FOLDER}\\{FALLBACK_FILE}")
}

fn in_words(entry: &Entry, now: &Known) -> String {
    if entry.place == Some(1) {
        return format!("The firmware starts it by the boot entry {entry}, read back.");
    }
    let before = now.order.first().map(|number| {
        let title = now.options.get(number).map(|o| plain(&o.title()));
        format!(", after {number} {:?}", title.unwrap_or_default())
    });
    let before = before.unwrap_or_default();
    format!("The firmware has the boot entry {entry} for it{before}; read back.")
}

const fn because(why: Stale) -> &'static str {
    match why {
        Stale::Moved => "its partition lies elsewhere now",
        Stale::Gone => "the file that it starts is not on the disk",
        Stale::Double => "another one is the same",
    }
}

/// What a terminal can show of what the firmware, or a disk, says.
fn plain(text: &str) -> String {
    let shown = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    shown.take(100).collect()
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (number, title, file) = (&self.number, &self.title, &self.file);
        write!(f, "{number} {title:?} ({file})")
    }
}
