//! An array, made of the members that are here.

use std::sync::Arc;

use super::{LEVEL_LINEAR, Superblock};
use crate::map::{Mapped, Place, Refusal, Spot};
use crate::{Absent, Layer, MdProblem};

/// A member: its superblock, and its device.
#[derive(Clone)]
pub(crate) struct MdMember {
    pub(crate) superblock: Superblock,
    pub(crate) partition: u32,
    pub(crate) device: Arc<dyn Layer>,
}

/// What the members make, and what is not as it should be. The array comes
/// with the member that knows most about it.
pub(crate) struct Assembled {
    pub(crate) device: Arc<dyn Layer>,
    pub(crate) first: MdMember,
    /// It is only read, because of these.
    pub(crate) elsewhere: Option<Absent>,
}

/// Assembles the members of one array.
pub(crate) fn assemble(members: &[MdMember]) -> Result<Assembled, MdProblem> {
    let whole =
        |member: &&MdMember| member.superblock.slot.is_some() && !member.superblock.recovering;
    let newest = members.iter().map(|member| member.superblock.events).max();
    let freshest = members
        .iter()
        .rev()
        .filter(whole)
        .max_by_key(|m| m.superblock.events);
    let Some(freshest) = freshest else {
        return Err(MdProblem::NoCopy);
    };
    let array = &freshest.superblock;
    // A member whose count is one behind was only not told that the array is clean.
    if newest.is_some_and(|newest| newest > array.events.saturating_add(1)) {
        return Err(MdProblem::NoCopy);
    }
    if members.iter().any(|member| member.superblock.reshaping) {
        return Err(MdProblem::Reshaping);
    }
    match array.level {
        1 => mirror(freshest, members),
        0 | LEVEL_LINEAR => joined(freshest, members),
        level => Err(MdProblem::Unsupported { level }),
    }
}

/// The member holds what the array holds.
fn in_sync(member: &Superblock, array: &Superblock) -> bool {
    let known = member.slot.is_some_and(|slot| array.taken.contains(&slot));
    known && !member.recovering && member.events.saturating_add(1) >= array.events
}

fn mirror(freshest: &MdMember, members: &[MdMember]) -> Result<Assembled, MdProblem> {
    let array = &freshest.superblock;
    let mut mapped = Mapped::new();
    let mut spots = Vec::new();
    let mut here = Vec::new();
    for member in members {
        let superblock = &member.superblock;
        let fresh = in_sync(superblock, array);
        let Some(slot) = superblock.slot.filter(|_| {
            // What comes back by the bitmap, or is filled from where it stopped, is not copied as a whole.
            fresh || superblock.recovering || array.bitmap
        }) else {
            continue;
        };
        if here.contains(&(slot, fresh)) && fresh {
            return Err(MdProblem::Twice { slot });
        }
        here.push((slot, fresh));
        if array.used > superblock.room && !fresh {
            continue;
        }
        let leg = mapped.leg(&member.device);
        let at = superblock.data;
        let stale = !fresh;
        spots.push(Spot { leg, at, stale });
    }
    spots.sort_by_key(|spot| spot.stale);
    let absent = array
        .taken
        .iter()
        .filter(|slot| here.iter().all(|(is, _)| is != *slot));
    let absent: Vec<_> = absent.copied().collect();
    if mapped.push(Place::Copies(spots), array.used).is_none() {
        return Err(MdProblem::Outside);
    }
    Ok(assembled(mapped, freshest, absent))
}

fn assembled(mut mapped: Mapped, freshest: &MdMember, absent: Vec<u32>) -> Assembled {
    let array = &freshest.superblock;
    let elsewhere = (!absent.is_empty()).then(|| Absent {
        what: format!(
            "the md array {}",
            array.name.as_ref().unwrap_or(&array.uuid)
        ),
        slots: absent,
    });
    if let Some(absent) = &elsewhere {
        mapped.refuse(Refusal::Elsewhere(absent.clone()));
    }
    Assembled {
        device: Arc::new(mapped),
        first: freshest.clone(),
        elsewhere,
    }
}

/// RAID 0 and linear: every member is needed.
fn joined(freshest: &MdMember, members: &[MdMember]) -> Result<Assembled, MdProblem> {
    let array = &freshest.superblock;
    let mut mapped = Mapped::new();
    let (mut spots, mut rooms, mut first) = (Vec::new(), Vec::new(), None);
    // The number of slots is the superblock's: it is not counted up to, members are.
    if members.len() < array.slots as usize {
        return Err(MdProblem::Incomplete { slots: array.slots });
    }
    for slot in 0..array.slots {
        let is = |member: &&MdMember| {
            member.superblock.slot == Some(slot) && in_sync(&member.superblock, array)
        };
        let Some(member) = members.iter().find(is) else {
            return Err(MdProblem::Incomplete { slots: array.slots });
        };
        first.get_or_insert(member);
        let room = member.superblock.room;
        // Half a chunk at the end is not used.
        rooms.push(room - room.checked_rem(array.chunk).unwrap_or_default());
        let (leg, at) = (mapped.leg(&member.device), member.superblock.data);
        let stale = false;
        spots.push(Spot { leg, at, stale });
    }
    let pushed = match (array.level, rooms.as_slice()) {
        (LEVEL_LINEAR, _) => spots
            .into_iter()
            .zip(&rooms)
            .try_for_each(|(spot, room)| mapped.push(Place::Copies(vec![spot]), *room)),
        (_, [one, others @ ..]) if others.iter().all(|room| room == one) => {
            let len = one.checked_mul(u64::from(array.slots));
            let chunk = array.chunk;
            len.and_then(|len| mapped.push(Place::Stripes { chunk, spots }, len))
        }
        _ => return Err(MdProblem::Uneven),
    };
    pushed.ok_or(MdProblem::Outside)?;
    let first = first.unwrap_or(freshest);
    Ok(assembled(mapped, first, Vec::new()))
}
