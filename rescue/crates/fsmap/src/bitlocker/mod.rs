//! What a BitLocker volume says of itself: how it is encrypted, how far, and
//! what opens it. Nothing is decrypted, and no key is looked at.
//!
//! Layouts and numbers: libbde's "BitLocker Drive Encryption (BDE) format
//! specification" and the definitions of dissect.fve (`c_bde.py`), whose genuine
//! volumes the tests read. The states have the names that dislocker gives them.

mod block;
mod entries;
mod header;
mod protector;

use disk::ReadAt;

use crate::bytes::Source;
use crate::error::{Error, Stop};

pub use block::{Conversion, Method, State};
pub(crate) use header::is_to_go;
pub use protector::{Backup, Opens, Protector};

/// A volume that is encrypted, or was to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BitLocker {
    /// Which Windows it was made for.
    pub made: Made,
    /// How its sectors are encrypted.
    pub method: Method,
    /// How far it is encrypted.
    pub conversion: Conversion,
    /// Its identifier, a GUID.
    pub id: String,
    /// "PC42 Data 10/8/2021": the computer's name, the volume's, and the day, as
    /// Windows wrote them when it began.
    pub description: Option<String>,
    /// When it was made, as a FILETIME: 100 ns since 1601.
    pub created: u64,
    /// What opens it, in the order in which it is written.
    pub protectors: Vec<Protector>,
    /// It has the key with which a Windows on it keeps those of other volumes, to
    /// open them by itself.
    pub unlocks_others: bool,
}

/// Which Windows a volume was made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Made {
    Vista,
    /// Windows 7 and later.
    Seven,
    /// To be carried around (BitLocker To Go), on a file system of FAT.
    ToGo,
}

impl BitLocker {
    /// Reads what the volume `dev` says; the sentence of an inner error says why
    /// that is nothing.
    ///
    /// # Errors
    /// Only when the device cannot be read.
    pub fn read(dev: &dyn ReadAt) -> Result<Result<Self, String>, Error> {
        match read(Source::new(dev)) {
            Ok(found) => Ok(Ok(found)),
            Err(Stop::Raw(why)) => Ok(Err(why)),
            Err(Stop::Device(error)) => Err(error),
        }
    }

    /// Those that a recovery password of 48 digits opens. Windows asks for it by
    /// the identifier, and a directory lists it under the same.
    pub fn recovery(&self) -> impl Iterator<Item = &Protector> {
        let protectors = self.protectors.iter();
        protectors.filter(|p| p.opens == Opens::RecoveryPassword)
    }

    /// Whether it opens without any secret: its protection is suspended, or was
    /// never switched on ("waiting for activation").
    #[must_use]
    pub fn is_suspended(&self) -> bool {
        self.protectors.iter().any(|p| p.opens == Opens::Clear)
    }

    /// Sentences for whoever looks at the volume.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let name = match &self.description {
            Some(text) => format!(", called {text:?}"),
            None => String::new(),
        };
        let mut notes = vec![format!(
            "BitLocker{}: {}; {}{name}.",
            match self.made {
                Made::Vista => " of Windows Vista",
                Made::Seven => "",
                Made::ToGo => " To Go",
            },
            self.method,
            self.conversion,
        )];
        notes.extend(self.protectors.iter().map(Protector::note));
        if self.protectors.is_empty() && self.conversion.current != State::Decrypted {
            notes.push("Nothing is written that opens it.".to_owned());
        }
        if self.unlocks_others {
            notes.push(
                "It is that of a Windows, and may have the keys of other volumes (auto-unlock): \
                 they open when it does."
                    .to_owned(),
            );
        }
        notes
    }
}

/// The notes of a volume, readable or not.
pub(crate) fn notes(source: Source<'_>) -> Result<Vec<String>, Error> {
    match read(source) {
        Ok(found) => Ok(found.notes()),
        Err(Stop::Raw(why)) => Ok(vec![format!("What opens it is not known: {why}.")]),
        Err(Stop::Device(error)) => Err(error),
    }
}

fn read(source: Source<'_>) -> Result<BitLocker, Stop> {
    let found = header::find(source)?;
    let mut why = None;
    let mut unchecked = None;
    // Windows keeps three copies, and writes one after the other.
    for offset in found.places(source)? {
        match block::read(source, offset, &found) {
            Ok((volume, true)) => return Ok(volume),
            Ok((volume, false)) => {
                unchecked.get_or_insert(volume);
            }
            Err(Stop::Raw(reason)) => {
                why.get_or_insert(reason);
            }
            Err(error) => return Err(error),
        }
    }
    // A checksum that is wrong in all of them is no reason to say nothing.
    match (unchecked, why) {
        (Some(volume), _) => Ok(volume),
        (None, why) => Err(Stop::Raw(
            why.unwrap_or_else(|| "its metadata is nowhere".to_owned()),
        )),
    }
}

#[cfg(test)]
mod tests;
