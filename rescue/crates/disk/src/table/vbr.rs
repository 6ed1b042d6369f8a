//! Boot sectors of filesystems, which share sector 0's boot signature with the
//! master boot record.

use crate::bytes::{array, le_u16};

/// The filesystem whose boot sector this is, if it is one.
///
/// Source: Microsoft's FAT specification 1.03 §3.1, exFAT specification §3.1,
/// and the OEM names of NTFS, BitLocker and ReFS volumes.
pub(super) fn filesystem(sector: &[u8; 512]) -> Option<&'static str> {
    let oem: [u8; 8] = array(sector, 3)?;
    match &oem {
        b"NTFS    " => Some("NTFS"),
        b"EXFAT   " => Some("exFAT"),
        b"-FVE-FS-" => Some("a BitLocker volume"),
        b"ReFS\0\0\0\0" => Some("ReFS"),
        _ => fat(sector)?.then_some("FAT"),
    }
}

/// Whether the BIOS parameter block of FAT makes sense.
fn fat(sector: &[u8]) -> Option<bool> {
    let [jump] = array(sector, 0)?;
    let bytes_per_sector = le_u16(sector, 11)?;
    let [sectors_per_cluster] = array(sector, 13)?;
    let reserved = le_u16(sector, 14)?;
    let [fats] = array(sector, 16)?;
    let [media] = array(sector, 21)?;
    Some(
        matches!(jump, 0xeb | 0xe9)
            && matches!(bytes_per_sector, 512 | 1024 | 2048 | 4096)
            && sectors_per_cluster.is_power_of_two()
            && reserved > 0
            && matches!(fats, 1 | 2)
            && (media == 0xf0 || media >= 0xf8),
    )
}
