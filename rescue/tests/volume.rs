//! Files are put on NTFS by the real ntfs-3g, and what came out is read by other
//! programs of its package.
#![allow(clippy::unwrap_used)] // helpers of tests are tests

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use disk::ReadAt;
use rescue::adapt::Patch;
use rescue::adapt::volume::{Editor, NewFile, VolumeError};

struct Bench {
    /// (Seen in the command lines of all that is started from it.)
    folder: tempfile::TempDir,
    image: PathBuf,
    editor: Editor,
}

fn run(program: &str, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|e| panic!("{program}: {e}; see scripts/packages"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {errors}");
    output.stdout
}

fn file(path: &str, bytes: impl Into<Vec<u8>>) -> NewFile {
    NewFile::changed(path, bytes.into())
}

/// Bytes that do not repeat.
fn noise(len: usize, seed: u32) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as u8
    };
    (0..len).map(|_| next()).collect()
}

impl Bench {
    /// An NTFS of `size` bytes with nothing on it.
    fn empty(size: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("ntfs.img");
        File::create(&image).unwrap().set_len(size).unwrap();
        run("mkntfs", &["-q", "-F", "-Q", image.to_str().unwrap()]);
        let rescue = folder.path().join("rescue");
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_rescue"), &rescue).unwrap();
        let ntfs_3g = folder.path().join("ntfs-3g");
        std::os::unix::fs::symlink(Editor::default().ntfs_3g, &ntfs_3g).unwrap();
        let editor = Editor {
            rescue,
            ntfs_3g,
            ..Editor::default()
        };
        Self {
            folder,
            image,
            editor,
        }
    }

    /// With folders and files as of Windows.
    fn filled() -> (Self, BTreeMap<String, Vec<u8>>) {
        let bench = Self::empty(64 << 20);
        let mut content = BTreeMap::new();
        for (n, len) in [0, 1, 600, 4096, 70_000, 1 << 20].into_iter().enumerate() {
            for folder in ["System32/drivers", "System32/config", "INF"] {
                let path = format!("/Windows/{folder}/file{n}.bin");
                content.insert(path, noise(len, len as u32 + n as u32));
            }
        }
        content.insert("/Windows/System32/config/SYSTEM".into(), noise(5000, 9));
        let files = content.iter().map(|(path, bytes)| NewFile {
            after: 0,
            create_folders: true,
            ..file(path, bytes.clone())
        });
        bench.patch(&bench.edit(&files.collect::<Vec<_>>()).unwrap());
        (bench, content)
    }

    fn edit(&self, files: &[NewFile]) -> Result<Vec<Patch>, VolumeError> {
        let before = fs::read(&self.image).unwrap();
        let volume: Arc<dyn ReadAt> = Arc::new(File::open(&self.image).unwrap());
        let patches = self.editor.edit(&volume, files);
        assert!(
            fs::read(&self.image).unwrap() == before,
            "the image changed"
        );
        self.nothing_is_left();
        patches
    }

    fn patch(&self, patches: &[Patch]) {
        let image = File::options().read(true).write(true).open(&self.image);
        let image = image.unwrap();
        for patch in patches {
            let mut before = vec![0; patch.before.len()];
            FileExt::read_exact_at(&image, &mut before, patch.at).unwrap();
            assert!(before == patch.before, "{patch:?}");
            image.write_all_at(&patch.after, patch.at).unwrap();
        }
    }

    fn image(&self) -> &str {
        self.image.to_str().unwrap()
    }

    fn read(&self, path: &str) -> Vec<u8> {
        run("ntfscat", &[self.image(), path])
    }

    /// Number of its record, number of its rights.
    fn record(&self, path: &str) -> (String, String) {
        let told = run("ntfsinfo", &["-v", "-F", path, self.image()]);
        let told = String::from_utf8_lossy(&told).into_owned();
        let field = |name: &str| {
            let line = told.lines().find(|l| l.trim().starts_with(name));
            let line = line.unwrap_or_else(|| panic!("{path} has no {name:?}: {told}"));
            line.trim().to_owned()
        };
        (field("Dumping Inode"), field("Security ID:"))
    }

    fn is_sound(&self) {
        run("ntfsfix", &["-n", self.image()]);
    }

    /// Puts a journal's two restart pages, as Windows writes them, where mkntfs
    /// leaves it empty. Returns where the journal is, in bytes.
    fn journal(&self, flags: u16) -> std::ops::Range<u64> {
        let bytes = fs::read(&self.image).unwrap();
        let mut pages = bytes.chunks(4096);
        let first = pages.position(|page| page.iter().all(|b| *b == 0xFF));
        let len = 1 + pages.take_while(|p| p.iter().all(|b| *b == 0xFF)).count();
        let (at, len) = (first.unwrap() as u64 * 4096, len as u64 * 4096);
        let mut page = vec![0; 4096];
        let mut put = |at: usize, field: &[u8]| page[at..at + field.len()].copy_from_slice(field);
        put(0, b"RSTR");
        // Update sequence: where, how many; page sizes; area, version.
        put(4, &[0x1E, 0, 9, 0]);
        put(0x10, &4096_u32.to_le_bytes());
        put(0x14, &4096_u32.to_le_bytes());
        put(0x18, &[0x30, 0, 1, 0, 1, 0]);
        put(0x30, &0x1234_u64.to_le_bytes());
        // One client, which is in use; flags.
        put(0x38, &[1, 0, 0xFF, 0xFF, 0, 0]);
        put(0x3E, &flags.to_le_bytes());
        let bits = 67 - (64 - len.leading_zeros());
        put(0x40, &bits.to_le_bytes());
        put(0x44, &[0xD0, 0, 0x30, 0]);
        put(0x48, &len.to_le_bytes());
        put(0x54, &[0x30, 0, 0x40, 0]);
        // The client: nobody before and behind it, its name.
        put(0x70, &[0xFF; 4]);
        put(0x7C, &[8, 0, 0, 0]);
        put(0x80, b"N\0T\0F\0S\0");
        put(0x1E, &[1, 0]);
        for sector in 1..=8 {
            put(sector * 512 - 2, &[1, 0]);
        }
        let image = File::options().write(true).open(&self.image).unwrap();
        image.write_all_at(&page, at).unwrap();
        image.write_all_at(&page, at + 4096).unwrap();
        let records = noise(len as usize - 8192, 31);
        image.write_all_at(&records, at + 8192).unwrap();
        at..at + len
    }

    /// No process that was started from this folder, and no mount of it or of
    /// what the process that edits mounts.
    fn nothing_is_left(&self) {
        let mine = self.folder.path().to_str().unwrap();
        for process in fs::read_dir("/proc").unwrap().flatten() {
            let told = fs::read(process.path().join("cmdline")).unwrap_or_default();
            let told = String::from_utf8_lossy(&told).into_owned();
            assert!(!told.contains(mine), "left running: {told}");
        }
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        for place in ["/run/volume", "/run/ntfs", mine] {
            assert!(!mounts.contains(place), "left mounted: {mounts}");
        }
        assert!(!Path::new("/run/ntfs").exists() && !Path::new("/run/volume").exists());
    }

    /// Instead of ntfs-3g, a shell script; `$NTFS` is the real one.
    fn script(&mut self, text: &str) {
        let path = self.folder.path().join("program");
        let real = self.editor.ntfs_3g.display().to_string();
        fs::write(&path, format!("#!/bin/sh\nNTFS={real}\n{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        self.editor.ntfs_3g = path;
    }
}

#[test]
fn files_come_into_folders_of_any_case_and_the_others_stay() {
    let (bench, content) = Bench::filled();
    let driver = noise(150_001, 77);
    let new = [
        file("/windows/SYSTEM32/Drivers/VioStor.sys", driver.clone()),
        file("\\WINDOWS\\inf\\oem7.inf", "[Version]"),
        NewFile {
            create_folders: true,
            ..file("/Windows/Made/Here/empty", "")
        },
    ];
    let patches = bench.edit(&new).unwrap();
    bench.patch(&patches);
    bench.is_sound();
    for (path, bytes) in &content {
        assert!(bench.read(path) == *bytes, "{path}");
    }
    assert!(bench.read("/Windows/System32/drivers/VioStor.sys") == driver);
    assert_eq!(bench.read("/Windows/INF/oem7.inf"), b"[Version]");
    assert_eq!(bench.read("/Windows/Made/Here/empty"), b"");
    let names = run(
        "ntfsls",
        &["-p", "/Windows/System32/drivers", bench.image()],
    );
    assert!(String::from_utf8_lossy(&names).contains("VioStor.sys"));
    let names = run("ntfsls", &["-p", "/Windows", bench.image()]);
    assert_eq!(
        String::from_utf8_lossy(&names).matches("ystem32").count(),
        1
    );
    // Rights: as any file has that was put there, in the volume's own list.
    let (_, rights) = bench.record("/Windows/System32/drivers/VioStor.sys");
    assert_eq!(
        rights,
        bench.record("/Windows/System32/drivers/file1.bin").1
    );
    // Not the whole volume: the files, and what tells of them.
    let changed: usize = patches.iter().map(|p| p.after.len()).sum();
    assert!(changed < 2 << 20, "{changed} bytes change");
}

#[test]
fn a_file_that_grows_or_shrinks_stays_itself() {
    let (bench, mut content) = Bench::filled();
    let (hive, small) = ("/Windows/System32/config/SYSTEM", "/Windows/INF/file5.bin");
    let before = [bench.record(hive), bench.record(small)];
    let new = [
        file("/Windows/system32/CONFIG/system", noise(3 << 20, 5)),
        file(small, noise(300, 6)),
    ];
    bench.patch(&bench.edit(&new).unwrap());
    bench.is_sound();
    content.insert(hive.into(), new[0].bytes.clone());
    content.insert(small.into(), new[1].bytes.clone());
    for (path, bytes) in &content {
        assert!(bench.read(path) == *bytes, "{path}");
    }
    assert_eq!([bench.record(hive), bench.record(small)], before);
}

#[test]
fn what_does_not_change_needs_no_patch() {
    let (bench, content) = Bench::filled();
    let path = "/Windows/System32/drivers/file4.bin";
    let patches = bench.edit(&[file(path, content[path].clone())]).unwrap();
    // (Times in its record and its folder's index may.)
    let changed: usize = patches.iter().map(|p| p.after.len()).sum();
    assert!(changed <= 64 << 10, "{changed} bytes change");
}

#[test]
fn unclean_volumes_are_refused() {
    let (bench, _) = Bench::filled();
    let new = [file("/Windows/INF/new.inf", "x")];
    let clean = fs::read(&bench.image).unwrap();
    // (Without options it marks the volume for a check by Windows.)
    run("ntfsfix", &[bench.image()]);
    let error = bench.edit(&new).unwrap_err();
    assert!(
        matches!(&error, VolumeError::Unclean(why) if why.contains("dirty")),
        "{error}"
    );

    fs::write(&bench.image, clean).unwrap();
    let awake = noise(8192, 4242);
    bench.patch(&bench.edit(&[file("/hiberfil.sys", awake.clone())]).unwrap());
    let bytes = fs::read(&bench.image).unwrap();
    let at = bytes.chunks(512).position(|sector| *sector == awake[..512]);
    let image = File::options().write(true).open(&bench.image).unwrap();
    image
        .write_all_at(b"hibr", at.unwrap() as u64 * 512)
        .unwrap();
    let error = bench.edit(&new).unwrap_err();
    assert!(
        matches!(&error, VolumeError::Unclean(why) if why.contains("hibernated")),
        "{error}"
    );
}

#[test]
fn a_journal_in_use_is_kept() {
    let (bench, content) = Bench::filled();
    let new = [file("/Windows/INF/new.inf", "x")];
    let clean = fs::read(&bench.image).unwrap();
    bench.journal(0);
    let error = bench.edit(&new).unwrap_err();
    assert!(
        matches!(&error, VolumeError::Unclean(why) if why.contains("its log")),
        "{error}"
    );
    fs::write(&bench.image, clean).unwrap();
    let journal = bench.journal(2);
    let patches = bench.edit(&new).unwrap();
    bench.patch(&patches);
    bench.is_sound();
    for (path, bytes) in &content {
        assert!(bench.read(path) == *bytes, "{path}");
    }
    let touches = |p: &&Patch| p.at < journal.end && journal.start < p.at + p.after.len() as u64;
    let touched: Vec<_> = patches.iter().filter(touches).collect();
    assert!(touched.is_empty(), "{touched:?} of {journal:?}");
}

#[test]
fn what_is_no_ntfs_or_no_place_for_a_file_is_named() {
    let (bench, _) = Bench::filled();
    for (path, expected) in [
        ("/Windows/Nowhere/x", "there is no folder Nowhere"),
        ("/Windows/INF", "INF is there as something else"),
        (
            "/Windows/INF/file1.bin/x",
            "file1.bin is there as something else",
        ),
        ("/Windows/../x", "is no path of a file"),
        ("/Windows/INF/a?b", "putting /Windows/INF/a?b there"),
    ] {
        let error = bench.edit(&[file(path, "x")]).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    fs::write(&bench.image, vec![0; 1 << 20]).unwrap();
    let error = bench.edit(&[file("/x", "x")]).unwrap_err();
    assert_eq!(error, VolumeError::NotNtfs);
}

#[test]
fn a_full_volume_and_full_memory_are_told_apart() {
    let mut bench = Bench::empty(8 << 20);
    let big = file("/big", noise(20 << 20, 3));
    let error = bench.edit(&[file("/small", "x"), big.clone()]).unwrap_err();
    assert_eq!(error, VolumeError::Full("/big".into()));
    bench.editor.changes_most = 1 << 20;
    let error = bench.edit(&[file("/big", noise(3 << 20, 3))]).unwrap_err();
    assert_eq!(error, VolumeError::TooMuch(1 << 20));
}

/// Until the first of [`two`] files is there, then `then`.
const WHEN_HALF_DONE: &str = "$NTFS \"$@\" & pid=$!
until test -e /run/ntfs/Windows/INF/first; do :; done
";

fn two() -> [NewFile; 2] {
    let (first, second) = ("/Windows/INF/first", "/Windows/INF/second");
    [file(first, "x"), file(second, noise(20 << 20, 8))]
}

#[test]
fn programs_that_end_or_hang_leave_an_error_and_nothing_else() {
    for (text, expected) in [
        ("echo 'no luck' >&2; exit 3", "exit status: 3, \"no luck\""),
        ("exit 14", "hibernated"),
        ("kill -9 $$", "signal: 9"),
        ("exec sleep 1000", "took too long"),
        ("kill -9 $PPID; exec sleep 1000", "ended before"),
    ] {
        let (mut bench, _) = Bench::filled();
        bench.script(text);
        bench.editor.time = Duration::from_secs(3);
        let error = bench.edit(&two()).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn programs_that_end_or_hang_in_the_middle_do_so_too() {
    for (text, expected) in [
        ("kill -9 $pid; wait $pid", "ended before"),
        ("kill -STOP $pid; wait $pid", "took too long"),
        ("kill -9 $PPID; wait $pid", "ended before"),
    ] {
        let (mut bench, _) = Bench::filled();
        bench.script(&format!("{WHEN_HALF_DONE}{text}"));
        bench.editor.time = Duration::from_secs(8);
        let error = bench.edit(&two()).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn a_machine_without_the_programs_is_told_what_is_missing() {
    let (mut bench, _) = Bench::filled();
    bench.editor.ntfs_3g = bench.folder.path().join("none");
    let error = bench.edit(&two()).unwrap_err().to_string();
    assert!(error.contains("package ntfs-3g"), "{error}");
    bench.editor.rescue = bench.folder.path().join("none");
    let error = bench.edit(&two()).unwrap_err().to_string();
    // (Without root it is unshare that does not find it.)
    let told = ["none could not be started", "failed to execute"];
    assert!(told.iter().any(|t| error.contains(t)), "{error}");
}
