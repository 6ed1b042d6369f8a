//! LUKS1: a header of 592 bytes, big-endian.

use std::io::Result;

use disk::ReadAt;

use super::kdf::{Hash, Kdf};
use super::{Digest, Header, Refused, SECTOR, Segment, Slot, damaged, text, uuid};
use crate::LuksProblem;
use crate::bytes::{array, read};

const LEN: usize = 592;
const SLOTS: usize = 208;
const SLOT: usize = 48;
/// `LUKS_KEY_ENABLED`.
const ENABLED: u32 = 0x00ac_71f3;
/// AES-XTS takes 64 bytes; more is damage.
pub(super) const KEY_CAP: usize = 128;
/// cryptsetup splits into 4000.
pub(super) const STRIPES_CAP: usize = 8000;

pub(super) fn read_header(
    device: &(impl ReadAt + ?Sized),
) -> Result<std::result::Result<Header, Refused>> {
    let Some(bytes) = read(device, 0, LEN)? else {
        return Ok(Err(Refused::of(damaged("its header is cut"))));
    };
    let uuid = uuid(&bytes).unwrap_or_default();
    Ok(parse(&bytes, &uuid).map_err(|why| Refused { uuid, why }))
}

fn be(bytes: &[u8], at: usize) -> Option<u32> {
    array(bytes, at).map(u32::from_be_bytes)
}

fn parse(bytes: &[u8], uuid: &str) -> std::result::Result<Header, LuksProblem> {
    let broken = || damaged("its header has values that cannot be");
    let name = text(bytes, 8, 32).ok_or_else(broken)?;
    let mode = text(bytes, 40, 32).ok_or_else(broken)?;
    let hash = text(bytes, 72, 32).ok_or_else(broken)?;
    let hash = Hash::named(&hash).map_err(|what| LuksProblem::Unsupported { what })?;
    let payload = be(bytes, 104).ok_or_else(broken)?;
    let key = be(bytes, 108).and_then(|key| usize::try_from(key).ok());
    let key = key
        .filter(|key| (1..=KEY_CAP).contains(key))
        .ok_or_else(broken)?;
    if uuid.is_empty() {
        return Err(broken());
    }
    if payload == 0 {
        return Err(LuksProblem::DetachedHeader);
    }
    let cipher = format!("{name}-{mode}");
    let digest = Digest {
        kdf: Kdf::Pbkdf2 {
            hash,
            salt: bytes.get(132..164).ok_or_else(broken)?.to_vec(),
            rounds: be(bytes, 164).ok_or_else(broken)?,
        },
        value: bytes.get(112..132).ok_or_else(broken)?.to_vec(),
    };
    let made = Made {
        cipher: &cipher,
        key,
        hash,
        digest: &digest,
    };
    let mut slots = Vec::new();
    for number in 0..8 {
        let slot = bytes.get(SLOTS + number * SLOT..).ok_or_else(broken)?;
        if be(slot, 0) == Some(ENABLED) {
            slots.push(made.slot(slot).ok_or_else(broken)?);
        }
    }
    Ok(Header {
        uuid: uuid.to_owned(),
        slots,
        unusable: None,
        segment: Segment {
            offset: u64::from(payload) * SECTOR,
            size: None,
            cipher,
            sector: 512,
            tweak: 0,
        },
    })
}

/// What all slots have in common.
struct Made<'a> {
    cipher: &'a str,
    key: usize,
    hash: Hash,
    digest: &'a Digest,
}

impl Made<'_> {
    fn slot(&self, bytes: &[u8]) -> Option<Slot> {
        let stripes = usize::try_from(be(bytes, 44)?).ok()?;
        Some(Slot {
            kdf: Kdf::Pbkdf2 {
                hash: self.hash,
                salt: bytes.get(8..40)?.to_vec(),
                rounds: be(bytes, 4)?,
            },
            area: u64::from(be(bytes, 40)?) * SECTOR,
            cipher: self.cipher.to_owned(),
            cipher_key: self.key,
            stripes: Some(stripes).filter(|n| (1..=STRIPES_CAP).contains(n))?,
            split: self.hash,
            key: self.key,
            digest: self.digest.clone(),
        })
    }
}
