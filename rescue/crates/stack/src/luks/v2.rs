//! LUKS2: two copies of a binary header of 4 KiB with JSON behind it.

use std::io::Result;

use disk::ReadAt;

use super::kdf::Hash;
use super::{Header, MAGIC, Refused, damaged, text, uuid, v2_json};
use crate::bytes::{array, read};

const BINARY: usize = 4096;
/// `LUKS2_MAGIC_2ND`, of the second copy.
const MAGIC_SECOND: &[u8; 6] = b"SKUL\xba\xbe";
/// The sizes of a copy with its JSON, and so the places of the second.
const SIZES: [u64; 9] = [
    0x4000, 0x8000, 0x1_0000, 0x2_0000, 0x4_0000, 0x8_0000, 0x10_0000, 0x20_0000, 0x40_0000,
];

/// The newer one of the copies that are sound.
pub(super) fn read_header(
    device: &(impl ReadAt + ?Sized),
) -> Result<std::result::Result<Header, Refused>> {
    let first = copy(device, 0, MAGIC)?;
    let mut sound: Vec<_> = first.iter().flatten().cloned().collect();
    // A sound first copy says where the second is: elsewhere are remains of older volumes.
    let said = sound.first().map(|first| first.size);
    let places = SIZES
        .into_iter()
        .filter(|at| said.is_none_or(|said| said == *at));
    for at in places {
        if let Some(Ok(second)) = copy(device, at, MAGIC_SECOND)? {
            sound.push(second);
        }
    }
    let newest = sound.into_iter().rev().max_by_key(|copy| copy.sequence);
    let Some(newest) = newest else {
        let why = first.and_then(std::result::Result::err).unwrap_or_default();
        return Ok(Err(Refused::of(damaged(format!(
            "no copy of its header is sound: {why}"
        )))));
    };
    let uuid = newest.uuid;
    let header = v2_json::parse(&newest.json, &uuid);
    Ok(header.map_err(|why| Refused { uuid, why }))
}

#[derive(Clone)]
struct Copy {
    /// Bytes, with the JSON.
    size: u64,
    sequence: u64,
    uuid: String,
    json: Vec<u8>,
}

/// The copy at `at`; `None` when none begins there.
fn copy(
    device: &(impl ReadAt + ?Sized),
    at: u64,
    magic: &[u8; 6],
) -> Result<Option<std::result::Result<Copy, String>>> {
    let Some(head) = read(device, at, BINARY)? else {
        return Ok(None);
    };
    let be = |field| array(&head, field).map(u64::from_be_bytes);
    if !head.starts_with(magic) || array(&head, 6) != Some([0, 2]) {
        return Ok(None);
    }
    let size = be(8).filter(|size| SIZES.contains(size));
    let (Some(size), true) = (size, be(256) == Some(at)) else {
        return Ok(Some(Err(
            "its size or its place is not one that there is".to_owned()
        )));
    };
    let len = usize::try_from(size).unwrap_or(usize::MAX);
    let Some(bytes) = read(device, at, len)? else {
        return Ok(Some(Err("it is cut".to_owned())));
    };
    Ok(Some(checked(bytes)))
}

fn checked(mut bytes: Vec<u8>) -> std::result::Result<Copy, String> {
    let short = || "it is cut".to_owned();
    let hash = text(&bytes, 72, 32).ok_or_else(short)?;
    let hash = Hash::named(&hash)?;
    let field = bytes.get_mut(448..512).ok_or_else(short)?;
    let said = field.to_vec();
    field.fill(0);
    let is = hash.of(&[&bytes]);
    if !said.starts_with(&is) {
        return Err("its checksum is not that of its bytes".to_owned());
    }
    let json = bytes.get(BINARY..).ok_or_else(short)?;
    let size = array(&bytes, 8).map(u64::from_be_bytes).ok_or_else(short)?;
    let json = json.split(|byte| *byte == 0).next().unwrap_or_default();
    Ok(Copy {
        size,
        sequence: array(&bytes, 16)
            .map(u64::from_be_bytes)
            .ok_or_else(short)?,
        uuid: uuid(&bytes).ok_or("its UUID is none")?,
        json: json.to_vec(),
    })
}
