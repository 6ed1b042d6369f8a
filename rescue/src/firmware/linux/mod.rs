//! A Linux that a BIOS started, for UEFI: started by the GRUB for UEFI that it has among
//! its own files, which goes on with the menu it always had. ([`bios`] is the way back.)

pub(super) mod bios;
mod files;
mod grub;
mod pc;

use disk::Table;
use image::System;

use super::{Case, Named, NewNames, SystemConversion};
use crate::adapt::title;
use crate::adapt::volume::{LinuxFs, NewFile};
use crate::identity::look::Search;
use crate::identity::{Looker, Place};
use crate::volumes::{self, Volume};
use files::Loaders;

pub(crate) use files::{Starters, look};
pub(crate) use pc::{ForBios, look as look_for_bios};

/// What firmware without an entry of its own starts (UEFI 2.10, 3.5.1.1), and its folder.
const FALLBACK: &str = "EFI/BOOT";
const FALLBACK_FILE: &str = "BOOTX64.EFI";

/// A Linux with what UEFI starts it by.
pub(super) struct Linux {
    title: String,
    /// What starts it: `\EFI\debian\shimx64.efi`.
    entry: String,
    files: Vec<NewFile>,
    done: String,
    warnings: Vec<String>,
}

/// For what a Linux is changed, in words.
struct Way {
    /// "UEFI".
    by: &'static str,
    /// "converted for UEFI".
    done: &'static str,
}

const TO_UEFI: Way = Way {
    by: "UEFI",
    done: "converted for UEFI",
};

/// The one Linux of a disk.
struct Only {
    title: String,
    system: volumes::Linux,
    volumes: Vec<Volume>,
}

/// The Linux on the disk, when it is the only one; none when there is none.
fn only(search: &Search<'_>, case: &Case<'_>, way: &Way) -> Result<Option<Only>, Vec<String>> {
    let found = volumes::volumes(case.source, &Place::of(case.disk), case.passphrases);
    let (mut systems, unknown) = volumes::linuxes(search, &found.volumes);
    if let [first, second, ..] = systems.as_slice() {
        return Err(vec![format!(
            "More than one Linux is on the disk (on partitions {} and {}), so it cannot be told \
             which {} is to start: --firmware keep restores it as it was",
            first.partition, second.partition, way.by
        )]);
    }
    let Some(system) = systems.pop() else {
        let unknown = unknown.into_iter().map(|(_, why)| why);
        return none(case, unknown, found.notes, way);
    };
    let number = system.partition;
    let known = crate::adapt::system(case.manifest, case.disk.index, number);
    Ok(Some(Only {
        title: title(known, number),
        system,
        volumes: found.volumes,
    }))
}

/// The Linux that a BIOS starts from the disk; none when there is none.
pub(super) fn find(looker: &Looker, case: &Case<'_>) -> Result<Option<Linux>, Vec<String>> {
    let search = looker.search();
    let Some(only) = only(&search, case, &TO_UEFI)? else {
        return Ok(None);
    };
    let title = only.title.clone();
    let refused = |why: String| vec![format!("{title} cannot be converted for UEFI: {why}")];
    let starters = search.starters(&only.system.tree).map_err(refused)?;
    let boot = boot(&only, &starters, &TO_UEFI).map_err(refused)?;
    if let (Some(folder), true) = (&starters.config, starters.for_bios) {
        return Err(refused(format!(
            "the menu in /boot/{folder}/grub.cfg starts kernels with commands (linux16) that GRUB \
             does not have on UEFI"
        )));
    }
    let lacks = || {
        let lacks = lacks(&starters.ids);
        format!("it has no GRUB for UEFI among its files. Before it is captured, {lacks}")
    };
    let loaders = starters.loaders.as_ref();
    let loaders = loaders.ok_or_else(|| refused(lacks()))?;
    Ok(Some(made(title, &boot, loaders)))
}

/// None, unless one is known to be there.
fn none(
    case: &Case<'_>,
    unknown: impl Iterator<Item = String>,
    notes: Vec<String>,
    way: &Way,
) -> Result<Option<Only>, Vec<String>> {
    let is_here = |system: &&System| {
        system.disk == case.disk.index && system.family == crate::identity::LINUX
    };
    let Some(system) = case.manifest.systems.iter().find(is_here) else {
        return Ok(None);
    };
    let why: Vec<String> = unknown.chain(notes).collect();
    Err(vec![format!(
        "Whether {} can be {} is not known: {}",
        title(Some(system), system.partition),
        way.done,
        match why.is_empty() {
            true => "it was not found in the image".to_owned(),
            false => why.join("; "),
        }
    )])
}

/// Where GRUB's menu is.
struct Boot {
    /// The file system.
    uuid: String,
    /// The folder there, as GRUB sees it.
    path: String,
}

fn boot(only: &Only, starters: &Starters, way: &Way) -> Result<Boot, String> {
    let linux = &only.system;
    if let Some(missing) = linux.missing_boot() {
        return Err(format!(
            "{missing} is not on this disk, or nothing that can be looked into here"
        ));
    }
    let Some(folder) = &starters.config else {
        return Err(format!(
            "there is no grub.cfg in /boot/grub or /boot/grub2, and {} starts it by GRUB only",
            way.by
        ));
    };
    let mut mounts = linux.tree.mounts.iter().zip(&linux.volumes);
    let own = mounts.clone().find(|(mount, _)| mount.at == "/boot");
    let (mount, number) = own
        .or_else(|| mounts.next())
        .ok_or("nothing of it is mounted")?;
    let volume = only
        .volumes
        .get(*number)
        .ok_or("nothing of it is mounted")?;
    if volume.is_encrypted {
        return Err(format!(
            "{} is encrypted with LUKS, and GRUB's menu with it: GRUB would have to be told how \
             to open it",
            mount.at
        ));
    }
    let uuid = volume.uuid.clone().filter(|uuid| is_uuid(uuid));
    let uuid = uuid.ok_or_else(|| {
        format!(
            "the file system with {} has no UUID, by which GRUB would find it",
            mount.at
        )
    })?;
    let path = match (mount.at.as_str(), mount.fs) {
        ("/boot", _) => format!("/{folder}"),
        (_, LinuxFs::Btrfs) => {
            // (GRUB begins where all subvolumes are.)
            let root = starters.subvolume.as_ref().unwrap_or(&linux.tree.folder);
            match root.is_empty() {
                true => format!("/boot/{folder}"),
                false => format!("/{}/boot/{folder}", root.trim_matches('/')),
            }
        }
        _ => format!("/boot/{folder}"),
    };
    match path.contains(['\'', '\n']) {
        true => Err(format!("the path {path:?} cannot be told to GRUB")),
        false => Ok(Boot { uuid, path }),
    }
}

/// What GRUB takes for one.
fn is_uuid(uuid: &str) -> bool {
    !uuid.is_empty() && uuid.chars().all(|c| c.is_ascii_hexdigit() || c == '-')
}

fn made(title: String, boot: &Boot, loaders: &Loaders) -> Linux {
    let folder = &loaders.folder;
    let configuration = grub::configuration(&boot.uuid, &boot.path).into_bytes();
    let mut files = Vec::new();
    let mut put = |folder: &str, name: &str, bytes: &[u8]| {
        files.push(NewFile::made(format!("{folder}/{name}"), bytes.to_vec()));
    };
    let own = format!("EFI/{folder}");
    let grub = &loaders.grub.bytes;
    let first = match &loaders.shim {
        Some(shim) => {
            put(&own, "shimx64.efi", &shim.bytes);
            put(FALLBACK, FALLBACK_FILE, &shim.bytes);
            // (A shim starts the GRUB that is beside it.)
            put(FALLBACK, "grubx64.efi", grub);
            "shimx64.efi"
        }
        None => {
            put(FALLBACK, FALLBACK_FILE, grub);
            "grubx64.efi"
        }
    };
    put(&own, "grubx64.efi", grub);
    if let (Some(manager), Some(_)) = (&loaders.manager, &loaders.shim) {
        put(&own, "mmx64.efi", &manager.bytes);
        put(FALLBACK, "mmx64.efi", &manager.bytes);
    }
    put(&own, "grub.cfg", &configuration);
    let mut warnings = vec![
        "Updates of its GRUB go to the new EFI system partition only when the package for UEFI \
         takes the place of the one for a BIOS (Debian, Ubuntu: grub-efi-amd64); updates of its \
         kernels go into its menu as before"
            .to_owned(),
    ];
    if loaders.shim.is_none() {
        warnings.push(
            "Its GRUB for UEFI comes without a shim: Secure Boot has to be off, or it does not \
             start"
                .to_owned(),
        );
    }
    Linux {
        title,
        entry: format!("\"{folder}\" (\\EFI\\{folder}\\{first})"),
        done: format!(
            "EFI/{folder}/grub.cfg leads to {}/grub.cfg on the file system {}",
            boot.path, boot.uuid
        ),
        files,
        warnings,
    }
}

/// What to do about a GRUB that is missing, by the IDs of os-release(5).
fn lacks(ids: &[String]) -> &'static str {
    let is = |names: &[&str]| ids.iter().any(|id| names.contains(&&**id));
    match () {
        () if is(&["debian", "ubuntu"]) => {
            "install grub-efi-amd64-signed and shim-signed (or grub-efi-amd64-bin, which Secure \
             Boot does not start)"
        }
        () if is(&["fedora", "rhel", "centos"]) => {
            "install grub2-efi-x64 and shim-x64, whose files then lie in /boot/efi"
        }
        () if is(&["suse", "opensuse", "sles"])
            || ids.iter().any(|id| id.starts_with("opensuse")) =>
        {
            "install grub2-x86_64-efi, and give its disk an EFI system partition \
             (grub2-install --target=x86_64-efi --removable): of SUSE's own files none serves"
        }
        () if is(&["arch"]) => {
            "give its disk an EFI system partition (grub-install --target=x86_64-efi \
             --removable): Arch has no finished GRUB among its files"
        }
        () => {
            "install its distribution's signed GRUB for UEFI (x86_64), or give its disk an EFI \
             system partition (grub-install --target=x86_64-efi --removable)"
        }
    }
}

impl SystemConversion for Linux {
    fn title(&self) -> &str {
        &self.title
    }

    fn reuse(&self, _: &Table) -> Result<u32, String> {
        Err("no partition of a Linux is given up for it".to_owned())
    }

    fn logical(&self) -> bool {
        true
    }

    fn entry(&self) -> &str {
        &self.entry
    }

    fn among(&self) -> &'static str {
        "its own GRUB for UEFI"
    }

    fn fixed(&self) -> &[NewFile] {
        &self.files
    }

    fn named(&self, _: &NewNames) -> Result<Named, String> {
        Ok(Named {
            files: Vec::new(),
            edits: vec![self.done.clone()],
            warnings: self.warnings.clone(),
        })
    }
}
