//! `rescue images`

use disk::human_bytes;
use image::{ImageState, ImageSummary, Repository};
use serde_json::{Value, json};

use super::Context;
use super::text::{Table, printable};
use crate::web::Access;

/// List the images of a repository.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder, https:// or http:// address of the repository.
    #[arg(long, value_name = "REPO")]
    from: String,

    #[command(flatten)]
    access: Access,
}

pub(crate) fn run(args: Args, context: &Context) -> anyhow::Result<()> {
    let repository = Repository::open(store::open(&args.from, &args.access.web()?)?)?;
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
        } => json!({
            "id": image.id, "state": "readable", "name": name, "created": created,
            "hostname": hostname, "machine": machine, "systems": systems, "disks": disks, "size": size, "data_bytes": data_bytes,
        }),
        ImageState::Unreadable { reason } => json!({
            "id": image.id, "state": "unreadable", "reason": reason,
        }),
    }
}

fn table(images: &[ImageSummary]) -> Table {
    let mut table = Table::new(&["IMAGE", "NAME", "HOST", "DISKS", "SIZE", "DATA"]);
    for image in images {
        match &image.state {
            ImageState::Readable {
                name,
                hostname,
                disks,
                size,
                data_bytes,
                ..
            } => table.row(vec![
                image.id.to_string(),
                printable(name),
                printable(hostname.as_deref().unwrap_or("-")),
                disks.to_string(),
                human_bytes(*size),
                human_bytes(*data_bytes),
            ]),
            ImageState::Unreadable { reason } => table.row(vec![
                image.id.to_string(),
                format!("UNREADABLE: {}", printable(reason)),
            ]),
        }
    }
    table
}
