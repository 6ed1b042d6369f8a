//! `rescue key`

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use image::SecretKey;
use serde_json::json;

use super::Context;
use crate::capture;

/// Keys that images are signed with, and trusted by.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    New(New),
}

/// Make a pair of keys: NAME.key to sign with, NAME.pub to trust.
///
/// They are files of minisign: `minisign -V -p NAME.pub -m snap/….man` checks
/// what NAME.key signed. The secret key has no passphrase; its file can be
/// read by its owner only.
#[derive(Debug, clap::Args)]
struct New {
    /// Path of both files without their endings.
    #[arg(long, value_name = "NAME")]
    out: PathBuf,
}

pub(crate) fn run(args: Args, context: &Context) -> anyhow::Result<()> {
    let Command::New(new) = args.command;
    let (secret, public) = (named(&new.out, ".key"), named(&new.out, ".pub"));
    let key = SecretKey::generate(&capture::entropy()?).context("making a key")?;
    write(&secret, 0o600, &key.to_text())?;
    if let Err(error) = write(&public, 0o644, &key.public().to_text()) {
        // Half a pair would be in the way of the next try.
        let _ = fs::remove_file(&secret);
        return Err(error);
    }
    let id = key.public().id();
    if context.json {
        let pair = json!({ "id": id, "secret": secret, "public": public });
        return super::print(&format!("{}\n", json!({ "v": 1, "key": pair })));
    }
    super::print(&format!(
        "key {id}\n\
         secret   {}   signs images: keep it where you capture, and a copy in a safe place;\n\
         {:9}whoever has it can make images that your media trust\n\
         public   {}   is what to trust: rescue restore --trust-key, or\n\
         {:9}imagebuilder customize --trust-key for a medium that restores nothing else\n",
        secret.display(),
        "",
        public.display(),
        ""
    ))
}

fn named(path: &Path, end: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(end);
    name.into()
}

/// Writes a new file; one that is there is never replaced.
fn write(path: &Path, mode: u32, text: &str) -> anyhow::Result<()> {
    let mut options = File::options();
    let file = options.write(true).create_new(true).mode(mode).open(path);
    let mut file = file.with_context(|| format!("creating {}", path.display()))?;
    let written = file
        .write_all(text.as_bytes())
        .and_then(|()| file.sync_all());
    written.with_context(|| format!("writing {}", path.display()))
}
