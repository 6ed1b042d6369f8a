//! What is on the partitions, as folders of the host.

use super::hives::{MACHINE, fixture};
use anyhow::{Context, Result};
use hive::{Hive, Key};
use std::fs;
use std::path::Path;

/// The partition of Windows: hives, a marker for each driver that starts at
/// boot, the loaders, a file of a user.
pub(super) fn windows(folder: &Path, system: &[u8], hibernated: bool) -> Result<()> {
    let config = folder.join("Windows/System32/config");
    fs::create_dir_all(&config).context("creating a phony Windows")?;
    fs::write(config.join("SYSTEM"), system).context("writing SYSTEM")?;
    for name in ["SOFTWARE", "SAM", "SECURITY"] {
        let bytes = fixture(&format!("{MACHINE}/{name}"))?;
        fs::write(config.join(name), bytes).with_context(|| format!("writing {name}"))?;
    }
    let hive = Hive::open(system.to_vec(), &[])?.0;
    for path in boot_drivers(&hive)? {
        marker(folder, &format!("Windows/{path}"))?;
    }
    for name in [
        "winload.efi",
        "winload.exe",
        "winresume.efi",
        "winresume.exe",
    ] {
        marker(folder, &format!("Windows/System32/{name}"))?;
    }
    for name in [
        "EFI/bootmgr.efi",
        "EFI/memtest.efi",
        "EFI/boot.stl",
        "EFI/de-DE/bootmgfw.efi.mui",
        "EFI/en-US/bootmgfw.efi.mui",
        "EFI/en-US/memtest.efi.mui",
        "Fonts/wgl4_boot.ttf",
        "Resources/bootres.dll",
        "Resources/en-US/bootres.dll.mui",
        "PCAT/bootmgr",
        "PCAT/memtest.exe",
    ] {
        marker(folder, &format!("Windows/Boot/{name}"))?;
    }
    // As large as it is, so that it has clusters of its own.
    let manager: Vec<u8> = (0..1_600_001u32)
        .map(|n| (n.wrapping_mul(n) >> 7) as u8)
        .collect();
    fs::write(folder.join("Windows/Boot/EFI/bootmgfw.efi"), manager)
        .context("writing bootmgfw.efi")?;
    marker(folder, "Users/Public/Documents/kept.txt")?;
    if hibernated {
        let mut image = vec![0; 64 << 10];
        image.splice(..4, *b"HIBR");
        fs::write(folder.join("hiberfil.sys"), image).context("writing hiberfil.sys")?;
    }
    Ok(())
}

/// The files of all services that start at boot, below the Windows folder.
fn boot_drivers(system: &Hive) -> Result<Vec<String>> {
    let current = system.key("Select")?.dword("Current")?.unwrap_or(1);
    let services = system.key(&format!("ControlSet{current:03}\\Services"))?;
    let mut paths = Vec::new();
    for service in services.subkeys()? {
        if service.dword("Start")? == Some(0) {
            paths.push(image(&service)?);
        }
    }
    Ok(paths)
}

fn image(service: &Key<'_>) -> Result<String> {
    let path = service.text("ImagePath")?;
    let path = path.unwrap_or_else(|| format!(r"System32\drivers\{}.sys", service.name()));
    let path = path.trim_start_matches(r"\SystemRoot\").replace('\\', "/");
    // Letters count without case in Windows, and with it in the folder we fill.
    let lower = path.to_lowercase();
    let rest = |start: &str| {
        lower
            .starts_with(start)
            .then(|| path.split_at(start.len()).1)
    };
    Ok(match (rest("system32/drivers/"), rest("system32/")) {
        (Some(rest), _) => format!("System32/drivers/{rest}"),
        (_, Some(rest)) => format!("System32/{rest}"),
        _ => path,
    })
}

/// A file that says what stands here instead of a program.
pub(super) fn marker(folder: &Path, path: &str) -> Result<()> {
    let file = folder.join(path);
    let parent = file.parent().context("a file without a folder")?;
    fs::create_dir_all(parent).context("creating a folder of a phony Windows")?;
    let text = format!("This stands for {path} on a disk made for tests.\r\n");
    fs::write(&file, text).with_context(|| format!("writing {path}"))
}

/// The EFI system partition.
pub(super) fn esp(folder: &Path, store: &[u8]) -> Result<()> {
    for name in [
        "Microsoft/Boot/bootmgfw.efi",
        "Microsoft/Boot/memtest.efi",
        "Boot/bootx64.efi",
    ] {
        marker(folder, &format!("EFI/{name}"))?;
    }
    let file = folder.join("EFI/Microsoft/Boot/BCD");
    fs::write(file, store).context("writing the boot store")
}

/// The recovery partition.
pub(super) fn recovery(folder: &Path) -> Result<()> {
    ["boot.sdi", "Winre.wim"]
        .iter()
        .try_for_each(|name| marker(folder, &format!("Recovery/WindowsRE/{name}")))
}

/// What BIOS machines have on the partition they start from.
pub(super) fn bios_boot(folder: &Path, store: &[u8]) -> Result<()> {
    for name in ["bootmgr", "Boot/memtest.exe", "boot/boot.wim"] {
        let name = name.replace("boot/", "Boot/");
        marker(folder, &name)?;
    }
    fs::write(folder.join("Boot/BCD"), store).context("writing the boot store")
}
