//! A Windows on an NTFS volume: what of its registry has to change before it
//! starts, and where on the volume those bytes are.
//!
//! Files are changed in place, within the bytes they have: no record, no name and
//! no security descriptor of the file system changes. SAM and SECURITY are not
//! even opened.

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use ::windows::adapt::{self, Bus, Controller, Machine, Plan, Refusal};
use ::windows::drivers::{Device, PciDevice};
use ::windows::ids::IdMap;
use ::windows::inject;
use disk::ReadAt;
use fsmap::{NtfsFile, NtfsFiles, Unreadable};
use hive::{FileTime, Hive, Replayed};
use uuid::Uuid;

use super::bring::Brought;
use super::in_place::{BLOCK, replace};
use super::stage::Packages;
use super::{Adaptation, Listing, Patch, fits};
use crate::files;
use crate::firmware::NewNames;
use crate::inventory::{Attached, ControllerId, Hardware, Pci};

pub(super) const SYSTEM: &str = "/Windows/System32/config/SYSTEM";
pub(super) const SOFTWARE: &str = "/Windows/System32/config/SOFTWARE";
/// No hive, and none of its logs, has more bytes than this.
const HIVE: u64 = 512 << 20;
/// No folder of drivers has more entries than this.
const DRIVERS: usize = 20_000;

/// Why nothing could be planned, in words.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    #[error("{path}: {source}")]
    File { path: String, source: Unreadable },
    #[error("{SYSTEM}: {0}")]
    Hive(#[from] hive::Error),
    #[error("{SYSTEM}: {0}")]
    Apply(#[from] adapt::ApplyError),
    #[error("{SYSTEM}: {0}")]
    Verify(#[from] adapt::VerifyError),
    #[error("bringing in the driver {inf}: {source}")]
    Bring {
        inf: String,
        source: Box<inject::Error>,
    },
    #[error("{SOFTWARE}: adding the folders of drivers went wrong: {what}")]
    Software { what: String },
    #[error("giving its partitions their new names: {0}")]
    Names(String),
    #[error("{path} has holes, or is kept inside its record: it cannot be changed in place")]
    NotInPlace { path: String },
}

/// What the Windows on `volume` needs; patches count from the volume's beginning.
/// Nothing when there is no Windows on it.
pub(super) fn plan(
    volume: &dyn ReadAt,
    hardware: &Hardware,
    listing: Option<&Listing>,
    names: Option<&NewNames>,
) -> Result<Adaptation, Failed> {
    let Some(windows) = Windows::open(volume)? else {
        return Ok(Adaptation::default());
    };
    let mut told = Adaptation::default();
    let controllers = controllers(hardware);
    let drivers = windows.drivers();
    let (system, replayed) = windows.system(&mut told)?;
    if adapt::is_older(&system)? {
        let text = "It is a Windows before Vista, which is left as it is: it starts on like \
                    hardware only.";
        told.warnings.push(text.to_owned());
        return Ok(told);
    }
    told.refusals.extend(fits::windows(&system, hardware)?);
    let mut brought = Brought::default();
    if let Some(listing) = listing
        && let Some(packages) = Packages::open(&windows, &system, listing)?
    {
        brought = packages.bring(&system, &controllers, &mut told)?;
        match listing.boot_only {
            true => brought.forget_later(),
            false => packages.stage(&system, hardware, &mut brought, &mut told),
        }
        brought.start_later(&mut told);
        if brought.copies.is_empty() {
            let text = "Nothing in the folder of drivers is for this Windows and a device of this \
                        machine that needs it.";
            told.warnings.push(text.to_owned());
        }
    }
    let exists = |path: &str| brought.has(path) || windows.has(&drivers, path);
    let ids = names.map(NewNames::for_windows).transpose();
    let ids: IdMap = ids.map_err(Failed::Names)?.unwrap_or_default();
    let machine = Machine {
        controllers: &controllers,
        bus: bus(hardware.attached),
        ids: &ids,
        exists: &exists,
        stay_on_crash: false,
    };
    if replayed {
        let text = "Its registry was in use when it was captured: what its logs hold is written \
                    to it first, as Windows itself would do.";
        told.lines.push(text.to_owned());
    }
    let middle = brought.put_into(system)?;
    let plan = adapt::plan(&middle, &machine)?;
    tell(&mut told, &plan, brought.edits.len());
    told.boots = boots(&controllers, &plan);
    told.lacks_driver = plan.refusals.iter().any(|refusal| {
        matches!(
            refusal,
            Refusal::NoDriver { .. } | Refusal::NoDriverFile { .. }
        )
    });
    windows.change_system(&mut told, middle, &plan, !brought.edits.is_empty())?;
    windows.leave(&brought.later, &mut told)?;
    told.copies = brought.copies;
    windows.wake_up(&mut told)?;
    if windows.files.is_dirty().unwrap_or(true) {
        let text = "Its volume was in use when it was captured; Windows checks it at its first \
                    start.";
        told.warn(
            text,
            "Its volume was in use: Windows checks it at its first start.",
        );
    }
    Ok(told)
}

/// A volume with a Windows.
pub(super) struct Windows<'v> {
    pub(super) files: NtfsFiles<'v>,
    system: NtfsFile,
}

impl<'v> Windows<'v> {
    pub(super) fn open(volume: &'v dyn ReadAt) -> Result<Option<Self>, Failed> {
        let failed = |source| Failed::File {
            path: SYSTEM.to_owned(),
            source,
        };
        let files = NtfsFiles::open(volume).map_err(failed)?;
        let system = files.find(SYSTEM).map_err(failed)?;
        let system = system.filter(|file| !file.is_folder);
        Ok(system.map(|system| Self { files, system }))
    }

    /// The hive with its logs replayed, and whether they held anything.
    fn system(&self, told: &mut Adaptation) -> Result<(Hive, bool), Failed> {
        let (hive, replayed, unread) = self.hive(self.system, SYSTEM)?;
        let entries = replayed.entries() > 0;
        if replayed.was_dirty && (!entries || unread) {
            let text = "Its registry was in use when it was captured, and not all that its logs \
                        held could be used: what Windows changed last may be lost.";
            told.warn(
                text,
                "Its registry was in use: what it changed last may be lost.",
            );
        }
        Ok((hive, replayed.was_dirty && entries))
    }

    /// `SOFTWARE`, when there is one.
    pub(super) fn software(&self) -> Result<Option<Hive>, Failed> {
        let found = self.software_file()?;
        let hive = found.map(|file| self.hive(file, SOFTWARE)).transpose()?;
        Ok(hive.map(|(hive, ..)| hive))
    }

    pub(super) fn software_file(&self) -> Result<Option<NtfsFile>, Failed> {
        self.files.find(SOFTWARE).map_err(|source| Failed::File {
            path: SOFTWARE.to_owned(),
            source,
        })
    }

    /// The processor it is for, as its registry says.
    pub(super) fn architecture(&self) -> Result<Option<String>, Failed> {
        let (system, ..) = self.hive(self.system, SYSTEM)?;
        Ok(::windows::firmware::architecture(&system)?)
    }

    pub(super) fn hive(
        &self,
        file: NtfsFile,
        name: &str,
    ) -> Result<(Hive, Replayed, bool), Failed> {
        open_hive(&self.files, file, name)
    }

    /// The names of driver files, in small letters, as far as they can be listed: it
    /// spares looking for each.
    fn drivers(&self) -> BTreeSet<String> {
        let folder = self.files.find("/Windows/System32/drivers").ok().flatten();
        let folder = folder.filter(|folder| folder.is_folder);
        let names = folder.and_then(|folder| self.files.names(folder, DRIVERS).ok().flatten());
        let names = names.unwrap_or_default().into_iter();
        names.map(|name| name.to_lowercase()).collect()
    }

    /// Whether a file is there, by its path from the folder of Windows. What cannot be
    /// told (a file that Windows compressed is a reparse point) counts as there: a
    /// driver that is missed is taken out of use.
    fn has(&self, drivers: &BTreeSet<String>, path: &str) -> bool {
        let path = path.replace('\\', "/").to_lowercase();
        let listed = path
            .strip_prefix("system32/drivers/")
            .is_some_and(|name| drivers.contains(name));
        // (Short names are not listed.)
        listed
            || match self.files.find(&format!("/Windows/{path}")) {
                Ok(found) => found.is_some_and(|file| !file.is_folder),
                Err(_) => true,
            }
    }

    /// Makes the planned edits.
    fn change_system(
        &self,
        told: &mut Adaptation,
        system: Hive,
        plan: &Plan,
        changed: bool,
    ) -> Result<(), Failed> {
        if plan.edits.is_empty() && !changed {
            return Ok(());
        }
        let before = Hive::open(system.as_bytes().to_vec(), &[])?.0;
        let mut edit = system.edit(now())?;
        // What the plan refuses is told; whoever goes on in spite of it wants the rest.
        adapt::apply(plan, &mut edit, true)?;
        let after = edit.finish()?;
        adapt::verify(&before, &Hive::open(after.clone(), &[])?.0, plan)?;
        replace(&self.files, told, self.system, SYSTEM, &after)
    }

    /// A Windows that sleeps must not wake up: what it remembers is of another machine,
    /// and of files as they were before they were changed. (`hibr` in the first bytes
    /// of the file tells that it sleeps; with zeros there Windows starts anew.)
    fn wake_up(&self, told: &mut Adaptation) -> Result<(), Failed> {
        const FILE: &str = "/hiberfil.sys";
        let failed = |source| Failed::File {
            path: FILE.to_owned(),
            source,
        };
        let Some(file) = self.files.find(FILE).map_err(failed)? else {
            return Ok(());
        };
        let places = self.files.places(file).map_err(failed)?;
        let Some(first) = places.and_then(|places| places.first().copied()) else {
            let text = "Whether it was hibernated cannot be told (hiberfil.sys is not in one \
                        piece): should it wake up instead of starting, switch the machine off and \
                        have it start anew.";
            told.warn(
                text,
                "Whether it was hibernated cannot be told: it must start anew.",
            );
            return Ok(());
        };
        let len = usize::try_from(first.len).unwrap_or(BLOCK).min(BLOCK);
        let before = self.files.bytes(first.start, len).map_err(failed)?;
        let sleeps = before
            .get(..4)
            .is_some_and(|b| b.eq_ignore_ascii_case(b"hibr"));
        if sleeps {
            told.patches.push(Patch {
                at: first.start,
                after: vec![0; before.len()],
                before,
            });
            let text = "It was hibernated, or shut down with Fast Startup: what it had open is \
                        dropped, and it starts anew.";
            told.warn(
                text,
                "It was hibernated: what it had open is lost, and it starts anew.",
            );
        }
        Ok(())
    }

    /// Replaces what is in a file of its volume.
    pub(super) fn replace(
        &self,
        told: &mut Adaptation,
        file: NtfsFile,
        path: &str,
        new: &[u8],
    ) -> Result<(), Failed> {
        replace(&self.files, told, file, path, new)
    }
}

/// A hive, its logs replayed; what came of them, and whether one could not be read.
pub(super) fn open_hive(
    files: &NtfsFiles<'_>,
    file: NtfsFile,
    name: &str,
) -> Result<(Hive, Replayed, bool), Failed> {
    let primary = read(files, file, name)?;
    let (opened, unread) = files::open_hive(name, primary, |path| {
        let log = files.find(path)?;
        log.map(|log| files.read(log, HIVE)).transpose()
    });
    let (hive, replayed) = opened?;
    Ok((hive, replayed, !unread.is_empty()))
}

fn read(files: &NtfsFiles<'_>, file: NtfsFile, path: &str) -> Result<Vec<u8>, Failed> {
    let read = files.read(file, HIVE);
    read.map_err(|source| Failed::File {
        path: path.to_owned(),
        source,
    })
}

pub(super) fn now() -> FileTime {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
    FileTime::from_unix(since_1970.unwrap_or_default().as_secs())
}

fn bus(attached: Attached) -> Bus {
    match attached {
        Attached::Internal => Bus::Internal,
        Attached::Usb => Bus::Usb,
        Attached::Sd => Bus::Sd,
    }
}

pub(super) const fn pci(of: &Pci) -> PciDevice {
    PciDevice {
        vendor: of.vendor,
        device: of.device,
        subsystem_vendor: of.subsystem_vendor,
        subsystem_device: of.subsystem_device,
        revision: of.revision,
        class: of.class,
    }
}

fn controllers(hardware: &Hardware) -> Vec<Controller> {
    let mut out = Vec::new();
    for controller in &hardware.controllers {
        let boots = controller.boots;
        let mut add = |device| out.push(Controller { device, boots });
        match &controller.id {
            ControllerId::Pci(of) => add(Device::Pci(pci(of))),
            ControllerId::VmBus(class) => {
                // The bus needs its driver, too.
                add(Device::Acpi {
                    id: "VMBus".to_owned(),
                    class: None,
                });
                if let Ok(class) = Uuid::parse_str(class) {
                    add(Device::VmBus(class));
                }
            }
        }
    }
    out
}

/// With what it starts: "storahci starts at boot for the disk's controller 8086:2922."
fn boots(controllers: &[Controller], plan: &Plan) -> Vec<String> {
    let refused = |device: &Device| {
        let mut refusals = plan.refusals.iter();
        refusals.any(|r| match r {
            Refusal::NoDriver { device: d, .. } | Refusal::NoDriverFile { device: d, .. } => {
                d == device
            }
            _ => false,
        })
    };
    let boot = |device: &Device| controllers.iter().any(|c| c.boots && c.device == *device);
    let found = plan.drivers.iter().filter_map(|found| {
        let service = found.service.as_ref()?;
        let name = match &found.device {
            Device::Pci(pci) => format!("{:04X}:{:04X}", pci.vendor, pci.device),
            other => other.to_string(),
        };
        let usable = boot(&found.device) && !refused(&found.device);
        usable.then(|| format!("{service} starts at boot for the disk's controller {name}."))
    });
    found.collect()
}

/// What a technician reads of a plan.
fn tell(told: &mut Adaptation, plan: &Plan, brought: usize) {
    let lacks = |device: &Device| {
        let mut refusals = plan.refusals.iter();
        refusals.any(|r| matches!(r, Refusal::NoDriverFile { device: d, .. } if d == device))
    };
    let served = plan.drivers.iter().filter_map(|found| {
        let service = found.service.as_ref().filter(|_| !lacks(&found.device))?;
        Some(format!("{} is driven by its {service}.", found.device))
    });
    told.lines.extend(served);
    told.lines
        .push(match plan.edits.len().saturating_add(brought) {
            0 => "Its registry has all that it needs here; nothing is changed.".to_owned(),
            1 => "One value of its registry is changed.".to_owned(),
            many => format!("{many} keys and values of its registry are changed."),
        });
    told.edits
        .extend(plan.edits.iter().map(ToString::to_string));
    told.warnings.extend(plan.warnings.iter().cloned());
    told.refusals
        .extend(plan.refusals.iter().map(ToString::to_string));
}
