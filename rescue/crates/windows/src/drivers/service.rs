//! Services that are drivers, and where their files are.

use hive::{Hive, Key, Result};

/// A driver's entry in a control set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// The path of its key.
    pub key: String,
    /// When it is started: 0 by the boot loader, 1 and 2 later, 3 on demand, 4 never.
    pub start: Option<u32>,
    /// Its file, from the folder of Windows; `None` when it is somewhere else.
    pub file: Option<String>,
    /// Whether some hardware has another start of it (`StartOverride`).
    pub overridden: bool,
    /// Which ways of starting Windows make it a driver of the boot loader.
    pub boot_flags: u32,
}

/// Type: driver of a device, of a file system.
const DRIVER_TYPES: u32 = 3;

impl Service {
    /// The service of this name, when it is there.
    ///
    /// # Errors
    /// When the hive is damaged.
    pub fn find(hive: &Hive, set: &str, name: &str) -> Result<Option<Self>> {
        let key = hive.find(&format!("{set}\\Services\\{name}"))?;
        key.map(|key| Self::read(set, &key)).transpose()
    }

    /// All services of a control set that are drivers.
    ///
    /// # Errors
    /// When the hive is damaged.
    pub fn drivers(hive: &Hive, set: &str) -> Result<Vec<Self>> {
        let services = hive.find(&format!("{set}\\Services"))?;
        let keys = services.map(|key| key.subkeys()).transpose()?;
        let mut drivers = Vec::new();
        for key in keys.unwrap_or_default() {
            if key
                .dword("Type")?
                .is_some_and(|kind| kind & DRIVER_TYPES != 0)
            {
                drivers.push(Self::read(set, &key)?);
            }
        }
        Ok(drivers)
    }

    fn read(set: &str, key: &Key<'_>) -> Result<Self> {
        let name = String::from_utf16_lossy(key.name().units());
        Ok(Self {
            key: format!("{set}\\Services\\{name}"),
            start: key.dword("Start")?,
            file: file_of(&name, key.text("ImagePath")?.as_deref()),
            overridden: key.subkey("StartOverride")?.is_some(),
            boot_flags: key.dword("BootFlags")?.unwrap_or_default(),
            name,
        })
    }

    /// Whether the boot loader loads it, on hardware that overrides nothing.
    #[must_use]
    pub fn boots(&self) -> bool {
        self.start == Some(0)
    }

    /// Whether its file is there, as far as one can tell.
    pub fn is_there(&self, exists: &dyn Fn(&str) -> bool) -> bool {
        self.file.as_deref().is_some_and(exists)
    }
}

/// The file of a driver, from the folder of Windows, such as
/// `System32\drivers\disk.sys`; `None` when it is not in that folder.
///
/// Without an `ImagePath` it is `System32\drivers\<name>.sys`. Seen are
/// `System32\…`, `\SystemRoot\System32\…`; `%SystemRoot%\…` and `\??\C:\Windows\…`
/// are understood.
#[must_use]
pub fn file_of(service: &str, image_path: Option<&str>) -> Option<String> {
    let Some(path) = image_path.filter(|path| !path.is_empty()) else {
        return Some(format!("System32\\drivers\\{service}.sys"));
    };
    let path = path.trim_matches('"');
    for root in [
        "\\SystemRoot\\",
        "SystemRoot\\",
        "%SystemRoot%\\",
        "%windir%\\",
    ] {
        if let Some(rest) = without(path, root) {
            return Some(rest.to_owned());
        }
    }
    let path = without(path, "\\??\\").unwrap_or(path);
    match path.split_once('\\') {
        Some((drive, rest)) if drive.ends_with(':') => without(rest, "Windows\\"),
        // A path from the root of nothing in particular, or a share.
        Some(("", _)) => None,
        _ => Some(path),
    }
    .map(str::to_owned)
}

fn without<'a>(path: &'a str, prefix: &str) -> Option<&'a str> {
    let (head, rest) = path.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::file_of;

    #[test]
    fn files_of_drivers() {
        let file = |path| file_of("disk", path);
        let usual = Some("System32\\drivers\\disk.sys".to_owned());
        for path in [
            None,
            Some(""),
            Some("System32\\drivers\\disk.sys"),
            Some("\\SystemRoot\\System32\\drivers\\disk.sys"),
            Some("%systemroot%\\System32\\drivers\\disk.sys"),
            Some("\\??\\C:\\WINDOWS\\System32\\drivers\\disk.sys"),
            Some("\"C:\\Windows\\System32\\drivers\\disk.sys\""),
        ] {
            assert_eq!(file(path), usual, "{path:?}");
        }
        for path in [
            "\\??\\D:\\tools\\disk.sys",
            "\\Device\\X\\disk.sys",
            "\\\\host\\a\\disk.sys",
        ] {
            assert_eq!(file(Some(path)), None, "{path}");
        }
    }
}
