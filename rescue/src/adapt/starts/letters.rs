//! The drive letter of a Windows, on a copy of a disk whose ids were changed since it
//! ran: a `C:` that stays another disk's makes its own partition `D:`, and nobody can
//! log in.

use ::windows::ids::{IdMap, PartitionId};
use ::windows::mounted::{self, Mount};
use hive::Hive;

use super::super::Adaptation;
use super::super::windows::now;
use super::around::Around;
use super::store::{Failed, moved, only, same_disk};

/// The new bytes of `SYSTEM` of the Windows that is looked at. Nothing where its
/// partition has a letter or a volume's name, or `C:` is a partition of the image.
pub(super) fn plan(
    system: &Hive,
    around: &Around,
    told: &mut Adaptation,
) -> Result<Option<Vec<u8>>, Failed> {
    let mounts = mounted::read(system)?;
    let Some(map) = names(&mounts, around) else {
        return Ok(None);
    };
    let mut edit = Hive::open(system.as_bytes().to_vec(), &[])?.0.edit(now())?;
    let renaming = mounted::rename(&mut edit, &map)?;
    let bytes = edit.finish()?;
    only(system, &bytes, &[mounted::KEY.to_owned()])?;
    told.edits.extend(renaming.changes.iter().map(|mount| {
        let name = hive::Name::from(mount.name.as_str());
        format!(
            "set [\\{}] {name}: it named a partition of another disk",
            mounted::KEY
        )
    }));
    told.lines.push(
        "Its drive C: was a partition of another disk, as after copying a disk and changing its \
         ids; it is this one now."
            .to_owned(),
    );
    Ok(Some(bytes))
}

fn names(mounts: &[Mount], around: &Around) -> Option<IdMap> {
    let mut windows = around.on_this_disk().filter(|part| part.is_windows);
    let this = around.this().filter(|part| part.is_windows)?.id();
    if windows.nth(1).is_some() {
        return None;
    }
    let known = |id: &PartitionId| around.parts.iter().any(|part| part.id().same_partition(id));
    let named: Vec<PartitionId> = mounts.iter().filter_map(|m| m.target.partition()).collect();
    let mut letters = mounts.iter().filter(|mount| mount.letter() == Some('C'));
    let c = letters.next()?.target.partition()?;
    // (A Windows that ran here has its own partition among them.)
    if known(&c) || named.iter().any(|id| id.same_partition(&this)) {
        return None;
    }
    let new = |old: PartitionId| match old {
        _ if old.same_partition(&c) => Some((old, this)),
        PartitionId::Mbr { .. } if same_disk(&old, &c) => {
            Some((old, moved(old, this).filter(known)?))
        }
        _ => None,
    };
    IdMap::new(named.into_iter().filter_map(new)).ok()
}

#[cfg(test)]
mod tests {
    use super::super::around::Part;
    use super::*;
    use crate::ntfs_volume;
    use uuid::Uuid;

    /// On a Windows 8.1 with `C:` at 0x15F00000 of a disk, and another partition of it.
    #[test]
    fn host_a_copy_of_a_disk_has_its_own_c() {
        let system = Hive::open(ntfs_volume::hive("joined-8.1/SYSTEM"), &[])
            .unwrap()
            .0;
        let mounts = mounted::read(&system).unwrap();
        let mut c = mounts.iter().filter(|m| m.letter() == Some('C'));
        let c = c.next().unwrap().target.partition().unwrap();
        let gpt = |disk: u128| PartitionId::Gpt {
            disk: Uuid::from_u128(disk),
            partition: Uuid::from_u128(2),
        };
        let around = |id: PartitionId, more: &[PartitionId], windows: u32| Around {
            parts: (2..)
                .zip([&[id], more].concat())
                .map(|(number, id)| Part::new(0, number, id, number < 2 + windows))
                .collect(),
            here: (0, 2),
            ..Around::default()
        };
        let planned = |around: &Around| {
            let mut told = Adaptation::default();
            (plan(&system, around, &mut told).unwrap(), told)
        };
        let clone = around(gpt(7), &[], 1);
        let (new, told) = planned(&clone);
        let new = Hive::open(new.unwrap(), &[]).unwrap().0;
        let letter = mounted::letter(&mounted::read(&new).unwrap(), &gpt(7));
        assert_eq!(letter, Some('C'), "{told:?}");
        assert!(
            told.edits[0].starts_with("set [\\MountedDevices] "),
            "{told:?}"
        );
        assert_eq!(
            plan(&new, &clone, &mut Adaptation::default()).unwrap(),
            None
        );
        for right in [
            around(c, &[], 1),
            around(gpt(7), &[c], 1),
            around(gpt(7), &[gpt(8)], 2),
        ] {
            assert_eq!(planned(&right), (None, Adaptation::default()));
        }
    }
}
