//! Which files are copied to where.

use super::error::{Error, Result};
use super::package::Package;
use crate::inf::{DirId, DriverSet, Service};

/// Where catalogues of drivers are: the GUID of `DRIVER_ACTION_VERIFY`.
const CATALOGS: &str = r"System32\CatRoot\{F750E6C3-38EE-11D1-85E5-00C04FC295EE}";

/// A file to copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileCopy {
    /// Its path in the folder of drivers.
    pub from: String,
    /// Its path on the volume of Windows, from the root, with `\`.
    pub to: String,
}

/// The folder that the package is laid down in, from the Windows folder.
pub(crate) fn staging(package: &Package<'_>) -> String {
    format!(r"Drivers\rescue\{}", package.stem)
}

/// The drivers to where they boot from, the catalogue to where the boot loader
/// looks for signatures, and the whole package to the [staging] folder.
pub(crate) fn copies(
    package: &Package<'_>,
    set: &DriverSet,
    windows: &str,
) -> Result<Vec<FileCopy>> {
    let mut copies = Vec::new();
    for service in package.boot_services() {
        copies.push(FileCopy {
            from: image(package, set, service)?,
            to: format!(r"\{windows}\System32\drivers\{}", service.binary.name()),
        });
    }
    let folder = format!(r"\{windows}\{}", staging(package));
    let inf = package.candidate.inf;
    copies.push(FileCopy {
        from: inf.file().to_owned(),
        to: format!(r"{folder}\{}", inf.name()),
    });
    if let Some(catalog) = &package.candidate.catalog {
        let name = package.candidate.version.catalog.as_deref();
        let beside = format!(r"{folder}\{}", name.unwrap_or_default());
        let known = format!(r"\{windows}\{CATALOGS}\rescue-{}.cat", package.stem);
        copies.extend([beside, known].map(|to| FileCopy {
            from: catalog.clone(),
            to,
        }));
    }
    let installs = package.installs.values();
    let files = installs.flat_map(|i| i.files.iter().map(|f| f.source.as_str()));
    for name in files {
        let Some(from) = set.beside(inf, name) else {
            return Err(incomplete(package, name));
        };
        let to = format!(r"{folder}\{}", name.replace('/', "\\"));
        copies.push(FileCopy {
            from: from.to_owned(),
            to,
        });
    }
    copies.sort_by(|a, b| a.to.cmp(&b.to));
    copies.dedup();
    Ok(copies)
}

/// The file of a service: what is copied under its name, else what lies beside
/// the INF under it.
fn image(package: &Package<'_>, set: &DriverSet, service: &Service) -> Result<String> {
    let name = service.binary.name();
    let files = package.candidate.install.files.iter();
    let mut files = files.filter(|f| f.to.name().eq_ignore_ascii_case(name));
    let source = files.next().map_or(name, |file| file.source.as_str());
    match set.beside(package.candidate.inf, source) {
        Some(path) => Ok(path.to_owned()),
        None => Err(incomplete(package, name)),
    }
}

fn incomplete(package: &Package<'_>, name: &str) -> Error {
    Error::Incomplete {
        file: package.candidate.inf.file().to_owned(),
        missing: vec![name.to_owned()],
    }
}

/// Whether a service lies elsewhere when Windows installs it itself.
pub(crate) fn is_moved(service: &Service) -> bool {
    service.binary.dir != DirId::DRIVERS || service.binary.path.contains('\\')
}
