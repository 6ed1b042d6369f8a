//! `imagebuilder inspect`: what an ISO holds, by reading it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Cursor, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Context, Result};
use disk::{ReadAt, human_bytes};
use fatfs::{FileSystem, FsOptions};
use initramfs::{EntryKind, MediumInfo, ModuleIndex, read_archives};
use serde::Serialize;

use crate::cli::InspectArgs;
use crate::iso9660::{BootEntry, Hybrid, Iso, IsoFile, Platform};
use crate::kernel;
use crate::report::Table;

/// No part of a medium is larger.
const FILE_CAP: u64 = 1 << 30;

/// What is in an ISO; `--json` prints it.
#[derive(Debug, Serialize)]
struct Contents {
    volume: String,
    /// Bytes, by the ISO's own account.
    size: u64,
    /// El Torito: boots as CD.
    cd: Vec<BootEntry>,
    /// First sectors: boots as disk.
    disk: Hybrid,
    kernel: Option<String>,
    medium: Option<MediumInfo>,
    /// Bytes by path on the ISO.
    files: BTreeMap<String, u64>,
    /// Bytes by path on the EFI partition.
    esp: BTreeMap<String, u64>,
    layers: Vec<LayerContents>,
    modules: usize,
    aliases: usize,
    config: bool,
}

#[derive(Debug, Serialize)]
struct LayerContents {
    path: String,
    packed: u64,
    unpacked: u64,
    files: usize,
    /// Bytes by top folder, modules by their kernel folder.
    folders: BTreeMap<String, u64>,
}

/// Prints what `args.iso` holds.
pub(crate) fn run(args: &InspectArgs) -> Result<()> {
    let name = args.iso.display();
    let contents = Source::open(&args.iso)
        .with_context(|| format!("opening {name}"))
        .and_then(|source| read(source).with_context(|| format!("reading {name}")))?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&contents)?);
    } else {
        print!("{}", text(&contents));
    }
    Ok(())
}

/// A file or block device; the size of the latter is where its end is.
struct Source {
    file: File,
    size: u64,
}

impl Source {
    fn open(path: &Path) -> std::io::Result<Self> {
        let mut file = File::open(path)?;
        let size = file.seek(SeekFrom::End(0))?;
        Ok(Self { file, size })
    }
}

impl ReadAt for Source {
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> std::io::Result<()> {
        FileExt::read_exact_at(&self.file, buf, offset)
    }

    fn size(&self) -> u64 {
        self.size
    }
}

fn read(source: impl ReadAt) -> Result<Contents> {
    let iso = Iso::open(source)?;
    let files = iso.files()?;
    let mut out = Contents {
        volume: iso.volume.clone(),
        size: iso.size,
        cd: iso.boot_entries()?,
        disk: iso.hybrid()?,
        kernel: None,
        medium: None,
        files: files.iter().map(|f| (f.path.clone(), f.size)).collect(),
        esp: BTreeMap::new(),
        layers: Vec::new(),
        modules: 0,
        aliases: 0,
        config: files.iter().any(|f| f.path == "rescue.toml"),
    };
    for file in &files {
        if file.path == "boot/vmlinuz" {
            out.kernel = Some(kernel::version(&iso.read(file, FILE_CAP)?)?);
        } else if file.path.contains(".cpio") {
            let bytes = iso.read(file, FILE_CAP)?;
            let layer = read_layer(file, &bytes, &mut out);
            out.layers
                .push(layer.with_context(|| format!("reading {}", file.path))?);
        }
    }
    if let Some(uefi) = out.cd.iter().find(|entry| entry.platform == Platform::Uefi) {
        out.esp = esp_files(iso.boot_image(uefi)?)?;
    }
    Ok(out)
}

fn read_layer(file: &IsoFile, bytes: &[u8], out: &mut Contents) -> Result<LayerContents> {
    let mut layer = LayerContents {
        path: file.path.clone(),
        packed: file.size,
        unpacked: 0,
        files: 0,
        folders: BTreeMap::new(),
    };
    for entry in read_archives(bytes)? {
        if entry.kind != EntryKind::File {
            continue;
        }
        let size = entry.data.len() as u64;
        layer.files = layer.files.saturating_add(1);
        layer.unpacked = layer.unpacked.saturating_add(size);
        let folder = layer.folders.entry(folder_of(&entry.path)).or_default();
        *folder = folder.saturating_add(size);
        match entry.path.as_str() {
            "etc/rescue/medium.json" => out.medium = Some(serde_json::from_slice(&entry.data)?),
            "etc/rescue/modules.json" => {
                let index: ModuleIndex = serde_json::from_slice(&entry.data)?;
                out.modules = index.modules.len();
                out.aliases = index.aliases.len();
            }
            _ => {}
        }
    }
    Ok(layer)
}

/// "lib/modules/6.1/kernel/drivers/net/x/y.ko" is "modules: drivers/net".
fn folder_of(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').collect();
    match parts[..] {
        ["lib", "modules", _, "kernel", a, b, _, ..] => format!("modules: {a}/{b}"),
        ["lib", "modules", _, "kernel", a, ..] => format!("modules: {a}"),
        [top, _, ..] => top.to_owned(),
        _ => path.to_owned(),
    }
}

fn esp_files(mut image: Vec<u8>) -> Result<BTreeMap<String, u64>> {
    let fs = FileSystem::new(Cursor::new(&mut image[..]), FsOptions::new())
        .context("opening the EFI partition")?;
    let mut out = BTreeMap::new();
    let mut folders = vec![(String::new(), fs.root_dir(), 0)];
    while let Some((prefix, dir, depth)) = folders.pop() {
        for entry in dir.iter() {
            let entry = entry.context("listing the EFI partition")?;
            let name = entry.file_name();
            let path = format!("{prefix}{name}");
            if entry.is_file() {
                out.insert(path, entry.len());
            } else if !matches!(name.as_str(), "." | "..") && depth < 8 {
                folders.push((format!("{path}/"), entry.to_dir(), depth + 1));
            }
        }
    }
    Ok(out)
}

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
    let ways = [
        (cd(Platform::Bios), "BIOS as CD"),
        (contents.disk.bios, "BIOS as disk"),
        (cd(Platform::Uefi), &format!("{uefi} as CD")),
        (contents.disk.uefi, &format!("{uefi} as disk")),
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

fn text(contents: &Contents) -> String {
    let mut files = Table::default();
    for (path, size) in &contents.files {
        files.sized(path, *size, "");
    }
    let mut inner = String::new();
    for layer in &contents.layers {
        let mut folders = Table::default();
        for (folder, size) in &layer.folders {
            folders.sized(folder, *size, "");
        }
        let unpacked = human_bytes(layer.unpacked);
        inner.push_str(&format!(
            "{}: {} files, {unpacked}\n",
            layer.path, layer.files
        ));
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
        "Volume {volume}, {size}\n\
         Boots: {boots}\n\
         rescue {rescue}, kernel {kernel}, {modules} modules with {aliases} aliases\n\
         Configuration (/rescue.toml): {config}\n\
         Files\n{files}EFI partition\n{esp}{inner}",
        volume = contents.volume,
        size = human_bytes(contents.size),
        boots = boots(contents),
        kernel = contents.kernel.as_deref().unwrap_or("?"),
        modules = contents.modules,
        aliases = contents.aliases,
        config = if contents.config { "yes" } else { "none" },
        files = files.render(),
        esp = esp.render(),
    )
}
