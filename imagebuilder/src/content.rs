//! What every medium holds, whatever its form: the kernel, the layers, the
//! boot loaders' files.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use initramfs::{Firmware, Level, MediumInfo};

use crate::cli::BuildArgs;
use crate::images::Images;
use crate::layers::{self, Drivers, Layer};
use crate::parts::{Parts, sha256};

/// Everything that goes onto a medium.
#[derive(Debug)]
pub(crate) struct Content {
    pub(crate) parts: Parts,
    /// In the order of unpacking.
    pub(crate) layers: Vec<Layer>,
    /// How the running system and the boot loader recognise it.
    pub(crate) volume: String,
    /// Modules by class: how many, and bytes unpacked.
    pub(crate) modules: BTreeMap<String, (usize, usize)>,
    /// Listed modules that this kernel has not.
    pub(crate) absent_modules: Vec<String>,
    /// Soft dependencies that name nothing.
    pub(crate) unresolved_softdeps: Vec<String>,
    /// Firmware files that modules may ask for: those that the medium has.
    pub(crate) firmware: Vec<String>,
    /// And those that it lacks.
    pub(crate) missing_firmware: Vec<String>,
}

impl Content {
    /// Gathers and packs what `args` names; a medium that carries `images` is
    /// another than one without.
    pub(crate) fn gather(args: &BuildArgs, images: Option<&Images>) -> Result<Self> {
        let level = Level::new(args.level).context("compression levels are 1 to 19")?;
        let parts = Parts::gather(args)?;
        step("choosing kernel modules");
        let time = args.source_date_epoch;
        let drivers = layers::drivers(&parts, args.module_list.as_deref(), time)?;
        let firmware = layers::firmware(&drivers, &args.firmware)?;
        let hashes = hashes(&parts, &drivers, &firmware, images, time)?;
        let medium = describe(&parts, hashes);
        step("packing the initramfs");
        let mut layers = vec![
            layers::base(&parts.rescue.bytes, &medium, &drivers, time, level)?,
            drivers.pack(time, args.level)?,
        ];
        layers.extend(layers::pack_firmware(&firmware, time, args.level)?);
        layers.extend(layers::tools(&parts, time, args.level)?);
        layers.push(layers::site(args.site_area, time)?);
        Ok(Self {
            layers,
            volume: medium.volume,
            modules: drivers.classes,
            absent_modules: drivers.absent,
            unresolved_softdeps: drivers.unresolved,
            firmware: firmware.found,
            missing_firmware: firmware.missing,
            parts,
        })
    }

    /// Path and bytes of the kernel and the layers.
    pub(crate) fn boot_files(&self) -> Vec<(String, &[u8])> {
        let kernel = (
            "boot/vmlinuz".to_owned(),
            self.parts.kernel.bytes.as_slice(),
        );
        let layers = self.layers.iter();
        let layers = layers.map(|l| (format!("boot/{}", l.name), l.packed.as_slice()));
        std::iter::once(kernel).chain(layers).collect()
    }

    /// Paths of the layers, from the root of the medium.
    pub(crate) fn layer_paths(&self) -> Vec<String> {
        self.layers
            .iter()
            .map(|l| format!("/boot/{}", l.name))
            .collect()
    }

    /// The signed boot chain, by path on an ESP.
    pub(crate) fn efi_files(&self) -> Vec<(String, &[u8])> {
        let file = |name: &str, bytes| (format!("EFI/BOOT/{name}"), bytes);
        vec![
            file("BOOTX64.EFI", self.parts.shim.bytes.as_slice()),
            file("grubx64.efi", &self.parts.grub_efi.bytes),
            file("mmx64.efi", &self.parts.mok_manager.bytes),
        ]
    }

    /// Serial number of the ESP's filesystem.
    pub(crate) fn serial(&self) -> u32 {
        let hash = sha256(self.volume.as_bytes());
        let digits = hash
            .get(..8)
            .and_then(|hex| u32::from_str_radix(hex, 16).ok());
        digits.unwrap_or(0)
    }
}

/// Says what is being done.
pub(crate) fn step(what: &str) {
    eprintln!("imagebuilder: {what}");
}

/// Name and SHA-256 of everything that the medium is built from.
fn hashes(
    parts: &Parts,
    drivers: &Drivers,
    firmware: &Firmware,
    images: Option<&Images>,
    time: u32,
) -> Result<BTreeMap<String, String>> {
    let mut built_from = parts.hashes();
    built_from.insert("drivers".to_owned(), drivers.sha256.clone());
    if !firmware.found.is_empty() {
        let hash = sha256(&firmware.tree.to_cpio(time)?);
        built_from.insert("firmware".to_owned(), hash);
    }
    if let Some(images) = images {
        built_from.insert("images".to_owned(), images.sha256()?);
    }
    Ok(built_from)
}

/// The medium's description; its volume id follows from what it is built
/// from, so that two different media are never taken for one another.
fn describe(parts: &Parts, built_from: BTreeMap<String, String>) -> MediumInfo {
    let all: String = built_from
        .iter()
        .map(|(name, hash)| format!("{name} {hash}\n"))
        .collect();
    let id: String = sha256(all.as_bytes()).chars().take(8).collect();
    let volume = format!("RESCUE_{}", id.to_uppercase());
    MediumInfo {
        version: MediumInfo::VERSION,
        disk: guid(&volume, "disk"),
        volume,
        built_from,
        rescue: parts.rescue_version.clone(),
    }
}

/// A version 8 (custom) UUID for `what`, that follows from the volume id.
pub(crate) fn guid(volume: &str, what: &str) -> String {
    let hex = sha256(format!("{volume} {what}").as_bytes());
    let part = |range: std::ops::Range<usize>| hex.get(range).unwrap_or_default();
    format!(
        "{}-{}-8{}-8{}-{}",
        part(0..8),
        part(8..12),
        part(12..15),
        part(15..18),
        part(18..30)
    )
}
