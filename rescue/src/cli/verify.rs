//! `rescue verify`

use std::sync::atomic::{AtomicBool, Ordering};

use disk::human_bytes;
use image::{CheckReport, Fault, Image, Repository, Scope};
use serde_json::{Value, json};

use super::Context;
use super::text::printable;
use crate::event::{Event, Phase, Sink};
use crate::trust::Trust;
use crate::web::Access;

/// Reading is checked by at most this many threads: each holds some 6 MiB.
const MAX_THREADS: usize = 8;

/// Read and check every byte an image needs, or the whole repository.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// "latest", an id or the beginning of one, or a name; everything there
    /// is if not given.
    #[arg(value_name = "IMAGE")]
    image: Option<String>,

    /// Folder, https:// or http:// address of the repository.
    #[arg(long, value_name = "REPO")]
    from: String,

    #[command(flatten)]
    access: Access,

    #[command(flatten)]
    trust: Trust,
}

/// Something in the repository is not as it was written. The first fault is
/// the source, and decides the exit code.
#[derive(Debug, thiserror::Error)]
#[error("{faults} fault(s) in {location}; each is named above with what it takes away")]
struct Damage {
    location: String,
    faults: usize,
    source: image::Error,
}

/// A manifest that cannot be used.
struct Unreadable {
    object: String,
    error: image::Error,
}

pub(crate) fn run(args: Args, context: &Context) -> anyhow::Result<()> {
    let repository = args
        .trust
        .open(store::open(&args.from, &args.access.web()?)?)?;
    let (images, unreadable, scope) = match &args.image {
        Some(wanted) => (vec![repository.image(wanted)?], Vec::new(), Scope::Images),
        None => {
            let (images, unreadable) = all_images(&repository)?;
            (images, unreadable, Scope::Repository)
        }
    };
    let report = check(&repository, &images, scope, &*context.sink)?;
    tell(&report, &unreadable, images.len(), &*context.sink);
    let faults = report.faults.len() + unreadable.len();
    let errors = unreadable.into_iter().map(|u| u.error);
    let first = errors
        .chain(report.faults.into_iter().map(|f| f.error))
        .next();
    if let Some(source) = first {
        return Err(Damage {
            location: repository.location(),
            faults,
            source,
        }
        .into());
    }
    context.sink.emit(Event::Done {
        summary: format!(
            "{} image(s) whole{}: {} packs, {} read and checked",
            images.len(),
            match repository.trusted() {
                Some(_) => " and signed by a trusted key",
                None => "",
            },
            report.packs,
            human_bytes(report.bytes)
        ),
    });
    Ok(())
}

/// Images that can be read, and the reasons why others cannot.
fn all_images(repository: &Repository) -> anyhow::Result<(Vec<Image>, Vec<Unreadable>)> {
    let (mut images, mut unreadable) = (Vec::new(), Vec::new());
    for id in repository.ids()? {
        match repository.load(&id) {
            Ok(image) => images.push(image),
            Err(error @ image::Error::Store(_)) => return Err(error.into()),
            Err(error) => unreadable.push(Unreadable {
                object: id.object_name(),
                error,
            }),
        }
    }
    Ok((images, unreadable))
}

fn check(
    repository: &Repository,
    images: &[Image],
    scope: Scope,
    sink: &dyn Sink,
) -> anyhow::Result<CheckReport> {
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get().min(MAX_THREADS));
    let begun = AtomicBool::new(false);
    sink.emit(Event::Phase {
        phase: Phase::Planning,
        total: None,
    });
    let report = repository.check(images, scope, threads, &|done, total| {
        if !begun.swap(true, Ordering::Relaxed) {
            sink.emit(Event::Phase {
                phase: Phase::Verifying,
                total: Some(total),
            });
        }
        sink.emit(Event::Progress { done });
    })?;
    Ok(report)
}

fn tell(report: &CheckReport, unreadable: &[Unreadable], images: usize, sink: &dyn Sink) {
    for Unreadable { error, .. } in unreadable {
        sink.emit(Event::Warning {
            text: printable(&error.to_string()),
        });
    }
    for fault in &report.faults {
        sink.emit(Event::Warning {
            text: sentence(fault),
        });
    }
    let faults = report.faults.iter().map(|fault| {
        json!({
            "object": fault.object,
            "error": fault.error.to_string(),
            "touches": fault.touches,
        })
    });
    let manifests = unreadable.iter().map(|Unreadable { object, error }| {
        json!({ "object": object, "error": error.to_string(), "touches": [object] })
    });
    let faults: Vec<Value> = faults.chain(manifests).collect();
    sink.emit(Event::Fact {
        name: "report".to_owned(),
        value: json!({
            "images": images, "packs": report.packs, "bytes": report.bytes, "faults": faults,
        }),
    });
}

fn sentence(fault: &Fault) -> String {
    let mut text = printable(&fault.error.to_string());
    if !text.contains(&fault.object) {
        text.push_str(&format!(" ({})", fault.object));
    }
    if fault.touches.is_empty() {
        return format!("{text}; no image that was checked needs these bytes");
    }
    format!(
        "{text}; it takes away: {}",
        printable(&fault.touches.join("; "))
    )
}
