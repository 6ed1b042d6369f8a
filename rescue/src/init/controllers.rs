//! Storage and network controllers that no driver took, and what would help.

use std::collections::BTreeMap;
use std::path::Path;

use super::modules::{Absent, AbsentModule, Catalogue};

/// What is known about drivers when a controller has none.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Drivers<'a> {
    /// Those on the medium; none when they cannot be read.
    pub(super) medium: Option<&'a Catalogue>,
    /// Modules that the kernel refused, and why.
    pub(super) refused: Option<&'a BTreeMap<String, String>>,
    /// Those that were left out.
    pub(super) absent: Option<&'a Absent>,
}

/// In sentences, each controller that has no driver. `bus` is /sys/bus.
pub(super) fn missing(bus: &Path, drivers: Drivers<'_>) -> Vec<String> {
    let mut out = Vec::new();
    for name in ["pci", "virtio", "vmbus", "xen"] {
        let folder = bus.join(name).join("devices");
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let device = entry.path();
            if device.join("driver").exists() {
                continue;
            }
            let alias = std::fs::read_to_string(device.join("modalias")).unwrap_or_default();
            let alias = alias.trim();
            let sentence = |what| format!("no driver for the {what}{}", advice(alias, drivers));
            out.extend(describe(alias).map(sentence));
        }
    }
    out.sort_unstable();
    out.dedup();
    out
}

/// "storage controller pci 1000:005d"; `None` for devices that a recovery does
/// not need.
fn describe(alias: &str) -> Option<String> {
    let (bus, rest) = alias.split_once(':')?;
    match bus {
        "pci" => {
            // pci:v00001000d0000005Dsv…sd…bc01sc04i00
            let vendor = rest.get(5..9)?.to_lowercase();
            let device = rest.get(14..18)?.to_lowercase();
            let class = rest.find("bc").and_then(|at| rest.get(at + 2..at + 4))?;
            let what = match class {
                "01" => "storage",
                "02" => "network",
                _ => return None,
            };
            Some(format!("{what} controller pci {vendor}:{device}"))
        }
        // virtio:d00000002v00001AF4: 1 network, 2 disk, 8 SCSI
        "virtio" => match rest.get(1..9)? {
            "00000001" => Some("virtio network card".to_owned()),
            "00000002" | "00000008" => Some("virtio disk".to_owned()),
            _ => None,
        },
        _ => None,
    }
}

/// What to do about a device without a driver; begins with its punctuation.
fn advice(alias: &str, drivers: Drivers<'_>) -> String {
    let there = drivers.medium.map(|medium| medium.lookup(alias));
    let there = there.unwrap_or_default();
    if let Some(first) = there.first() {
        let refused = drivers.refused.and_then(|all| all.get(*first));
        return match refused {
            Some(why) => format!(": the kernel refuses the medium's {first}: {why}"),
            None => format!(
                ": the medium's {} did not take it; the kernel's messages say why",
                there.join(" and ")
            ),
        };
    }
    let Some(absent) = drivers.absent else {
        return String::new();
    };
    let kernel = &absent.kernel;
    match absent.lookup(alias).first() {
        Some(module) if module.path.contains("/net/wireless/") => {
            ", a wireless card: the medium works with wired ones".to_owned()
        }
        Some(module) => format!(
            ": the medium leaves out {}, which is for it; take it from the packages of kernel \
             {kernel}: imagebuilder customize --driver {}",
            file(&module.path),
            files(module)
        ),
        None => format!(
            ": no module of kernel {kernel} is for it; a medium with a newer kernel may have one"
        ),
    }
}

fn file(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The files to give, what is needed last.
fn files(module: &AbsentModule) -> String {
    let all = std::iter::once(&module.path).chain(&module.needs);
    let names: Vec<&str> = all.map(|path| file(path)).collect();
    names.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const RAID: &str = "pci:v00001000d0000005Dsv00001028sd00001F49bc01sc04i00";

    fn absent() -> Absent {
        let json = br#"{"version":1,"kernel":"6.1.0-9","modules":{
            "qedf":{"path":"kernel/drivers/scsi/qedf/qedf.ko",
                "needs":["kernel/drivers/scsi/lib-fcoe.ko"],
                "aliases":["pci:v00001000d0000005Dsv*sd*bc*sc*i*"]},
            "iwlwifi":{"path":"kernel/drivers/net/wireless/intel/iwlwifi/iwlwifi.ko",
                "aliases":["pci:v00008086d00002723sv*sd*bc*sc*i*"]}}}"#;
        Absent::parse(json).unwrap()
    }

    fn with_absent(alias: &str) -> String {
        let drivers = Drivers {
            absent: Some(&absent()),
            ..Drivers::default()
        };
        advice(alias, drivers)
    }

    #[test]
    fn controllers_are_named_and_others_are_not() {
        assert_eq!(describe(RAID).unwrap(), "storage controller pci 1000:005d");
        let vga = "pci:v00001234d00001111sv00001AF4sd00001100bc03sc00i00";
        assert_eq!(describe(vga), None);
        assert!(
            describe("virtio:d00000002v00001AF4")
                .unwrap()
                .contains("disk")
        );
        for odd in ["", "pci:", "pci:v0000é000d", "virtio:d", "acpi:PNP0A03:"] {
            assert_eq!(describe(odd), None, "{odd}");
        }
    }

    #[test]
    fn what_was_left_out_is_named_with_all_files() {
        let text = with_absent(RAID);
        assert!(text.contains("6.1.0-9"), "{text}");
        assert!(text.ends_with("--driver qedf.ko lib-fcoe.ko"), "{text}");
    }

    #[test]
    fn wireless_cards_and_unknown_ones_are_told_apart() {
        let text = with_absent("pci:v00008086d00002723sv00008086sd00000084bc02sc80i00");
        assert!(
            text.contains("wireless") && !text.contains("--driver"),
            "{text}"
        );
        let text = with_absent("pci:v0000DEADd0000BEEFsv0sd0bc01sc00i00");
        assert!(text.contains("newer kernel"), "{text}");
        assert_eq!(advice(RAID, Drivers::default()), "");
    }

    #[test]
    fn a_driver_that_is_there_is_not_asked_for() {
        let json = br#"{"version":1,"kernel":"6.1.0-9","modules":{},
            "aliases":[["pci:v00001000d0000005Dsv*sd*bc*sc*i*","megaraid_sas"]]}"#;
        let medium = Catalogue::parse(Path::new("x"), json).unwrap();
        let mut refused = BTreeMap::new();
        let told = |refused: &BTreeMap<String, String>| {
            let drivers = Drivers {
                medium: Some(&medium),
                refused: Some(refused),
                absent: Some(&absent()),
            };
            advice(RAID, drivers)
        };
        assert!(told(&refused).contains("megaraid_sas did not take it"));
        refused.insert("megaraid_sas".to_owned(), "Key was rejected".to_owned());
        assert!(told(&refused).contains("megaraid_sas: Key was rejected"));
    }

    #[test]
    fn only_devices_without_a_driver_are_missing() {
        let root = tempfile::tempdir().unwrap();
        let bus = root.path().join("pci/devices");
        let (raid, card) = (bus.join("0000:01:00.0"), bus.join("0000:02:00.0"));
        std::fs::create_dir_all(&raid).unwrap();
        std::fs::create_dir_all(card.join("driver")).unwrap();
        for device in [&raid, &card] {
            std::fs::write(device.join("modalias"), format!("{RAID}\n")).unwrap();
        }
        let told = missing(root.path(), Drivers::default());
        assert_eq!(told, ["no driver for the storage controller pci 1000:005d"]);
    }
}
