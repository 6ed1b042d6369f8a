//! Files put into folders with ordinary file calls, names found as Windows does.

use std::ffi::CStr;
use std::fs::{self, File};
use std::io::{Error, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use super::security::{self, Made};
use super::{NewFile, VolumeError};

/// How ntfs-3g shows and takes a security descriptor.
const DESCRIPTOR: &CStr = c"system.ntfs_acl";
/// The longest descriptor there is, in bytes.
const DESCRIPTOR_MOST: usize = 64 << 10;
/// Bytes compared at once.
const PIECE: usize = 1 << 20;

/// Writes a file below `root`: over the one that is there, or a new one.
pub(super) fn put(root: &Path, wanted: &NewFile) -> Result<(), VolumeError> {
    let (folders, name) = names(&wanted.path)?;
    let mut folder = root.to_owned();
    for name in folders {
        folder = enter(folder, name, wanted)?;
    }
    match find(&folder, name, &wanted.path)? {
        Some(path) => overwrite(&path, wanted),
        None => create(&folder, name, wanted),
    }
}

/// Whether the file reads as it was to be put.
pub(super) fn check(root: &Path, wanted: &NewFile) -> Result<(), VolumeError> {
    let path = &wanted.path;
    let (folders, name) = names(path)?;
    let mut place = root.to_owned();
    for name in folders.into_iter().chain([name]) {
        place = find(&place, name, path)?.ok_or_else(|| VolumeError::Differs(path.clone()))?;
    }
    let mut file = File::open(&place).map_err(|e| trouble(path, &e))?;
    let mut rest = wanted.bytes.as_slice();
    let mut buffer = vec![0; PIECE];
    loop {
        let read = match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(trouble(path, &error)),
        };
        let found = buffer.get(..read).unwrap_or_default();
        rest = rest
            .strip_prefix(found)
            .ok_or_else(|| VolumeError::Differs(path.clone()))?;
    }
    match rest.is_empty() {
        true => Ok(()),
        false => Err(VolumeError::Differs(path.clone())),
    }
}

/// The folders of a path, and its last name.
pub(super) fn names(path: &str) -> Result<(Vec<&str>, &str), VolumeError> {
    let mut names: Vec<&str> = path.split(['/', '\\']).collect();
    if names.first() == Some(&"") {
        names.remove(0);
    }
    let sound = |name: &&str| {
        // (A colon would name another stream of a file.)
        !["", ".", ".."].contains(name) && !name.contains([':', '\0']) && name.len() <= 255
    };
    let last = names.pop().filter(sound);
    match last {
        Some(last) if names.iter().all(sound) => Ok((names, last)),
        _ => Err(VolumeError::Path(path.into())),
    }
}

/// The folder `name` in `folder`; made when that was asked for.
fn enter(folder: PathBuf, name: &str, wanted: &NewFile) -> Result<PathBuf, VolumeError> {
    let path = &wanted.path;
    let Some(found) = find(&folder, name, path)? else {
        if !wanted.create_folders {
            return Err(VolumeError::NoFolder {
                path: path.clone(),
                folder: name.to_owned(),
            });
        }
        let made = folder.join(name);
        fs::create_dir(&made).map_err(|e| trouble(path, &e))?;
        give_rights(&folder, &made, Made::Folder, path)?;
        return Ok(made);
    };
    // (What leads elsewhere, as junctions do, is shown as a symbolic link.)
    let kind = fs::symlink_metadata(&found).map_err(|e| trouble(path, &e))?;
    match kind.is_dir() {
        true => Ok(found),
        false => Err(VolumeError::NotPlain {
            path: path.clone(),
            name: name.to_owned(),
        }),
    }
}

/// What is called `name` without regard to case, best just so.
fn find(folder: &Path, name: &str, path: &str) -> Result<Option<PathBuf>, VolumeError> {
    let as_given = folder.join(name);
    if fs::symlink_metadata(&as_given).is_ok() {
        return Ok(Some(as_given));
    }
    let folded = fold(name);
    let mut found = None;
    for entry in fs::read_dir(folder).map_err(|e| trouble(path, &e))? {
        let entry = entry.map_err(|e| trouble(path, &e))?;
        if entry.file_name().to_str().map(fold).as_ref() == Some(&folded) {
            if found.is_some() {
                return Err(VolumeError::NotPlain {
                    path: path.to_owned(),
                    name: name.to_owned(),
                });
            }
            found = Some(entry.path());
        }
    }
    Ok(found)
}

/// Capital letters, one for one, as NTFS compares names.
fn fold(name: &str) -> Vec<char> {
    let capital = |c: char| {
        let mut upper = c.to_uppercase();
        match (upper.next(), upper.next()) {
            (Some(one), None) => one,
            _ => c,
        }
    };
    name.chars().map(capital).collect()
}

/// The file keeps its record, and with it its rights, its other names and its
/// number.
fn overwrite(path: &Path, wanted: &NewFile) -> Result<(), VolumeError> {
    let trouble = |e: Error| trouble(&wanted.path, &e);
    let kind = fs::symlink_metadata(path).map_err(trouble)?;
    if !kind.is_file() {
        return Err(VolumeError::NotPlain {
            path: wanted.path.clone(),
            name: path.file_name().unwrap_or_default().display().to_string(),
        });
    }
    let mut file = File::options().write(true).open(path).map_err(trouble)?;
    file.write_all(&wanted.bytes).map_err(trouble)?;
    file.set_len(wanted.bytes.len() as u64).map_err(trouble)?;
    file.sync_all().map_err(trouble)
}

fn create(folder: &Path, name: &str, wanted: &NewFile) -> Result<(), VolumeError> {
    let trouble = |e: Error| trouble(&wanted.path, &e);
    let path = folder.join(name);
    let mut file = File::create_new(&path).map_err(trouble)?;
    file.write_all(&wanted.bytes).map_err(trouble)?;
    file.sync_all().map_err(trouble)?;
    give_rights(folder, &path, Made::File, &wanted.path)
}

/// Gives something new the rights that Windows would: left alone, ntfs-3g lets
/// everybody do everything with it.
fn give_rights(folder: &Path, new: &Path, made: Made, path: &str) -> Result<(), VolumeError> {
    let trouble = |e: Error| trouble(path, &e);
    let of_folder = File::open(folder).map_err(trouble)?;
    let of_folder = sys::xattr::get(&of_folder, DESCRIPTOR, DESCRIPTOR_MOST).map_err(trouble)?;
    let rights = security::inherit(&of_folder, made);
    let rights = rights.ok_or_else(|| VolumeError::Rights(path.to_owned()))?;
    let new = File::open(new).map_err(trouble)?;
    sys::xattr::set(&new, DESCRIPTOR, &rights).map_err(trouble)
}

fn trouble(path: &str, error: &Error) -> VolumeError {
    match error.kind() {
        ErrorKind::StorageFull => VolumeError::Full(path.to_owned()),
        ErrorKind::ReadOnlyFilesystem => {
            VolumeError::Failed("ntfs-3g opened the volume for reading only".into())
        }
        ErrorKind::NotConnected | ErrorKind::ConnectionAborted => {
            VolumeError::Ended("ntfs-3g".into())
        }
        _ => VolumeError::failed(&format!("putting {path} there"), error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_taken_apart_as_windows_does() {
        let (folders, name) = names("/Windows\\System32/x.sys").unwrap();
        assert_eq!((folders, name), (vec!["Windows", "System32"], "x.sys"));
        assert_eq!(names("x").unwrap(), (vec![], "x"));
        for bad in ["", "/", "a//b", "a/", "../x", "a/./b", "x:y", "a\0b"] {
            assert!(names(bad).is_err(), "{bad:?}");
        }
        assert!(names(&"n".repeat(256)).is_err());
    }

    #[test]
    fn capitals_are_one_for_one() {
        assert_eq!(fold("straße.Sys"), "STRAßE.SYS".chars().collect::<Vec<_>>());
        assert_eq!(fold("Äé"), fold("äÉ"));
    }

    #[test]
    fn files_are_found_without_regard_to_case_and_compared_whole() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("Windows")).unwrap();
        let file = root.path().join("Windows/Some.Sys");
        fs::write(&file, [1; 5000]).unwrap();
        let mut wanted = NewFile::changed("/WINDOWS/SOME.SYS", vec![2; 70]);
        assert_eq!(
            check(root.path(), &wanted),
            Err(VolumeError::Differs(wanted.path.clone()))
        );
        put(root.path(), &wanted).unwrap();
        assert_eq!(fs::read(&file).unwrap(), [2; 70]);
        check(root.path(), &wanted).unwrap();
        for other in [vec![2; 69], vec![2; 71]] {
            wanted.bytes = other;
            assert!(check(root.path(), &wanted).is_err());
        }
        fs::write(root.path().join("Windows/SOME.sys"), "").unwrap();
        assert!(matches!(
            put(root.path(), &wanted),
            Err(VolumeError::NotPlain { .. })
        ));
    }
}
