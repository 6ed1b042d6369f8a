//! `rescue images`

use disk::human_bytes;
use image::{Distrust, ImageState, ImageSummary, Signed};
use serde_json::{Value, json};

use super::Context;
use super::text::{Table, printable};
use crate::trust::Trust;
use crate::web::Access;

/// List the images of a repository.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
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
    let images = repository.images()?;
    if context.json {
        let images: Vec<Value> = images.iter().map(to_json).collect();
        println!("{}", json!({ "v": 1, "images": images }));
        return Ok(());
    }
    if images.is_empty() {
        println!("{} holds no image yet", repository.location());
        return Ok(());
    }
    print!("{}", table(&images));
    Ok(())
}

fn to_json(image: &ImageSummary) -> Value {
    match &image.state {
        ImageState::Readable {
            name,
            created,
            hostname,
            disks,
            size,
            data_bytes,
            machine,
            systems,
            signed,
        } => json!({
            "id": image.id, "state": "readable", "name": name, "created": created,
            "hostname": hostname, "machine": machine, "systems": systems, "disks": disks, "size": size, "data_bytes": data_bytes,
            "signature": match signed {
                Ok(signed) => signature_json(signed),
                Err(why) => json!({ "state": "refused", "reason": why.to_string() }),
            },
        }),
        ImageState::Unreadable { reason } => json!({
            "id": image.id, "state": "unreadable", "reason": reason,
        }),
    }
}

/// What a signature tells, for `images` and `show`.
pub(super) fn signature_json(signed: &Signed) -> Value {
    match signed {
        Signed::No => json!({ "state": "none" }),
        Signed::Unchecked(key) => json!({ "state": "unchecked", "key": key }),
        Signed::Trusted(key) => json!({ "state": "trusted", "key": key }),
        Signed::Unreadable(why) => json!({ "state": "unreadable", "reason": why }),
    }
}

fn signature(signed: &Result<Signed, Distrust>) -> String {
    match signed {
        Ok(Signed::No) => "-".to_owned(),
        Ok(Signed::Unchecked(key)) => format!("{key}, not checked"),
        Ok(Signed::Trusted(key)) => format!("{key}, trusted"),
        Ok(Signed::Unreadable(why)) => format!("unreadable: {}", printable(why)),
        Err(why) => format!("NOT TRUSTED: {}", printable(&why.to_string())),
    }
}

fn table(images: &[ImageSummary]) -> Table {
    let mut table = Table::new(&[
        "IMAGE",
        "NAME",
        "HOST",
        "DISKS",
        "SIZE",
        "DATA",
        "SIGNED BY",
    ]);
    for image in images {
        match &image.state {
            ImageState::Readable {
                name,
                hostname,
                disks,
                size,
                data_bytes,
                signed,
                ..
            } => table.row(vec![
                image.id.to_string(),
                printable(name),
                printable(hostname.as_deref().unwrap_or("-")),
                disks.to_string(),
                human_bytes(*size),
                human_bytes(*data_bytes),
                signature(signed),
            ]),
            ImageState::Unreadable { reason } => table.row(vec![
                image.id.to_string(),
                format!("UNREADABLE: {}", printable(reason)),
            ]),
        }
    }
    table
}
