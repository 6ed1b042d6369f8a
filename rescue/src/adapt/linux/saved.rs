//! What is overwritten is kept on the system's own disk, and what was done is told
//! there.

use super::Failed;
use crate::adapt::Adaptation;
use crate::adapt::volume::NewFile;
use crate::files::Files;

/// Where: a folder for each time, for root only.
const FOLDER: &str = "/var/lib/rescue";
/// No text that is changed has more bytes.
const MOST: u64 = 1 << 20;

/// Adds to the files of `told` the originals of those that are overwritten, and a list
/// of all that is done.
pub(super) fn originals(files: &dyn Files, told: &mut Adaptation) -> Result<(), Failed> {
    if told.files.is_empty() {
        return Ok(());
    }
    let there = files.list(FOLDER)?;
    let number = (1u32..).find(|n| !there.contains(&n.to_string()));
    let folder = format!("{FOLDER}/{}", number.unwrap_or_default());
    let mut kept = Vec::new();
    for file in &mut told.files {
        if let Some(was) = &file.was {
            file.bytes = files.read(was, MOST)?.unwrap_or_default();
            continue;
        }
        if file.folder {
            continue;
        }
        // (What is appended to is there still.)
        let original = match file.after {
            0 => files.read(&file.path, MOST)?,
            _ => None,
        };
        kept.extend(original.map(|bytes| private(format!("{folder}{}", file.path), bytes)));
    }
    let grown = told.files.iter().filter(|file| file.after > 0);
    let grown = grown.map(|file| format!("{} had {} bytes", file.path, file.after));
    let lines = told.edits.iter().cloned().chain(grown);
    let mut text = String::from(
        "What rescue changed when this system came to other hardware; the files that were \
         overwritten are beside this list.\n",
    );
    for line in lines {
        text.push_str(&format!("- {line}\n"));
    }
    kept.push(private(format!("{folder}/changes.txt"), text.into_bytes()));
    told.edits
        .push(format!("keep what is overwritten in {folder}"));
    told.files.extend(kept);
    Ok(())
}

fn private(path: String, bytes: Vec<u8>) -> NewFile {
    NewFile {
        private: true,
        ..NewFile::made(path, bytes)
    }
}
