//! Whether an NTFS volume was left in order: its dirty flag, its log, a
//! hibernated Windows.

use super::index;
use super::record::{DATA, VOLUME_INFORMATION, Value, fix_up, is_utf16};
use super::volume::Volume;
use crate::bytes::{le16, le32, le64, slice};
use crate::error::{Stop, raw};

const LOGFILE: u64 = 2;
pub(super) const VOLUME: u64 = 3;
const ROOT: u64 = 5;

pub(super) const DIRTY: u16 = 0x1;
pub(super) const CHKDSK_UNDERWAY: u16 = 0x4000;

/// `Err(Raw)` with the reason when `$Bitmap` may be behind the truth.
pub(crate) fn check(volume: &Volume<'_>) -> Result<(), Stop> {
    let Some(Value::Resident(info)) = volume.value(VOLUME, VOLUME_INFORMATION, "")? else {
        return raw("it has no volume information");
    };
    if le16(&info, 0x0A)? & (DIRTY | CHKDSK_UNDERWAY) != 0 {
        return raw("Windows marked it dirty; run chkdsk there");
    }
    if is_hibernated(volume)? {
        return raw(
            "Windows is hibernated on it (fast start-up does this too); shut down with \
             'shutdown /s /f /t 0' to have a map",
        );
    }
    if !log_is_clean(volume)? {
        return raw("its log has changes that are not in its bitmap; it was not unmounted cleanly");
    }
    Ok(())
}

/// Looks at both restart pages; the one with the higher number counts.
pub(super) fn log_is_clean(volume: &Volume<'_>) -> Result<bool, Stop> {
    let Some(log) = volume.value(LOGFILE, DATA, "")? else {
        return raw("it has no log");
    };
    let first = volume.read("NTFS log", &log, 0, 4096)?;
    if first.iter().all(|b| *b == 0xFF) {
        // As mkntfs and ntfs-3g leave it: empty.
        return Ok(true);
    }
    let mut newest: Option<(u64, bool)> = None;
    let size = page_size(&first);
    for at in [0, size] {
        let page = volume.read("NTFS log", &log, at, size)?;
        if let Ok((number, clean)) = restart_page(page)
            && newest.is_none_or(|(n, _)| number > n)
        {
            newest = Some((number, clean));
        }
    }
    Ok(newest.is_some_and(|(_, clean)| clean))
}

/// System page size of the log, as its first page says, or the usual one.
fn page_size(first: &[u8]) -> u64 {
    match le32(first, 0x10) {
        Ok(size @ 512..=65536) if size.is_power_of_two() => u64::from(size),
        _ => 4096,
    }
}

/// Number (LSN) of a restart page, and whether the log was closed.
fn restart_page(mut page: Vec<u8>) -> Result<(u64, bool), Stop> {
    const VOLUME_IS_CLEAN: u16 = 0x2;
    const NO_CLIENT: u16 = 0xFFFF;
    fix_up(&mut page, b"RSTR")?;
    let area = usize::from(le16(&page, 0x18)?);
    let area = slice(&page, area, page.len().saturating_sub(area))?;
    let closed = le16(area, 0x0C)? == NO_CLIENT || le16(area, 0x0E)? & VOLUME_IS_CLEAN != 0;
    Ok((le64(area, 0)?, closed))
}

/// Whether `\hiberfil.sys` holds a suspended system ("hibr" at its start; a
/// resumed one leaves other letters or none).
fn is_hibernated(volume: &Volume<'_>) -> Result<bool, Stop> {
    let Some(number) = find_in_root(volume, "hiberfil.sys")? else {
        return Ok(false);
    };
    let Some(data) = volume.value(number, DATA, "")? else {
        return Ok(false);
    };
    if matches!(&data, Value::Resident(bytes) if bytes.len() < 4)
        || matches!(&data, Value::Runs { initialized, .. } if *initialized < 4)
    {
        return Ok(false);
    }
    let magic = volume.read("hiberfil.sys", &data, 0, 4)?;
    Ok(magic.eq_ignore_ascii_case(b"hibr"))
}

/// The record of the file `name` in the root directory.
fn find_in_root(volume: &Volume<'_>, name: &str) -> Result<Option<u64>, Stop> {
    let mut found = None;
    index::each(volume, ROOT, |entry| {
        let is = is_utf16(entry.name, name);
        found = found.or(is.then_some(entry.reference & 0xFFFF_FFFF_FFFF));
        is
    })?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(in_use: u16, flags: u16) -> Vec<u8> {
        let mut page = vec![0; 1024];
        page[..8].copy_from_slice(b"RSTR\x1E\0\x03\0");
        page[0x18] = 0x30;
        page[0x30] = 42;
        page[0x3C..0x3E].copy_from_slice(&in_use.to_le_bytes());
        page[0x3E..0x40].copy_from_slice(&flags.to_le_bytes());
        page
    }

    #[test]
    fn a_log_in_use_is_not_clean() {
        assert_eq!(restart_page(page(0xFFFF, 0)).unwrap(), (42, true));
        assert_eq!(restart_page(page(0, 2)).unwrap(), (42, true));
        assert_eq!(restart_page(page(0, 0)).unwrap(), (42, false));
        assert!(restart_page(vec![0; 1024]).is_err());
    }
}
