//! Tables made by the tools administrators use, read by us; layouts made by
//! us, judged by those tools. On sparse files, without root.
//!
//! Needs `gdisk`, `fdisk`, `dosfstools`, `e2fsprogs` and `ntfs-3g`.
#![allow(
    clippy::unwrap_used,
    reason = "a helper that fails is a test that fails"
)]

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use disk::{
    Layout, NoteKind, Partition, ReadAt, SectorSize, Table, TableKind, ToGpt, add_esp, plan_layout,
    read_table, regions, to_gpt,
};
use tempfile::NamedTempFile;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const TIB: u64 = 1 << 40;

/// Runs `tool` (from Debian's `package`) and returns all it prints, and
/// whether it was content.
fn run(package: &str, tool: &str, args: &[&str], input: &str) -> (String, bool) {
    let folders = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"];
    let path = folders
        .iter()
        .map(|folder| Path::new(folder).join(tool))
        .find(|path| path.exists())
        .unwrap_or_else(|| panic!("{tool} is missing: install the package {package}"));
    let mut child = Command::new(path)
        .args(args)
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (
        String::from_utf8_lossy(&text).into_owned(),
        output.status.success(),
    )
}

/// As [`run`], and fails if the tool does.
fn must(package: &str, tool: &str, args: &[&str], input: &str) -> String {
    let (text, content) = run(package, tool, args, input);
    assert!(content, "{tool} {args:?}: {text}");
    text
}

struct Disk {
    file: NamedTempFile,
}

impl Disk {
    fn new(size: u64) -> Self {
        let file = NamedTempFile::new().unwrap();
        file.as_file().set_len(size).unwrap();
        Self { file }
    }

    fn path(&self) -> &str {
        self.file.path().to_str().unwrap()
    }

    fn file(&self) -> &File {
        self.file.as_file()
    }

    fn table(&self, sector: SectorSize) -> Table {
        let table = read_table(self.file(), sector).unwrap();
        let row = regions(&table, self.file().size());
        assert_eq!(row.iter().map(|r| r.len).sum::<u64>(), self.file().size());
        table
    }

    /// What `sfdisk` sees, as it would be scripted: independent of our names.
    fn sfdisk(&self) -> serde_json::Value {
        let text = must("fdisk", "sfdisk", &["--json", self.path()], "");
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        json["partitiontable"].clone()
    }

    /// A restore onto a sparse file of `size`: everything but the unused
    /// middle of the disk, then the layout.
    fn restore(&self, table: &Table, layout: &Layout, size: u64) -> Self {
        let target = Self::new(size);
        let own = self.file().size();
        let edge = (4 * MIB).min(own);
        for from in [0, own - edge] {
            let mut bytes = vec![0; edge as usize];
            ReadAt::read_exact_at(self.file(), &mut bytes, from).unwrap();
            target.file().write_all_at(&bytes, from).unwrap();
        }
        for replaced in &layout.replaced {
            let junk = vec![0xa5; replaced.len as usize];
            target.file().write_all_at(&junk, replaced.start).unwrap();
        }
        for write in &layout.writes {
            let to = target.file();
            to.write_all_at(&write.bytes, write.offset).unwrap();
        }
        assert_eq!(target.table(table.sector).partitions, table.partitions);
        target
    }
}

/// Start, length (sectors), type, UUID and name as `sfdisk` gives them.
fn compare(table: &Table, theirs: &serde_json::Value) {
    let unit = table.sector.bytes();
    let extended = ["5", "f", "85"];
    let theirs: Vec<_> = theirs["partitions"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|p| !extended.contains(&p["type"].as_str().unwrap()))
        .map(|p| {
            (
                p["start"].as_u64().unwrap(),
                p["size"].as_u64().unwrap(),
                p["type"].as_str().unwrap().to_lowercase(),
                p["uuid"].as_str().map(str::to_lowercase),
                p["name"].as_str().map(str::to_owned),
            )
        })
        .collect();
    let type_id = |p: &Partition| match p.type_id.strip_prefix("0x") {
        Some(hex) => hex.trim_start_matches('0').to_owned(),
        None => p.type_id.clone(),
    };
    let gpt = table.kind == TableKind::Gpt;
    let ours: Vec<_> = table
        .partitions
        .iter()
        .map(|p| {
            let uuid = p.uuid.clone().filter(|_| gpt);
            let (start, len) = (p.start / unit, p.len / unit);
            (start, len, type_id(p), uuid, p.name.clone())
        })
        .collect();
    assert_eq!(ours, theirs);
}

fn sgdisk_disk(size: u64) -> Disk {
    let disk = Disk::new(size);
    let args = [
        "-n=1:0:+2M",
        "-t=1:ef02",
        "-n=2:0:+4M",
        "-t=2:ef00",
        "-c=2:EFI Systempartition \u{e4}\u{1f4be}",
        "-n=5:0:+8M",
        "-t=5:8e00",
        "-A=5:set:2",
        "-n=3:0:0",
        "-t=3:0700",
        disk.path(),
    ];
    must("gdisk", "sgdisk", &args, "");
    disk
}

#[test]
fn what_sgdisk_writes_is_read_as_sfdisk_reads_it() {
    let disk = sgdisk_disk(64 * MIB);
    let table = disk.table(SectorSize::B512);
    assert_eq!((table.kind, table.notes.len()), (TableKind::Gpt, 0));
    let theirs = disk.sfdisk();
    assert_eq!(
        table.disk_id.as_deref(),
        Some(&*theirs["id"].as_str().unwrap().to_lowercase())
    );
    compare(&table, &theirs);
    let numbers: Vec<_> = table.partitions.iter().map(|p| p.number).collect();
    assert_eq!(numbers, [1, 2, 3, 5]);
    let names: Vec<_> = table
        .partitions
        .iter()
        .map(|p| p.type_name.as_str())
        .collect();
    let expected = [
        "BIOS boot",
        "EFI system (ESP)",
        "Microsoft basic data",
        "Linux LVM",
    ];
    assert_eq!(names, expected);
    assert!(table.partitions[3].bootable && !table.partitions[0].bootable);
}

/// Grows a GPT disk and asks both tools; asks them first about the same disk
/// without our layout, to know that they would complain.
fn grows_to_the_tools_content(from: u64, to: u64) {
    let disk = sgdisk_disk(from);
    let table = disk.table(SectorSize::B512);
    let plain = disk.restore_as_it_is(to);
    let (text, _) = run("gdisk", "sgdisk", &["-v", plain.path()], "");
    assert!(!text.contains("No problems found"), "{text}");

    let layout = plan_layout(&table, disk.file(), to, SectorSize::B512).unwrap();
    let target = disk.restore(&table, &layout, to);
    let text = must("gdisk", "sgdisk", &["-v", target.path()], "");
    assert!(text.contains("No problems found"), "{text}");
    let text = must("fdisk", "sfdisk", &["--verify", target.path()], "");
    assert!(text.contains("No errors detected"), "{text}");
    let theirs = target.sfdisk();
    compare(&table, &theirs);
    assert_eq!(theirs["lastlba"].as_u64(), Some(to / 512 - 34));
    assert_eq!(target.table(SectorSize::B512).notes, []);
}

impl Disk {
    /// The copy that `dd` would make.
    fn restore_as_it_is(&self, size: u64) -> Self {
        let target = Self::new(size);
        std::fs::copy(self.path(), target.path()).unwrap();
        target.file().set_len(size).unwrap();
        target
    }
}

#[test]
fn sgdisk_and_sfdisk_find_nothing_wrong_with_a_grown_gpt() {
    grows_to_the_tools_content(64 * MIB, 64 * MIB + 512);
    grows_to_the_tools_content(64 * MIB, 65 * MIB);
    grows_to_the_tools_content(64 * MIB, 20 * GIB);
}

#[test]
fn a_gpt_grows_past_what_an_mbr_can_say() {
    let disk = sgdisk_disk(GIB);
    let table = disk.table(SectorSize::B512);
    let layout = plan_layout(&table, disk.file(), 3 * TIB, SectorSize::B512).unwrap();
    let target = disk.restore(&table, &layout, 3 * TIB);
    let text = must("gdisk", "sgdisk", &["-v", target.path()], "");
    assert!(text.contains("No problems found"), "{text}");
    let mut size = [0; 4];
    ReadAt::read_exact_at(target.file(), &mut size, 458).unwrap();
    assert_eq!(size, [0xff; 4]);
}

#[test]
fn fdisk_finds_nothing_wrong_with_a_grown_gpt_of_4096_byte_sectors() {
    let disk = Disk::new(256 * MIB);
    let script = "g\nn\n1\n\n+16M\nn\n2\n\n\nt\n2\nlinux-swap\nw\n";
    let made = must("fdisk", "fdisk", &["-b", "4096", disk.path()], script);
    assert!(made.contains("has been altered"), "{made}");
    let table = disk.table(SectorSize::B4096);
    assert_eq!((table.partitions.len(), table.notes.len()), (2, 0));
    let error = read_table(disk.file(), SectorSize::B512).unwrap_err();
    assert!(error.to_string().contains("sectors of 4096"), "{error}");

    let list = |disk: &Disk| must("fdisk", "fdisk", &["-b", "4096", "-l", disk.path()], "");
    let to = 3 * GIB;
    let plain = list(&disk.restore_as_it_is(to));
    assert!(plain.contains("not on the end"), "{plain}");
    let layout = plan_layout(&table, disk.file(), to, SectorSize::B4096).unwrap();
    let text = list(&disk.restore(&table, &layout, to));
    for complaint in ["not on the end", "corrupt", "mismatch", "will be"] {
        assert!(!text.contains(complaint), "{text}");
    }
    assert!(text.contains("Disklabel type: gpt"), "{text}");
    assert!(text.contains("Linux swap"), "{text}");
}

const MBR_SCRIPT: &str = "label: dos\nlabel-id: 0xdeadbeef\n\
    start=2048, size=20480, type=7, bootable\n\
    start=22528, size=204800, type=f\n\
    start=24576, size=20480, type=83\n\
    start=51200, size=20480, type=c\n\
    start=81920, size=40960, type=82\n\
    start=229376, size=8192, type=8e\n";

#[test]
fn what_sfdisk_writes_as_mbr_is_read_with_its_logical_partitions() {
    let disk = Disk::new(128 * MIB);
    must("fdisk", "sfdisk", &[disk.path()], MBR_SCRIPT);
    let table = disk.table(SectorSize::B512);
    assert_eq!(table.kind, TableKind::Mbr);
    assert_eq!(table.disk_id.as_deref(), Some("deadbeef"));
    compare(&table, &disk.sfdisk());
    let numbers: Vec<_> = table.partitions.iter().map(|p| p.number).collect();
    assert_eq!(numbers, [1, 3, 5, 6, 7]);
    assert_eq!(table.structures.len(), 4, "{:?}", table.structures);

    // sfdisk appends a logical partition that lies before the others: the
    // chain then runs backwards, which Linux and sfdisk accept.
    must("fdisk", "sfdisk", &["--delete", disk.path(), "5"], "");
    let line = "start=24576, size=8192, type=83\n";
    must("fdisk", "sfdisk", &["--append", disk.path()], line);
    let table = disk.table(SectorSize::B512);
    compare(&table, &disk.sfdisk());
    let last = table.partitions.last().map(|p| (p.number, p.start / 512));
    assert_eq!(last, Some((7, 24576)), "the chain should run backwards");

    let layout = plan_layout(&table, disk.file(), 256 * MIB, SectorSize::B512).unwrap();
    let target = disk.restore_as_it_is(256 * MIB);
    for write in &layout.writes {
        let to = target.file();
        to.write_all_at(&write.bytes, write.offset).unwrap();
    }
    let text = must("fdisk", "sfdisk", &["--verify", target.path()], "");
    assert!(
        !text.contains("rror") || text.contains("No errors"),
        "{text}"
    );
    assert_eq!(target.table(SectorSize::B512).partitions, table.partitions);
}

#[test]
fn sgdisk_and_sfdisk_find_nothing_wrong_with_a_gpt_made_of_an_mbr() {
    let disk = Disk::new(64 * MIB);
    let script = "label: dos\nlabel-id: 0x36234da4\nstart=63, size=16065, type=7\n\
                  start=20480, size=65536, type=7, bootable\nstart=90112, size=8192, type=27\n";
    must("fdisk", "sfdisk", &["-q", disk.path()], script);
    let table = disk.table(SectorSize::B512);
    let guid = |at: Option<u64>| uuid::Uuid::from_u128(u128::from(at.unwrap_or(7)) << 64 | 0xabc);
    for (size, reuse, esp) in [(64, None, 4), (96, None, 4), (64, Some(2), 2)] {
        let wanted = ToGpt {
            reuse,
            esp_size: 12 * MIB,
            logical: false,
            guid: &guid,
        };
        let found = to_gpt(&table, disk.file(), size * MIB, &wanted).unwrap();
        let target = disk.restore(&found.table, &found.layout, size * MIB);
        let text = must("gdisk", "sgdisk", &["-v", target.path()], "");
        assert!(text.contains("No problems found"), "{text}");
        let text = must("fdisk", "sfdisk", &["--verify", target.path()], "");
        assert!(text.contains("No errors detected"), "{text}");
        let theirs = target.sfdisk();
        compare(&found.table, &theirs);
        assert_eq!(theirs["lastlba"].as_u64(), Some(size * MIB / 512 - 34));
        let id = guid(None).to_string().to_uppercase();
        assert_eq!(theirs["id"].as_str(), Some(&*id));
        let parts = theirs["partitions"].as_array().unwrap();
        let is_esp = |p: &&serde_json::Value| {
            p["type"] == "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
                && p["node"].as_str().unwrap().ends_with(&format!("{esp}"))
        };
        assert_eq!(parts.iter().filter(is_esp).count(), 1, "{theirs}");
        let recovery = parts.iter().find(|p| p["start"] == 90112).unwrap();
        assert_eq!(recovery["type"], "DE94BBA4-06D1-4D40-A16A-BFD50179D6AC");
        assert_eq!(recovery["attrs"], "RequiredPartition GUID:63");
    }
}

/// What `sgdisk -i` says of partition `number`.
fn details(disk: &Disk, number: u32) -> String {
    must(
        "gdisk",
        "sgdisk",
        &[&format!("-i={number}"), disk.path()],
        "",
    )
}

/// A disk that a BIOS starts: 1 boots, 2 is the root, 5 has a name and attributes.
fn for_bios() -> Disk {
    let disk = Disk::new(64 * MIB);
    must(
        "gdisk",
        "sgdisk",
        &[
            "--clear",
            "--new=1:2048:4095",
            "--typecode=1:ef02",
            "--new=2:4096:+20M",
            "--typecode=2:8300",
            "--change-name=2:root",
            "--new=5:92160:126975",
            "--attributes=5:set:63",
            "--change-name=5:Daten für Zoë",
            disk.path(),
        ],
        "",
    );
    disk
}

#[test]
fn sgdisk_finds_nothing_wrong_with_an_esp_that_is_added_to_a_gpt() {
    let disk = for_bios();
    let table = disk.table(SectorSize::B512);
    let before = [1, 2, 5].map(|number| details(&disk, number));
    let guid = |at: Option<u64>| uuid::Uuid::from_u128(u128::from(at.unwrap_or(7)) << 64 | 0xabc);
    let wanted = |esp_size| ToGpt {
        reuse: None,
        esp_size,
        logical: false,
        guid: &guid,
    };
    // In the gap before 5; behind it, where the backup was and beyond.
    for (size, esp_size, start) in [(64, 12, 22), (96, 12, 62), (96, 33, 62)] {
        let esp_size = esp_size * MIB;
        let found = add_esp(&table, disk.file(), size * MIB, &wanted(esp_size)).unwrap();
        assert!(found.kept && !found.reused);
        assert_eq!((found.esp, found.esp_extent.start), (3, start * MIB));
        // It is written before the table.
        let esp = found.esp_extent;
        for write in &found.layout.writes {
            let at = write.extent();
            assert!(at.end() <= esp.start || at.start >= esp.end(), "{at:?}");
        }
        let target = disk.restore(&found.table, &found.layout, size * MIB);
        let text = must("gdisk", "sgdisk", &["-v", target.path()], "");
        assert!(text.contains("No problems found"), "{text}");
        let text = must("fdisk", "sfdisk", &["--verify", target.path()], "");
        assert!(text.contains("No errors detected"), "{text}");
        assert_eq!([1, 2, 5].map(|number| details(&target, number)), before);
        let esp = details(&target, 3);
        let code = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B (EFI system partition)";
        assert!(esp.contains(code), "{esp}");
        let first = format!("First sector: {} ", start * MIB / 512);
        assert!(esp.contains(&first), "{esp}");
        let len = format!("Partition size: {} sectors", esp_size / 512);
        assert!(esp.contains(&len), "{esp}");
        assert_eq!(
            target.sfdisk()["id"],
            disk.sfdisk()["id"],
            "the disk's GUID is another"
        );
        // What a BIOS starts: code in sector 0 and its partition.
        let start = |disk: &Disk| {
            let mut code = vec![0; 440];
            ReadAt::read_exact_at(disk.file(), &mut code, 0).unwrap();
            code
        };
        assert_eq!(start(&target), start(&disk));
    }
    let refused = add_esp(&table, disk.file(), 64 * MIB, &wanted(32 * MIB)).unwrap_err();
    let enough = 62 + 32 + 1;
    let words = format!("one of {} bytes", enough * MIB);
    assert!(refused.to_string().contains(&words), "{refused}");
    let found = add_esp(&table, disk.file(), enough * MIB, &wanted(32 * MIB));
    assert_eq!(found.unwrap().esp_extent.start, 62 * MIB);
}

#[test]
fn logical_partitions_become_ordinary_ones_with_their_numbers() {
    let disk = Disk::new(96 * MIB);
    let script = "label: dos\nlabel-id: 0x36234da4\nstart=2048, size=40960, type=83, bootable\n\
                  start=45054, size=53250, type=5\nstart=45056, size=20480, type=82\n\
                  start=67584, size=20480, type=8e\n";
    must("fdisk", "sfdisk", &["-q", disk.path()], script);
    let table = disk.table(SectorSize::B512);
    let guid = |at: Option<u64>| uuid::Uuid::from_u128(u128::from(at.unwrap_or(7)) << 64 | 0xabc);
    let wanted = |logical| ToGpt {
        reuse: None,
        esp_size: 34 * MIB,
        logical,
        guid: &guid,
    };
    let refused = to_gpt(&table, disk.file(), 96 * MIB, &wanted(false)).unwrap_err();
    assert!(refused.to_string().contains("extended"), "{refused}");
    let found = to_gpt(&table, disk.file(), 96 * MIB, &wanted(true)).unwrap();
    let numbers: Vec<(u32, u64)> = (found.table.partitions.iter())
        .map(|p| (p.number, p.start / 512))
        .collect();
    assert_eq!(numbers, [(1, 2048), (2, 88064), (5, 45056), (6, 67584)]);
    let target = disk.restore(&found.table, &found.layout, 96 * MIB);
    let text = must("gdisk", "sgdisk", &["-v", target.path()], "");
    assert!(text.contains("No problems found"), "{text}");
    compare(&found.table, &target.sfdisk());
    assert!(details(&target, 5).contains("(Linux swap)"));
}

#[test]
fn filesystems_on_the_bare_disk_are_not_partitioned() {
    let fat = Disk::new(64 * MIB);
    must("dosfstools", "mkfs.vfat", &[fat.path()], "");
    let ntfs = Disk::new(64 * MIB);
    must("ntfs-3g", "mkntfs", &["-Q", "-F", ntfs.path()], "");
    for disk in [fat, ntfs] {
        let table = disk.table(SectorSize::B512);
        assert_eq!(table.kind, TableKind::None);
        assert_eq!(table.notes[0].kind, NoteKind::FilesystemOnDisk);
    }
    let ext = Disk::new(64 * MIB);
    must("e2fsprogs", "mke2fs", &["-q", "-F", ext.path()], "");
    let table = ext.table(SectorSize::B512);
    assert_eq!((table.kind, table.notes.len()), (TableKind::None, 0));
}

#[test]
fn a_table_that_sgdisk_zapped_is_gone_for_us_too() {
    let disk = sgdisk_disk(64 * MIB);
    must("gdisk", "sgdisk", &["-Z", disk.path()], "");
    let table = disk.table(SectorSize::B512);
    assert_eq!((table.kind, table.partitions.len()), (TableKind::None, 0));
}

#[test]
fn a_hybrid_mbr_by_sgdisk_is_a_gpt() {
    let disk = sgdisk_disk(64 * MIB);
    must("gdisk", "sgdisk", &["-h=2", disk.path()], "");
    let table = disk.table(SectorSize::B512);
    assert_eq!((table.kind, table.partitions.len()), (TableKind::Gpt, 4));
    let kinds: Vec<_> = table.notes.iter().map(|n| n.kind).collect();
    assert_eq!(kinds, [NoteKind::HybridMbr]);
}
