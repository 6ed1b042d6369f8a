//! dosfstools and mtools are the judges.

use super::*;
use disk::MemDisk;
use std::process::Command;

/// A kind of FAT, the megabytes of a volume of it, and its sectors in a cluster.
type Kind = (&'static str, u64, &'static str);
const KINDS: [Kind; 3] = [("12", 3, "2"), ("16", 16, "1"), ("32", 40, "1")];
const STORE: &str = "/EFI/Microsoft/Boot/BCD";
const FALLBACK: &str = "/EFI/Boot/BOOTX64.EFI";

pub(in crate::adapt) fn tool(program: &str, words: &[&str]) -> Vec<u8> {
    let run = Command::new(program)
        .args(words)
        .env("MTOOLS_SKIP_CHECK", "1")
        .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
        .output()
        .unwrap_or_else(|e| panic!("{program}: {e}; install dosfstools and mtools"));
    let said = [&run.stdout[..], &run.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(run.status.success(), "{program} {words:?}: {said}");
    run.stdout
}

fn noise(seed: u32, len: usize) -> Vec<u8> {
    let mut at = seed.wrapping_mul(2_654_435_761) | 1;
    let next = || {
        at ^= at << 13;
        at ^= at >> 17;
        at ^= at << 5;
        at as u8
    };
    std::iter::repeat_with(next).take(len).collect()
}

/// Files of the volume, as they are put there.
fn originals() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        (STORE, noise(1, 32_768)),
        ("/EFI/Microsoft/Boot/bootmgfw.efi", noise(2, 700_000)),
        (
            "/EFI/Microsoft/Boot/de-DE/bootmgfw.efi.mui",
            noise(3, 77_777),
        ),
        ("/EFI/Boot/a rather long name.txt", noise(4, 1)),
        ("/empty", Vec::new()),
    ]
}

fn volume(kind: Kind) -> Vec<u8> {
    volume_with(kind, &originals())
}

/// A volume of that kind with `files`, made by mkfs.vfat and mtools.
pub(in crate::adapt) fn volume_with(
    (kind, megabytes, cluster): Kind,
    files: &[(&str, Vec<u8>)],
) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let (disk, tree) = (folder.path().join("fat"), folder.path().join("tree"));
    std::fs::File::create(&disk)
        .unwrap()
        .set_len(megabytes << 20)
        .unwrap();
    for (path, bytes) in files {
        let path = tree.join(path.trim_start_matches('/'));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    let image = disk.to_str().unwrap();
    tool(
        "mkfs.vfat",
        &["-F", kind, "-s", cluster, "-n", "SYSTEM", image],
    );
    let copied = format!("mcopy -s -i {image} {}/* ::", tree.display());
    tool("sh", &["-c", &copied]);
    std::fs::read(disk).unwrap()
}

fn new(path: &str, bytes: Vec<u8>) -> NewFile {
    NewFile::made(path.to_owned(), bytes)
}

pub(in crate::adapt) fn patched(mut bytes: Vec<u8>, patches: &[Patch]) -> Vec<u8> {
    for patch in patches {
        let at = patch.at as usize;
        assert_eq!(bytes[at..][..patch.before.len()], patch.before);
        bytes[at..][..patch.after.len()].copy_from_slice(&patch.after);
    }
    bytes
}

fn edited(bytes: &[u8], files: &[NewFile]) -> Result<Vec<Patch>, FatError> {
    let volume: Arc<dyn ReadAt> = Arc::new(MemDisk::new(bytes.to_vec()));
    edit(&volume, files)
}

/// What fsck.fat and mtype say of a volume; `new` are on it as well.
fn judge(bytes: &[u8], new: &[NewFile]) {
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("fat");
    std::fs::write(&disk, bytes).unwrap();
    let image = disk.to_str().unwrap();
    tool("fsck.fat", &["-n", image]);
    let read = |path: &str| tool("mtype", &["-i", image, &format!("::{path}")]);
    for file in new {
        assert!(read(&file.path) == file.bytes, "{}", file.path);
    }
    for (path, bytes) in originals() {
        if new.iter().all(|file| file.path != path) {
            assert!(read(path) == bytes, "{path}");
        }
    }
}

#[test]
fn files_are_put_on_every_kind_of_fat_and_nothing_else_changes() {
    for kind in KINDS {
        let before = volume(kind);
        let files = [
            new(STORE, noise(5, 50_001)),
            new("/EFI/Microsoft/Boot/bootmgfw.efi", noise(6, 100)),
            new(FALLBACK, noise(2, 700_000)),
            new("/One/two/a new and long name.efi", noise(7, 5_000)),
            new("/none", Vec::new()),
        ];
        let patches = edited(&before, &files).unwrap();
        let after = patched(before, &patches);
        judge(&after, &files);
        let volume: Arc<dyn ReadAt> = Arc::new(MemDisk::new(after));
        let fat = Fat::open(&volume).unwrap();
        let found = fat.read("/efi/BOOT/bootx64.efi", 1 << 20).unwrap();
        assert_eq!(found.as_deref(), Some(&files[2].bytes[..]));
        for none in ["/no", "/EFI", "/EFI/Boot/BOOTX64.EFI/x", "/no/no"] {
            assert!(fat.read(none, 100).unwrap().is_none(), "{none}");
        }
        let large = fat.read(FALLBACK, 699_999).unwrap_err().to_string();
        assert!(large.contains("more than 699999 bytes"), "{large}");
    }
}

#[test]
fn with_the_same_length_only_its_bytes_and_its_time_change() {
    for kind in KINDS {
        let before = volume(kind);
        let mut bytes = noise(1, 32_768);
        bytes[20_000] ^= 1;
        let files = [new(STORE, bytes)];
        let patches = edited(&before, &files).unwrap();
        let after = patched(before.clone(), &patches);
        judge(&after, &files);
        let pieces = before.chunks(4096).zip(after.chunks(4096));
        let pieces = pieces.filter(|(a, b)| a != b);
        let bytes = pieces.flat_map(|(a, b)| a.iter().zip(b));
        let differ = bytes.filter(|(a, b)| a != b).count();
        assert!((1..=9).contains(&differ), "{differ} bytes differ");
    }
}

#[test]
fn what_stays_before_the_new_bytes_stays() {
    let before = volume(KINDS[1]);
    let mut file = new(STORE, noise(5, 9_000));
    file.after = 30_001;
    let whole = [&noise(1, 30_001)[..], &file.bytes].concat();
    let patches = edited(&before, &[file.clone()]).unwrap();
    judge(&patched(before.clone(), &patches), &[new(STORE, whole)]);
    file.after = 32_769;
    let refused = edited(&before, &[file]).unwrap_err();
    assert!(matches!(refused, FatError::Short { .. }), "{refused}");
}

/// The mark that it is mounted (Linux) or was not closed (Windows), as live images
/// have it, stays.
#[test]
fn a_volume_that_was_in_use_is_written_all_the_same() {
    let mut before = volume(KINDS[2]);
    before[0x41] |= 1;
    let table = 32 * 512;
    before[table + 7] &= !0x08;
    let files = [new(FALLBACK, noise(2, 700_000))];
    let after = patched(before.clone(), &edited(&before, &files).unwrap());
    assert_eq!(
        (after[0x41], after[table + 7]),
        (before[0x41], before[table + 7])
    );
    let mut closed = after;
    closed[0x41] &= !1;
    closed[table + 7] |= 0x08;
    judge(&closed, &files);
}

#[test]
fn a_full_volume_is_told_from_a_damaged_one() {
    for kind in &KINDS[..2] {
        let before = volume(*kind);
        let files = [new(FALLBACK, noise(2, before.len()))];
        let refused = edited(&before, &files).unwrap_err();
        assert!(matches!(refused, FatError::NoRoom { .. }), "{refused}");
    }
    let refused = edited(&[0; 8192], &[new(FALLBACK, vec![1])]).unwrap_err();
    assert!(matches!(refused, FatError::NotFat), "{refused}");
}

/// A file whose clusters the table has as free, as after a cut: what is written
/// next would land in it.
#[test]
fn a_file_that_would_be_lost_is_a_reason_to_write_nothing() {
    let mut before = volume(KINDS[2]);
    let big = noise(2, 700_000);
    let at = before.windows(512).position(|w| w == &big[..512]).unwrap();
    let number = |at: usize| u32::from_le_bytes(before[at..][..4].try_into().unwrap()) as usize;
    let (tables, table_sectors) = (usize::from(before[0x10]), number(0x24));
    let data = (32 + tables * table_sectors) * 512;
    let cluster = (at - data) / 512 + 2;
    for table in 0..tables {
        let entry = (32 + table * table_sectors) * 512 + cluster * 4;
        // (The chain still goes on from it: its second half is freed.)
        before[entry + 400..entry + 800].fill(0);
    }
    let hint = 512 + 492;
    before[hint..hint + 4].copy_from_slice(&2_u32.to_le_bytes());
    let files = [new(FALLBACK, noise(9, 700_000))];
    let refused = edited(&before, &files).unwrap_err();
    assert!(
        matches!(refused, FatError::Shared { .. } | FatError::Failed { .. }),
        "{refused}"
    );
}

/// A folder without an end whose chain leads back to its beginning.
#[test]
fn circles_come_to_an_end() {
    let mut before = volume(KINDS[1]);
    let table = usize::from(before[0x0E]) * 512;
    for cluster in 2..2000_usize {
        let entry = table + cluster * 2;
        before[entry..entry + 2].copy_from_slice(&(cluster as u16).to_le_bytes());
    }
    let folders = before
        .chunks_mut(512)
        .filter(|s| s.starts_with(b".          "));
    for entry in folders.flat_map(|sector| sector.chunks_mut(32)) {
        // (Deleted, where the end was.)
        entry[0] = if entry[0] == 0 { 0xE5 } else { entry[0] };
    }
    let refused = edited(&before, &[new("/EFI/new", noise(9, 700))]).unwrap_err();
    assert!(refused.to_string().contains("circles"), "{refused}");
}

/// Damage at random: whatever becomes of it comes to an end, and what is written
/// leaves the other files as they are. fatfs itself may panic, in a process of its
/// own (on a chain that goes on to cluster 0 or 1, for one, where overflow is
/// checked).
#[test]
fn damaged_volumes_are_refused_or_written_soundly() {
    let whole = volume(KINDS[0]);
    let meta = 64 << 10;
    let mut written = 0;
    for seed in 1..200_u32 {
        let mut before = whole.clone();
        let random = noise(seed, 80);
        for place in random.chunks(4).take(1 + seed as usize % 20) {
            let at = usize::from(u16::from_le_bytes([place[0], place[1]])) % meta;
            before[at] = if place[3] & 1 == 0 { place[2] } else { 0 };
        }
        let files = [
            new(STORE, noise(1, 32_768)),
            new(FALLBACK, noise(2, 90_000)),
        ];
        let done = std::panic::catch_unwind(|| edited(&before, &files));
        let Ok(Ok(patches)) = done else {
            continue;
        };
        written += 1;
        let after: Arc<dyn ReadAt> = Arc::new(MemDisk::new(patched(before, &patches)));
        let fat = Fat::open(&after).unwrap();
        let found = fat.read(FALLBACK, 1 << 20).unwrap();
        assert_eq!(found.as_deref(), Some(&files[1].bytes[..]), "{seed}");
    }
    assert!(written > 5, "{written}");
}
