//! What was given, as files of a site area. Every file is read as the rescue
//! system will read it: what it would refuse is refused here, with its line.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use site::{Config, Contents, Kind, Name, plan};

use super::{drivers, keys};
use crate::cli::CustomizeArgs;
use crate::medium::Medium;

/// Adds everything that `args` names to `contents`; each kind replaces what
/// there was of it.
pub(super) fn add(args: &CustomizeArgs, medium: &Medium, contents: &mut Contents) -> Result<()> {
    if let Some(path) = &args.config {
        let text = read_text(path, Kind::Config)?;
        Config::parse(&path.display().to_string(), &text)?;
        set(contents, "site.toml", text.into_bytes())?;
    }
    if let Some(path) = &args.plan {
        let text = read_text(path, Kind::Plan)?;
        plan::parse(&path.display().to_string(), &text)?;
        set(contents, "plan.toml", text.into_bytes())?;
    }
    if !args.ssh_key.is_empty() {
        let files = texts(&args.ssh_key, Kind::AuthorizedKeys)?;
        let lines = keys::authorized(&files)?;
        set(contents, "ssh/authorized_keys", lines.into_bytes())?;
    }
    if let Some(path) = &args.ssh_host_key {
        let text = read_text(path, Kind::HostKey)?;
        keys::check_host_key(&text).with_context(|| path.display().to_string())?;
        set(contents, "ssh/host_ed25519_key", text.into_bytes())?;
    }
    tls(args, contents)?;
    trusted(&args.trust_key, contents)?;
    if let Some(folder) = &args.firmware {
        contents.clear(Kind::Firmware);
        firmware(folder, contents)?;
    }
    if !args.driver.is_empty() {
        contents.clear(Kind::Module);
        drivers::add(&args.driver, medium, contents)?;
    }
    Ok(())
}

fn tls(args: &CustomizeArgs, contents: &mut Contents) -> Result<()> {
    if !args.ca.is_empty() {
        contents.clear(Kind::Ca);
    }
    for path in &args.ca {
        let text = read_text(path, Kind::Ca)?;
        keys::certificates(&text).with_context(|| path.display().to_string())?;
        let name = format!("tls/ca/{}.pem", stem(path)?);
        set_new(contents, &name, text.into_bytes(), path)?;
    }
    if let (Some(certificate), Some(key)) = (&args.client_cert, &args.client_key) {
        let text = read_text(certificate, Kind::ClientCertificate)?;
        keys::certificates(&text).with_context(|| certificate.display().to_string())?;
        set(contents, "tls/client.pem", text.into_bytes())?;
        let text = read_text(key, Kind::ClientKey)?;
        keys::check_private_key(&text).with_context(|| key.display().to_string())?;
        set(contents, "tls/client.key", text.into_bytes())?;
    }
    Ok(())
}

fn trusted(paths: &[PathBuf], contents: &mut Contents) -> Result<()> {
    if !paths.is_empty() {
        contents.clear(Kind::TrustedKey);
    }
    for path in paths {
        let text = read_text(path, Kind::TrustedKey)?;
        keys::check_public(&text).with_context(|| path.display().to_string())?;
        let name = format!("keys/{}.pub", stem(path)?);
        set_new(contents, &name, text.into_bytes(), path)?;
    }
    Ok(())
}

fn set(contents: &mut Contents, name: &str, data: Vec<u8>) -> Result<()> {
    contents.set(Name::new(name)?, data);
    Ok(())
}

/// Two files of one name must not silently become one.
fn set_new(contents: &mut Contents, name: &str, data: Vec<u8>, path: &Path) -> Result<()> {
    let name = Name::new(name).with_context(|| {
        format!(
            "{}: rename the file; letters, digits and . _ - + can be used",
            path.display()
        )
    })?;
    ensure!(
        contents.get(name.as_str()).is_none(),
        "{}: a file of that name was given already; rename one of them",
        path.display()
    );
    contents.set(name, data);
    Ok(())
}

fn stem(path: &Path) -> Result<&str> {
    let stem = path.file_stem().and_then(|stem| stem.to_str());
    stem.with_context(|| format!("{} has no name that can be used", path.display()))
}

fn read(path: &Path, kind: Kind) -> Result<Vec<u8>> {
    let size = fs::metadata(path).map(|m| m.len());
    let size = size.with_context(|| format!("reading {}", path.display()))?;
    ensure!(
        size <= kind.largest(),
        "{} has {size} bytes: a file for {} has at most {}",
        path.display(),
        kind.title(),
        kind.largest()
    );
    fs::read(path).with_context(|| format!("reading {}", path.display()))
}

fn read_text(path: &Path, kind: Kind) -> Result<String> {
    let text = String::from_utf8(read(path, kind)?);
    text.with_context(|| format!("{} is no text", path.display()))
}

fn texts(paths: &[PathBuf], kind: Kind) -> Result<Vec<(String, String)>> {
    let file = |path: &PathBuf| Ok((path.display().to_string(), read_text(path, kind)?));
    paths.iter().map(file).collect()
}

/// How deep a folder of firmware may nest.
const DEEPEST: usize = 8;

fn firmware(root: &Path, contents: &mut Contents) -> Result<()> {
    let mut folders = vec![(root.to_owned(), "firmware".to_owned(), 0)];
    let mut found = false;
    while let Some((folder, below, depth)) = folders.pop() {
        let context = || format!("listing {}", folder.display());
        for entry in fs::read_dir(&folder).with_context(context)? {
            let entry = entry.with_context(context)?;
            let path = entry.path();
            let name = format!("{below}/{}", entry.file_name().to_string_lossy());
            // Follows links: distributions link one name of a firmware to another.
            if path.is_dir() {
                ensure!(depth < DEEPEST, "{} nests too deeply", path.display());
                folders.push((path, name, depth + 1));
                continue;
            }
            set_new(contents, &name, read(&path, Kind::Firmware)?, &path)?;
            found = true;
        }
    }
    if !found {
        bail!("{} holds no file", root.display());
    }
    Ok(())
}
