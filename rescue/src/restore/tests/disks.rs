//! Disks to restore, made byte by byte.

use std::process::Command;

const MIB: usize = 1 << 20;

/// Bytes that do not compress, from a seed.
pub(super) fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut out = vec![0; len];
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes());
    hasher.finalize_xof().fill(&mut out);
    out
}

/// Data with zero runs of all sizes, and with a stretch that occurs twice.
fn texture(seed: u64, len: usize) -> Vec<u8> {
    let mut out = noise(seed, len);
    for (start, zeros) in [
        (40_960, 4096),
        (90_112, 65_536),
        (300_000, 10),
        (400_000, 500_000),
        (3_200_000, 900_000),
    ] {
        if start + zeros <= len {
            out[start..start + zeros].fill(0);
        }
    }
    let repeated = noise(seed ^ 1, 700_000);
    for start in [1_400_832, 2_404_352] {
        if start + repeated.len() <= len {
            out[start..start + repeated.len()].copy_from_slice(&repeated);
        }
    }
    out
}

/// A swap partition: its first page counts, the rest is free. (Linux
/// `union swap_header`, version 1.)
pub(super) fn swap(seed: u64, len: usize) -> Vec<u8> {
    let mut out = noise(seed, len);
    out[..4096].fill(0);
    out[1024..1028].copy_from_slice(&1u32.to_le_bytes());
    let last_page = u32::try_from(len / 4096 - 1).unwrap();
    out[1028..1032].copy_from_slice(&last_page.to_le_bytes());
    out[4086..4096].copy_from_slice(b"SWAPSPACE2");
    out
}

fn place(disk: &mut [u8], at: usize, bytes: &[u8]) {
    disk[at..at + bytes.len()].copy_from_slice(bytes);
}

/// An MBR disk of 14 MiB as old systems made them: boot code in the gap, the
/// first partition at sector 63 (so that a chunk spans the first MiB's end),
/// swap, a gap with data, and a last partition up to the end.
pub(super) fn mbr() -> Vec<u8> {
    let mut disk = vec![0; 14 * MIB];
    place(&mut disk, 0, &noise(1, 63 * 512));
    place(&mut disk, 63 * 512, &texture(2, 6 * MIB));
    place(&mut disk, 7 * MIB, &swap(3, 4 * MIB));
    place(&mut disk, 11 * MIB, &noise(4, 100_000));
    place(&mut disk, 12 * MIB, &texture(5, 2 * MIB));
    disk[440..510].fill(0);
    place(&mut disk, 440, &[1, 2, 3, 4]);
    let sectors = |bytes: usize| u32::try_from(bytes / 512).unwrap().to_le_bytes();
    let parts = [
        (63 * 512, 6 * MIB, 0x83),
        (7 * MIB, 4 * MIB, 0x82),
        (12 * MIB, 2 * MIB, 0x07),
    ];
    for (n, (start, len, kind)) in parts.into_iter().enumerate() {
        let entry = 446 + 16 * n;
        disk[entry + 4] = kind;
        place(&mut disk, entry + 8, &sectors(start));
        place(&mut disk, entry + 12, &sectors(len));
    }
    place(&mut disk, 510, &[0x55, 0xaa]);
    disk
}

/// As [`mbr`], with a last partition of 1 MiB and data behind it.
pub(super) fn mbr_with_room() -> Vec<u8> {
    let mut disk = mbr();
    place(&mut disk, 446 + 2 * 16 + 12, &2048_u32.to_le_bytes());
    disk
}

/// A GPT disk of 16 MiB with 512-byte sectors: data, swap, and data up to the
/// last usable sector.
pub(super) fn gpt() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gpt.raw");
    std::fs::write(&path, vec![0; 16 * MIB]).unwrap();
    let status = Command::new("sgdisk")
        .args([
            "-n1:2048:+6M",
            "-t1:8300",
            "-c1:data",
            "-n2:0:+4M",
            "-t2:8200",
        ])
        .args(["-n3:0:0", "-t3:ef00"])
        .arg(&path)
        .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
        .output()
        .expect("this test needs sgdisk: install the package gdisk");
    assert!(status.status.success(), "{status:?}");
    let mut disk = std::fs::read(&path).unwrap();
    place(&mut disk, 40_000, &noise(9, 50_000));
    place(&mut disk, MIB, &texture(2, 6 * MIB));
    place(&mut disk, 7 * MIB, &swap(3, 4 * MIB));
    let end = 16 * MIB - 33 * 512;
    place(&mut disk, 11 * MIB, &texture(5, end - 11 * MIB));
    disk
}

/// A disk without a table: one filesystem-like whole.
pub(super) fn bare(len: usize) -> Vec<u8> {
    let mut disk = texture(8, len);
    disk[510..512].fill(0);
    disk
}
