//! LUKS, versions 1 and 2.
//!
//! Facts: "LUKS1 On-Disk Format Specification" 1.2.3 and "LUKS2 On-Disk Format
//! Specification" 1.1.4, both by the cryptsetup project.

mod af;
mod cipher;
mod device;
mod kdf;
mod unlock;
mod v1;
mod v2;
mod v2_json;

use std::sync::Arc;

use crate::bytes::{array, read};
use crate::{Keys, Layer, LuksProblem};

use device::Crypt;
use kdf::{Hash, Kdf};

/// `LUKS_MAGIC`; that of LUKS2's second header is the other way round at its beginning.
const MAGIC: &[u8; 6] = b"LUKS\xba\xbe";
const SECTOR: u64 = 512;

/// A key slot: how a passphrase leads to the volume's key.
#[derive(Debug, Clone)]
struct Slot {
    kdf: Kdf,
    /// Where the split key is, in bytes.
    area: u64,
    /// How it is encrypted, as dm-crypt writes it, and with how many bytes of key.
    cipher: String,
    cipher_key: usize,
    /// How it was split.
    stripes: usize,
    split: Hash,
    /// Bytes of the volume's key.
    key: usize,
    digest: Digest,
}

/// What tells the volume's key when it is found.
#[derive(Debug, Clone)]
struct Digest {
    kdf: Kdf,
    value: Vec<u8>,
}

/// Where the data is, and how it is encrypted.
#[derive(Debug, Clone)]
struct Segment {
    /// In bytes from the beginning of the device.
    offset: u64,
    /// In bytes; `None` is up to the end of the device.
    size: Option<u64>,
    cipher: String,
    /// Bytes that are encrypted as one.
    sector: u32,
    /// Added to the number of each sector of 512 bytes.
    tweak: u64,
}

/// A header.
#[derive(Debug, Clone)]
struct Header {
    uuid: String,
    /// Those that can be used here, best first.
    slots: Vec<Slot>,
    /// Why others cannot.
    unusable: Option<String>,
    segment: Segment,
}

/// A LUKS volume that was found.
pub(crate) struct FoundLuks {
    pub(crate) version: u8,
    /// Empty where the header is so damaged that it is not known.
    pub(crate) uuid: String,
    pub(crate) opened: Result<Arc<dyn Layer>, LuksProblem>,
}

/// The LUKS volume on `device`. `Ok(None)`: it is none.
///
/// # Errors
/// The device's own.
pub(crate) fn open(device: &Arc<dyn Layer>, keys: &dyn Keys) -> std::io::Result<Option<FoundLuks>> {
    let Some(head) = read(device, 0, 8)? else {
        return Ok(None);
    };
    if !head.starts_with(MAGIC) {
        return Ok(None);
    }
    let version = array(&head, 6).map(u16::from_be_bytes).unwrap_or_default();
    let header = match version {
        1 => v1::read_header(device)?,
        2 => v2::read_header(device)?,
        other => Err(Refused::of(LuksProblem::Unsupported {
            what: format!("version {other}"),
        })),
    };
    let (uuid, opened) = match header {
        Ok(header) => (header.uuid.clone(), unlocked(device, &header, keys)?),
        Err(Refused { uuid, why }) => (uuid, Err(why)),
    };
    Ok(Some(FoundLuks {
        version: u8::try_from(version).unwrap_or(u8::MAX),
        uuid,
        opened,
    }))
}

fn unlocked(
    device: &Arc<dyn Layer>,
    header: &Header,
    keys: &dyn Keys,
) -> std::io::Result<Result<Arc<dyn Layer>, LuksProblem>> {
    let key = match unlock::unlock(device, header, keys)? {
        Ok(key) => key,
        Err(why) => return Ok(Err(why)),
    };
    let crypt = Crypt::new(Arc::clone(device), &header.segment, &key, &header.uuid);
    Ok(crypt.map(|crypt| Arc::new(crypt) as Arc<dyn Layer>))
}

/// A header that cannot be used, with its UUID as far as it is known.
struct Refused {
    uuid: String,
    why: LuksProblem,
}

impl Refused {
    fn of(why: LuksProblem) -> Self {
        let uuid = String::new();
        Self { uuid, why }
    }
}

fn damaged(why: impl Into<String>) -> LuksProblem {
    LuksProblem::Damaged { why: why.into() }
}

/// A text that ends with a zero, or with its field.
fn text(bytes: &[u8], at: usize, len: usize) -> Option<String> {
    let field = bytes.get(at..at.checked_add(len)?)?;
    let field = field.split(|byte| *byte == 0).next()?;
    let text = std::str::from_utf8(field).ok()?;
    text.bytes()
        .all(|byte| byte.is_ascii_graphic())
        .then(|| text.to_owned())
}

/// The UUID in a header: it becomes part of a path.
fn uuid(bytes: &[u8]) -> Option<String> {
    let uuid = text(bytes, 168, 40)?;
    let sound = |byte: u8| byte.is_ascii_hexdigit() || byte == b'-';
    (!uuid.is_empty() && uuid.bytes().all(sound)).then_some(uuid)
}

/// What the volume is called where nothing says otherwise. `/etc/crypttab` says
/// it by the UUID; systemd and Fedora's installer use this name.
pub(crate) fn names(uuid: &str) -> Vec<String> {
    vec![format!("/dev/mapper/luks-{uuid}")]
}
