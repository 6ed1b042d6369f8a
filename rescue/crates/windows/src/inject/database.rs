//! What tells the kernel which service drives a device before anything is
//! installed: `DriverDatabase` (Windows 8 and later) or
//! `CriticalDeviceDatabase` (Windows 7).

use std::collections::BTreeMap;

use hive::ValueType;

use super::edits::RegistryEdit;
use super::package::Package;
use super::service;
use crate::inf::DriverVer;

/// What the database has about an id and an INF; meaning unknown, 90 % of the
/// entries of Windows have it (measured), and virt-v2v writes it.
const ID_ENTRY: [u8; 4] = [0x01, 0xFF, 0, 0];

/// `DriverDatabase`: the files, the ids, the package.
///
/// What genuine packages have and this one has not: `SignerScore`, `SignerName`,
/// `StatusFlags`, for they say that Windows checked a signature.
pub(crate) fn driver_database(package: &Package<'_>) -> Vec<RegistryEdit> {
    let inf = package.inf_name.as_str();
    let files = format!("DriverDatabase\\DriverInfFiles\\{inf}");
    let names: Vec<&String> = package.installs.keys().collect();
    let mut edits = vec![
        RegistryEdit::strings(&files, "", &[&package.label]),
        RegistryEdit::text(&files, "Active", &package.label),
        RegistryEdit::strings(&files, "Configurations", &names),
    ];
    let ids = "DriverDatabase\\DeviceIds";
    let class = format!("{ids}\\{}", package.class.0);
    edits.push(RegistryEdit::set(&class, inf, ValueType::NONE, Vec::new()));
    for (_, id) in package.ids() {
        let (key, entry) = (format!("{ids}\\{id}"), ID_ENTRY.to_vec());
        edits.push(RegistryEdit::set(&key, inf, ValueType::BINARY, entry));
    }
    edits.extend(described(package));
    edits
}

/// The package's own key.
fn described(package: &Package<'_>) -> Vec<RegistryEdit> {
    let key = format!("DriverDatabase\\DriverPackages\\{}", package.label);
    let version = &package.candidate.version;
    let blob = version_blob(package.arch.number(), &package.class.1, &version.driver_ver);
    let mut edits = vec![
        RegistryEdit::set(&key, "Version", ValueType::BINARY, blob),
        RegistryEdit::text(&key, "Provider", &version.provider),
        RegistryEdit::text(&key, "InfName", package.candidate.inf.name()),
        RegistryEdit::text(&key, "", &package.inf_name),
    ];
    edits.extend(configurations(package, &key));
    let mut texts = BTreeMap::new();
    for (model, id) in package.ids() {
        let descriptor = format!("{key}\\Descriptors\\{id}");
        let mut text = |name: &str, raw: &str, text: &str| {
            let shown = token(package, raw, text, &mut texts);
            RegistryEdit::text(&descriptor, name, &shown)
        };
        let maker = text("Manufacturer", &model.raw_manufacturer, &model.manufacturer);
        let what = text("Description", &model.raw_description, &model.description);
        let configuration = RegistryEdit::text(&descriptor, "Configuration", &model.install);
        edits.extend([configuration, maker, what]);
    }
    let strings = format!("{key}\\Strings");
    let texts = texts.iter();
    edits.extend(texts.map(|(name, text)| RegistryEdit::text(&strings, name, text)));
    edits
}

/// A key for each section that installs: the service, and what is written for
/// the device, the driver and the service when it is started.
fn configurations(package: &Package<'_>, key: &str) -> Vec<RegistryEdit> {
    let mut edits = Vec::new();
    for (name, install) in &package.installs {
        let key = format!("{key}\\Configurations\\{name}");
        edits.push(RegistryEdit::text(&key, "Service", &package.driver.name));
        edits.push(RegistryEdit::dword(&key, "ConfigFlags", 0));
        if !install.included.is_empty() {
            let names: Vec<String> = install.included.iter().map(|n| n.to_lowercase()).collect();
            edits.push(RegistryEdit::strings(&key, "IncludedInfs", &names));
        }
        let below = [("Device", &install.hardware), ("Driver", &install.registry)];
        for (part, entries) in below {
            edits.extend(relative(entries, &format!("{key}\\{part}")));
        }
        for service in &install.services {
            let part = format!("{key}\\Services\\{}", service.name);
            edits.extend(relative(&service.registry, &part));
        }
    }
    edits
}

/// Only what is below the key itself.
fn relative(entries: &[crate::inf::Entry], key: &str) -> Vec<RegistryEdit> {
    let own = |entry: &&crate::inf::Entry| entry.root == crate::inf::Root::Relative;
    let entries: Vec<_> = entries.iter().filter(own).cloned().collect();
    service::registry(&entries, "", key)
}

/// A text as the database has it: `%name%` in lower case, which goes with its
/// text to the key `Strings`; or the text when it is no string of the INF.
fn token(
    package: &Package<'_>,
    raw: &str,
    text: &str,
    texts: &mut BTreeMap<String, String>,
) -> String {
    let name = raw.strip_prefix('%').and_then(|raw| raw.strip_suffix('%'));
    let found = name.and_then(|name| Some((name, package.candidate.inf.string(name)?)));
    match found {
        Some((name, found)) => {
            let name = name.to_lowercase();
            texts.insert(name.clone(), found.to_owned());
            format!("%{name}%")
        }
        None => text.to_owned(),
    }
}

/// 48 bytes, measured on genuine packages: `00 FF` (`FF FF` in-box), architecture
/// (u16), 0 (u32), class, date (FILETIME), version from revision to major (4 u16),
/// 8 bytes that are mostly zero.
fn version_blob(arch: u16, class: &[u8; 16], ver: &DriverVer) -> Vec<u8> {
    let mut blob = vec![0x00, 0xFF];
    blob.extend(arch.to_le_bytes());
    blob.extend([0; 4]);
    blob.extend(class);
    blob.extend(ver.date.file_time().0.to_le_bytes());
    for part in ver.version.iter().rev() {
        blob.extend(part.to_le_bytes());
    }
    blob.extend([0; 8]);
    blob
}

/// `CriticalDeviceDatabase` of one control set.
pub(crate) fn critical_devices(control_set: &str, package: &Package<'_>) -> Vec<RegistryEdit> {
    let base = format!("{control_set}\\Control\\CriticalDeviceDatabase");
    let ids = package.ids().flat_map(|(_, id)| {
        let key = format!("{base}\\{}", id.replace('\\', "#"));
        let class = package.class.0.to_uppercase();
        [
            RegistryEdit::text(&key, "Service", &package.driver.name),
            RegistryEdit::text(&key, "ClassGUID", &class),
        ]
    });
    ids.collect()
}
