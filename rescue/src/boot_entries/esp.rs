//! Looking at an EFI system partition, in the process that looks ([`crate::identity::Looker`]).

use std::sync::Arc;

use disk::ReadAt;
use efi::loader::{self, FALLBACK_FOLDER, Folder, TITLES_FILE, WINDOWS_FOLDER};

use super::on_disk::Esp;
use crate::adapt::fat::{Fat, FatError};

/// No list of titles has more bytes than this.
const TITLES: u64 = 16 << 10;
/// No more folders are looked into.
const FOLDERS: usize = 200;

/// What is on `volume`; which of `files` (`\EFI\debian\grubx64.efi`) are not there.
pub(crate) fn look(volume: Arc<dyn ReadAt>, files: &[String]) -> Result<Esp, FatError> {
    let fat = Fat::open(&volume)?;
    let mut names = vec![WINDOWS_FOLDER.to_owned()];
    for (name, len) in fat.entries("/EFI")? {
        if len.is_none() && names.len() < FOLDERS {
            names.push(name);
        }
    }
    let mut folders = Vec::new();
    for name in names {
        folders.push(folder(&fat, name)?);
    }
    let mut absent = Vec::new();
    for file in files {
        if !fat.has_file(&file.replace('\\', "/"))? {
            absent.push(file.clone());
        }
    }
    Ok(Esp {
        loaders: loader::loaders(&folders)
            .into_iter()
            .map(Into::into)
            .collect(),
        fallback: loader::fallback(&folders),
        absent,
    })
}

fn folder(fat: &Fat, name: String) -> Result<Folder, FatError> {
    let path = format!("/EFI/{name}");
    let entries = fat.entries(&path)?.into_iter();
    let files: Vec<String> = entries
        .filter(|(_, len)| len.is_some_and(|len| len > 0))
        .map(|(name, _)| name)
        .collect();
    let has_titles = files.iter().any(|f| f.eq_ignore_ascii_case(TITLES_FILE));
    let wanted = has_titles && !name.eq_ignore_ascii_case(FALLBACK_FOLDER);
    let titles = match wanted {
        // (Without them the folder's name is the title.)
        true => fat
            .read(&format!("{path}/{TITLES_FILE}"), TITLES)
            .ok()
            .flatten(),
        false => None,
    };
    Ok(Folder {
        name,
        files,
        titles,
    })
}
