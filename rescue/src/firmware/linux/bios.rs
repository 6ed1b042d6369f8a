//! A Linux that UEFI started, for a BIOS: GRUB's core for it is made of its own files or
//! of this medium's, and goes on with the menu it always had.

use std::path::Path;

use ::grub::{Core, Set};

use super::pc::{self, Pc};
use super::{Boot, Way, boot, only};
use crate::files::Folder;
use crate::firmware::Case;
use crate::identity::Looker;

const TO_BIOS: Way = Way {
    by: "a BIOS",
    done: "made to start by a BIOS",
};

/// A Linux with what a BIOS starts it by.
pub(in crate::firmware) struct ForBios {
    pub(in crate::firmware) title: String,
    /// The files of the GRUB.
    pub(in crate::firmware) set: Set,
    pub(in crate::firmware) core: Core,
    /// Whose GRUB it is: "its own".
    pub(in crate::firmware) whose: &'static str,
    /// What was done, in words.
    pub(in crate::firmware) done: String,
    pub(in crate::firmware) warnings: Vec<String>,
}

/// The Linux on the disk; none when there is none.
pub(in crate::firmware) fn find(
    looker: &Looker,
    case: &Case<'_>,
) -> Result<Option<ForBios>, Vec<String>> {
    let search = looker.search();
    let Some(only) = only(&search, case, &TO_BIOS)? else {
        return Ok(None);
    };
    let title = only.title.clone();
    let refused = |why: String| vec![format!("{title} cannot be made to start by a BIOS: {why}")];
    let found = search.for_bios(&only.system.tree).map_err(refused)?;
    let starters = found.starters;
    let boot = boot(&only, &starters, &TO_BIOS).map_err(refused)?;
    let (pc, whose) = match found.own {
        Some(own) => (own, OWN),
        None => {
            let brought = of_medium(case.grub, &found.menu).map_err(refused)?;
            let lacks = || refused(nothing(&starters.ids));
            (brought.ok_or_else(lacks)?, MEDIUMS)
        }
    };
    let made = made(&pc, &boot, &starters.ids, whose);
    let (set, core) = made.map_err(refused)?;
    Ok(Some(ForBios {
        done: format!(
            "GRUB's core for a BIOS leads to {}/grub.cfg on the file system {}",
            boot.path, boot.uuid
        ),
        warnings: warnings(&starters.ids, whose),
        title,
        set,
        core,
        whose,
    }))
}

const OWN: &str = "its own";
const MEDIUMS: &str = "this medium's";

/// This medium's GRUB, or that of the machine that this runs on; `folder`: another one.
fn of_medium(folder: Option<&Path>, menu: &::grub::Menu) -> Result<Option<Pc>, String> {
    let at = |path: &Path| {
        let opened = Folder::open(path);
        opened.map_err(|e| format!("opening {}, for GRUB's files: {e}", path.display()))
    };
    let found = match folder {
        Some(folder) => pc::read(&at(folder)?, "/", menu),
        None => pc::first(&at(Path::new("/"))?, menu),
    };
    found.map_err(|e| e.to_string())
}

fn made(pc: &Pc, boot: &Boot, ids: &[String], whose: &str) -> Result<(Set, Core), String> {
    if let [first, ..] = pc.lacks.as_slice() {
        let first = format!("its menu has the command {first}, which");
        return Err(match whose {
            MEDIUMS => format!(
                "{first} only its distribution's own GRUB has. Before it is captured, {}",
                package(ids)
            ),
            _ => format!("{first} its own GRUB for a BIOS does not have"),
        });
    }
    let set = pc.set();
    let modules: Vec<&str> = pc.modules.iter().map(String::as_str).collect();
    // (GRUB goes on with the menu below the prefix by itself.)
    let config = format!(
        "search.fs_uuid {} root\nset prefix=($root)'{}'\n",
        boot.uuid, boot.path
    );
    let core = Core::new(&set, &modules, &boot.path, &config).map_err(|e| e.to_string())?;
    Ok((set, core))
}

/// What to say when there is no GRUB for a BIOS anywhere.
fn nothing(ids: &[String]) -> String {
    format!(
        "neither it nor this medium has a GRUB for a BIOS. Before it is captured, {}",
        package(ids)
    )
}

/// What to do about a GRUB that is missing, by the IDs of os-release(5).
fn package(ids: &[String]) -> &'static str {
    let is = |names: &[&str]| ids.iter().any(|id| names.contains(&&**id));
    match () {
        () if is(&["debian", "ubuntu"]) => "install grub-pc-bin",
        () if is(&["fedora", "rhel", "centos"]) => "install grub2-pc-modules and grub2-pc",
        () if is(&["suse", "opensuse", "sles"])
            || ids.iter().any(|id| id.starts_with("opensuse")) =>
        {
            "install grub2-i386-pc"
        }
        () => "install its distribution's GRUB 2 for a BIOS (i386-pc)",
    }
}

fn warnings(ids: &[String], whose: &str) -> Vec<String> {
    let mut warnings = vec![
        "Updates of its GRUB go to the EFI system partition and do not reach what a BIOS starts; \
         updates of its kernels go into its menu as before, and need nothing"
            .to_owned(),
    ];
    if whose == MEDIUMS {
        warnings.push(format!(
            "It has no GRUB for a BIOS among its files and gets that of this medium, with what its \
             menu needs today. For its own, {}, and run grub-install --target=i386-pc on the disk",
            package(ids)
        ));
    }
    warnings
}
