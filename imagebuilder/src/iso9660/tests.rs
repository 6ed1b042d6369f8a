use std::fs;
use std::path::Path;
use std::process::Command;

use disk::MemDisk;
use proptest::prelude::*;

use super::*;

/// An ISO of two files, made by xorriso, which is also its judge.
fn sample() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let tree = folder.path().join("tree");
    fs::create_dir_all(tree.join("boot/Long-Folder")).unwrap();
    fs::write(
        tree.join("boot/Long-Folder/mixed-Case.cpio.zst"),
        vec![3; 5000],
    )
    .unwrap();
    fs::write(tree.join("rescue.toml"), b"x = 1\n").unwrap();
    let iso = folder.path().join("x.iso");
    xorriso(&tree, &iso);
    fs::read(iso).unwrap()
}

fn xorriso(tree: &Path, iso: &Path) {
    let output = Command::new("xorriso")
        .args([
            "-no_rc", "-as", "mkisofs", "-quiet", "-rock", "-joliet", "-V", "SAMPLE_1", "-o",
        ])
        .arg(iso)
        .arg(tree)
        .output()
        .expect("xorriso is missing: apt-get install xorriso");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn files_names_and_contents_are_found() {
    let iso = Iso::open(MemDisk::new(sample())).unwrap();
    assert_eq!(iso.volume, "SAMPLE_1");
    let files = iso.files().unwrap();
    let paths: Vec<_> = files.iter().map(|f| (f.path.as_str(), f.size)).collect();
    assert_eq!(
        paths,
        [
            ("boot/Long-Folder/mixed-Case.cpio.zst", 5000),
            ("rescue.toml", 6)
        ]
    );
    let at = files[1].offset;
    assert_eq!(super::read(&iso.source, at, 6).unwrap(), b"x = 1\n");
    assert_eq!(iso.boot_entries().unwrap(), []);
    assert_eq!(
        hybrid(&iso.source).unwrap(),
        Hybrid {
            bios: false,
            uefi: false
        }
    );
}

#[test]
fn anything_else_is_refused_with_a_reason() {
    let error = Iso::open(MemDisk::zeroed(100_000)).unwrap_err();
    assert_eq!(error.to_string(), "no ISO 9660: sector 16 lacks 'CD001'");
    let error = Iso::open(MemDisk::zeroed(100)).unwrap_err();
    assert!(
        error.to_string().contains("the file ends at 100"),
        "{error}"
    );
}

#[test]
fn a_catalogue_lists_its_platforms() {
    let mut catalog = vec![0; 2048];
    catalog[0] = 1;
    catalog[32] = 0x88;
    catalog[40..44].copy_from_slice(&77_u32.to_le_bytes());
    catalog[64..66].copy_from_slice(&[0x91, 0xef]);
    catalog[96] = 0x88;
    catalog[104..108].copy_from_slice(&99_u32.to_le_bytes());
    let entries = boot::parse_catalog(&catalog).unwrap();
    let expected = [(Platform::Bios, 77), (Platform::Uefi, 99)];
    let found: Vec<_> = entries.iter().map(|e| (e.platform, e.sector)).collect();
    assert_eq!(found, expected);
    assert!(boot::parse_catalog(&[0x88; 64]).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn damage_is_an_error_not_a_panic(
        edits in prop::collection::vec((0usize..0x10000, any::<u8>()), 1..60)
    ) {
        static SAMPLE: std::sync::LazyLock<Vec<u8>> = std::sync::LazyLock::new(sample);
        let mut bytes = SAMPLE.clone();
        for (at, value) in edits {
            // Where the descriptors and folders are.
            if let Some(byte) = bytes.get_mut(0x8000 + at) { *byte = value; }
        }
        if let Ok(iso) = Iso::open(MemDisk::new(bytes)) {
            let _ = iso.boot_entries();
            for file in iso.files().unwrap_or_default() {
                let _ = super::read(&iso.source, file.offset, file.size.min(1 << 20));
            }
        }
    }
}
