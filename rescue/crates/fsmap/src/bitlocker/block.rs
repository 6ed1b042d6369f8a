//! One copy of the metadata: a block header of 64 bytes, a data set with a
//! header of 48 bytes and entries, and a checksum behind them.

use std::fmt;

use super::entries::{self, Entry};
use super::protector::Protector;
use super::{BitLocker, Made, header};
use crate::bytes::{Source, array, has, le16, le32, le64, plus, slice};
use crate::error::{Stop, raw};

const BLOCK_HEADER: usize = 64;
const SET_HEADER: usize = 48;
/// Windows reserves 64 KiB; a size of 16 bits in units of 16 bytes cannot say more.
const MOST: u64 = 1 << 20;

/// Roles of entries.
mod role {
    pub(super) const VOLUME_MASTER_KEY: u16 = 2;
    pub(super) const DESCRIPTION: u16 = 7;
    pub(super) const AUTO_UNLOCK: u16 = 0x0B;
}

/// How a volume's sectors are encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// None yet, or no more.
    None,
    AesCbcDiffuser(u16),
    AesCbc(u16),
    AesXts(u16),
    /// Known to Windows alone.
    Other(u16),
}

impl From<u16> for Method {
    fn from(number: u16) -> Self {
        match number {
            0 => Self::None,
            0x8000 => Self::AesCbcDiffuser(128),
            0x8001 => Self::AesCbcDiffuser(256),
            0x8002 => Self::AesCbc(128),
            0x8003 => Self::AesCbc(256),
            0x8004 => Self::AesXts(128),
            0x8005 => Self::AesXts(256),
            other => Self::Other(other),
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => write!(f, "no encryption method"),
            Self::AesCbcDiffuser(bits) => write!(f, "AES-CBC {bits} with diffuser"),
            Self::AesCbc(bits) => write!(f, "AES-CBC {bits}"),
            Self::AesXts(bits) => write!(f, "AES-XTS {bits}"),
            Self::Other(number) => write!(f, "encryption method {number:#06x}"),
        }
    }
}

/// What a volume is, or is to become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Decrypted,
    /// Between two states, with a log of what is being converted.
    SwitchingDirty,
    /// Between two states, and waiting.
    Paused,
    Encrypted,
    /// Between two states.
    Switching,
    Other(u16),
}

impl From<u16> for State {
    fn from(number: u16) -> Self {
        match number {
            1 => Self::Decrypted,
            2 => Self::SwitchingDirty,
            3 => Self::Paused,
            4 => Self::Encrypted,
            5 => Self::Switching,
            other => Self::Other(other),
        }
    }
}

/// How far a volume is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conversion {
    pub current: State,
    pub next: State,
    /// Encrypted up to this byte. (Windows 7 converts from the front and takes that
    /// back from the end; later ones keep bitmaps, which are not read.)
    pub up_to: Option<u64>,
    /// The boot sector says that it is encrypted as it is written to, which Windows
    /// 10 and later do where only the used space was to be encrypted, or while they
    /// convert.
    pub on_write: bool,
}

impl Conversion {
    /// Whether the volume is between two states.
    #[must_use]
    pub fn is_under_way(&self) -> bool {
        let rests = |state| matches!(state, State::Decrypted | State::Encrypted);
        self.current != self.next || !rests(self.current)
    }
}

impl fmt::Display for Conversion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.current, self.next) {
            (State::Encrypted, State::Encrypted) if self.on_write => {
                return write!(f, "encrypted where it is used, perhaps not everywhere yet");
            }
            (State::Encrypted, State::Encrypted) => return write!(f, "encrypted"),
            (State::Decrypted, State::Decrypted) => return write!(f, "decrypted"),
            (_, State::Encrypted) => write!(f, "being encrypted")?,
            (_, State::Decrypted) => write!(f, "being decrypted")?,
            (current, next) => write!(f, "in state {current:?}, to become {next:?}")?,
        }
        match self.up_to {
            Some(byte) if !self.on_write => write!(f, " (encrypted up to byte {byte})"),
            _ => write!(f, " (how far is not known here)"),
        }
    }
}

/// Reads the copy at byte `offset`, and tells whether its checksum is right.
pub(super) fn read(
    source: Source<'_>,
    offset: u64,
    found: &header::Found,
) -> Result<(BitLocker, bool), Stop> {
    const WHAT: &str = "BitLocker metadata";
    let head = source.read(WHAT, offset, (BLOCK_HEADER + SET_HEADER) as u64)?;
    if !has(&head, 0, header::SIGNATURE) {
        return raw(format!(
            "its metadata at byte {offset} does not begin with \"-FVE-FS-\""
        ));
    }
    let version = le16(&head, 10)?;
    let unit = match version {
        1 => 1,
        2 => 16,
        _ => {
            return raw(format!(
                "its metadata at byte {offset} has version {version}, expected 1 or 2"
            ));
        }
    };
    let size = u64::from(le16(&head, 8)?).saturating_mul(unit);
    if size < head.len() as u64 || size > MOST {
        return raw(format!(
            "its metadata at byte {offset} is said to have {size} bytes"
        ));
    }
    let block = source.read(WHAT, offset, size)?;
    let sound = checked(source, plus(offset, size)?, &block)?;
    let watermark = (version == 2).then(|| le64(&block, 16)).transpose()?;
    let conversion = Conversion {
        current: le16(&block, 12)?.into(),
        next: le16(&block, 14)?.into(),
        up_to: watermark,
        on_write: found.on_write,
    };
    let volume = of_set(&block, found.made, conversion)?;
    Ok((volume, sound))
}

/// Whether the CRC-32 behind the block is right. Where none can be read it is not.
fn checked(source: Source<'_>, behind: u64, block: &[u8]) -> Result<bool, Stop> {
    let validation = match source.read("BitLocker checksum", behind, 8) {
        Ok(validation) => validation,
        Err(Stop::Raw(_)) => return Ok(false),
        Err(error) => return Err(error),
    };
    Ok(le32(&validation, 4)? == crc32fast::hash(block))
}

fn of_set(block: &[u8], made: Made, conversion: Conversion) -> Result<BitLocker, Stop> {
    let rest = block.len().saturating_sub(BLOCK_HEADER);
    let set = slice(block, BLOCK_HEADER, rest)?;
    let place = |at| le32(set, at).map(|v| usize::try_from(v).unwrap_or(usize::MAX));
    let (start, end) = (place(8)?, place(12)?);
    let entries = match set.get(start..end) {
        Some(entries) if start >= SET_HEADER => entries,
        _ => {
            return raw(format!(
                "its entries are said to be from byte {start} to {end} of {rest}"
            ));
        }
    };
    let mut volume = BitLocker {
        made,
        method: le16(set, 36)?.into(),
        conversion,
        id: entries::guid(array(set, 16)?),
        description: None,
        created: le64(set, 40)?,
        protectors: Vec::new(),
        unlocks_others: false,
    };
    for entry in entries::all(entries)? {
        add(&mut volume, &entry)?;
    }
    Ok(volume)
}

fn add(volume: &mut BitLocker, entry: &Entry<'_>) -> Result<(), Stop> {
    match entry.role {
        role::VOLUME_MASTER_KEY => volume.protectors.push(Protector::read(entry.data)?),
        role::DESCRIPTION => volume.description = entries::text(entry.data),
        role::AUTO_UNLOCK => volume.unlocks_others = true,
        _ => {}
    }
    Ok(())
}
