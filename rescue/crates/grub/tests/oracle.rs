//! `grub-mkimage` is the judge: of the same files it makes the same core, but for what the
//! other compressor makes of the same bytes.
#![allow(clippy::unwrap_used)] // helpers of tests are tests

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use grub::{Core, Object, SECTOR, Set, USUAL, boot_sector, closure};

const PREFIX: &str = "/boot/grub";
const CONFIG: &str = "search.fs_uuid 1-2 root\nset prefix=($root)'/boot/grub'\n";

/// The folder with GRUB's files for a BIOS, of the boot parts.
fn folder() -> PathBuf {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../scripts/boot-parts");
    let output = Command::new(script).arg("--offline").output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "run scripts/boot-parts: {message}");
    let parts = String::from_utf8(output.stdout).unwrap();
    Path::new(parts.trim()).join("grub/i386-pc")
}

fn set(folder: &Path) -> Set {
    let mut set = Set::default();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        set.add(&name, fs::read(entry.path()).unwrap());
    }
    set
}

fn mkimage(folder: &Path, modules: &[&str]) -> Vec<u8> {
    let work = tempfile::tempdir().unwrap();
    let (config, image) = (work.path().join("config"), work.path().join("core.img"));
    fs::write(&config, CONFIG).unwrap();
    let mut command = Command::new("grub-mkimage");
    command.args(["--format=i386-pc", "--prefix", PREFIX, "--directory"]);
    command.arg(folder).arg("--config").arg(&config);
    let output = command.arg("--output").arg(&image).args(modules).output();
    let output = output.unwrap_or_else(|e| panic!("grub-mkimage: {e}; see scripts/packages"));
    assert!(output.status.success(), "{output:?}");
    fs::read(&image).unwrap()
}

#[test]
fn the_core_is_that_of_grub_mkimage() {
    let folder = folder();
    let set = set(&folder);
    let list = set.text("moddep.lst").unwrap();
    let modules = closure(&list, USUAL);
    let ours = Core::new(&set, &modules, PREFIX, CONFIG).unwrap();
    let bytes = ours.len();
    let theirs = mkimage(&folder, &USUAL);
    // (Their dictionary is smaller.)
    assert!(bytes <= theirs.len(), "{bytes}, {}", theirs.len());
    let ours = ours.at(34);
    let unpacker = set.get("lzma_decompress.img").unwrap().len();
    let (kernel, objects) = Core::read(&ours, unpacker).unwrap();
    let (their_kernel, their_objects) = Core::read(&theirs, unpacker).unwrap();
    assert!(kernel == their_kernel);
    let sorted = |objects: &[Object]| {
        let mut modules: Vec<Vec<u8>> = Vec::new();
        for object in objects {
            if let Object::Module(bytes) = object {
                modules.push(bytes.clone());
            }
        }
        modules.sort();
        modules
    };
    assert!(sorted(&objects) == sorted(&their_objects));
    let tail = |objects: &[Object]| objects[objects.len() - 2..].to_vec();
    assert_eq!(tail(&objects), tail(&their_objects));
    assert_eq!(objects.len(), their_objects.len());
    // The sector that loads the rest differs in the block list alone, and the
    // program that unpacks in what it is told.
    assert_eq!(ours[..SECTOR - 12], theirs[..SECTOR - 12]);
    let list = |core: &[u8]| {
        let at = SECTOR - 12;
        let first = u64::from_le_bytes(core[at..at + 8].try_into().unwrap());
        (
            first,
            u16::from_le_bytes(core[at + 8..at + 10].try_into().unwrap()),
        )
    };
    let sectors = |core: &[u8]| u16::try_from(core.len().div_ceil(SECTOR) - 1).unwrap();
    assert_eq!(list(&ours), (35, sectors(&ours)));
    assert_eq!(list(&theirs), (2, sectors(&theirs)));
    let unpackers = [&ours, &theirs].map(|core| core[SECTOR..SECTOR + unpacker].to_vec());
    let differ: Vec<usize> = (0..unpacker)
        .filter(|at| unpackers[0][*at] != unpackers[1][*at])
        .collect();
    assert!(differ.iter().all(|at| (8..12).contains(at)), "{differ:?}");
    assert!(bytes < 300 << 10, "{bytes}");
}

#[test]
fn the_order_of_modules_is_one_that_grub_can_load() {
    let set = set(&folder());
    let list = set.text("moddep.lst").unwrap();
    let modules = closure(&list, USUAL);
    for (at, name) in modules.iter().enumerate() {
        assert!(set.get(&format!("{name}.mod")).is_ok(), "{name}");
        for needed in closure(&list, [*name]) {
            assert!(modules[..=at].contains(&needed), "{needed} for {name}");
        }
    }
}

#[test]
fn the_boot_sector_keeps_the_table() {
    let set = set(&folder());
    let mut old = [0; SECTOR];
    old.iter_mut()
        .enumerate()
        .for_each(|(at, byte)| *byte = (at % 251) as u8 | 1);
    let new = boot_sector(&set, &old, 0x1_0000_0022).unwrap();
    let boot = set.get("boot.img").unwrap();
    assert_eq!(new[0x1b8..510], old[0x1b8..510]);
    assert_eq!(new[510..], [0x55, 0xaa]);
    assert_eq!(new[0x5c..0x64], 0x1_0000_0022u64.to_le_bytes());
    let differ = (0..0x1b8).filter(|at| new[*at] != boot[*at]);
    let differ: Vec<usize> = differ.collect();
    assert!(
        differ
            .iter()
            .all(|at| (0x5c..0x64).contains(at) || (0x66..0x68).contains(at)),
        "{differ:?}"
    );
}

#[test]
fn files_that_are_missing_or_damaged_are_named() {
    let folder = folder();
    let whole = set(&folder);
    let core = |set: &Set| Core::new(set, &["ext2", "fshelp"], PREFIX, CONFIG);
    assert!(core(&whole).is_ok());
    let words = |error: grub::Error| error.to_string();
    for (name, bytes, why) in [
        ("kernel.img", &b"\x7fELF"[..], "no ELF"),
        ("diskboot.img", &[0; 512], "block list"),
        ("diskboot.img", &[0; 511], "511 bytes"),
        ("lzma_decompress.img", &[0xff; 100], "another version"),
        ("lzma_decompress.img", &[0; 5000], "5000 bytes"),
        ("ext2.mod", b"x", "ext2.mod is no ELF"),
    ] {
        let mut set = whole.clone();
        set.add(name, bytes.to_vec());
        let why_not = words(core(&set).unwrap_err());
        assert!(why_not.contains(why), "{name}: {why_not}");
    }
    let mut set = Set::default();
    assert!(words(core(&set).unwrap_err()).contains("kernel.img is missing"));
    set.add("boot.img", vec![0; 512]);
    let why = words(boot_sector(&set, &[0; SECTOR], 34).unwrap_err());
    assert!(why.contains("drive check"), "{why}");
    let why = words(Core::new(&whole, &[], PREFIX, "a\0b").unwrap_err());
    assert!(why.contains("cannot be told"), "{why}");
    // All modules there are do not fit.
    let list = whole.text("moddep.lst").unwrap();
    let names = list
        .lines()
        .filter_map(|line| Some(line.split_once(':')?.0));
    let names = names.filter(|name| whole.get(&format!("{name}.mod")).is_ok());
    let all = closure(&list, names);
    let why = words(Core::new(&whole, &all, PREFIX, CONFIG).unwrap_err());
    assert!(why.contains("a BIOS can load"), "{why}");
}
