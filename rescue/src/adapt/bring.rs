//! Drivers that a Windows does not have, brought in from a folder.

use ::windows::adapt::Controller;
use ::windows::drivers::Database;
use ::windows::inf::{DeviceIds, DriverSet, Target};
use ::windows::inject::{self, RegistryEdit};
use hive::Hive;

use super::windows::{Failed, Windows, now};
use super::{Adaptation, Copy, Listing};

/// The name of its folder.
const WINDOWS: &str = "Windows";

/// What is brought in.
#[derive(Debug, Default)]
pub(super) struct Brought {
    /// Edits of `SYSTEM`.
    pub(super) edits: Vec<RegistryEdit>,
    /// Files.
    pub(super) copies: Vec<Copy>,
}

impl Brought {
    /// Whether a file is among them, by its path from the folder of Windows.
    pub(super) fn has(&self, path: &str) -> bool {
        let path = format!("/{WINDOWS}/{}", path.replace('\\', "/"));
        self.copies.iter().any(|c| c.to.eq_ignore_ascii_case(&path))
    }

    /// `SYSTEM` with the drivers in it.
    pub(super) fn put_into(&self, system: Hive) -> Result<Hive, Failed> {
        if self.edits.is_empty() {
            return Ok(system);
        }
        let mut edit = system.edit(now())?;
        inject::apply(&self.edits, &mut edit)?;
        Ok(Hive::open(edit.finish()?, &[])?.0)
    }

    fn take(&mut self, injection: inject::Injection, told: &mut Adaptation) {
        told.lines.extend(
            injection
                .notes
                .iter()
                .map(|note| format!("Brought in: {note}.")),
        );
        let driver = &injection.driver;
        told.edits.extend(injection.system.iter().map(|edit| {
            let key = &edit.key;
            format!("set [\\{key}]: it brings in the driver {driver}")
        }));
        self.edits.extend(injection.system);
        let copies = injection.files.into_iter().map(|file| Copy {
            from: file.from,
            to: file.to.replace('\\', "/"),
        });
        self.copies.extend(copies);
    }
}

impl Windows<'_> {
    /// The drivers for controllers on the way to the disk that `system` has none for.
    pub(super) fn bring(
        &self,
        system: &Hive,
        listing: &Listing,
        controllers: &[Controller],
        told: &mut Adaptation,
    ) -> Result<Brought, Failed> {
        let database = Database::of(system)?;
        let mut lacking = Vec::new();
        for controller in controllers.iter().filter(|c| c.boots) {
            if database.service(&controller.device)?.is_none() {
                lacking.push(&controller.device);
            }
        }
        let mut brought = Brought::default();
        let (false, Some(software)) = (lacking.is_empty(), self.software()?) else {
            return Ok(brought);
        };
        let Some(target) = Target::read(system, &software)? else {
            return Ok(brought);
        };
        let infs = listing
            .infs
            .iter()
            .map(|inf| (inf.path.clone(), inf.bytes.clone()));
        let set = DriverSet::new(listing.files.iter().cloned(), infs);
        let machine = inject::Machine {
            target: &target,
            system,
            windows: WINDOWS,
        };
        for device in lacking {
            let (candidates, problems) = set.candidates(&DeviceIds::from(device), &target);
            told.warnings
                .extend(problems.iter().map(ToString::to_string));
            let Some(best) = candidates.first() else {
                continue;
            };
            let injection = inject::plan(best, &set, machine).map_err(|source| Failed::Bring {
                inf: best.inf.file().to_owned(),
                source: Box::new(source),
            })?;
            brought.take(injection, told);
        }
        Ok(brought)
    }
}
