//! `imagebuilder usb`: an image for a USB stick.
//!
//! GPT with three partitions: GRUB's core for BIOS, the EFI system partition
//! with everything the medium boots with, and last a data partition (ext4,
//! labelled RESCUE) that can hold backups and grows to the stick's size when
//! the stick is started the first time.

mod boot_code;
mod data;
mod images;
mod table;

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use crate::cli::UsbArgs;
use crate::content::{Content, guid, step};
use crate::images::Images;
use crate::publish::{Unfinished, publish};
use crate::stage::Stage;
use crate::summary::Summary;
use crate::{esp, grub, kernel_words};

/// Partitions start at multiples of this many bytes.
const ALIGNMENT: u64 = 1 << 20;
/// The file's name until it is finished.
const NEW: &str = "new.img";
/// For GRUB's core, in bytes.
const CORE_SIZE: u64 = ALIGNMENT;

/// Where the partitions are, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Geometry {
    core: u64,
    esp: u64,
    data: u64,
    /// The image's size.
    end: u64,
}

impl Geometry {
    fn new(esp_size: u64, data_size: u64) -> Option<Self> {
        let core = ALIGNMENT;
        let esp = core.checked_add(CORE_SIZE)?;
        let data = esp
            .checked_add(esp_size)?
            .checked_next_multiple_of(ALIGNMENT)?;
        let behind = data
            .checked_add(data_size)?
            .checked_next_multiple_of(ALIGNMENT)?;
        // The backup of the table has a place of its own.
        let end = behind.checked_add(ALIGNMENT)?;
        Some(Self {
            core,
            esp,
            data,
            end,
        })
    }
}

/// Builds the image that `args` asks for and prints what it is.
pub(crate) fn run(args: &UsbArgs) -> Result<()> {
    let started = Instant::now();
    let build = &args.build;
    let images = Images::of(&args.images)?;
    let content = Content::gather(build, images.as_ref())?;
    step("writing the image");
    let stage = Stage::beside(&args.out, build.source_date_epoch)?;
    let new = stage.work().join(NEW);
    write(&new, &stage, &content, args, images.as_ref())?;
    publish(Unfinished(new), &args.out)?;
    let summary = Summary::of(&args.out, &content, started)?;
    summary.with(images.as_ref()).print(build.json)
}

fn write(
    new: &Path,
    stage: &Stage,
    content: &Content,
    args: &UsbArgs,
    images: Option<&Images>,
) -> Result<()> {
    let esp = efi_partition(content, &args.build.cmdline)?;
    let data_size = data_size(args.data_size, images).context("the image is too large")?;
    let place = Geometry::new(esp.len() as u64, data_size).context("the image is too large")?;
    let core = grub::disk_core(&content.parts.grub_pc, &content.volume, &stage.work())?;
    ensure!(
        core.len() as u64 <= CORE_SIZE,
        "GRUB's core has {} bytes, its partition {CORE_SIZE}",
        core.len()
    );
    let file = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(new)
        .with_context(|| format!("creating {}", new.display()))?;
    file.set_len(place.end).context("sizing the image")?;
    table::write(&file, &place, esp.len() as u64, &content.volume)?;
    boot_code::write(&file, &content.parts.grub_pc, core, place.core)?;
    file.write_all_at(&esp, place.esp)
        .context("writing the ESP")?;
    let data = data::Filesystem {
        offset: place.data,
        size: data_size,
        uuid: &guid(&content.volume, "data"),
        time: args.build.source_date_epoch,
    };
    data.make(new)?;
    if let Some(images) = images {
        let partition = images::Partition {
            work: &stage.work(),
            image: NEW,
            offset: place.data,
            time: args.build.source_date_epoch,
        };
        partition.fill(images)?;
    }
    file.sync_all().context("writing the image")
}

/// The data partition's size: what was asked for, and room for the images.
fn data_size(asked: u64, images: Option<&Images>) -> Option<u64> {
    let more = images.map_or(Some(0), images::room)?;
    let more = more.checked_next_multiple_of(ALIGNMENT)?;
    asked.checked_add(more)
}

fn efi_partition(content: &Content, cmdline: &str) -> Result<Vec<u8>> {
    let volume = content.volume.as_str();
    let menu = grub::menu(volume, &content.layer_paths(), cmdline)?;
    let words = kernel_words::block("")?;
    let info = format!("rescue medium {volume}\n");
    let mut files = content.efi_files();
    files.extend(content.boot_files());
    files.push(("boot/grub/grub.cfg".to_owned(), menu.as_bytes()));
    files.push(("boot/grub/grubenv".to_owned(), &words));
    files.push((grub::marker(volume), b""));
    files.push((".disk/info".to_owned(), info.as_bytes()));
    if let Some(config) = &content.parts.config {
        files.push(("rescue.toml".to_owned(), &config.bytes));
    }
    esp::image(&files, content.serial())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_do_not_touch_and_are_aligned() {
        let place = Geometry::new(40_000_001, 64 << 20).unwrap();
        assert_eq!(place.core, 1 << 20);
        assert_eq!(place.esp, 2 << 20);
        assert!(place.data >= place.esp + 40_000_001 && place.data.is_multiple_of(ALIGNMENT));
        assert_eq!(place.end, place.data + (65 << 20));
        assert_eq!(Geometry::new(1, u64::MAX), None);
    }
}
