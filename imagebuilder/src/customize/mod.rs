//! `imagebuilder customize`: configuration, keys, a plan, drivers for a finished
//! medium, in about a second, without root and without building it again.
//!
//! `reserved` finds the two places that a medium reserves (the site area and the
//! words for the kernel), reads and writes them; `given` turns what was typed
//! into files for the area and checks every one of them; `show` tells people.

mod drivers;
mod given;
mod keys;
mod reserved;
mod show;

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use site::{Contents, Kind};

use crate::cli::CustomizeArgs;
use crate::kernel_words;
use crate::medium::{Form, Medium};
use crate::publish::{Unfinished, publish};
use crate::stage::copy_tree;

pub(crate) use reserved::{Area, Reserved};
pub(crate) use show::Shown;

/// Does what `args` asks for.
pub(crate) fn run(args: &CustomizeArgs) -> Result<()> {
    let medium = Medium::open(&args.medium)?;
    let reserved = Reserved::read(&medium)?;
    if let Some(folder) = &args.extract {
        return extract(&reserved, folder);
    }
    if args.show {
        return Shown::of(&reserved).print(args.json);
    }
    ensure!(
        changes(args),
        "nothing is to be changed: give what the medium is to get (--help lists it), --reset, or \
         --show"
    );
    let words = match (&args.kernel_args, args.reset) {
        (Some(words), _) => kernel_words::checked(words)?,
        (None, true) => String::new(),
        (None, false) => reserved.words.clone(),
    };
    let mut contents = before(&reserved, args.reset)?;
    given::add(args, &medium, &mut contents)?;
    // Packed, and found to fit, before anything is written.
    let new = reserved.with(&contents, &words)?;
    match &args.out {
        Some(out) => write_copy(&medium, args, &new, out)?,
        None => write(&args.medium, &new)?,
    }
    Shown::of(&new).print(args.json)
}

fn changes(args: &CustomizeArgs) -> bool {
    let files = [
        &args.config,
        &args.plan,
        &args.ssh_host_key,
        &args.client_cert,
        &args.firmware,
    ];
    let lists = [&args.ssh_key, &args.ca, &args.trust_key, &args.driver];
    args.reset
        || args.kernel_args.is_some()
        || files.iter().any(|file| file.is_some())
        || lists.iter().any(|list| !list.is_empty())
}

/// What the medium has already, unless it is to go.
fn before(reserved: &Reserved, reset: bool) -> Result<Contents> {
    match (&reserved.area, reset) {
        (_, true) => Ok(Contents::default()),
        (Area::Holds(contents), false) => Ok(contents.clone()),
        (Area::Damaged(why), false) => bail!(
            "the medium's site area is damaged ({why}): what it held is lost. Use --reset, and \
             give all that the medium is to get"
        ),
    }
}

/// Writes `new` to the medium at `path`, and to the ISO that a folder for network
/// boot may hand out, and reads it again.
fn write(path: &Path, new: &Reserved) -> Result<()> {
    let medium = Medium::open(path)?;
    new.write(&medium)?;
    let again = Reserved::read(&Medium::open(path)?)?;
    ensure!(
        again == *new,
        "{} was written, but something else was read back: the medium may be broken. Use another \
         one, or run the same command with --reset",
        path.display()
    );
    if medium.form == Form::Pxe && medium.files.contains_key(ISO) {
        let iso = path.join(ISO);
        write_inner(&iso, new).with_context(|| format!("customising {}", iso.display()))?;
    }
    Ok(())
}

/// In a folder for network boot: what UEFI HTTP boot starts from.
const ISO: &str = "rescue.iso";

/// Gives the ISO of a folder the same; it is replaced at once, because machines
/// may be reading it.
fn write_inner(iso: &Path, new: &Reserved) -> Result<()> {
    let held = match &new.area {
        Area::Holds(contents) => contents.clone(),
        Area::Damaged(_) => Contents::default(),
    };
    let inner = Reserved::read(&Medium::open(iso)?)?.with(&held, &new.words)?;
    let work = beside(iso)?;
    let copy = work.path().join("copy");
    copy_file(iso, &copy)?;
    write(&copy, &inner)?;
    fs::set_permissions(&copy, fs::metadata(iso)?.permissions())?;
    publish(Unfinished(copy), iso)
}

/// A folder for files on the way, gone when dropped.
fn beside(out: &Path) -> Result<tempfile::TempDir> {
    let parent = out.parent().filter(|p| !p.as_os_str().is_empty());
    tempfile::Builder::new()
        .prefix(".imagebuilder-")
        .tempdir_in(parent.unwrap_or(Path::new(".")))
        .with_context(|| format!("making a folder beside {}", out.display()))
}

fn write_copy(medium: &Medium, args: &CustomizeArgs, new: &Reserved, out: &Path) -> Result<()> {
    let from = &args.medium;
    ensure!(
        !(medium.form == Form::Pxe && out.exists()),
        "{} exists: name a folder that does not",
        out.display()
    );
    let work = beside(out)?;
    let copy = work.path().join("copy");
    let copied = match medium.form {
        Form::Pxe => copy_tree(from, &copy),
        Form::Iso | Form::Usb => copy_file(from, &copy),
    };
    copied.with_context(|| format!("copying {}", from.display()))?;
    write(&copy, new)?;
    publish(Unfinished(copy), out)
}

/// The copy can be written to, whatever the original allows.
fn copy_file(from: &Path, to: &Path) -> std::io::Result<()> {
    let mut from = fs::File::open(from)?;
    let mut to = fs::File::create_new(to)?;
    std::io::copy(&mut from, &mut to)?;
    to.sync_all()
}

fn extract(reserved: &Reserved, folder: &Path) -> Result<()> {
    let contents = match &reserved.area {
        Area::Holds(contents) => contents,
        Area::Damaged(why) => bail!("the medium's site area is damaged ({why})"),
    };
    fs::create_dir(folder).with_context(|| format!("creating {}", folder.display()))?;
    let mut files: Vec<(String, &[u8], bool)> = contents
        .iter()
        .map(|(name, data)| (name.to_string(), data, name.kind().is_secret()))
        .collect();
    let words = format!("{}\n", reserved.words);
    if !reserved.words.is_empty() {
        files.push(("kernel-args".to_owned(), words.as_bytes(), false));
    }
    for (name, data, secret) in files {
        let path = folder.join(&name);
        let secret = secret || [Kind::Plan, Kind::Config].iter().any(|k| named(&name, *k));
        put(&path, data, secret).with_context(|| format!("writing {}", path.display()))?;
        println!("{}", path.display());
    }
    Ok(())
}

/// Plans and configurations may hold passwords.
fn named(name: &str, kind: Kind) -> bool {
    site::Name::new(name).is_ok_and(|name| name.kind() == kind)
}

fn put(path: &Path, data: &[u8], secret: bool) -> std::io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let mode = if secret { 0o600 } else { 0o644 };
    let mut options = fs::File::options();
    let mut file = options.write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(data)
}
