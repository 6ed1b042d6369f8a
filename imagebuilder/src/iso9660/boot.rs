//! The ways an ISO says it can boot.

use anyhow::{Result, bail};
use serde::Serialize;

use super::u32_at;

/// Whose firmware an entry is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Platform {
    /// BIOS on x86.
    Bios,
    /// UEFI.
    Uefi,
    /// Something else.
    Other,
}

/// An entry of the El Torito catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct BootEntry {
    pub(crate) platform: Platform,
    /// Sector (of 2048 bytes) of its image.
    pub(crate) sector: u32,
}

/// What the first KiB says when the ISO lies on a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Hybrid {
    /// Boot code and signature in the first sector.
    pub(crate) bios: bool,
    /// A GPT in the second, or an EFI partition in the MBR.
    pub(crate) uefi: bool,
}

/// Entries of the catalogue's first sector.
pub(super) fn parse_catalog(catalog: &[u8]) -> Result<Vec<BootEntry>> {
    let mut platform = None;
    let mut out = Vec::new();
    for entry in catalog.chunks_exact(32) {
        let (Some(kind), Some(id)) = (entry.first(), entry.get(1)) else {
            break;
        };
        match (kind, platform) {
            // The validation entry comes first; section headers follow.
            (0x01, None) | (0x90 | 0x91, Some(_)) => {
                platform = Some(match id {
                    0x00 => Platform::Bios,
                    0xef => Platform::Uefi,
                    _ => Platform::Other,
                });
            }
            (0x88, Some(platform)) => out.push(BootEntry {
                platform,
                sector: u32_at(entry, 8).unwrap_or(0),
            }),
            (_, None) => bail!("the boot catalogue does not start with a validation entry"),
            _ => {}
        }
    }
    Ok(out)
}

/// Size in bytes of the FAT filesystem that starts with `sector`. Layout:
/// Microsoft's FAT specification, "Boot Sector and BPB".
pub(super) fn fat_size(sector: &[u8]) -> Option<u64> {
    let u16_at = |at: usize| sector.get(at..at.checked_add(2)?)?.try_into().ok();
    let bytes_per_sector = u64::from(u16::from_le_bytes(u16_at(11)?));
    let small = u32::from(u16::from_le_bytes(u16_at(19)?));
    let sectors = if small > 0 {
        small
    } else {
        u32_at(sector, 32)?
    };
    let signed = sector.get(510..512) == Some(&[0x55, 0xaa]);
    let size = bytes_per_sector.checked_mul(u64::from(sectors))?;
    (signed && size > 0).then_some(size)
}

pub(super) fn parse_hybrid(bytes: &[u8]) -> Hybrid {
    let signed = bytes.get(510..512) == Some(&[0x55, 0xaa]);
    let code = bytes
        .get(..440)
        .is_some_and(|code| code.iter().any(|byte| *byte != 0));
    let gpt = bytes.get(512..520) == Some(b"EFI PART");
    let table = bytes.get(446..510).unwrap_or_default();
    let efi = table
        .chunks_exact(16)
        .any(|entry| entry.get(4) == Some(&0xef));
    Hybrid {
        bios: signed && code,
        uefi: signed && (gpt || efi),
    }
}
