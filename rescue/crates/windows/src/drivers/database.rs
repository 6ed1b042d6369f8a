//! Looking ids up.
//!
//! Windows 8 and later: `DriverDatabase\DeviceIds\<id>` has a value for each INF;
//! `DriverInfFiles\<INF>`, value `Active`, names its package;
//! `DriverPackages\<package>\Descriptors\<id>`, value `Configuration`, names a
//! configuration; `…\Configurations\<it>`, value `Service`, the driver, and
//! `ExcludeIds` devices that it is not for. Windows 7:
//! `Control\CriticalDeviceDatabase\<id, with # for \>`, value `Service`. (Measured
//! on genuine hives; virt-v2v writes the same.)

use hive::{Hive, Key, Result};

use super::ids::Device;
use crate::bytes::u64_at;
use crate::control_sets;

const ROOT: &str = "DriverDatabase";
/// In a package's `Version`: the driver's date and version, each 8 bytes.
const DATE: usize = 24;
const VERSION: usize = 32;

/// Which kind of driver database a Windows has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generation {
    /// Windows 7, Server 2008 R2 and before.
    Seven,
    /// Windows 8, Server 2012 and later.
    Eight,
}

/// The driver database of a `SYSTEM` hive.
#[derive(Debug, Clone, Copy)]
pub struct Database<'h> {
    hive: &'h Hive,
    generation: Generation,
}

/// A driver for a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// The id that it is listed for.
    pub id: String,
    /// Its service; `None` where the INF only names the device.
    pub service: Option<String>,
    /// The INF; `None` for Windows 7, which does not keep it there.
    pub inf: Option<String>,
}

impl<'h> Database<'h> {
    /// Of a `SYSTEM` hive.
    ///
    /// # Errors
    /// When the hive is damaged.
    pub fn of(hive: &'h Hive) -> Result<Self> {
        let generation = match hive.find(ROOT)? {
            Some(_) => Generation::Eight,
            None => Generation::Seven,
        };
        Ok(Self { hive, generation })
    }

    /// Its kind.
    #[must_use]
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// The drivers listed for a device, the best first: by the particularity of
    /// the id, then the later date, then the higher version.
    ///
    /// # Errors
    /// When the hive is damaged.
    pub fn matches(&self, device: &Device) -> Result<Vec<Match>> {
        let ids = device.ids();
        let mut matches = Vec::new();
        for id in &ids {
            match self.generation {
                Generation::Seven => matches.extend(self.critical(id)?),
                Generation::Eight => matches.extend(self.listed(id, &ids)?),
            }
        }
        Ok(matches)
    }

    /// The service that a device is going to have.
    ///
    /// # Errors
    /// When the hive is damaged.
    pub fn service(&self, device: &Device) -> Result<Option<String>> {
        let matches = self.matches(device)?.into_iter();
        Ok(matches.filter_map(|found| found.service).next())
    }

    /// What Windows 7 has for an id.
    fn critical(&self, id: &str) -> Result<Option<Match>> {
        let set = control_sets::current(self.hive)?;
        let Some(key) = self.hive.find(&critical_key(&set, id))? else {
            return Ok(None);
        };
        Ok(Some(Match {
            id: id.to_owned(),
            service: key.text("Service")?.filter(|name| is_name(name)),
            inf: None,
        }))
    }

    /// What Windows 8 and later have for an id; `ids` are all of the device.
    fn listed(&self, id: &str, ids: &[String]) -> Result<Vec<Match>> {
        let Some(key) = self.hive.find(&format!("{ROOT}\\DeviceIds\\{id}"))? else {
            return Ok(Vec::new());
        };
        let mut found = Vec::new();
        for value in key.values()? {
            let inf = value.name().to_string();
            if let Some(driver) = self.driver(&inf, id, ids)? {
                found.push(driver);
            }
        }
        found.sort_by_key(|(age, _)| std::cmp::Reverse(*age));
        Ok(found.into_iter().map(|(_, driver)| driver).collect())
    }

    /// What an INF has for an id, with the date and version of its package.
    fn driver(&self, inf: &str, id: &str, ids: &[String]) -> Result<Option<((u64, u64), Match)>> {
        let Some(package) = self.package(inf)? else {
            return Ok(None);
        };
        let descriptor = self.hive.find(&format!("{package}\\Descriptors\\{id}"))?;
        let name = descriptor
            .map(|key| key.text("Configuration"))
            .transpose()?;
        let Some(name) = name.flatten() else {
            return Ok(None);
        };
        let configuration = self
            .hive
            .find(&format!("{package}\\Configurations\\{name}"))?;
        let Some(configuration) = configuration else {
            return Ok(None);
        };
        if excludes(&configuration, ids)? {
            return Ok(None);
        }
        let service = configuration.text("Service")?;
        let driver = Match {
            id: id.to_owned(),
            service: service.filter(|name| is_name(name)),
            inf: Some(inf.to_owned()),
        };
        Ok(Some((age(&self.hive.key(&package)?)?, driver)))
    }

    /// The path of an INF's active package.
    fn package(&self, inf: &str) -> Result<Option<String>> {
        let file = self.hive.find(&format!("{ROOT}\\DriverInfFiles\\{inf}"))?;
        let active = file.map(|key| key.text("Active")).transpose()?.flatten();
        let package = active.map(|label| format!("{ROOT}\\DriverPackages\\{label}"));
        match package {
            Some(package) if self.hive.find(&package)?.is_some() => Ok(Some(package)),
            _ => Ok(None),
        }
    }
}

/// The key of an id in the database of Windows 7.
pub(crate) fn critical_key(set: &str, id: &str) -> String {
    let id = id.replace('\\', "#");
    format!("{set}\\Control\\CriticalDeviceDatabase\\{id}")
}

/// Whether it can be the name of a service: the name of one key.
fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains('\\')
}

fn excludes(configuration: &Key<'_>, ids: &[String]) -> Result<bool> {
    let excluded = configuration.value("ExcludeIds")?;
    let excluded = excluded.map(|value| value.decode()).transpose()?;
    let lines = excluded.as_ref().and_then(|data| data.lines());
    let mut lines = lines.unwrap_or_default().iter();
    Ok(lines.any(|line| ids.iter().any(|id| id.eq_ignore_ascii_case(line))))
}

fn age(package: &Key<'_>) -> Result<(u64, u64)> {
    let version = package.value("Version")?;
    let data = version.map(|value| value.data().map(std::borrow::Cow::into_owned));
    let data = data.transpose()?.unwrap_or_default();
    let field = |at| u64_at(&data, at).unwrap_or_default();
    Ok((field(DATE), field(VERSION)))
}
