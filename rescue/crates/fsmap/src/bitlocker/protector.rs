//! What opens a volume: an entry for each way to its master key.

use std::fmt;

use super::entries;
use crate::bytes::{array, le16, le64, slice};
use crate::error::Stop;

const HEADER: usize = 28;
/// Types of the entries in it.
mod kind {
    pub(super) const TEXT: u16 = 2;
    pub(super) const BACKUP: u16 = 0x15;
}

/// A way to open a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Protector {
    /// Its identifier, a GUID. Of a recovery password it is what Windows shows as
    /// "recovery key ID" and a directory as "password ID"; of a startup key it is
    /// the name of its file, `{ID}.BEK`.
    pub id: String,
    /// What is needed.
    pub opens: Opens,
    /// When it last changed, as a FILETIME.
    pub changed: u64,
    /// What it is called, if it has a name.
    pub name: Option<String>,
    /// Where its secret was saved.
    pub backups: Vec<Backup>,
}

/// What it takes to open a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opens {
    /// Nothing: the key lies open beside it.
    Clear,
    /// The TPM that it was made with.
    Tpm,
    TpmAndPin,
    TpmAndKey,
    TpmAndPinAndKey,
    /// A file on a USB stick: a startup key or a recovery key; or, on a volume of
    /// data, the one that a Windows keeps to open it by itself (auto-unlock).
    Key,
    /// 48 digits.
    RecoveryPassword,
    /// A smart card or another certificate.
    Certificate,
    Password,
    /// Something else, by Windows' number.
    Other(u16),
}

impl From<u16> for Opens {
    /// The upper byte is a set of what is needed together: 1 the TPM, 2 a key in a
    /// file, 4 a PIN, 8 a recovery password, 0x10 a certificate, 0x20 a password.
    fn from(priority: u16) -> Self {
        match priority >> 8 {
            0 => Self::Clear,
            1 => Self::Tpm,
            2 => Self::Key,
            3 => Self::TpmAndKey,
            5 => Self::TpmAndPin,
            7 => Self::TpmAndPinAndKey,
            8 => Self::RecoveryPassword,
            0x10 => Self::Certificate,
            0x20 => Self::Password,
            _ => Self::Other(priority),
        }
    }
}

impl Opens {
    /// Whether it takes the TPM that it was made with.
    #[must_use]
    pub const fn needs_tpm(self) -> bool {
        matches!(
            self,
            Self::Tpm | Self::TpmAndPin | Self::TpmAndKey | Self::TpmAndPinAndKey
        )
    }
}

impl fmt::Display for Opens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Clear => "no secret at all (its protection is suspended, or not yet on)",
            Self::Tpm => "the TPM of its machine",
            Self::TpmAndPin => "the TPM of its machine with a PIN",
            Self::TpmAndKey => "the TPM of its machine with a startup key on USB",
            Self::TpmAndPinAndKey => "the TPM of its machine with a PIN and a startup key on USB",
            Self::Key => {
                "a key in a file (a startup or recovery key on USB, or auto-unlock by its Windows)"
            }
            Self::RecoveryPassword => "a recovery password of 48 digits",
            Self::Certificate => "a certificate (smart card)",
            Self::Password => "a password",
            Self::Other(number) => return write!(f, "something unknown ({number:#06x})"),
        })
    }
}

/// Where the secret of a protector was saved, by the numbers in dissect.fve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backup {
    ActiveDirectory,
    MicrosoftAccount,
    EntraId,
    File,
    Printed,
    Other(u16),
}

impl From<u16> for Backup {
    fn from(number: u16) -> Self {
        match number {
            1 => Self::ActiveDirectory,
            2 => Self::MicrosoftAccount,
            4 => Self::EntraId,
            8 => Self::File,
            0x10 => Self::Printed,
            other => Self::Other(other),
        }
    }
}

impl fmt::Display for Backup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ActiveDirectory => "in Active Directory",
            Self::MicrosoftAccount => "in a Microsoft account",
            Self::EntraId => "in Entra ID (Azure AD)",
            Self::File => "in a file",
            Self::Printed => "on paper",
            Self::Other(number) => return write!(f, "in another way ({number:#06x})"),
        })
    }
}

impl Protector {
    /// From the data of its entry.
    pub(super) fn read(data: &[u8]) -> Result<Self, Stop> {
        let mut protector = Self {
            id: entries::guid(array(data, 0)?),
            changed: le64(data, 16)?,
            opens: le16(data, 26)?.into(),
            name: None,
            backups: Vec::new(),
        };
        let rest = data.len().saturating_sub(HEADER);
        for entry in entries::all(slice(data, HEADER, rest)?)? {
            match entry.kind {
                kind::TEXT => protector.name = entries::text(entry.data),
                kind::BACKUP => {
                    let backup = le16(entry.data, 16)?.into();
                    if !protector.backups.contains(&backup) {
                        protector.backups.push(backup);
                    }
                }
                _ => {}
            }
        }
        Ok(protector)
    }

    /// "in Active Directory and on paper", where that is known.
    #[must_use]
    pub fn saved(&self) -> Option<String> {
        let places: Vec<String> = self.backups.iter().map(Backup::to_string).collect();
        (!places.is_empty()).then(|| places.join(" and "))
    }

    pub(super) fn note(&self) -> String {
        let id = match self.opens {
            Opens::RecoveryPassword => format!(", recovery key ID {}", self.id),
            Opens::Key | Opens::TpmAndKey | Opens::TpmAndPinAndKey => {
                format!(", file {{{}}}.BEK", self.id)
            }
            _ => String::new(),
        };
        let saved = match self.saved() {
            Some(places) => format!(", saved {places}"),
            None => String::new(),
        };
        format!("It opens with {}{id}{saved}.", self.opens)
    }
}
