//! `imagebuilder inspect`: what a medium holds, by reading it.

mod text;

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use initramfs::{EntryKind, MediumInfo, ModuleIndex, read_archives};
use serde::Serialize;

use crate::cli::InspectArgs;
use crate::customize::{Reserved, Shown};
use crate::iso9660::{BootEntry, Hybrid};
use crate::kernel;
use crate::medium::{Form, Medium};
use crate::secureboot::Preflight;
use crate::squashfs::Superblock;

/// What is in a medium; `--json` prints it.
#[derive(Debug, Serialize)]
struct Contents {
    form: Form,
    /// By which the running system knows the medium it came from.
    volume: String,
    /// Bytes; of an ISO by its own account.
    size: u64,
    /// El Torito: boots as CD.
    cd: Vec<BootEntry>,
    /// First sectors: boots as disk.
    disk: Option<Hybrid>,
    kernel: Option<String>,
    medium: Option<MediumInfo>,
    /// Bytes by path.
    files: BTreeMap<String, u64>,
    /// Bytes by path on the EFI partition.
    esp: BTreeMap<String, u64>,
    layers: Vec<LayerContents>,
    modules: usize,
    aliases: usize,
    config: bool,
    /// What `imagebuilder customize` put there; none on a medium without a place for it.
    site: Option<Shown>,
    /// On which machines Secure Boot lets it start.
    secure_boot: Preflight,
}

#[derive(Debug, Serialize)]
struct LayerContents {
    path: String,
    packed: u64,
    unpacked: u64,
    files: usize,
    /// Bytes by top folder.
    folders: BTreeMap<String, u64>,
    /// Of a layer that is mounted: what it is packed with, and how many files,
    /// folders and links there are.
    mounted: Option<(&'static str, u32)>,
}

/// Prints what `args.medium` holds.
pub(crate) fn run(args: &InspectArgs) -> Result<()> {
    let medium = Medium::open(&args.medium)?;
    let contents = read(&medium).with_context(|| format!("reading {}", args.medium.display()))?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&contents)?);
    } else {
        print!("{}", text::text(&contents));
    }
    Ok(())
}

fn read(medium: &Medium) -> Result<Contents> {
    let mut out = Contents {
        form: medium.form,
        volume: String::new(),
        size: medium.size,
        cd: medium.boots.cd.clone(),
        disk: medium.boots.disk,
        kernel: None,
        medium: None,
        files: medium.files.clone(),
        esp: medium.esp.clone(),
        layers: Vec::new(),
        modules: 0,
        aliases: 0,
        config: medium.files.contains_key("rescue.toml"),
        site: site(medium)?,
        secure_boot: Preflight::of(medium)?,
    };
    for path in medium.files.keys() {
        if !path.starts_with("boot/") {
            continue;
        }
        let bytes = || medium.read(path).map(Option::unwrap_or_default);
        if path == "boot/vmlinuz" {
            out.kernel = Some(kernel::version(&bytes()?)?);
        } else if path.contains(".cpio") {
            let layer = read_layer(path, &bytes()?, &mut out);
            out.layers
                .push(layer.with_context(|| format!("reading {path}"))?);
        }
    }
    let described = out.medium.as_ref().map(|medium| medium.volume.clone());
    let volume = medium.volume.clone().or(described);
    out.volume = volume.context("no layer has a medium.json: this is no rescue medium")?;
    Ok(out)
}

fn site(medium: &Medium) -> Result<Option<Shown>> {
    if !medium.files.contains_key("boot/site.cpio") {
        return Ok(None);
    }
    Ok(Some(Shown::of(&Reserved::read(medium)?)))
}

fn read_layer(path: &str, bytes: &[u8], out: &mut Contents) -> Result<LayerContents> {
    let mut layer = LayerContents {
        path: path.to_owned(),
        packed: bytes.len() as u64,
        unpacked: 0,
        files: 0,
        folders: BTreeMap::new(),
        mounted: None,
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
            path if path.ends_with(".squashfs") => {
                let packed = Superblock::read(&entry.data);
                let packed = packed.with_context(|| format!("{path} is no squashfs"))?;
                layer.mounted = Some((packed.compression, packed.entries));
            }
            _ => {}
        }
    }
    Ok(layer)
}

fn folder_of(path: &str) -> String {
    path.split('/').next().unwrap_or(path).to_owned()
}
