//! The package under the names it is written down with.

use std::collections::{BTreeMap, BTreeSet};

use super::error::{Error, Result};
use crate::inf::{Arch, Candidate, DriverSet, Inf, Install, Model, Service, Target, parse_guid};

/// `SERVICE_KERNEL_DRIVER`.
const KERNEL_DRIVER: u32 = 1;

/// Sections that install devices of one driver; real packages have a handful.
const INSTALL_LIMIT: usize = 64;

/// SCSIAdapter, HDC, System: the classes that a machine can boot through.
const BOOT_CLASSES: [&str; 3] = [
    "{4d36e97b-e325-11ce-bfc1-08002be10318}",
    "{4d36e96a-e325-11ce-bfc1-08002be10318}",
    "{4d36e97d-e325-11ce-bfc1-08002be10318}",
];

/// A package, and its parts that drive the same devices.
#[derive(Debug)]
pub(crate) struct Package<'c> {
    pub(crate) candidate: &'c Candidate<'c>,
    pub(crate) arch: Arch,
    /// Without `.inf`, in lower case.
    pub(crate) stem: String,
    /// The name that Windows shall know the INF by. One that no package of
    /// Windows has: in-box INF files may be called the same as the original.
    pub(crate) inf_name: String,
    /// The package's key in the driver database. Windows ends it with a hash of
    /// the package; zeros, as virt-v2v writes, cannot be mistaken for one.
    pub(crate) label: String,
    /// The class, in lower case with braces, and its bytes.
    pub(crate) class: (String, [u8; 16]),
    /// The service that drives the device.
    pub(crate) driver: &'c Service,
    /// Models that the same service drives.
    pub(crate) models: Vec<Model>,
    /// What installs them, by the name the models have for it.
    pub(crate) installs: BTreeMap<String, Install>,
}

impl<'c> Package<'c> {
    pub(crate) fn new(
        candidate: &'c Candidate<'c>,
        set: &DriverSet,
        target: &Target,
    ) -> Result<Self> {
        let (inf, install) = (candidate.inf, &candidate.install);
        let file = || inf.file().to_owned();
        let class = boot_class(candidate)?;
        let plain = |letter: char| letter.is_ascii_alphanumeric() || " ._-+()".contains(letter);
        if !inf.name().chars().all(plain) {
            return Err(Error::OddName { file: file() });
        }
        if !candidate.missing.is_empty() {
            let missing = candidate.missing.clone();
            return Err(Error::Incomplete {
                file: file(),
                missing,
            });
        }
        let Some(driver) = install.driver().filter(|d| d.service_type == KERNEL_DRIVER) else {
            return Err(Error::NoDriver {
                file: file(),
                section: install.section.clone(),
            });
        };
        let (models, installs) = same_driver(inf, driver, set, target)?;
        let name = inf.name().to_lowercase();
        let stem = name.strip_suffix(".inf").unwrap_or(&name).to_owned();
        let inf_name = format!("rescue-{stem}.inf");
        Ok(Self {
            candidate,
            arch: target.arch,
            label: format!("{inf_name}_{}_0000000000000000", target.arch.name()),
            stem,
            inf_name,
            class,
            driver,
            models,
            installs,
        })
    }

    /// The services that the boot loader has to start: the driver, and what else
    /// of the package starts at boot.
    pub(crate) fn boot_services(&self) -> impl Iterator<Item = &'c Service> {
        let services = self.candidate.install.services.iter();
        let is_driver = |service: &&Service| service.name == self.driver.name;
        services.filter(move |s| is_driver(s) || (s.service_type == KERNEL_DRIVER && s.start == 0))
    }

    /// The ids of all devices, as the INF writes them.
    pub(crate) fn ids(&self) -> impl Iterator<Item = (&Model, &str)> {
        self.models.iter().flat_map(|model| {
            let ids = std::iter::once(&model.hardware_id).chain(&model.compatible_ids);
            let ids = ids.filter(|id| !id.is_empty());
            ids.map(move |id| (model, id.as_str()))
        })
    }
}

fn boot_class(candidate: &Candidate<'_>) -> Result<(String, [u8; 16])> {
    let class = candidate.version.class_guid.to_lowercase();
    let bytes = parse_guid(&class).filter(|_| BOOT_CLASSES.contains(&class.as_str()));
    match bytes {
        Some(bytes) => Ok((class, bytes)),
        None => Err(Error::NotBootCritical {
            file: candidate.inf.file().to_owned(),
            class: candidate.version.class.clone(),
        }),
    }
}

/// Models that this service drives. Sections that cannot be read belong to other
/// devices: the device's own was read before.
fn same_driver(
    inf: &Inf,
    driver: &Service,
    set: &DriverSet,
    target: &Target,
) -> Result<(Vec<Model>, BTreeMap<String, Install>)> {
    let (mut installs, mut tried) = (BTreeMap::new(), BTreeSet::new());
    let others: Vec<&Inf> = set.infs().iter().collect();
    let mut models = inf.models(target)?;
    models.retain(|model| {
        if installs.contains_key(&model.install) {
            return true;
        }
        if installs.len() >= INSTALL_LIMIT || tried.contains(&model.install) {
            return false;
        }
        let install = inf.install(&model.install, target, &others).ok();
        tried.insert(model.install.clone());
        let install = install.filter(|install| {
            let own = install.driver();
            own.is_some_and(|own| own.name.eq_ignore_ascii_case(&driver.name))
        });
        let found = install.map(|install| installs.insert(model.install.clone(), install));
        found.is_some()
    });
    Ok((models, installs))
}
