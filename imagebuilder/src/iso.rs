//! `imagebuilder iso`.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::time::Instant;

use anyhow::{Context, Result};

use crate::cli::IsoArgs;
use crate::content::{Content, guid, step};
use crate::images::{FOLDER, Images};
use crate::iso9660::{Iso, IsoFile};
use crate::medium::Source;
use crate::publish::{Unfinished, publish};
use crate::stage::Stage;
use crate::summary::Summary;
use crate::xorriso::{BIOS_IMAGE, IsoOptions, Sources, write_iso};
use crate::{esp, grub, kernel_words};

/// Builds the ISO that `args` asks for and prints what it is.
pub(crate) fn run(args: &IsoArgs) -> Result<()> {
    let started = Instant::now();
    let build = &args.build;
    let images = Images::of(&args.images)?;
    let content = Content::gather(build, images.as_ref())?;
    step("writing the ISO");
    let stage = Stage::beside(&args.out, build.source_date_epoch)?;
    fill(&stage, &content, build.cmdline.as_str())?;
    let new = write(&stage, &content, images.as_ref(), build.source_date_epoch)?;
    if let Some(images) = &images {
        step("comparing the images with their repository");
        check(&new, images)?;
    }
    publish(new, &args.out)?;
    let summary = Summary::of(&args.out, &content, started)?;
    summary.with(images.as_ref()).print(build.json)
}

/// Lays the medium's files out.
fn fill(stage: &Stage, content: &Content, cmdline: &str) -> Result<()> {
    let volume = content.volume.as_str();
    for (path, bytes) in content.boot_files() {
        stage.file(&path, bytes)?;
    }
    let menu = grub::menu(volume, &content.layer_paths(), cmdline)?;
    stage.file("boot/grub/grub.cfg", menu.as_bytes())?;
    stage.file("boot/grub/grubenv", &kernel_words::block("")?)?;
    let bios = grub::bios_image(&content.parts.grub_pc, volume, &stage.work())?;
    stage.file(BIOS_IMAGE, &bios)?;
    stage.file(&grub::marker(volume), b"")?;
    // What Debian's signed GRUB looks for when it does not know where it is.
    stage.file(".disk/info", format!("rescue medium {volume}\n").as_bytes())?;
    if let Some(config) = &content.parts.config {
        stage.file("rescue.toml", &config.bytes)?;
    }
    stage.seal()
}

fn write(
    stage: &Stage,
    content: &Content,
    images: Option<&Images>,
    time: u32,
) -> Result<Unfinished> {
    let guid = guid(&content.volume, "disk");
    let options = IsoOptions {
        volume: &content.volume,
        guid: &guid,
        time,
    };
    let esp = stage.work().join("esp.img");
    fs::write(&esp, efi_partition(content)?).context("writing the ESP's image")?;
    let sources = Sources {
        tree: &stage.iso(),
        mbr: &content.parts.grub_pc.join("boot_hybrid.img"),
        esp: &esp,
        images,
        work: &stage.work(),
    };
    let new = stage.work().join("new.iso");
    write_iso(&sources, &options, &new)?;
    Ok(Unfinished(new))
}

/// Reads the images back from the ISO, by our own reader.
fn check(new: &Unfinished, images: &Images) -> Result<()> {
    let source = Source::open(&new.0)?;
    let files = Iso::open(&source)?.files()?.into_iter();
    let files: BTreeMap<String, IsoFile> = files.map(|f| (f.path.clone(), f)).collect();
    images.check(|object| {
        let path = format!("{FOLDER}/{}", object.name);
        let file = files.get(&path).context("it is not on the ISO")?;
        let mut reader = File::open(&new.0).context("opening the ISO")?;
        reader.seek(SeekFrom::Start(file.offset))?;
        Ok(reader.take(file.size))
    })
}

fn efi_partition(content: &Content) -> Result<Vec<u8>> {
    let config = grub::early_config(&content.volume);
    let mut files = content.efi_files();
    // From a stick, the signed GRUB starts from this partition.
    files.push(("boot/grub/grub.cfg".to_owned(), config.as_bytes()));
    esp::image(&files, content.serial())
}
