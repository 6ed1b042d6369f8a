//! The way from a passphrase to the volume's key.

use disk::ReadAt;
use zeroize::Zeroizing;

use super::cipher::Cipher;
use super::{Header, SECTOR, Slot, af, damaged};
use crate::bytes::read;
use crate::{Keys, LuksProblem};

type Key = Zeroizing<Vec<u8>>;

/// Tries every passphrase on every slot.
///
/// # Errors
/// The device's own; the inner one when none opens it, or could be tried.
pub(super) fn unlock(
    device: &(impl ReadAt + ?Sized),
    header: &Header,
    keys: &dyn Keys,
) -> std::io::Result<Result<Key, LuksProblem>> {
    let unsupported = |what: &String| LuksProblem::Unsupported { what: what.clone() };
    let mut problem = header.unusable.as_ref().map(unsupported);
    if header.slots.is_empty() {
        return Ok(Err(problem.unwrap_or(LuksProblem::NoSlots)));
    }
    let allowed = keys.memory();
    let mut passphrases = keys.for_luks(&header.uuid).into_iter();
    let mut tried = 0;
    for passphrase in &mut passphrases {
        tried += 1;
        for slot in &header.slots {
            let needed = slot.kdf.memory();
            if needed > allowed {
                problem.get_or_insert(LuksProblem::Memory { needed, allowed });
                continue;
            }
            match try_slot(device, slot, passphrase.bytes())? {
                Ok(Some(key)) => return Ok(Ok(key)),
                Ok(None) => {}
                Err(why) => drop(problem.get_or_insert(why)),
            }
        }
    }
    Ok(Err(match problem {
        Some(problem) if tried > 0 => problem,
        _ => LuksProblem::Locked { tried },
    }))
}

/// The key, if this is the slot's passphrase.
fn try_slot(
    device: &(impl ReadAt + ?Sized),
    slot: &Slot,
    secret: &[u8],
) -> std::io::Result<Result<Option<Key>, LuksProblem>> {
    let sector = SECTOR as usize;
    let whole = slot
        .key
        .saturating_mul(slot.stripes)
        .next_multiple_of(sector);
    let Some(split) = read(device, slot.area, whole)? else {
        return Ok(Err(damaged("a key slot is behind the end of the device")));
    };
    Ok(opened(slot, secret, Zeroizing::new(split)))
}

fn opened(slot: &Slot, secret: &[u8], mut split: Key) -> Result<Option<Key>, LuksProblem> {
    let unsupported = |what| LuksProblem::Unsupported { what };
    let derived = slot
        .kdf
        .derive(secret, slot.cipher_key)
        .map_err(unsupported)?;
    let cipher = Cipher::new(&slot.cipher, &derived).map_err(unsupported)?;
    for (number, sector) in (0..).zip(split.chunks_exact_mut(SECTOR as usize)) {
        cipher.decrypt(sector, number);
    }
    let key = af::merge(&split, slot.key, slot.stripes, slot.split);
    let key = key.ok_or_else(|| damaged("a key slot is too short"))?;
    let digest = &slot.digest;
    let is = digest
        .kdf
        .derive(&key, digest.value.len())
        .map_err(unsupported)?;
    Ok((is[..] == digest.value[..]).then_some(key))
}
