//! What has to be in order anyway.

use hive::Result;

use super::boot_drivers::{missing_file, no_service};
use super::plan::{Planner, Refusal};
use crate::drivers::{Device, Service};

/// The drivers between a controller and a drive letter. `volume` came with
/// Windows 10, so it counts only where it is.
const BOOT_SET: [&str; 7] = [
    "pci", "partmgr", "disk", "volmgr", "volume", "volsnap", "mountmgr",
];

/// Whether the drivers that every start needs are there, and loaded.
pub(super) fn boot_set(planner: &mut Planner<'_>, set: &str, counts: bool) -> Result<()> {
    for name in BOOT_SET {
        let service = Service::find(planner.system, set, name)?;
        let Some(service) = service else {
            if counts && name != "volume" {
                let missing = no_service();
                planner.refuse(Refusal::NoBootDriver {
                    service: name,
                    missing,
                });
            }
            continue;
        };
        let file = service.file.clone().unwrap_or_default();
        if !service.is_there(planner.machine.exists) {
            if counts {
                let missing = missing_file(&file);
                planner.refuse(Refusal::NoBootDriver {
                    service: name,
                    missing,
                });
            }
        } else if !service.boots() {
            let why = "Windows finds no disk or volume without it";
            planner.set_number(&service.key, "Start", 0, why);
        }
    }
    Ok(())
}

/// Controllers that were switched off in the device manager.
pub(super) fn disabled(planner: &mut Planner<'_>, set: &str) -> Result<()> {
    const DISABLED: u32 = 1;
    for controller in planner.machine.controllers {
        let Device::Pci(_) = controller.device else {
            continue;
        };
        let ids = controller.device.ids();
        let first = ids.first().map(String::as_str).unwrap_or_default();
        let instances = planner.system.find(&format!("{set}\\Enum\\{first}"))?;
        let instances = instances.map(|key| key.subkeys()).transpose()?;
        for instance in instances.unwrap_or_default() {
            let flags = instance.dword("ConfigFlags")?.unwrap_or_default();
            if flags & DISABLED != 0 {
                planner.warn(format!(
                    "the controller {} was switched off in Windows' device manager",
                    controller.device
                ));
            }
        }
    }
    Ok(())
}

/// Whether it keeps a domain: `ProductType` says so, or where its directory is.
pub(super) fn domain_controller(planner: &mut Planner<'_>, set: &str) -> Result<()> {
    let text = |key: &str, name: &str| {
        let key = planner.system.find(&format!("{set}\\{key}"))?;
        Ok(key.map(|key| key.text(name)).transpose()?.flatten())
    };
    let kind = text("Control\\ProductOptions", "ProductType")?;
    let directory = text("Services\\NTDS\\Parameters", "DSA Database file")?;
    if kind.is_some_and(|kind| kind.eq_ignore_ascii_case("LanmanNT")) || directory.is_some() {
        planner.warn(
            "it is a domain controller: an old image of one may set the whole domain back (USN \
             rollback); restore it as your directory's recovery plan says"
                .to_owned(),
        );
    }
    Ok(())
}

/// Whether Windows was in the middle of its set-up.
pub(super) fn setup(planner: &mut Planner<'_>) -> Result<()> {
    let Some(setup) = planner.system.find("Setup")? else {
        return Ok(());
    };
    for name in ["SystemSetupInProgress", "SetupType", "OOBEInProgress"] {
        if setup.dword(name)?.is_some_and(|number| number != 0) {
            planner.warn(format!(
                "the image is of a Windows in the middle of its set-up (Setup\\{name} is not 0): \
                 it goes on with that, and may become another machine"
            ));
        }
    }
    let command = setup.text("CmdLine")?.unwrap_or_default();
    if !command.is_empty() {
        let command = hive::Name::from(command.as_str());
        planner.warn(format!(
            "Windows is going to run a command before anything else (Setup\\CmdLine): {command}"
        ));
    }
    Ok(())
}
