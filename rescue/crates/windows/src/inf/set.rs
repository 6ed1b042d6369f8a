//! A folder of driver packages, and which of them serves a device best.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::error::{Error, Result};
use super::file::Inf;
use super::install::Install;
use super::models::Model;
use super::target::Target;
use super::version::Version;
use crate::drivers::Device;

/// The ids of a device, the closest first, as Windows' bus drivers build them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeviceIds {
    pub hardware: Vec<String>,
    pub compatible: Vec<String>,
}

/// The hardware ids of PCI devices name the board, or the device and its class;
/// without a board, the device alone, too (as genuine `Enum\\PCI` keys have them).
impl From<&Device> for DeviceIds {
    fn from(device: &Device) -> Self {
        let ids = device.ids();
        let is_hardware = |(at, _): &(usize, String)| match device {
            Device::Pci(pci) => match (pci.subsystem_vendor, pci.subsystem_device) {
                (0, 0) => *at < 6,
                _ => [0, 1, 4, 5].contains(at),
            },
            // What follows are its classes.
            Device::Acpi { .. } => *at < 2,
            Device::VmBus(_) | Device::Named(_) => true,
        };
        let (hardware, compatible): (Vec<_>, Vec<_>) =
            ids.into_iter().enumerate().partition(is_hardware);
        let plain = |ids: Vec<(usize, String)>| ids.into_iter().map(|(_, id)| id).collect();
        Self {
            hardware: plain(hardware),
            compatible: plain(compatible),
        }
    }
}

/// How closely a model fits; the lowest is best. The order is that of Windows'
/// identifier score: hardware id on both sides, then the device's hardware id
/// with the INF's compatible ids, the reverse, compatible ids on both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    kind: u8,
    device: usize,
    inf: usize,
}

/// A package that can drive a device.
#[derive(Debug)]
pub struct Candidate<'s> {
    pub inf: &'s Inf,
    pub version: Version,
    pub model: Model,
    pub install: Install,
    pub rank: Rank,
    /// The path of the catalogue in the folder, when it is there.
    pub catalog: Option<String>,
    /// Files that it installs and the folder does not have.
    pub missing: Vec<String>,
}

impl Candidate<'_> {
    /// The catalogue that the INF names and the folder does not have. Without it
    /// Windows loads only drivers that carry a signature themselves.
    #[must_use]
    pub fn missing_catalog(&self) -> Option<&str> {
        let named = self.version.catalog.as_deref();
        named.filter(|_| self.catalog.is_none())
    }

    /// The order of candidates: the best is the least.
    fn order(&self) -> impl Ord + use<> {
        let lacks = (!self.missing.is_empty(), self.missing_catalog().is_some());
        (lacks, self.rank, Reverse(self.version.driver_ver))
    }
}

/// The packages of a folder. It holds the INF files; of others, only their
/// paths.
#[derive(Debug)]
pub struct DriverSet {
    /// Paths by their lower-case form, with `/`.
    paths: BTreeMap<String, String>,
    infs: Vec<Inf>,
    rejected: Vec<Error>,
}

impl DriverSet {
    /// From the paths of all files below the folder, and the contents of those
    /// that end in `.inf`. Files that cannot be read are [rejected](Self::rejected).
    pub fn new(
        paths: impl IntoIterator<Item = String>,
        infs: impl IntoIterator<Item = (String, Vec<u8>)>,
    ) -> Self {
        let (mut read, mut rejected) = (Vec::new(), Vec::new());
        for (path, bytes) in infs {
            match Inf::parse(&path, &bytes, Inf::ENGLISH) {
                Ok(inf) => read.push(inf),
                Err(error) => rejected.push(error),
            }
        }
        let paths = paths.into_iter().map(|path| (folded(&path), path));
        Self {
            paths: paths.collect(),
            infs: read,
            rejected,
        }
    }

    /// Why some files are no INF files.
    #[must_use]
    pub fn rejected(&self) -> &[Error] {
        &self.rejected
    }

    /// The INF files that could be read.
    #[must_use]
    pub fn infs(&self) -> &[Inf] {
        &self.infs
    }

    /// The path of a file as the folder has it; letters count without case.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<&str> {
        self.paths.get(&folded(path)).map(String::as_str)
    }

    /// The packages for a device on this Windows, the best first: complete ones
    /// before others, then by rank, date, version. Signatures and the feature
    /// score, which Windows weighs before these, are left out: packages of one
    /// folder come from the same makers.
    ///
    /// Packages that fit but cannot be read come as errors.
    #[must_use]
    pub fn candidates(&self, ids: &DeviceIds, target: &Target) -> (Vec<Candidate<'_>>, Vec<Error>) {
        let (mut candidates, mut errors) = (Vec::new(), Vec::new());
        for inf in &self.infs {
            match self.candidate(inf, ids, target) {
                Ok(candidate) => candidates.extend(candidate),
                Err(error) => errors.push(error),
            }
        }
        candidates.sort_by_key(Candidate::order);
        (candidates, errors)
    }

    fn candidate<'s>(
        &'s self,
        inf: &'s Inf,
        ids: &DeviceIds,
        target: &Target,
    ) -> Result<Option<Candidate<'s>>> {
        // Most INF files of a folder are no drivers for anything here.
        if inf.section("Manufacturer").is_none() {
            return Ok(None);
        }
        let models = inf.models(target)?;
        let ranked = models.into_iter().filter_map(|m| Some((rank(&m, ids)?, m)));
        let Some((rank, model)) = ranked.min_by_key(|(rank, _)| *rank) else {
            return Ok(None);
        };
        let version = inf.version(target)?;
        let others: Vec<&Inf> = self.infs.iter().collect();
        let install = inf.install(&model.install, target, &others)?;
        let sources = install.files.iter().map(|file| file.source.as_str());
        let missing = sources.filter(|name| self.beside(inf, name).is_none());
        let missing = missing.map(str::to_owned).collect();
        let catalog = version.catalog.as_deref();
        let catalog = catalog.and_then(|name| self.beside(inf, name));
        Ok(Some(Candidate {
            inf,
            catalog: catalog.map(str::to_owned),
            missing,
            rank,
            version,
            model,
            install,
        }))
    }

    /// A file by its path below the folder of an INF.
    #[must_use]
    pub fn beside(&self, inf: &Inf, name: &str) -> Option<&str> {
        let file = inf.file().replace('\\', "/");
        let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
        self.find(&format!("{folder}/{name}"))
    }
}

fn folded(path: &str) -> String {
    let parts = path.split(['/', '\\']);
    let parts: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
    parts.join("/").to_lowercase()
}

fn rank(model: &Model, ids: &DeviceIds) -> Option<Rank> {
    let sides = [
        (0, &ids.hardware, std::slice::from_ref(&model.hardware_id)),
        (1, &ids.hardware, model.compatible_ids.as_slice()),
        (2, &ids.compatible, std::slice::from_ref(&model.hardware_id)),
        (3, &ids.compatible, model.compatible_ids.as_slice()),
    ];
    sides.into_iter().find_map(|(kind, devices, infs)| {
        let place = |id: &String| infs.iter().position(|inf| id.eq_ignore_ascii_case(inf));
        let ranks = devices.iter().enumerate();
        let mut ranks = ranks.filter_map(|(device, id)| {
            let inf = place(id)?;
            Some(Rank { kind, device, inf })
        });
        ranks.next()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_in_the_order_of_windows() {
        let model = |hardware: &str, compatible: &[&str]| Model {
            manufacturer: String::new(),
            raw_manufacturer: String::new(),
            description: String::new(),
            raw_description: String::new(),
            install: String::new(),
            hardware_id: hardware.to_owned(),
            compatible_ids: compatible.iter().map(|id| (*id).to_owned()).collect(),
            line: 0,
        };
        let ids = DeviceIds {
            hardware: vec!["H0".into(), "H1".into()],
            compatible: vec!["C0".into(), "C1".into()],
        };
        let models = [
            model("h0", &[]),
            model("H1", &[]),
            model("x", &["H0"]),
            model("", &["c0", "H0"]),
            model("", &["H1"]),
            model("C0", &["C0"]),
            model("x", &["C0"]),
            model("x", &["x", "C1"]),
        ];
        let ranks: Vec<_> = models.iter().map(|m| rank(m, &ids).unwrap()).collect();
        assert!(ranks.windows(2).all(|pair| pair[0] < pair[1]), "{ranks:?}");
        assert_eq!(rank(&model("", &["y"]), &ids), None);
    }
}
