//! The boot sector: where the metadata is.

use super::Made;
use crate::bytes::{Source, array, byte, has, le16, le64, times};
use crate::error::{Stop, raw};

/// Signature of boot sector and metadata.
pub(super) const SIGNATURE: &[u8] = b"-FVE-FS-";
/// Signature of a volume to be carried around; also that of many a FAT.
const TO_GO: &[u8] = b"MSWIN4.1";
/// Where Windows 7 and later have identifier and places, and To Go has them.
const PLACES: usize = 0xA0;
const PLACES_TO_GO: usize = 0x1A8;
/// {4967d63b-2e29-4ad8-8399-f6a339e3d001}
const NORMAL: [u8; 16] = [
    0x3B, 0xD6, 0x67, 0x49, 0x29, 0x2E, 0xD8, 0x4A, 0x83, 0x99, 0xF6, 0xA3, 0x39, 0xE3, 0xD0, 0x01,
];
/// {92a84d3b-dd80-4d0e-9e4e-b1e3284eaed8}: encrypted as it is written to.
const ON_WRITE: [u8; 16] = [
    0x3B, 0x4D, 0xA8, 0x92, 0x80, 0xDD, 0x0E, 0x4D, 0x9E, 0x4E, 0xB1, 0xE3, 0x28, 0x4E, 0xAE, 0xD8,
];

/// Whether the first sector is one of BitLocker To Go.
pub(crate) fn is_to_go(head: &[u8]) -> bool {
    has(head, 3, TO_GO) && is_known(head, PLACES_TO_GO)
}

fn is_known(head: &[u8], at: usize) -> bool {
    has(head, at, &NORMAL) || has(head, at, &ON_WRITE)
}

/// What the boot sector says.
pub(super) struct Found {
    pub(super) made: Made,
    /// Whether it is encrypted as it is written to.
    pub(super) on_write: bool,
    /// Of the first copy, in bytes.
    first: u64,
    /// Of the others, where the boot sector has them.
    others: Option<[u64; 2]>,
}

impl Found {
    /// Where copies of the metadata may be, each place once.
    pub(super) fn places(&self, source: Source<'_>) -> Result<Vec<u64>, Stop> {
        let mut places = vec![self.first];
        match self.others {
            Some(others) => places.extend(others),
            // Vista has them in the copies themselves.
            None => {
                let copy = source.read("BitLocker metadata", self.first, 64)?;
                for at in [32, 40, 48] {
                    places.push(le64(&copy, at)?);
                }
            }
        }
        let mut once = Vec::new();
        for place in places {
            if !once.contains(&place) {
                once.push(place);
            }
        }
        Ok(once)
    }
}

pub(super) fn find(source: Source<'_>) -> Result<Found, Stop> {
    let head = source.read("BitLocker boot sector", 0, 512)?;
    let to_go = is_to_go(&head);
    if !to_go && !has(&head, 3, SIGNATURE) {
        return raw("its first sector is none of BitLocker");
    }
    // Vista's jump goes behind another structure, which is NTFS's.
    if has(&head, 0, &[0xEB, 0x52, 0x90]) {
        let cluster = times(le16(&head, 11)?.into(), byte(&head, 13)?.into())?;
        return Ok(Found {
            made: Made::Vista,
            on_write: false,
            first: times(le64(&head, 56)?, cluster)?,
            others: None,
        });
    }
    let at = if to_go { PLACES_TO_GO } else { PLACES };
    if !is_known(&head, at) {
        return raw(format!(
            "its identifier at byte {at} is {:02x?}, which is none of BitLocker's",
            array::<16>(&head, at)?
        ));
    }
    Ok(Found {
        made: if to_go { Made::ToGo } else { Made::Seven },
        on_write: has(&head, at, &ON_WRITE),
        first: le64(&head, at + 16)?,
        others: Some([le64(&head, at + 24)?, le64(&head, at + 32)?]),
    })
}
