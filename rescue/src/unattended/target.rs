//! Which disk a plan means: exactly one, or nothing happens. Pure.

use crate::inventory::Disk;

use super::plan::Target;

/// Why no disk was chosen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Several disks fit.
    #[error("{} disks fit the plan, and nothing says which one:\n{}", .fit.len(), list(.fit))]
    Several {
        /// Them.
        fit: Vec<String>,
    },
    /// Disks came and went, or drivers did not finish, for too long.
    #[error(
        "this machine's disks did not come to rest, so it is not certain which one the plan \
         means: name it by `serial` or `wwn`"
    )]
    Restless,
    /// No disk fits.
    #[error("no disk of this machine fits the plan:\n{}", list(.all))]
    None {
        /// Every disk, and why it does not.
        all: Vec<String>,
    },
}

fn list(lines: &[String]) -> String {
    if lines.is_empty() {
        return "  there is no disk at all".to_owned();
    }
    let lines: Vec<String> = lines.iter().map(|l| format!("  {l}")).collect();
    lines.join("\n")
}

/// The one disk of `disks` that `target` means.
///
/// A disk that is in use (it holds the repository or the plan, or is the
/// medium) is never meant.
///
/// # Errors
/// [`TargetError`] when it is not exactly one.
pub fn choose<'a>(target: &Target, disks: &'a [Disk]) -> Result<&'a Disk, TargetError> {
    let judged: Vec<(&Disk, Option<String>)> =
        disks.iter().map(|d| (d, against(target, d))).collect();
    let fit: Vec<&Disk> = judged
        .iter()
        .filter(|(_, why)| why.is_none())
        .map(|(disk, _)| *disk)
        .collect();
    match fit.as_slice() {
        [one] => Ok(one),
        [] => Err(TargetError::None {
            all: judged
                .iter()
                .map(|(d, why)| format!("{}: {}", line(d), why.as_deref().unwrap_or("fits")))
                .collect(),
        }),
        several => Err(TargetError::Several {
            fit: several.iter().map(|d| line(d)).collect(),
        }),
    }
}

fn line(disk: &Disk) -> String {
    format!("{} {}", disk.path.display(), disk.describe())
}

/// Why `disk` is not the one; `None` when it is.
fn against(target: &Target, disk: &Disk) -> Option<String> {
    if let Some(held) = disk.uses.first() {
        return Some(held.to_string());
    }
    if disk.read_only {
        return Some("it cannot be written".to_owned());
    }
    if disk.size == 0 {
        return Some("it has no medium in it".to_owned());
    }
    let path = disk.path.display().to_string();
    differs(
        "serial number",
        target.serial.as_deref(),
        disk.serial.as_deref(),
    )
    .or_else(|| differs("WWN", target.wwn.as_deref(), disk.wwn.as_deref()))
    .or_else(|| differs("model", target.model.as_deref(), disk.model.as_deref()))
    .or_else(|| differs("path", target.path.as_deref(), Some(&path)))
    .or_else(|| {
        let min = target.min_size.filter(|min| disk.size < min.0)?;
        Some(format!("it is smaller than {min}"))
    })
    .or_else(|| {
        let max = target.max_size.filter(|max| disk.size > max.0)?;
        Some(format!("it is larger than {max}"))
    })
}

fn differs(what: &str, wanted: Option<&str>, found: Option<&str>) -> Option<String> {
    let wanted = wanted?.trim();
    match found.map(str::trim) {
        Some(found) if found == wanted => None,
        Some(_) => Some(format!("its {what} is not {wanted}")),
        None => Some(format!("it tells no {what}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::{Bus, DiskKind, Use};
    use crate::unattended::size::Size;

    fn disk(name: &str, serial: &str, gib: u64) -> Disk {
        Disk {
            path: format!("/dev/{name}").into(),
            name: name.into(),
            kind: DiskKind::Device,
            size: gib << 30,
            sector_size: 512,
            physical_sector: 512,
            model: Some("QEMU".into()),
            serial: Some(serial.into()).filter(|s: &String| !s.is_empty()),
            wwn: None,
            bus: Bus::Virtio,
            removable: false,
            read_only: false,
            rotational: false,
            uses: Vec::new(),
        }
    }

    fn three() -> Vec<Disk> {
        let mut medium = disk("sdc", "USB", 8);
        medium.uses.push(Use::Medium);
        vec![disk("sda", "A", 100), disk("sdb", "", 200), medium]
    }

    fn name(target: Target) -> Result<String, TargetError> {
        choose(&target, &three()).map(|d| d.name.clone())
    }

    #[test]
    fn one_that_fits_is_chosen() {
        let by_serial = Target {
            serial: Some("A".into()),
            ..Target::default()
        };
        assert_eq!(name(by_serial).unwrap(), "sda");
        let by_size = Target {
            min_size: Some(Size(150 << 30)),
            ..Target::default()
        };
        assert_eq!(name(by_size).unwrap(), "sdb");
        let by_path = Target {
            path: Some("/dev/sdb".into()),
            max_size: Some(Size(200 << 30)),
            ..Target::default()
        };
        assert_eq!(name(by_path).unwrap(), "sdb");
    }

    #[test]
    fn several_are_listed_and_none_chosen() {
        let only = Target {
            only_disk: true,
            ..Target::default()
        };
        let text = name(only).unwrap_err().to_string();
        assert!(text.starts_with("2 disks fit"), "{text}");
        assert!(
            text.contains("/dev/sda") && text.contains("/dev/sdb"),
            "{text}"
        );
        assert!(!text.contains("/dev/sdc"), "{text}");
    }

    #[test]
    fn the_medium_is_never_meant_and_reasons_are_told() {
        let medium = Target {
            serial: Some("USB".into()),
            ..Target::default()
        };
        let text = name(medium).unwrap_err().to_string();
        assert!(text.contains("it is the rescue medium"), "{text}");
        assert!(text.contains("its serial number is not USB"), "{text}");
        assert!(text.contains("it tells no serial number"), "{text}");
    }

    #[test]
    fn the_only_disk_is_chosen_among_protected_ones() {
        let only = Target {
            only_disk: true,
            ..Target::default()
        };
        let disks: Vec<Disk> = three().into_iter().skip(1).collect();
        assert_eq!(choose(&only, &disks).unwrap().name, "sdb");
    }
}
