//! Files of an NTFS volume changed in the bytes that they have.

use disk::Extent;
use fsmap::{NtfsFile, NtfsFiles};

use super::volume::NewFile;
use super::windows::Failed;
use super::{Adaptation, patches};

/// What is compared, and changed, at once.
pub(super) const BLOCK: usize = 4096;

/// Replaces the first bytes of a file by `new`, where they are; a file that has
/// fewer gets them like a new one.
pub(super) fn replace(
    files: &NtfsFiles<'_>,
    told: &mut Adaptation,
    file: NtfsFile,
    path: &str,
    new: &[u8],
) -> Result<(), Failed> {
    let failed = |source| Failed::File {
        path: path.to_owned(),
        source,
    };
    let Some(places) = files.places(file).map_err(failed)? else {
        return Err(Failed::NotInPlace {
            path: path.to_owned(),
        });
    };
    let has = places.iter().fold(0u64, |sum, p| sum.saturating_add(p.len));
    let needs = new.len() as u64;
    if needs > has {
        told.files.push(NewFile::changed(path, new.to_vec()));
        return Ok(());
    }
    let mut rest = new;
    for Extent { start, len } in places {
        let here = usize::try_from(len).unwrap_or(usize::MAX).min(rest.len());
        let (part, after) = rest.split_at(here);
        let before = files.bytes(start, here).map_err(failed)?;
        told.patches.extend(patches(start, &before, part, BLOCK));
        rest = after;
    }
    Ok(())
}
