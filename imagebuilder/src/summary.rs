//! What was built, for people and for programs.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::content::Content;
use crate::images::{self, Images};
use crate::parts::{Hasher, sha256};
use crate::report::Table;

/// What was built; `--json` prints it.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    file: String,
    size: u64,
    sha256: String,
    volume: String,
    kernel: String,
    rescue: String,
    /// Modules by class: how many, and bytes unpacked.
    modules: BTreeMap<String, (usize, usize)>,
    /// Path on the ISO, bytes there, bytes unpacked.
    layers: Vec<(String, usize, usize)>,
    /// Listed modules that this kernel has not.
    absent_modules: Vec<String>,
    /// Soft dependencies that name nothing.
    unresolved_softdeps: Vec<String>,
    /// Firmware files that modules may ask for: those that the medium has.
    firmware: Vec<String>,
    /// And those that it lacks.
    missing_firmware: Vec<String>,
    /// The repository that it carries.
    images: Option<images::Size>,
    seconds: f64,
}

impl Summary {
    /// Describes the finished file `out`.
    pub(crate) fn of(out: &Path, content: &Content, started: Instant) -> Result<Self> {
        let read = || -> std::io::Result<(u64, String)> {
            // Too large for memory when it carries images.
            let mut hash = Hasher::default();
            let size = std::io::copy(&mut File::open(out)?, &mut hash)?;
            Ok((size, hash.finish()))
        };
        let mut summary = Self::without_file(out, content, started);
        (summary.size, summary.sha256) = read().context("reading the finished medium")?;
        Ok(summary)
    }

    /// The same, with the repository that the medium carries.
    pub(crate) fn with(mut self, images: Option<&Images>) -> Self {
        self.images = images.map(Images::size);
        self
    }

    /// Describes the finished folder `out`; its hash is that of `sha256sum` of all
    /// its files.
    pub(crate) fn of_tree(out: &Path, content: &Content, started: Instant) -> Result<Self> {
        let mut all = BTreeMap::new();
        hashes(out, "", &mut all).context("reading the finished tree")?;
        let mut summary = Self::without_file(out, content, started);
        summary.size = all.values().map(|(size, _)| *size).sum();
        let lines = all
            .iter()
            .map(|(path, (_, hash))| format!("{hash}  {path}\n"));
        summary.sha256 = sha256(lines.collect::<String>().as_bytes());
        Ok(summary)
    }

    /// The same without size and hash.
    fn without_file(out: &Path, content: &Content, started: Instant) -> Self {
        let layers = content.layers.iter().zip(content.layer_paths());
        Self {
            file: out.display().to_string(),
            size: 0,
            sha256: String::new(),
            volume: content.volume.clone(),
            kernel: content.parts.kernel_version.clone(),
            rescue: content.parts.rescue_version.clone(),
            modules: content.modules.clone(),
            layers: layers
                .map(|(l, path)| (path, l.packed.len(), l.unpacked))
                .collect(),
            absent_modules: content.absent_modules.clone(),
            unresolved_softdeps: content.unresolved_softdeps.clone(),
            firmware: content.firmware.clone(),
            missing_firmware: content.missing_firmware.clone(),
            images: None,
            seconds: started.elapsed().as_secs_f64(),
        }
    }

    /// Prints it.
    pub(crate) fn print(&self, json: bool) -> Result<()> {
        if json {
            println!("{}", serde_json::to_string_pretty(self)?);
        } else {
            print!("{}", text(self));
        }
        Ok(())
    }
}

/// Size and hash of every file below `folder`, by path.
fn hashes(
    folder: &Path,
    below: &str,
    all: &mut BTreeMap<String, (u64, String)>,
) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = format!("{below}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            hashes(&entry.path(), &format!("{path}/"), all)?;
        } else {
            let bytes = fs::read(entry.path())?;
            all.insert(path, (bytes.len() as u64, sha256(&bytes)));
        }
    }
    Ok(())
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
        "{file}: {size}, volume {volume}, built in {seconds:.0} s\n\
         rescue {rescue}, kernel {kernel}\n\
         Layers\n{layers}\
         Modules, unpacked\n{modules}\
         Not in this kernel: {absent}\n\
         Firmware: {firmware} of the {wanted} files that the modules may ask for\n\
         {images}SHA-256 {sha256}\n",
        file = summary.file,
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
        firmware = match summary.firmware.len() {
            0 => "none".to_owned(),
            found => found.to_string(),
        },
        wanted = summary
            .firmware
            .len()
            .saturating_add(summary.missing_firmware.len()),
        images = summary
            .images
            .as_ref()
            .map_or(String::new(), |found| format!(
                "Images (medium:/{}): {}, {} objects, {}\n",
                images::FOLDER,
                found.images,
                found.objects,
                disk::human_bytes(found.bytes)
            )),
        sha256 = summary.sha256,
    )
}
