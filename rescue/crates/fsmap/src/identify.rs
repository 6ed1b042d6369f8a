//! What a partition holds, by its signatures.
//!
//! A filesystem that is mapped skips blocks, so a wrong guess loses data. All
//! signatures are looked for, and more than one is reported: a stale
//! superblock inside an array member must not be taken for the filesystem.
//!
//! Places and magics: each filesystem's own headers, and libblkid's
//! documentation of what it probes.

use disk::ReadAt;
use serde::{Deserialize, Serialize};

use crate::bytes::{Source, array, be32, has, le32, slice};
use crate::error::{Error, Stop};
use crate::{FsKind, bitlocker, ext, fat, ntfs, swap};

/// The first bytes of the partition that are looked at: up to the end of the
/// first ZFS label.
const HEAD: u64 = 256 << 10;
/// The last bytes, where older md RAID keeps its superblock.
const TAIL: u64 = 128 << 10;

/// What a partition holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    pub kind: FsKind,
    pub label: Option<String>,
    /// As `blkid` prints it.
    pub uuid: Option<String>,
    /// Further signatures, stale or meant: with any of them the partition is
    /// captured whole.
    pub others: Vec<FsKind>,
}

/// Signatures at a fixed place: kind, offset in bytes, magic.
const FIXED: [(FsKind, usize, &[u8]); 17] = [
    (FsKind::Luks, 0, b"LUKS\xBA\xBE"),
    (FsKind::Bitlocker, 3, b"-FVE-FS-"),
    (FsKind::Refs, 3, b"ReFS\0\0\0\0"),
    (FsKind::MdRaid, 0, &[0xFC, 0x4E, 0x2B, 0xA9]),
    (FsKind::MdRaid, 4096, &[0xFC, 0x4E, 0x2B, 0xA9]),
    (FsKind::Lvm2, 24, b"LVM2 001"),
    (FsKind::Lvm2, 512 + 24, b"LVM2 001"),
    (FsKind::Lvm2, 1024 + 24, b"LVM2 001"),
    (FsKind::Lvm2, 1536 + 24, b"LVM2 001"),
    (FsKind::Xfs, 0, b"XFSB"),
    (FsKind::Btrfs, 65536 + 64, b"_BHRfS_M"),
    (FsKind::Exfat, 3, b"EXFAT   "),
    (FsKind::Ntfs, 3, b"NTFS    "),
    (FsKind::Squashfs, 0, b"hsqs"),
    (FsKind::Iso9660, 32769, b"CD001"),
    (FsKind::Apfs, 32, b"NXSB"),
    (FsKind::F2fs, 1024, &[0x10, 0x20, 0xF5, 0xF2]),
];

/// Identifies the filesystem or container on `dev`.
///
/// # Errors
/// Only when the device cannot be read.
pub fn identify(dev: &dyn ReadAt) -> Result<Identity, Error> {
    let source = Source::new(dev);
    let size = source.size();
    let head = read(source, 0, size.min(HEAD))?;
    let tail_at = size.saturating_sub(TAIL);
    let tail = read(source, tail_at, size.min(TAIL))?;
    let mut kinds = head_kinds(&head);
    if md_at_the_end(&tail, tail_at, size) && !kinds.contains(&FsKind::MdRaid) {
        kinds.push(FsKind::MdRaid);
    }
    // A container around a filesystem is what the partition is; the
    // filesystem's signature shows through it.
    kinds.sort_by_key(|kind| !is_container(*kind));
    let kind = kinds.first().copied().unwrap_or(FsKind::Unknown);
    let (label, uuid) = name(kind, &head, source)?;
    Ok(Identity {
        kind,
        label,
        uuid,
        others: kinds.split_off(1.min(kinds.len())),
    })
}

/// Reads where the partition surely is, so that only the device can fail.
fn read(source: Source<'_>, offset: u64, len: u64) -> Result<Vec<u8>, Error> {
    match source.read("signatures", offset, len) {
        Ok(bytes) => Ok(bytes),
        Err(Stop::Device(error)) => Err(error),
        Err(Stop::Raw(_)) => Ok(Vec::new()),
    }
}

const fn is_container(kind: FsKind) -> bool {
    matches!(kind, FsKind::Luks | FsKind::MdRaid | FsKind::Lvm2)
}

fn head_kinds(head: &[u8]) -> Vec<FsKind> {
    let mut kinds: Vec<FsKind> = Vec::new();
    for (kind, at, magic) in FIXED {
        if has(head, at, magic) && !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    kinds.extend(slice(head, 1024, 1024).ok().and_then(ext::kind));
    if swap::is_swap(head) {
        kinds.push(FsKind::Swap);
    }
    if zfs_uberblocks(head) >= 4 {
        kinds.push(FsKind::Zfs);
    }
    if bitlocker::is_to_go(head) {
        kinds.push(FsKind::Bitlocker);
    }
    // The others with a boot sector have names in it; FAT's is free text.
    let named = [FsKind::Ntfs, FsKind::Exfat, FsKind::Bitlocker, FsKind::Refs];
    if !kinds.iter().any(|k| named.contains(k)) {
        kinds.extend(fat::Boot::parse(head).map(|boot| boot.kind));
    }
    kinds
}

/// ZFS has an array of uberblocks in the second half of its label; libblkid
/// also wants four of them.
fn zfs_uberblocks(head: &[u8]) -> usize {
    let array = head.get(128 << 10..).unwrap_or_default();
    array
        .chunks(1024)
        .filter(|b| {
            let low = [0x0C, 0xB1, 0xBA, 0, 0, 0, 0, 0];
            let high = [0, 0, 0, 0, 0, 0xBA, 0xB1, 0x0C];
            b.starts_with(&low) || b.starts_with(&high)
        })
        .count()
}

/// md metadata 0.90 (last whole 64 KiB but one, either byte order) and 1.0
/// (8 to 12 KiB before the end).
fn md_at_the_end(tail: &[u8], tail_at: u64, size: u64) -> bool {
    const MD: u32 = 0xA92B_4EFC;
    let at = |position: Option<u64>| {
        position
            .and_then(|p| p.checked_sub(tail_at))
            .and_then(|p| usize::try_from(p).ok())
    };
    let sectors = size / 512;
    let v1 = at(sectors.checked_sub(16).map(|s| (s & !7) * 512));
    let v0 = at((size & !0xFFFF).checked_sub(0x1_0000));
    v1.is_some_and(|p| le32(tail, p).is_ok_and(|m| m == MD))
        || v0.is_some_and(|p| {
            le32(tail, p).is_ok_and(|m| m == MD) || be32(tail, p).is_ok_and(|m| m == MD)
        })
}

type Name = (Option<String>, Option<String>);

fn name(kind: FsKind, head: &[u8], source: Source<'_>) -> Result<Name, Error> {
    let part = |at, len| slice(head, at, len).ok();
    let (label, uuid) = match kind {
        FsKind::Ext2 | FsKind::Ext3 | FsKind::Ext4 => {
            (part(1024 + 0x78, 16), part(1024 + 0x68, 16))
        }
        FsKind::Swap => swap::name(head),
        FsKind::Xfs => (part(108, 12), part(32, 16)),
        FsKind::Btrfs => (part(65536 + 0x12B, 256), part(65536 + 32, 16)),
        FsKind::Iso9660 => (part(32808, 32), None),
        FsKind::Luks => return Ok((None, part(168, 40).and_then(text))),
        FsKind::Fat12 | FsKind::Fat16 | FsKind::Fat32 => return fat_name(kind, head, source),
        FsKind::Ntfs => return Ok((ntfs::label(source)?, ntfs_serial(head))),
        FsKind::Exfat => return Ok((None, le32(head, 100).ok().map(dos_serial))),
        _ => (None, None),
    };
    Ok((label.and_then(text), uuid.and_then(hyphenated)))
}

/// Text up to the first NUL, without trailing blanks; `None` when empty.
fn text(bytes: &[u8]) -> Option<String> {
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    let text = String::from_utf8_lossy(bytes.get(..end)?);
    let text = text.trim_end();
    (!text.is_empty()).then(|| text.to_owned())
}

/// 16 bytes as 8-4-4-4-12; `None` when all are zero.
fn hyphenated(bytes: &[u8]) -> Option<String> {
    let bytes: [u8; 16] = bytes.try_into().ok()?;
    if bytes == [0; 16] {
        return None;
    }
    let mut out = String::with_capacity(36);
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            out.push('-');
        }
        out.push_str(&format!("{byte:02x}"));
    }
    Some(out)
}

fn dos_serial(serial: u32) -> String {
    format!("{:04X}-{:04X}", serial >> 16, serial & 0xFFFF)
}

fn ntfs_serial(head: &[u8]) -> Option<String> {
    let serial = array::<8>(head, 0x48).ok()?;
    Some(format!("{:016X}", u64::from_le_bytes(serial)))
}

/// The root directory's volume entry is FAT's label; that in the boot sector
/// is often stale.
fn fat_name(kind: FsKind, head: &[u8], source: Source<'_>) -> Result<Name, Error> {
    let at = if kind == FsKind::Fat32 { 0x43 } else { 0x27 };
    // An extended boot signature says that serial and label are there.
    let extended = has(head, at - 1, &[0x29]) || has(head, at - 1, &[0x28]);
    let serial = le32(head, at).ok().filter(|_| extended).map(dos_serial);
    let Some(boot) = fat::Boot::parse(head) else {
        return Ok((None, serial));
    };
    let (start, len) = boot.root();
    let root = match source.read("FAT root directory", start, len) {
        Ok(root) => root,
        Err(Stop::Device(error)) => return Err(error),
        Err(Stop::Raw(_)) => Vec::new(),
    };
    Ok((fat_label(&root), serial))
}

fn fat_label(root: &[u8]) -> Option<String> {
    root.chunks_exact(32)
        .take_while(|entry| entry.first() != Some(&0))
        .filter(|entry| entry.first() != Some(&0xE5))
        // Volume bit, but not the 0x0F of a long name's part.
        .find(|entry| {
            entry
                .get(11)
                .is_some_and(|a| a & 0x0F != 0x0F && a & 0x08 != 0)
        })
        .and_then(|entry| text(entry.get(..11)?))
}

/// "ext4 and swap", for a sentence.
pub(crate) fn names(kinds: &[FsKind]) -> String {
    let names: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
    names.join(" and ")
}
