//! The plan for one driver.

use hive::Hive;

use super::database;
use super::edits::RegistryEdit;
use super::error::{Error, Result};
use super::files::{self, FileCopy};
use super::first_boot::{FirstBoot, first_boot};
use super::package::Package;
use super::service;
use super::stage;
use crate::control_sets;
use crate::inf::{Candidate, DriverSet, Target};

/// The Windows that a driver is brought into.
#[derive(Debug, Clone, Copy)]
pub struct Machine<'a> {
    pub target: &'a Target,
    /// Its `SYSTEM`.
    pub system: &'a Hive,
    /// The name of the Windows folder.
    pub windows: &'a str,
}

/// All that bringing in one driver comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Injection {
    /// The service that drives the device.
    pub driver: String,
    /// The name that the INF is known by in the registry.
    pub inf_name: String,
    /// Copied first: a service whose file is not there stops the boot.
    pub files: Vec<FileCopy>,
    /// Edits of `SYSTEM`.
    pub system: Vec<RegistryEdit>,
    /// Edits of `SOFTWARE`.
    pub software: Vec<RegistryEdit>,
    /// For Windows to install the package itself; to be left out at will. Those of
    /// several drivers go together, see [`FirstBoot::with`].
    pub first_boot: FirstBoot,
    /// What an operator should know.
    pub notes: Vec<String>,
}

/// Plans to bring in the driver of a candidate, see [`DriverSet::candidates`].
///
/// # Errors
/// When the class is not one that Windows boots through, the INF names no
/// service for the device or has an odd name itself, files are missing, or the
/// hive is no `SYSTEM`.
pub fn plan(candidate: &Candidate<'_>, set: &DriverSet, machine: Machine<'_>) -> Result<Injection> {
    let package = Package::new(candidate, set, machine.target)?;
    let control_sets = control_sets::all(machine.system)?;
    if control_sets.is_empty() {
        return Err(Error::NoControlSet);
    }
    let folder = files::staging(&package);
    let inf = format!(r"{folder}\{}", candidate.inf.name());
    Ok(Injection {
        driver: package.driver.name.clone(),
        inf_name: package.inf_name.clone(),
        files: files::copies(&package, set, machine.windows)?,
        system: system_edits(&package, machine.system, &control_sets)?,
        software: vec![stage::device_path(&folder)],
        first_boot: first_boot(machine.windows, &control_sets, inf),
        notes: notes(&package),
    })
}

fn system_edits(
    package: &Package<'_>,
    system: &Hive,
    control_sets: &[String],
) -> Result<Vec<RegistryEdit>> {
    let has_database = system.find("DriverDatabase")?.is_some();
    let mut edits = Vec::new();
    for control_set in control_sets {
        for service in package.boot_services() {
            edits.extend(service::edits(control_set, service));
        }
        if !has_database {
            edits.extend(database::critical_devices(control_set, package));
        }
    }
    if has_database {
        edits.extend(database::driver_database(package));
    }
    Ok(edits)
}

fn notes(package: &Package<'_>) -> Vec<String> {
    let (candidate, mut notes) = (package.candidate, Vec::new());
    let ver = candidate.version.driver_ver;
    notes.push(format!(
        "{}: {} {ver}, by {}",
        candidate.inf.file(),
        candidate.model.description,
        candidate.version.provider
    ));
    for service in package.boot_services() {
        if service.start != 0 {
            let start = service.start;
            notes.push(format!(
                "{}: its INF says start type {start}; it is started at boot nevertheless",
                service.name
            ));
        }
        if files::is_moved(service) {
            notes.push(format!(
                "{}: Windows keeps {} elsewhere; until it installs the package it is in \
                 System32\\drivers",
                service.name,
                service.binary.name()
            ));
        }
        let left = service
            .registry
            .iter()
            .filter(|entry| service::is_left(entry));
        notes.extend(left.map(|entry| {
            let (name, line) = (&service.name, entry.line);
            format!("{name}: line {line} of the INF is left to Windows: it is not the driver's own")
        }));
    }
    if candidate.catalog.is_none() {
        let file = candidate.inf.file();
        notes.push(match candidate.missing_catalog() {
            Some(name) => format!(
                "{file}: its catalogue {name} is missing: Windows refuses the driver unless it is \
                 signed itself"
            ),
            None => format!("{file}: it has no catalogue: the driver must be signed itself"),
        });
    }
    notes.extend(
        candidate.install.not_followed.iter().map(|name| {
            format!("what is needed from {name} was not at hand and is left to Windows")
        }),
    );
    notes
}
