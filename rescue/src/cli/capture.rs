//! `rescue capture`

use std::path::{Path, PathBuf};

use disk::SectorSize;

use super::{Context, sign};
use crate::capture::{self, Label};
use crate::event::{Event, Phase};
use crate::inventory::Machine;
use crate::volumes::Passphrases;

/// Capture disks into a repository.
///
/// The disks become one image, complete in itself. What the repository holds
/// already is not stored again.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Whole disks, or files that hold a disk's bytes.
    #[arg(required = true, value_name = "DISK")]
    disks: Vec<PathBuf>,

    /// Folder of the repository; made when it is not there.
    #[arg(long, value_name = "REPO")]
    to: String,

    /// What to call the image; if not given the host name, or the name of a raw file.
    #[arg(long, value_name = "NAME", value_parser = parse_name)]
    name: Option<String>,

    /// Sign the image with this key (`rescue key new`; minisign's, without a passphrase).
    #[arg(long, value_name = "FILE")]
    sign_key: Option<PathBuf>,

    /// A file with the passphrase of an encrypted (LUKS) volume, so that the image tells which
    /// system is in it; can be given several times. The image gets neither it nor the key.
    #[arg(long, value_name = "FILE")]
    passphrase_file: Vec<PathBuf>,

    /// Capture disks that are in use, as a power cut would leave them.
    #[arg(long)]
    allow_mounted: bool,

    /// Sector size of raw files: 512 or 4096.
    #[arg(long, value_name = "BYTES", default_value = "512", value_parser = parse_sector)]
    sector_size: SectorSize,
}

fn parse_name(text: &str) -> Result<String, String> {
    match text {
        "" | "latest" => Err("choose another name".to_owned()),
        _ if text.len() > 200 => Err("at most 200 bytes".to_owned()),
        _ if text.chars().any(char::is_control) => Err("no control characters".to_owned()),
        name => Ok(name.to_owned()),
    }
}

fn parse_sector(text: &str) -> Result<SectorSize, String> {
    let bytes: u32 = text.parse().map_err(|_| "512 or 4096".to_owned())?;
    SectorSize::try_from(bytes).map_err(|e| e.to_string())
}

pub(crate) fn run(args: Args, context: &Context) -> anyhow::Result<()> {
    let sink = &*context.sink;
    sink.emit(Event::Phase {
        phase: Phase::Planning,
        total: None,
    });
    // A key that cannot be used is told before hours of reading.
    let sign_key = args.sign_key.as_deref();
    let sign_key = sign_key.map(|path| sign::read(path, sink)).transpose()?;
    let passphrases = Passphrases::read(&args.passphrase_file)?;
    let machine = Machine::host();
    let mut disks = Vec::with_capacity(args.disks.len());
    for path in &args.disks {
        let disk = machine.disk_at(path, args.sector_size)?;
        if disks.contains(&disk) {
            anyhow::bail!("{} is named twice", disk.path.display());
        }
        disks.push(disk);
    }
    let folder = capture::folder_of(&args.to);
    // A folder that is to be made is on the disk of the one above it.
    let nearest = folder.as_deref().and_then(existing);
    for disk in &disks {
        capture::check_uses(disk, nearest, args.allow_mounted, sink)?;
    }
    let repository = capture::open_or_create(&args.to, sink)?;
    let sources = disks
        .into_iter()
        .map(|disk| capture::plan(disk, sink))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let label = Label {
        sign_key,
        ..Label::now(args.name)?
    };
    capture::run(&repository, &sources, label, &passphrases, sink)?;
    Ok(())
}

fn existing(path: &Path) -> Option<&Path> {
    let full = |p: &&Path| !p.as_os_str().is_empty() && p.exists();
    path.ancestors().find(full).or(Some(Path::new(".")))
}
