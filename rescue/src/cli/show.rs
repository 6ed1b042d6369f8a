//! `rescue show`

use disk::human_bytes;
use image::{Consistency, DiskImage, Filesystem, Image, Region, Signed, TableKind};
use serde_json::json;

use super::Context;
use super::text::{Table, printable};
use crate::event::Event;
use crate::trust::Trust;
use crate::web::Access;

/// Show one image: its machine, disks, partitions.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// "latest", an id or the beginning of one, or a name.
    #[arg(value_name = "IMAGE", default_value = "latest")]
    image: String,

    /// Folder, https:// or http:// address of the repository.
    #[arg(long, value_name = "REPO")]
    from: String,

    #[command(flatten)]
    access: Access,

    #[command(flatten)]
    trust: Trust,
}

pub(crate) fn run(args: Args, context: &Context) -> anyhow::Result<()> {
    let repository = args
        .trust
        .open(store::open(&args.from, &args.access.web()?)?)?;
    let image = repository.image(&args.image)?;
    for text in image.doubts() {
        context.sink.emit(Event::Warning { text });
    }
    if context.json {
        // With the key, guesses at a secret could be tried out.
        let mut manifest = image.manifest.clone();
        manifest.identity_key = None;
        println!(
            "{}",
            json!({ "v": 1, "image": manifest, "signature": super::images::signature_json(&image.signed) })
        );
    } else {
        print!("{}", describe(&image));
    }
    Ok(())
}

fn describe(image: &Image) -> String {
    let manifest = &image.manifest;
    let machine = &manifest.machine;
    let mut out = format!("image    {}\n", image.id);
    let mut line = |key: &str, value: &str| {
        if !value.is_empty() {
            out.push_str(&format!("{key:<8} {}\n", printable(value)));
        }
    };
    line("name", &manifest.name);
    line("created", &manifest.created.to_string());
    line("host", machine.hostname.as_deref().unwrap_or_default());
    let model = [&machine.vendor, &machine.product];
    let model: Vec<&str> = model.into_iter().flatten().map(String::as_str).collect();
    line("machine", &model.join(" "));
    line("serial", machine.serial.as_deref().unwrap_or_default());
    line("firmware", machine.firmware.as_deref().unwrap_or_default());
    line("made by", &manifest.tool);
    for system in &manifest.systems {
        let place = match system.partition {
            0 => format!("disk {}", system.disk),
            n => format!("disk {}, partition {n}", system.disk),
        };
        line("system", &format!("{} ({place})", system.title()));
        for (name, value) in &system.identity {
            line("", &format!("{name}: {value}"));
        }
    }
    line("signed", &signed_by(&image.signed));
    for disk in &manifest.disks {
        out.push_str(&describe_disk(disk));
    }
    out
}

fn signed_by(signed: &Signed) -> String {
    match signed {
        Signed::No => "no".to_owned(),
        Signed::Trusted(key) => format!("by key {key}, which is trusted"),
        Signed::Unchecked(key) => {
            format!("by key {key}; not checked, because no --trust-key was given")
        }
        Signed::Unreadable(why) => format!("with something that cannot be read: {why}"),
    }
}

fn describe_disk(disk: &DiskImage) -> String {
    let identity = [&disk.model, &disk.serial].map(|s| s.as_deref().unwrap_or_default());
    let kind = match disk.table {
        TableKind::Gpt => "GPT",
        TableKind::Mbr => "MBR",
        TableKind::None => "no partition table",
    };
    let mut out = format!(
        "\ndisk {}: {} ({}), {}, {}-byte sectors, {kind}\n",
        disk.index,
        printable(&disk.source),
        printable(identity.join(" ").trim()),
        human_bytes(disk.size),
        disk.sector_size,
    )
    .replace(" ()", "");
    let mut table = Table::new(&[
        "PART", "TYPE", "FS", "LABEL", "SIZE", "DATA", "ZERO", "FREE",
    ]);
    let shown = |r: &&Region| r.partition().is_some() || r.fs.is_some();
    for region in disk.regions.iter().filter(shown) {
        table.row(row(region));
    }
    out.push_str(&table.to_string());
    let gaps = disk.regions.iter().filter(|r| !shown(r));
    let gap_bytes: u64 = gaps.map(|r| r.data_bytes).sum();
    out.push_str(&format!("between partitions: {}\n", human_bytes(gap_bytes)));
    let notes = disk.notes.iter().map(|n| (None, n));
    let of_regions = disk.regions.iter().flat_map(|region| {
        let notes = region.fs.iter().flat_map(|fs| &fs.notes);
        notes.map(move |n| (Some(region), n))
    });
    for (region, note) in notes.chain(of_regions) {
        let place = region.map_or("the disk".to_owned(), Region::title);
        out.push_str(&format!("note: {place}: {}\n", printable(note)));
    }
    out
}

fn row(region: &Region) -> Vec<String> {
    let (number, kind) = match region.partition() {
        Some(info) => (info.number.to_string(), info.type_name.as_str()),
        None => ("-".to_owned(), "whole disk"),
    };
    vec![
        number,
        printable(kind),
        region.fs.as_ref().map_or("-".to_owned(), filesystem),
        region
            .fs
            .as_ref()
            .and_then(|fs| fs.label.as_deref())
            .map_or("-".to_owned(), printable),
        human_bytes(region.len),
        human_bytes(region.data_bytes),
        human_bytes(region.zero_bytes),
        human_bytes(region.free_bytes),
    ]
}

fn filesystem(fs: &Filesystem) -> String {
    let kind = printable(&fs.kind);
    match fs.consistency {
        Consistency::Clean => kind,
        Consistency::JournalOverlay => format!("{kind} (journal was dirty)"),
        Consistency::Raw => format!("{kind} (whole)"),
    }
}
