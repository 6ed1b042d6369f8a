//! Drivers that a Windows does not have, brought in from a folder.

use ::windows::adapt::Controller;
use ::windows::drivers::Database;
use ::windows::inf::DeviceIds;
use ::windows::inject::{self, RegistryEdit};
use hive::Hive;

use super::stage::{Later, Packages};
use super::windows::{Failed, now};
use super::{Adaptation, Copy};

/// The name of its folder.
pub(super) const WINDOWS: &str = "Windows";

/// What is brought in.
#[derive(Debug, Default)]
pub(super) struct Brought {
    /// Edits of `SYSTEM`.
    pub(super) edits: Vec<RegistryEdit>,
    /// Files.
    pub(super) copies: Vec<Copy>,
    /// What Windows does with them when it runs.
    pub(super) later: Later,
}

impl Brought {
    /// Whether a file is among them, by its path from the folder of Windows.
    pub(super) fn has(&self, path: &str) -> bool {
        let path = format!("/{WINDOWS}/{}", path.replace('\\', "/"));
        self.copies.iter().any(|c| c.to.eq_ignore_ascii_case(&path))
    }

    /// Nothing is left for Windows to do when it runs: it is not certain that it can.
    pub(super) fn forget_later(&mut self) {
        self.later = Later::default();
    }

    /// The service that runs the script, after all other edits.
    pub(super) fn start_later(&mut self, told: &mut Adaptation) {
        let Some(first_boot) = &self.later.first_boot else {
            return;
        };
        let mut keys: Vec<&String> = first_boot.system.iter().map(|edit| &edit.key).collect();
        keys.dedup();
        let why = "it has Windows install packages at its first start, once";
        told.edits.extend(
            keys.into_iter()
                .map(|key| format!("create [\\{key}]: {why}")),
        );
        self.edits.extend(first_boot.system.iter().cloned());
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
        self.later.take(injection.software, injection.first_boot);
    }
}

impl Packages<'_> {
    /// The drivers for controllers on the way to the disk that `system` has none for.
    pub(super) fn bring(
        &self,
        system: &Hive,
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
        let machine = inject::Machine {
            target: &self.target,
            system,
            windows: WINDOWS,
        };
        for device in lacking {
            let (candidates, problems) =
                self.set.candidates(&DeviceIds::from(device), &self.target);
            told.warnings
                .extend(problems.iter().map(ToString::to_string));
            let Some(best) = candidates.first() else {
                continue;
            };
            let injection =
                inject::plan(best, &self.set, machine).map_err(|source| Failed::Bring {
                    inf: best.inf.file().to_owned(),
                    source: Box::new(source),
                })?;
            brought.take(injection, told);
        }
        Ok(brought)
    }
}
