//! `imagebuilder iso`: from parts to an ISO.

use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use initramfs::{Level, MediumInfo};
use serde::Serialize;

use crate::cli::IsoArgs;
use crate::layers::{self, Drivers, Layer};
use crate::parts::{Parts, sha256};
use crate::report::Table;
use crate::stage::Stage;
use crate::xorriso::{BIOS_IMAGE, IsoOptions, Sources, write_iso};
use crate::{esp, grub};

/// What was built; `--json` prints it.
#[derive(Debug, Serialize)]
struct Summary {
    iso: String,
    size: u64,
    sha256: String,
    volume: String,
    kernel: String,
    rescue: String,
    /// Modules by class: how many, and bytes unpacked.
    modules: std::collections::BTreeMap<String, (usize, usize)>,
    /// Path on the ISO, bytes there, bytes unpacked.
    layers: Vec<(String, usize, usize)>,
    /// Listed modules that this kernel has not.
    absent_modules: Vec<String>,
    /// Soft dependencies that name nothing.
    unresolved_softdeps: Vec<String>,
    /// Firmware files that modules may ask for and the medium lacks.
    missing_firmware: usize,
    seconds: f64,
}

/// Builds the ISO that `args` asks for and prints what it is.
pub(crate) fn run(args: &IsoArgs) -> Result<()> {
    let started = Instant::now();
    let level = Level::new(args.level).context("compression levels are 1 to 19")?;
    let parts = Parts::gather(args)?;
    step("choosing kernel modules");
    let drivers = layers::drivers(&parts, args.module_list.as_deref(), args.source_date_epoch)?;
    let medium = describe(&parts, &drivers);
    step("packing the initramfs");
    let time = args.source_date_epoch;
    let layers = [
        layers::base(&parts.rescue.bytes, &medium, time, level)?,
        drivers.pack(level)?,
    ];
    step("writing the ISO");
    assemble(args, &parts, &medium.volume, &layers)?;
    let bytes = fs::read(&args.out).context("reading the finished ISO")?;
    let summary = Summary {
        iso: args.out.display().to_string(),
        size: bytes.len() as u64,
        sha256: sha256(&bytes),
        volume: medium.volume,
        kernel: parts.kernel_version,
        rescue: parts.rescue_version,
        modules: drivers.classes,
        layers: layers
            .iter()
            .map(|l| (layer_path(l), l.packed.len(), l.unpacked))
            .collect(),
        absent_modules: drivers.absent,
        unresolved_softdeps: drivers.unresolved,
        missing_firmware: drivers.firmware,
        seconds: started.elapsed().as_secs_f64(),
    };
    if args.json {
        println!("{}", serde_json::to_string_pretty(&summary)?);
    } else {
        print!("{}", text(&summary));
    }
    Ok(())
}

fn step(what: &str) {
    eprintln!("imagebuilder: {what}");
}

/// The medium's description; its volume id follows from what it is built
/// from, so that two different media are never taken for one another.
fn describe(parts: &Parts, drivers: &Drivers) -> MediumInfo {
    let mut built_from = parts.hashes();
    built_from.insert("drivers".to_owned(), drivers.sha256.clone());
    let all: String = built_from
        .iter()
        .map(|(name, hash)| format!("{name} {hash}\n"))
        .collect();
    let id: String = sha256(all.as_bytes()).chars().take(8).collect();
    MediumInfo {
        version: MediumInfo::VERSION,
        volume: format!("RESCUE_{}", id.to_uppercase()),
        built_from,
        rescue: parts.rescue_version.clone(),
    }
}

fn layer_path(layer: &Layer) -> String {
    format!("/boot/{}", layer.name)
}

/// Lays the medium's files out and makes the ISO of them.
fn assemble(args: &IsoArgs, parts: &Parts, volume: &str, layers: &[Layer]) -> Result<()> {
    let stage = Stage::beside(&args.out, args.source_date_epoch)?;
    stage.file("boot/vmlinuz", &parts.kernel.bytes)?;
    for layer in layers {
        stage.file(&format!("boot/{}", layer.name), &layer.packed)?;
    }
    let initrds: Vec<_> = layers.iter().map(layer_path).collect();
    let menu = grub::menu(volume, &initrds, &args.cmdline)?;
    stage.file("boot/grub/grub.cfg", menu.as_bytes())?;
    stage.file(
        BIOS_IMAGE,
        &grub::bios_image(&parts.grub_pc, volume, &stage.work())?,
    )?;
    stage.file(&grub::marker(volume), b"")?;
    // What Debian's signed GRUB looks for when it does not know where it is.
    stage.file(".disk/info", format!("rescue medium {volume}\n").as_bytes())?;
    if let Some(config) = &parts.config {
        stage.file("rescue.toml", &config.bytes)?;
    }
    stage.seal()?;
    let guid = guid(volume);
    let options = IsoOptions {
        volume,
        guid: &guid,
        time: args.source_date_epoch,
    };
    let esp = stage.work().join("esp.img");
    fs::write(&esp, efi_partition(parts, volume)?).context("writing the ESP's image")?;
    let sources = Sources {
        tree: &stage.iso(),
        mbr: &parts.grub_pc.join("boot_hybrid.img"),
        esp: &esp,
    };
    let new = stage.work().join("new.iso");
    write_iso(&sources, &options, &new)?;
    publish(&new, &args.out)
}

/// By rename, so that there is never half an ISO under its name.
fn publish(new: &Path, out: &Path) -> Result<()> {
    fs::rename(new, out).with_context(|| format!("moving the ISO to {}", out.display()))
}

fn efi_partition(parts: &Parts, volume: &str) -> Result<Vec<u8>> {
    let config = grub::early_config(volume);
    let serial = sha256(volume.as_bytes());
    let serial = serial
        .get(..8)
        .and_then(|hex| u32::from_str_radix(hex, 16).ok());
    esp::image(
        &[
            ("EFI/BOOT/BOOTX64.EFI", &parts.shim.bytes),
            ("EFI/BOOT/grubx64.efi", &parts.grub_efi.bytes),
            ("EFI/BOOT/mmx64.efi", &parts.mok_manager.bytes),
            // From a stick, the signed GRUB starts from this partition.
            ("boot/grub/grub.cfg", config.as_bytes()),
        ],
        serial.unwrap_or(0),
    )
}

/// A version 8 (custom) UUID that follows from the volume id.
fn guid(volume: &str) -> String {
    let hex = sha256(format!("{volume} disk").as_bytes());
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

fn text(summary: &Summary) -> String {
    let mut modules = Table::default();
    for (class, (count, bytes)) in &summary.modules {
        modules.sized(class, *bytes as u64, &format!("{count} modules"));
    }
    let mut layers = Table::default();
    for (path, packed, unpacked) in &summary.layers {
        let note = format!("{} unpacked", disk::human_bytes(*unpacked as u64));
        layers.sized(path, *packed as u64, &note);
    }
    let absent = summary.absent_modules.join(" ");
    format!(
        "{iso}: {size}, volume {volume}, built in {seconds:.0} s\n\
         rescue {rescue}, kernel {kernel}\n\
         Layers\n{layers}\
         Modules, unpacked\n{modules}\
         Not in this kernel: {absent}\n\
         Firmware: none on the medium; its modules may ask for {firmware} files\n\
         SHA-256 {sha256}\n",
        iso = summary.iso,
        size = disk::human_bytes(summary.size),
        volume = summary.volume,
        seconds = summary.seconds,
        rescue = summary.rescue,
        kernel = summary.kernel,
        layers = layers.render(),
        modules = modules.render(),
        absent = if absent.is_empty() {
            "(nothing is missing)"
        } else {
            &absent
        },
        firmware = summary.missing_firmware,
        sha256 = summary.sha256,
    )
}
