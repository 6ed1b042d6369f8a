//! What of a disk the firmware can start: its partitions, the loaders on its EFI
//! system partitions.

use std::sync::Arc;

use disk::{Partition, ReadAt, SectorSize, Table, Window};
use efi::loader::Starts;
use efi::plan::{Known, RestoredDisk, Wanted, is_same_file};
use efi::{HardDrive, Signature, loader};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::identity::look::Search;
use crate::identity::{Looker, WINDOWS};

/// No more names of files are asked for.
const ASKED_MOST: usize = 200;

/// What is on an EFI system partition.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Esp {
    /// Its loaders.
    pub(crate) loaders: Vec<Loader>,
    /// What is in the fallback's place.
    pub(crate) fallback: Option<String>,
    /// Of the files that were asked for, those that are not there.
    pub(crate) absent: Vec<String>,
}

/// A loader; see [`loader::Loader`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Loader {
    pub(crate) title: String,
    pub(crate) file: String,
    pub(crate) windows: bool,
}

impl Esp {
    /// The same with every text put through `plain`.
    pub(crate) fn in_words(mut self, plain: impl Fn(&str) -> String) -> Self {
        self.loaders.truncate(ASKED_MOST);
        for loader in &mut self.loaders {
            loader.title = plain(&loader.title);
            loader.file = plain(&loader.file);
        }
        self.fallback = self.fallback.map(|file| plain(&file));
        self
    }
}

impl From<loader::Loader> for Loader {
    fn from(found: loader::Loader) -> Self {
        Self {
            title: found.title,
            file: found.file,
            windows: found.starts == Starts::Windows,
        }
    }
}

/// A disk as far as the firmware is concerned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) disk: RestoredDisk,
    /// What firmware starts without an entry.
    pub(super) fallback: Option<String>,
    /// It has an EFI system partition.
    pub(super) has_esp: bool,
    /// What could not be looked at, in sentences.
    pub(super) notes: Vec<String>,
}

/// Looks at `source`, a whole disk; `families` are those of the systems that it is
/// known to hold.
pub(super) fn look(
    looker: &Looker,
    source: &Arc<dyn ReadAt>,
    sector: SectorSize,
    known: &Known,
    families: &[String],
) -> Found {
    let mut found = Found::default();
    let table = match disk::read_table(&**source, sector) {
        Ok(table) => table,
        Err(error) => {
            let note = format!("Its partition table cannot be read: {error}.");
            found.notes.push(note);
            return found;
        }
    };
    let search = looker.search();
    let mut loaders: Vec<(bool, Wanted)> = Vec::new();
    for partition in &table.partitions {
        let Some(place) = place(partition, &table) else {
            continue;
        };
        found.disk.partitions.push(place);
        if !disk::is_esp(&partition.type_id) {
            continue;
        }
        found.has_esp = true;
        match on_esp(&search, source, partition, asked(known, place)) {
            Ok(esp) => {
                let absent = esp.absent.into_iter();
                found.disk.absent.extend(absent.map(|file| (place, file)));
                found.fallback = found.fallback.take().or(esp.fallback);
                let wanted = esp.loaders.into_iter();
                loaders.extend(wanted.map(|l| (l.windows, wanted_of(place, l))));
            }
            Err(why) => found.notes.push(format!(
                "What partition {} has for the firmware to start is not known: {why}.",
                partition.number
            )),
        }
    }
    // A menu that offers Windows, too, before Windows alone; but a system that is
    // there before one of which only the loader is left.
    let is_there = |windows: bool| {
        let mut families = families.iter();
        families.any(|family| (family == WINDOWS) == windows)
    };
    found.disk.last = families.is_empty();
    loaders.sort_by_key(|(windows, _)| (!is_there(*windows), *windows));
    found.disk.wanted = loaders.into_iter().map(|(_, wanted)| wanted).collect();
    found
}

fn on_esp(
    search: &Search<'_>,
    source: &Arc<dyn ReadAt>,
    partition: &Partition,
    files: Vec<String>,
) -> Result<Esp, String> {
    let window = Window::new(Arc::clone(source), partition.start, partition.len);
    let window = window.ok_or("it reaches beyond the disk")?;
    search.esp(&window, files)
}

/// The files on `partition` that the firmware's entries lead to.
fn asked(known: &Known, partition: HardDrive) -> Vec<String> {
    let files = known.options.values().filter_map(|option| {
        let (at, file) = option.path.file()?;
        (at == partition && !file.is_empty()).then_some(file)
    });
    let mut asked: Vec<String> = Vec::new();
    for file in files {
        if asked.len() < ASKED_MOST && !asked.iter().any(|other| is_same_file(other, &file)) {
            asked.push(file);
        }
    }
    asked
}

fn wanted_of(partition: HardDrive, loader: Loader) -> Wanted {
    let data = match loader.windows {
        true => loader::windows_data(),
        false => Vec::new(),
    };
    Wanted {
        title: loader.title,
        partition,
        file: loader.file,
        data,
    }
}

/// How a device path names `partition`; `None` when none can.
pub(super) fn place(partition: &Partition, table: &Table) -> Option<HardDrive> {
    let sector = table.sector.bytes();
    let uuid = partition.uuid.as_deref()?;
    let signature = match table.kind {
        disk::TableKind::Gpt => Signature::Gpt(Uuid::parse_str(uuid).ok()?),
        // (Logical partitions have no number there.)
        disk::TableKind::Mbr if !partition.logical => {
            let (signature, _) = uuid.split_once('-')?;
            // (0 is none: many disks have that.)
            let signature = u32::from_str_radix(signature, 16).ok()?;
            (signature != 0).then_some(Signature::Mbr(signature))?
        }
        _ => return None,
    };
    Some(HardDrive {
        number: partition.number,
        start: partition.start.checked_div(sector)?,
        size: partition.len.checked_div(sector)?,
        signature,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use disk::TableKind;

    #[test]
    fn a_partition_is_named_in_sectors_of_its_disk() {
        let partition = Partition {
            number: 2,
            start: 1 << 20,
            len: 1 << 22,
            type_id: "c12a7328-f81f-11d2-ba4b-00a0c93ec93b".to_owned(),
            type_name: String::new(),
            name: None,
            uuid: Some("1234abcd-02".to_owned()),
            bootable: false,
            logical: false,
            attributes: 0,
        };
        let mut table = Table::empty(SectorSize::B4096, 1 << 30);
        assert_eq!(place(&partition, &table), None);
        table.kind = TableKind::Mbr;
        let found = place(&partition, &table).unwrap();
        assert_eq!((found.number, found.start, found.size), (2, 256, 1024));
        assert_eq!(found.signature, Signature::Mbr(0x1234_abcd));
        let logical = Partition {
            logical: true,
            ..partition
        };
        assert_eq!(place(&logical, &table), None);
    }
}
