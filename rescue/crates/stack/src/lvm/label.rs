//! A physical volume's label, header and metadata areas.

use disk::ReadAt;

use crate::bytes::{array, le_u32, le_u64, read};

const SECTOR: usize = 512;
/// LVM looks for the label in this many sectors.
const LABEL_SECTORS: usize = 4;
/// `LABEL_ID`.
const LABEL: &[u8; 8] = b"LABELONE";
/// `LVM2_LABEL`, the type in the label.
const TYPE: &[u8; 8] = b"LVM2 001";
/// `FMTT_MAGIC`, in the header of a metadata area.
const MDA_MAGIC: &[u8; 16] = b" LVM2 x[5A%r0N*>";
/// `MDA_HEADER_SIZE`: the text's ring begins behind it.
const MDA_HEADER: u64 = 512;
/// `RAW_LOCN_IGNORED`.
const IGNORED: u32 = 1;
/// LVM's text takes some KiB, for thousands of volumes some MiB.
const TEXT_CAP: u64 = 8 << 20;
/// There are two at most, one at each end.
const AREAS_CAP: usize = 8;

/// A physical volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pv {
    /// The UUID, without hyphens.
    pub(crate) uuid: String,
    /// The texts of its metadata areas that are sound.
    pub(crate) texts: Vec<Vec<u8>>,
    /// What is wrong with the other areas.
    pub(crate) damage: Vec<String>,
}

/// LVM's checksum: the usual CRC-32, with an initial value of its own
/// (`INITIAL_CRC`) and without the inversion at the end.
pub(crate) fn crc(parts: &[&[u8]]) -> u32 {
    let mut crc = crc32fast::Hasher::new_with_initial(!0xf597_a6cf);
    for part in parts {
        crc.update(part);
    }
    !crc.finalize()
}

/// The physical volume on `device`. `Ok(None)`: it is none.
///
/// # Errors
/// The inner one in words when the label is damaged; else the device's own.
pub(crate) fn read_pv(
    device: &(impl ReadAt + ?Sized),
) -> std::io::Result<Result<Option<Pv>, String>> {
    let Some(head) = read(device, 0, LABEL_SECTORS * SECTOR)? else {
        return Ok(Ok(None));
    };
    let sectors = head.chunks_exact(SECTOR).enumerate();
    for (number, sector) in sectors {
        if !sector.starts_with(LABEL) || array(sector, 24) != Some(*TYPE) {
            continue;
        }
        return match header(sector, number as u64) {
            Ok((uuid, areas)) => Ok(Ok(Some(with_texts(device, uuid, &areas)?))),
            Err(why) => Ok(Err(why)),
        };
    }
    Ok(Ok(None))
}

/// The UUID and the metadata areas (offset, size) in the label's sector.
fn header(sector: &[u8], number: u64) -> Result<(String, Vec<(u64, u64)>), String> {
    let short = || "it ends too early".to_owned();
    let said = le_u64(sector, 8).ok_or_else(short)?;
    if said != number {
        return Err(format!("it is in sector {number} and says {said}"));
    }
    let sum = le_u32(sector, 16).ok_or_else(short)?;
    let is = crc(&[sector.get(20..).unwrap_or_default()]);
    if sum != is {
        return Err(format!("its checksum is {is:08x}, it says {sum:08x}"));
    }
    let at = le_u32(sector, 20).ok_or_else(short)? as usize;
    let uuid: [u8; 32] = array(sector, at).ok_or_else(short)?;
    if !uuid
        .iter()
        .all(|byte| byte.is_ascii_alphanumeric() || b"!#".contains(byte))
    {
        return Err("its UUID has characters that none has".to_owned());
    }
    let uuid = String::from_utf8_lossy(&uuid).into_owned();
    // Behind the UUID and the device's size: the data areas, then those of metadata, each list ends with zeros.
    let mut at = at.saturating_add(40);
    let mut lists = [Vec::new(), Vec::new()];
    for list in &mut lists {
        loop {
            let area = (le_u64(sector, at), le_u64(sector, at.saturating_add(8)));
            let (Some(offset), Some(size)) = area else {
                return Err(short());
            };
            at = at.saturating_add(16);
            if offset == 0 {
                break;
            }
            list.push((offset, size));
        }
    }
    let [_, mut metadata] = lists;
    metadata.truncate(AREAS_CAP);
    Ok((uuid, metadata))
}

fn with_texts(
    device: &(impl ReadAt + ?Sized),
    uuid: String,
    areas: &[(u64, u64)],
) -> std::io::Result<Pv> {
    let (mut texts, mut damage) = (Vec::new(), Vec::new());
    for (offset, size) in areas {
        match text_of(device, *offset, *size)? {
            Ok(text) => texts.extend(text),
            Err(why) => damage.push(format!("the metadata area at byte {offset}: {why}")),
        }
    }
    Ok(Pv {
        uuid,
        texts,
        damage,
    })
}

/// The text in the metadata area of `size` bytes at `offset`, if there is one.
fn text_of(
    device: &(impl ReadAt + ?Sized),
    offset: u64,
    size: u64,
) -> std::io::Result<Result<Option<Vec<u8>>, String>> {
    let Some(head) = read(device, offset, SECTOR)? else {
        return Ok(Err("it is behind the end of the device".to_owned()));
    };
    let at = match ring_place(&head, offset, size) {
        Ok(Some(at)) => at,
        Ok(None) => return Ok(Ok(None)),
        Err(why) => return Ok(Err(why)),
    };
    let first = at.len.min(size - at.from);
    let parts = [(at.from, first), (MDA_HEADER, at.len - first)];
    let mut text = Vec::new();
    for (from, len) in parts {
        let from = offset.checked_add(from);
        let part = match (from, usize::try_from(len)) {
            (Some(from), Ok(len)) => read(device, from, len)?,
            _ => None,
        };
        let Some(part) = part else {
            return Ok(Err("its text is behind the end of the device".to_owned()));
        };
        text.extend(part);
    }
    let is = crc(&[&text]);
    if is != at.sum {
        let sum = at.sum;
        return Ok(Err(format!(
            "its text has the checksum {is:08x}, not {sum:08x}"
        )));
    }
    Ok(Ok(Some(text)))
}

/// A text in the ring of a metadata area: bytes from the area's beginning.
struct RingPlace {
    from: u64,
    len: u64,
    sum: u32,
}

fn ring_place(head: &[u8], offset: u64, size: u64) -> Result<Option<RingPlace>, String> {
    let short = || "its header ends too early".to_owned();
    if array(head, 4) != Some(*MDA_MAGIC) {
        return Err("it does not begin as one".to_owned());
    }
    let sum = le_u32(head, 0).ok_or_else(short)?;
    let is = crc(&[head.get(4..).unwrap_or_default()]);
    if sum != is {
        return Err(format!("its checksum is {is:08x}, it says {sum:08x}"));
    }
    let said = (le_u64(head, 24), le_u64(head, 32));
    if said != (Some(offset), Some(size)) {
        return Err("its header is that of another place".to_owned());
    }
    let from = le_u64(head, 40).ok_or_else(short)?;
    let len = le_u64(head, 48).ok_or_else(short)?;
    let sum = le_u32(head, 56).ok_or_else(short)?;
    let flags = le_u32(head, 60).ok_or_else(short)?;
    if from == 0 || len == 0 || flags & IGNORED != 0 {
        return Ok(None);
    }
    let ring = size.saturating_sub(MDA_HEADER);
    if !(MDA_HEADER..size).contains(&from) || len > ring.min(TEXT_CAP) {
        return Err(format!("its text of {len} bytes at {from} does not fit in"));
    }
    Ok(Some(RingPlace { from, len, sum }))
}
