//! What has to change in a `SYSTEM` hive before its Windows starts on this
//! machine: planned first, to be shown, then applied, then verified.
//!
//! The plan is about starting, never about identity: no name, account or secret
//! is in it. It goes into every control set, because Windows may choose another
//! than the current one. Planning anew after applying finds nothing to do, unless
//! partitions swapped their names.

mod apply;
mod boot_drivers;
mod checks;
mod filters;
mod machine;
mod plan;

pub use apply::{ApplyError, VerifyError, apply, verify};
pub use machine::{Bus, Controller, Machine};
pub use plan::{Change, DriverFor, Plan, Planned, Refusal};

use hive::{Hive, Result, ValueType, dword};

use crate::drivers::Database;
use crate::{control_sets, mounted};
use plan::Planner;

/// Plans what has to change for a machine.
///
/// # Errors
/// When the hive is damaged or has no control set that counts.
pub fn plan(system: &Hive, machine: &Machine<'_>) -> Result<Plan> {
    let database = Database::of(system)?;
    let mut planner = Planner::new(system, machine, database.generation());
    let wanted = boot_drivers::find(&mut planner, &database)?;
    let current = control_sets::current(system)?;
    for set in control_sets::all(system)? {
        let counts = set.eq_ignore_ascii_case(&current);
        boot_drivers::enable(&mut planner, &set, &wanted, counts)?;
        checks::boot_set(&mut planner, &set, counts)?;
        filters::drop_dangling(&mut planner, &set)?;
        control(&mut planner, &set)?;
    }
    checks::disabled(&mut planner, &current)?;
    checks::setup(&mut planner)?;
    checks::domain_controller(&mut planner, &current)?;
    removable(&mut planner)?;
    letters(&mut planner)?;
    Ok(planner.plan)
}

/// Whether this is a Windows before Vista, for which nothing here holds: its volume
/// manager was `ftdisk`, not `volmgr`.
///
/// # Errors
/// When the hive is damaged or has no control set that counts.
pub fn is_older(system: &Hive) -> Result<bool> {
    let services = format!("{}\\Services", control_sets::current(system)?);
    let has = |name: &str| Ok(system.find(&format!("{services}\\{name}"))?.is_some());
    Ok(has("ftdisk")? && !has("volmgr")?)
}

/// Two values of a control set's `Control` key.
fn control(planner: &mut Planner<'_>, set: &str) -> Result<()> {
    let control = format!("{set}\\Control");
    let key = planner.system.find(&control)?;
    let portable = key
        .map(|key| key.dword("PortableOperatingSystem"))
        .transpose()?;
    if portable.flatten() == Some(1) {
        planner.set_number(
            &control,
            "PortableOperatingSystem",
            0,
            "as Windows To Go it would set itself up anew on this hardware, and be another \
             machine",
        );
    }
    let crash = format!("{control}\\CrashControl");
    let key = planner.system.find(&crash)?;
    let restarts = key
        .map(|key| key.dword("AutoReboot"))
        .transpose()?
        .flatten();
    if planner.machine.stay_on_crash && restarts.is_some_and(|number| number != 0) {
        let why = "an error at the first start stays on the screen (asked for)";
        planner.set_number(&crash, "AutoReboot", 0, why);
    }
    Ok(())
}

/// Lets the boot loader load the drivers of USB or SD disks.
fn removable(planner: &mut Planner<'_>) -> Result<()> {
    let flags = planner.machine.bus.boot_flags();
    if flags == 0 {
        return Ok(());
    }
    let Some(configs) = planner.system.find("HardwareConfig")? else {
        planner.warn("Windows 7 does not start from USB or SD disks by itself".to_owned());
        return Ok(());
    };
    let configs = configs.subkeys()?.into_iter();
    // `Current` is a link, if it is there at all.
    for config in configs.filter(|key| key.name().to_string().starts_with('{')) {
        let old = config.dword("BootDriverFlags")?.unwrap_or_default();
        if old & flags != flags {
            let key = format!("HardwareConfig\\{}", config.name());
            let why = "the disk is on USB or SD, whose drivers Windows loads later otherwise";
            planner.set_number(&key, "BootDriverFlags", old | flags, why);
        }
    }
    planner.warn(
        "if this machine's SMBIOS UUID is new to Windows, it may still load the drivers of USB \
         and SD disks too late and stop with 0x7B"
            .to_owned(),
    );
    Ok(())
}

/// Drive letters follow partitions that have new names.
fn letters(planner: &mut Planner<'_>) -> Result<()> {
    if !planner.machine.ids.changes() {
        return Ok(());
    }
    let mounts = mounted::read(planner.system)?;
    let renaming = mounted::renaming(&mounts, planner.machine.ids);
    for mount in renaming.changes {
        let why = format!("it is the {} now", mount.target);
        let change = Change::Set {
            key: mounted::KEY.to_owned(),
            value: mount.name,
            kind: ValueType::BINARY,
            data: mount.target.encode(),
        };
        planner.add(change, why);
    }
    for mount in renaming.unmapped {
        if let Some(letter) = mount.letter() {
            planner.warn(format!(
                "drive {letter}: was the {}, which has no new name: Windows may give its letter \
                 to another",
                mount.target
            ));
        }
    }
    Ok(())
}

impl Planner<'_> {
    fn set_number(&mut self, key: &str, value: &str, number: u32, why: &str) {
        let change = Change::Set {
            key: key.to_owned(),
            value: value.to_owned(),
            kind: ValueType::DWORD,
            data: dword(number),
        };
        self.add(change, why.to_owned());
    }
}
