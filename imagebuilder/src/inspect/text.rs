//! What `imagebuilder inspect` shows to people.

use disk::human_bytes;

use super::Contents;
use crate::images::FOLDER;
use crate::iso9660::{Hybrid, Platform};
use crate::medium::Form;
use crate::report::Table;

fn boots(contents: &Contents) -> String {
    let cd = |platform| contents.cd.iter().any(|entry| entry.platform == platform);
    let signed = contents
        .esp
        .keys()
        .any(|path| path.eq_ignore_ascii_case("EFI/BOOT/mmx64.efi"));
    let uefi = if signed {
        "UEFI with Secure Boot (shim)"
    } else {
        "UEFI"
    };
    if contents.form == Form::Pxe {
        return "from the network, by BIOS and UEFI with Secure Boot (shim)".to_owned();
    }
    let disk = |way: fn(&Hybrid) -> bool| contents.disk.as_ref().is_some_and(way);
    let ways = [
        (cd(Platform::Bios), "BIOS as CD"),
        (disk(|d| d.bios), "BIOS as disk"),
        (cd(Platform::Uefi), &format!("{uefi} as CD")),
        (disk(|d| d.uefi), &format!("{uefi} as disk")),
    ];
    let ways: Vec<_> = ways
        .iter()
        .filter(|(can, _)| *can)
        .map(|(_, way)| *way)
        .collect();
    if ways.is_empty() {
        "in no way".to_owned()
    } else {
        ways.join(", ")
    }
}

/// For people.
pub(super) fn text(contents: &Contents) -> String {
    let mut files = Table::default();
    let images = format!("{FOLDER}/");
    let is_image = |(path, _): &(&String, &u64)| path.starts_with(&images);
    for (path, size) in contents.files.iter().filter(|file| !is_image(file)) {
        files.sized(path, *size, "");
    }
    let objects: Vec<u64> = contents
        .files
        .iter()
        .filter(is_image)
        .map(|(_, s)| *s)
        .collect();
    if !objects.is_empty() {
        let note = format!("{} objects of a repository", objects.len());
        files.sized(&images, objects.iter().sum(), &note);
    }
    let mut inner = String::new();
    for layer in &contents.layers {
        let mut folders = Table::default();
        for (folder, size) in &layer.folders {
            folders.sized(folder, *size, "");
        }
        let unpacked = human_bytes(layer.unpacked);
        let what = match layer.mounted {
            Some((packing, entries)) => format!("{entries} entries, packed with {packing}"),
            None => format!("{} files, {unpacked}", layer.files),
        };
        inner.push_str(&format!("{}: {what}\n", layer.path));
        inner.push_str(&folders.render());
    }
    let mut esp = Table::default();
    for (path, size) in &contents.esp {
        esp.sized(path, *size, "");
    }
    let rescue = contents
        .medium
        .as_ref()
        .map_or("?", |medium| &medium.rescue);
    format!(
        "{form} {volume}, {size}\n\
         Boots: {boots}\n\
         rescue {rescue}, kernel {kernel}, {modules} modules with {aliases} aliases\n\
         Configuration (/rescue.toml): {config}\n\
         {site}{secure_boot}Files\n{files}EFI partition\n{esp}{inner}",
        form = contents.form.title(),
        volume = contents.volume,
        size = human_bytes(contents.size),
        boots = boots(contents),
        secure_boot = contents.secure_boot.text(),
        kernel = contents.kernel.as_deref().unwrap_or("?"),
        modules = contents.modules,
        aliases = contents.aliases,
        config = if contents.config { "yes" } else { "none" },
        site = contents
            .site
            .as_ref()
            .map_or(String::new(), |site| site.text()),
        files = files.render(),
        esp = esp.render(),
    )
}
