//! A disk that UEFI alone starts, restored for a machine that starts by a BIOS.
//!
//! Its GPT gets a BIOS boot partition with GRUB's core, sector 0 the code that loads
//! it; nothing else changes, and UEFI starts it as before. See
//! docs/adr/0016-uefi-to-bios.md.

use disk::{
    BiosBoot, Extent, SectorSize, Table, TableKind, WriteRole, add_bios_boot, bios_boot_places,
};
use grub::{SECTOR, boot_sector};

use super::linux::bios::{self, ForBios};
use super::{Becomes, Case, Outcome, Starter, Stays, Told, guids, is_empty, only};
use crate::identity::{LINUX, Looker};

/// Room that GRUB has to have at least, in bytes: its core may grow with an update.
const LEAST: u64 = 512 << 10;

/// What becomes of a disk.
#[derive(Clone)]
pub(crate) struct ToBios {
    /// The table with the new partition, and the code in sector 0.
    pub(crate) made: BiosBoot,
    /// All bytes of the new partition.
    pub(crate) content: Vec<u8>,
    pub(crate) disk_id: String,
    /// Sentences.
    pub(crate) lines: Vec<String>,
    pub(crate) edits: Vec<String>,
    pub(crate) warnings: Vec<String>,
}

/// What and where, not the bytes.
impl std::fmt::Debug for ToBios {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ToBios")
            .field("number", &self.made.number)
            .field("extent", &self.made.extent)
            .field("lines", &self.lines)
            .finish_non_exhaustive()
    }
}

impl ToBios {
    pub(crate) fn told(&self) -> Told {
        Told::Bios {
            to: "bios",
            bios_boot: self.made.number,
            bios_boot_start: self.made.extent.start,
            bios_boot_size: self.made.extent.len,
            disk_id: self.disk_id.clone(),
        }
    }
}

/// Plans it; `asked`: by the operator.
pub(super) fn plan(looker: &Looker, case: &Case<'_>, asked: bool) -> Outcome {
    match is_for_uefi(case.table) {
        true => Outcome::of(stays(case, asked), || find_and_make(looker, case, asked)),
        false => Outcome::default(),
    }
}

/// Whether a disk is one that UEFI alone starts, and has an entry for more.
fn is_for_uefi(table: &Table) -> bool {
    table.kind == TableKind::Gpt && only(table) == Some(Starter::Uefi)
}

/// Whether the disk stays as it is.
fn stays(case: &Case<'_>, asked: bool) -> Stays {
    if asked {
        return Stays::No;
    }
    let systems = case.manifest.systems.iter();
    let here: Vec<_> = systems.filter(|s| s.disk == case.disk.index).collect();
    let why = match here.as_slice() {
        // (What is to be said of a Windows is said of every disk that does not start.)
        _ if here.iter().all(|system| system.family != LINUX) => return Stays::Silently,
        _ if case.manifest.machine.firmware.as_deref() == Some("bios") => {
            "the captured machine was started by a BIOS, so it was not started from this disk"
        }
        [_] => return Stays::No,
        _ => "another system is on it, too",
    };
    Stays::Told(format!(
        "The disk is one that UEFI starts, and this machine was started by a BIOS. It is not made \
         to start by one: {why}; --firmware bios does it for its Linux."
    ))
}

fn find_and_make(looker: &Looker, case: &Case<'_>, asked: bool) -> Result<Becomes, Vec<String>> {
    match bios::find(looker, case)? {
        Some(system) => {
            let title = system.title.clone();
            let made = make(case, system).map(|made| Becomes::Bios(Box::new(made)));
            let one = |why| vec![format!("{title} cannot be made to start by a BIOS: {why}")];
            made.map_err(one)
        }
        None if asked => Err(vec![
            "No Linux was found on the disk that UEFI starts from it, and nothing else can be made \
             to start by a BIOS: no Windows can (what is encrypted with LUKS is looked into with \
             its passphrase only); leave --firmware at auto or keep"
                .to_owned(),
        ]),
        None => Ok(Becomes::Same),
    }
}

fn make(case: &Case<'_>, system: ForBios) -> Result<ToBios, String> {
    if case.table.sector != SectorSize::B512 {
        return Err(format!(
            "the disk has sectors of {} bytes, from which a BIOS does not start",
            case.table.sector.bytes()
        ));
    }
    let least = LEAST.max(system.core.len() as u64);
    let extent = place(case, least)?;
    let unique = guids::guid(case.table, Some(extent.start));
    let made = add_bios_boot(case.table, &**case.source, case.target_size, extent, unique);
    let mut made = made.map_err(|e| crate::ui::chain(&e.into()).replace('\n', ": "))?;
    let unit = case.table.sector.bytes();
    let sector = extent.start / unit;
    start(&mut made, &system, sector)?;
    let size = disk::human_bytes(system.core.len() as u64);
    let mut content = system.core.at(sector);
    content.resize(usize::try_from(extent.len).unwrap_or(0), 0);
    let title = &system.title;
    let titled = |text: String| format!("{title}: {text}");
    Ok(ToBios {
        disk_id: made.table.disk_id.clone().unwrap_or_default(),
        lines: vec![format!(
            "{title}: a BIOS will start it, too; GRUB's core for that ({size}, {} GRUB) is put into \
             the new BIOS boot partition, and GRUB's code into sector 0.",
            system.whose
        )],
        edits: vec![titled(system.done)],
        warnings: system.warnings.into_iter().map(titled).collect(),
        made,
        content,
    })
}

/// Puts GRUB's code into sector 0, told that the core begins in `sector`.
fn start(made: &mut BiosBoot, system: &ForBios, sector: u64) -> Result<(), String> {
    let mut writes = made.layout.writes.iter_mut();
    let mbr = writes.find(|write| write.role == WriteRole::Mbr);
    let old = mbr.and_then(|mbr| mbr.bytes.first_chunk_mut::<SECTOR>());
    let old = old.ok_or("the new table has no sector 0")?;
    *old = boot_sector(&system.set, old, sector).map_err(|e| e.to_string())?;
    Ok(())
}

/// Where the partition may be: the image has nothing there.
fn place(case: &Case<'_>, least: u64) -> Result<Extent, String> {
    let mut used = None;
    for place in bios_boot_places(case.table, case.target_size, least) {
        if is_empty(case.source, case.table, place)? {
            return Ok(place);
        }
        used.get_or_insert(place.start);
    }
    let size = disk::human_bytes(least);
    Err(match used {
        Some(at) => format!(
            "the image has data outside of partitions where its BIOS boot partition would be, at \
             byte {at}; a target that is larger than the image's disk by 3 MiB has room behind the \
             partitions"
        ),
        None => format!(
            "there is no room for a BIOS boot partition ({size}) in front of its partitions, \
             between or behind them; a target that is larger than the image's disk by 3 MiB has it"
        ),
    })
}
