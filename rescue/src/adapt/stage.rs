//! Drivers that Windows does not boot with (network, display, chipset): their
//! packages are laid down on its volume, and Windows installs them at its first
//! start.

use std::collections::BTreeSet;

use ::windows::drivers::Device;
use ::windows::inf::{DeviceIds, DriverSet, Target};
use ::windows::inject::{self, FirstBoot, RegistryEdit, Staged};
use hive::{Hive, What};

use super::bring::{Brought, WINDOWS};
use super::volume::NewFile;
use super::windows::{Failed, SOFTWARE, Windows, now};
use super::{Adaptation, Copy, Listing};
use crate::inventory::{Hardware, Pci};

/// What is left for Windows to do when it runs.
#[derive(Debug, Default)]
pub(super) struct Later {
    /// Edits of `SOFTWARE`.
    pub(super) software: Vec<RegistryEdit>,
    /// What it runs once.
    pub(super) first_boot: Option<FirstBoot>,
}

impl Later {
    pub(super) fn take(&mut self, software: Vec<RegistryEdit>, first_boot: FirstBoot) {
        for edit in software {
            if !self.software.contains(&edit) {
                self.software.push(edit);
            }
        }
        self.first_boot = Some(match self.first_boot.take() {
            Some(before) => before.with(&first_boot),
            None => first_boot,
        });
    }
}

/// The folder of drivers, for one Windows.
#[derive(Debug)]
pub(super) struct Packages<'l> {
    pub(super) listing: &'l Listing,
    pub(super) set: DriverSet,
    pub(super) target: Target,
}

impl<'l> Packages<'l> {
    /// `None` when it cannot be told which Windows it is.
    pub(super) fn open(
        windows: &Windows<'_>,
        system: &Hive,
        listing: &'l Listing,
    ) -> Result<Option<Self>, Failed> {
        let Some(software) = windows.software()? else {
            return Ok(None);
        };
        let Some(target) = Target::read(system, &software)? else {
            return Ok(None);
        };
        let infs = listing
            .infs
            .iter()
            .map(|inf| (inf.path.clone(), inf.bytes.clone()));
        let set = DriverSet::new(listing.files.iter().cloned(), infs);
        Ok(Some(Self {
            listing,
            set,
            target,
        }))
    }

    /// Adds the packages for the devices of `hardware` that are no storage
    /// controllers. What cannot be laid down is told, and stops nothing.
    pub(super) fn stage(
        &self,
        system: &Hive,
        hardware: &Hardware,
        brought: &mut Brought,
        told: &mut Adaptation,
    ) {
        let (mut done, mut room) = (BTreeSet::new(), self.listing.room);
        for pci in &hardware.devices {
            let device = device(pci);
            let (candidates, _) = self.set.candidates(&DeviceIds::from(&device), &self.target);
            let Some(best) = candidates.first() else {
                continue;
            };
            let file = best.inf.file();
            if !done.insert(file.to_owned()) {
                continue;
            }
            let machine = inject::Machine {
                target: &self.target,
                system,
                windows: WINDOWS,
            };
            let staged = match inject::stage(best, &self.listing.files, machine) {
                Ok(staged) => staged,
                Err(error) => {
                    told.warnings.push(format!("not brought along: {error}"));
                    continue;
                }
            };
            let new =
                |copy: &&inject::FileCopy| !brought.copies.iter().any(|c| c.from == copy.from);
            let sizes = staged.files.iter().filter(new);
            let bytes = sizes.map(|copy| self.listing.size(&copy.from));
            let bytes = bytes.fold(0, u64::saturating_add);
            if bytes > room {
                told.warnings.push(format!(
                    "not brought along: {file} has {bytes} bytes with its files, and there is room \
                     for {room} more: install it in Windows"
                ));
                continue;
            }
            room = room.saturating_sub(bytes);
            take(brought, staged, &device, told);
        }
    }
}

fn take(brought: &mut Brought, staged: Staged, device: &Device, told: &mut Adaptation) {
    told.lines.push(format!(
        "Laid down for Windows to install at its first start: {} (for {device}).",
        staged.title
    ));
    told.warnings.extend(staged.notes);
    for file in staged.files {
        let to = file.to.replace('\\', "/");
        if !brought
            .copies
            .iter()
            .any(|c| c.to.eq_ignore_ascii_case(&to))
        {
            brought.copies.push(Copy {
                from: file.from,
                to,
            });
        }
    }
    brought.later.take(staged.software, staged.first_boot);
}

fn device(pci: &Pci) -> Device {
    Device::Pci(super::windows::pci(pci))
}

impl Windows<'_> {
    /// What `later` needs: edits of `SOFTWARE`, the script.
    pub(super) fn leave(&self, later: &Later, told: &mut Adaptation) -> Result<(), Failed> {
        let Some(first_boot) = &later.first_boot else {
            return Ok(());
        };
        let path = first_boot.path.replace('\\', "/");
        let script = first_boot.script().into_bytes();
        told.files.push(NewFile::made(path, script));
        let Some(file) = self.software_file()? else {
            return Ok(());
        };
        let (before, ..) = self.hive(file, SOFTWARE)?;
        let mut edit = Hive::open(before.as_bytes().to_vec(), &[])?.0.edit(now())?;
        if inject::apply(&later.software, &mut edit)? == 0 {
            return Ok(());
        }
        let after = edit.finish()?;
        verify(&before, &after, &later.software)?;
        let told_edit = |edit: &RegistryEdit| match &edit.change {
            inject::Change::AddFolder(value, folder) => {
                format!("SOFTWARE: add {folder} to {value} of [{}]", edit.key)
            }
            other => format!("SOFTWARE: {other:?} of [{}]", edit.key),
        };
        told.edits.extend(later.software.iter().map(told_edit));
        self.replace(told, file, SOFTWARE, &after)
    }
}

/// Each edit is done, and nothing else.
fn verify(before: &Hive, after: &[u8], edits: &[RegistryEdit]) -> Result<(), Failed> {
    let wrong = |what: String| Failed::Software { what };
    let after = Hive::open(after.to_vec(), &[])?.0;
    let may = |key: &str| edits.iter().any(|edit| edit.key.eq_ignore_ascii_case(key));
    for change in hive::diff(before, &after)? {
        let expected = matches!(change.what, What::Time(..) | What::Value(..));
        if !expected || !may(&change.key) {
            return Err(wrong(format!("{change} was not planned")));
        }
    }
    let mut again = after.edit(now())?;
    match inject::apply(edits, &mut again)? {
        0 => Ok(()),
        _ => Err(wrong("an edit is not there".to_owned())),
    }
}
