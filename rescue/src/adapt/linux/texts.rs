//! Texts in which the system names its disk's volumes, changed by the crate `linux`.

use linux::network::{self, Mac, Nic};
use linux::{Edits, Unread, devices};

use super::initramfs::Copied;
use super::known::Volumes;
use crate::adapt::Adaptation;
use crate::adapt::volume::NewFile;
use crate::files::Files;
use crate::inventory::Card;

/// Our files as that crate reads them.
struct Theirs<'f>(&'f dyn Files);

impl linux::Files for Theirs<'_> {
    fn read(&self, path: &str, cap: u64) -> Result<Option<Vec<u8>>, Unread> {
        self.0.read(path, cap).map_err(unread)
    }

    fn list(&self, path: &str) -> Result<Vec<String>, Unread> {
        self.0.list(path).map_err(unread)
    }
}

fn unread(error: crate::files::FilesError) -> Unread {
    Unread {
        path: error.path,
        what: error.what,
    }
}

/// Names that this hardware does not have become others in all files that have them;
/// those of which an initramfs may have a copy.
pub(super) fn renamed(files: &dyn Files, volumes: &Volumes, told: &mut Adaptation) -> Vec<Copied> {
    take(devices::renamed(&Theirs(files), &volumes.known), told)
}

/// Its network configuration follows the cards, which are of this machine.
pub(super) fn follow(files: &dyn Files, cards: &[Card], told: &mut Adaptation) -> Vec<Copied> {
    if cards.is_empty() {
        return Vec::new();
    }
    let nic = |card: &Card| {
        Some(Nic {
            mac: Mac::read(&card.mac)?,
            name: None,
            bus: card.bus.clone(),
            link: card.link,
        })
    };
    let nics: Vec<Nic> = cards.iter().filter_map(nic).collect();
    take(network::follow(&Theirs(files), &nics), told)
}

fn take(edits: Edits, told: &mut Adaptation) -> Vec<Copied> {
    told.lines.extend(edits.lines);
    told.warnings.extend(edits.warnings);
    let mut copied = Vec::new();
    for file in edits.files {
        told.edits
            .push(format!("change {}: {}", file.path, file.edits.join("; ")));
        let text = file.text.into_bytes();
        if !file.copies.is_empty() {
            copied.push(Copied {
                paths: file.copies,
                text: text.clone(),
            });
        }
        told.files.push(match file.new {
            true => NewFile::made(file.path, text),
            false => NewFile::changed(&file.path, text),
        });
    }
    for moved in edits.moved {
        told.lines.push(moved.why);
        told.edits.push(format!("call {} {}", moved.from, moved.to));
        // (What is to be read back is what was in it.)
        told.files.push(NewFile {
            was: Some(moved.from),
            ..NewFile::changed(&moved.to, Vec::new())
        });
        copied.push(Copied {
            paths: moved.copies,
            text: Vec::new(),
        });
    }
    copied
}
