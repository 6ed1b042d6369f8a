//! `rescue identity`

use std::path::PathBuf;

use anyhow::Context as _;
use disk::SectorSize;
use image::IdentityKey;
use serde_json::json;

use super::Context;
use super::text::printable;
use crate::event::Event;
use crate::identity::{self, Found, FoundSystem, Looker};
use crate::inventory::Machine;
use crate::volumes::Passphrases;

/// Show which operating systems are on a disk, and what makes each itself.
///
/// Public names, SIDs and fingerprints are shown as they are; secrets
/// (machine-id, private keys, keytabs, passwords of machine accounts) only as
/// keyed hashes, which can be compared between runs with the same --key.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A block device, a raw file, or a folder that is the root of a system.
    #[arg(value_name = "DISK|DIR")]
    place: PathBuf,

    /// Sector size a raw file stands for: 512 or 4096.
    #[arg(long, value_name = "BYTES", default_value = "512", value_parser = super::parse_sector)]
    sector_size: SectorSize,

    /// A file with the passphrase of an encrypted (LUKS) volume; can be given several times.
    #[arg(long, value_name = "FILE")]
    passphrase_file: Vec<PathBuf>,

    /// 64 hexadecimal digits that the hashes depend on; random if not given.
    #[arg(long, value_name = "KEY", value_parser = key)]
    key: Option<IdentityKey>,
}

fn key(text: &str) -> Result<IdentityKey, image::NoKey> {
    text.to_owned().try_into()
}

pub(crate) fn run(args: Args, context: &Context) -> anyhow::Result<()> {
    let key = match &args.key {
        Some(key) => key.clone(),
        None => IdentityKey::new(crate::capture::entropy()?),
    };
    let found = if args.place.is_dir() {
        let found = identity::in_folder(&Looker::default(), &args.place, &key);
        found.with_context(|| format!("looking into {}", args.place.display()))?
    } else {
        on_disk(&args, &key, context)?
    };
    for note in found.notes.iter().chain(&found.closed.sentence()) {
        context.sink.emit(Event::Warning { text: note.clone() });
    }
    if context.json {
        println!("{}", json!({ "v": 1, "systems": found.systems }));
        return Ok(());
    }
    super::print(&describe(&found.systems, &args.place.display().to_string()))
}

fn on_disk(args: &Args, key: &IdentityKey, context: &Context) -> anyhow::Result<Found> {
    let disk = Machine::host().disk_at(&args.place, args.sector_size)?;
    let source = crate::capture::plan(disk, &*context.sink)?;
    let (device, places) = source.places();
    Ok(identity::on_disk(
        &Looker::default(),
        &device,
        0,
        &places,
        key,
        &Passphrases::read(&args.passphrase_file)?,
    ))
}

fn describe(systems: &[FoundSystem], place: &str) -> String {
    let mut text = String::new();
    if systems.is_empty() {
        text.push_str(&format!(
            "No system was found on {place}. (Linux systems on ext2, ext3, ext4, XFS and btrfs are, \
             and Windows on NTFS.)\n"
        ));
    }
    for FoundSystem { system, details } in systems {
        text.push_str(&format!("{}\n", printable(&system.title())));
        if system.partition != 0 {
            text.push_str(&format!("  on partition {}\n", system.partition));
        }
        for (name, value) in details {
            text.push_str(&format!("  {}: {}\n", printable(name), printable(value)));
        }
        for (name, value) in &system.identity {
            text.push_str(&format!("  {name}: {}\n", printable(value)));
        }
    }
    text
}
