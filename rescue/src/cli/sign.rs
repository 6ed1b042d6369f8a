//! `rescue sign`

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use image::{Existing, Repository, SecretKey};
use store::Web;

use super::Context;
use crate::capture;
use crate::event::{Event, Sink};
use crate::trust;

/// Sign an image that is in a repository already.
///
/// A signature says: this image is what I want to get back. Sign what you know
/// the origin of; whether all of it is still there, `rescue verify` tells.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// "latest", an id or the beginning of one, or a name.
    #[arg(value_name = "IMAGE")]
    image: String,

    /// Folder of the repository.
    #[arg(long, value_name = "REPO")]
    to: String,

    /// The key to sign with (`rescue key new`; minisign's, without a passphrase).
    #[arg(long, value_name = "FILE")]
    sign_key: PathBuf,

    /// Put the new signature in the place of one by another key.
    #[arg(long)]
    replace: bool,
}

pub(crate) fn run(args: Args, context: &Context) -> anyhow::Result<()> {
    let sink = &*context.sink;
    let key = read(&args.sign_key, sink)?;
    let repository = Repository::open(store::open(&args.to, &Web::default())?)?;
    let image = repository.image(&args.image)?;
    for text in image.doubts() {
        sink.emit(Event::Warning { text });
    }
    let existing = match args.replace {
        true => Existing::Replace,
        false => Existing::Keep,
    };
    let is_new = repository.sign(&image, &key, capture::now(), existing)?;
    let (id, name, by) = (&image.id, &image.manifest.name, key.public().id());
    sink.emit(Event::Done {
        summary: match is_new {
            true => format!("image {id} ({name}) is now signed by key {by}"),
            false => format!("image {id} ({name}) was signed by key {by} before"),
        },
    });
    Ok(())
}

/// The key to sign with, from its file.
pub(super) fn read(path: &Path, sink: &dyn Sink) -> anyhow::Result<SecretKey> {
    let text = trust::read_text(path)?;
    let key = SecretKey::parse(&text);
    let key = key.with_context(|| format!("reading the key {}", path.display()))?;
    let mode = path
        .metadata()
        .map_or(0, |m| m.permissions().mode() & 0o777);
    if mode & 0o077 != 0 {
        sink.emit(Event::Warning {
            text: format!(
                "others than its owner can use the secret key {} (mode {mode:o}): chmod 600 it",
                path.display()
            ),
        });
    }
    Ok(key)
}
