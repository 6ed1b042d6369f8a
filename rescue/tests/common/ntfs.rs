//! NTFS volumes with files in them, made without root and without mounting:
//! `mkntfs` (package ntfs-3g) and wimlib's tools (package wimtools).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn run(package: &str, program: &str, words: &[&Path]) {
    let mut command = Command::new(program);
    command.env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin");
    let output = command.args(words).output();
    let output = output.unwrap_or_else(|e| panic!("{program}: {e}: install {package}"));
    assert!(output.status.success(), "{program}: {output:?}");
}

/// Makes `disk` an NTFS volume of `mib` MiB, without a partition table, that
/// holds what is in `root`.
pub(crate) fn volume(root: &Path, disk: &Path, mib: u64) {
    empty(disk, mib);
    fill(root, disk);
}

/// The same with every file in pieces of four clusters: the map of used clusters
/// says that the next four are taken.
pub(crate) fn in_pieces(root: &Path, disk: &Path, mib: u64) {
    empty(disk, mib);
    let mut bytes = fs::read(disk).unwrap_or_default();
    let le = |at: usize, len: usize| {
        let field = bytes[at..at + len].iter().rev();
        field.fold(0, |sum: usize, byte| sum << 8 | usize::from(*byte))
    };
    let cluster = le(11, 2) * le(13, 1);
    // $Bitmap is record 6, of 1024 bytes; its $DATA (0x80) has a list of one
    // run at offset 32: a byte of sizes (1 and 1, 2, …), a length, a cluster.
    let record = le(48, 8) * cluster + 6 * 1024;
    let mut at = record + le(record + 20, 2);
    while le(at, 4) != 0x80 {
        at += le(at + 4, 4);
    }
    let run = at + le(at + 32, 2);
    let (len, places) = (le(run, 1) & 15, le(run, 1) >> 4);
    let start = le(run + 1 + len, places) * cluster;
    let clusters = usize::try_from(mib << 20).unwrap_or_default() / cluster;
    // The first eighth is kept for the table of records to grow.
    for byte in &mut bytes[start + clusters / 64..start + clusters / 8] {
        *byte |= 0x0F;
    }
    let written = fs::write(disk, bytes);
    written.unwrap_or_else(|e| panic!("{}: {e}", disk.display()));
    fill(root, disk);
}

fn empty(disk: &Path, mib: u64) {
    let made = fs::File::create(disk).and_then(|file| file.set_len(mib << 20));
    made.unwrap_or_else(|e| panic!("{}: {e}", disk.display()));
    run("ntfs-3g", "mkntfs", &["-q".as_ref(), "-F".as_ref(), disk]);
}

fn fill(root: &Path, disk: &Path) {
    let wim = disk.with_extension("wim");
    let words = ["--compress=none".as_ref(), root, &wim];
    run("wimtools", "wimcapture", &words);
    run("wimtools", "wimapply", &[&wim, "1".as_ref(), disk]);
    let _ = fs::remove_file(wim);
}

/// A genuine hive of the collection, `shared/fixtures/windows` beside the
/// checkout or in `$RESCUE_FIXTURES`.
pub(crate) fn hive(name: &str) -> Vec<u8> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/fixtures");
    let fixtures = std::env::var_os("RESCUE_FIXTURES").map_or(beside, PathBuf::from);
    let packed = fixtures.join(format!("windows/{name}.xz"));
    let output = Command::new("xz").arg("-dc").arg(&packed).output();
    let output = output.unwrap_or_else(|e| panic!("xz: {e}: install xz-utils"));
    assert!(
        output.status.success(),
        "no {}: put the fixtures beside the checkout, or name their folder in RESCUE_FIXTURES",
        packed.display()
    );
    output.stdout
}

/// Puts hives of the machine in a domain where Windows has them below `root`.
pub(crate) fn windows(root: &Path, names: &[&str]) {
    let config = root.join("Windows/System32/config");
    let made = fs::create_dir_all(&config);
    made.unwrap_or_else(|e| panic!("{}: {e}", config.display()));
    for name in names {
        let written = fs::write(config.join(name), hive(&format!("joined-8.1/{name}")));
        written.unwrap_or_else(|e| panic!("{name}: {e}"));
    }
}
