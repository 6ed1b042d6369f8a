//! A Linux that UEFI started is restored for a BIOS.
#![allow(clippy::unwrap_used)] // helpers of tests are tests

#[path = "common/bench.rs"]
mod bench;

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use bench::{Bench, MIB, NVME, done, may_mount, refused, run};
use grub::{Core, Object};

const ROOT: &str = "11111111-2222-4333-8444-555555555555";
const MENU: &str =
    "insmod gzio\nif [ 1 = 1 ]; then\n\tregexp a b\nfi\nlinux /vmlinuz root=UUID=1\n";
const OWN: &str = "root/usr/lib/grub/i386-pc";

/// The files of a Debian whose GRUB's menu is `menu`, on a disk that UEFI starts.
fn debian(menu: Option<&str>) -> Bench {
    let bench = Bench::blank(200);
    let fstab = format!("UUID={ROOT} / ext4 errors=remount-ro 0 1\n");
    bench.debian(&fstab);
    fs::create_dir_all(bench.path("root/boot/grub")).unwrap();
    if let Some(menu) = menu {
        bench.write("root/boot/grub/grub.cfg", menu);
    }
    bench
}

/// An ESP and the root, from sector `first` on.
fn partition(bench: &Bench, first: u64) {
    let disk = bench.disk.to_str().unwrap();
    let esp = format!("--new=1:{first}:20479");
    let parts = [&esp, "--typecode=1:ef00", "--new=2:20480:+120M"];
    let words = [&["--set-alignment=1"], &parts[..], &[disk]].concat();
    run("sgdisk", &words);
}

fn capture(bench: &Bench) {
    let _ = fs::remove_dir_all(bench.path("repository"));
    bench.ext4("root", ROOT, 10, 120);
    bench.capture();
}

/// The boot parts' GRUB for a BIOS.
fn parts() -> PathBuf {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/boot-parts");
    let output = Command::new(script).arg("--offline").output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "run scripts/boot-parts: {message}");
    let parts = String::from_utf8(output.stdout).unwrap();
    Path::new(parts.trim()).join("grub/i386-pc")
}

/// Puts GRUB for a BIOS into the folder `to` of the bench.
fn put_grub(bench: &Bench, to: &str) {
    for entry in fs::read_dir(parts()).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let bytes = fs::read(entry.path()).unwrap();
        bench.write(&format!("{to}/{name}"), bytes);
    }
}

/// Restores onto a disk of `mib` MiB of a machine that a BIOS starts; there is no GRUB
/// on the medium but in the folder `grub`.
fn restore(bench: &Bench, mib: u64, grub: &str) -> Output {
    fs::create_dir_all(bench.path(grub)).unwrap();
    let grub = bench.word(grub);
    let words = ["--verify", "--firmware", "bios", "--grub", &grub];
    bench.restore(mib, &format!("{NVME}\nbios\n"), &words)
}

fn info(disk: &str, number: u32) -> String {
    run("sgdisk", &[&format!("-i={number}"), disk])
}

/// Bytes of the restored disk.
fn bytes(bench: &Bench, at: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    let disk = File::open(bench.path("target")).unwrap();
    disk.read_exact_at(&mut bytes, at).unwrap();
    bytes
}

/// The boot code leads to the core in sector `first`, and that to the menu; the names of
/// its modules.
fn judge(bench: &Bench, first: u64) -> Vec<String> {
    let sector = bytes(bench, 0, 512);
    let boot = fs::read(parts().join("boot.img")).unwrap();
    assert_eq!(sector[0x68..0x1b8], boot[0x68..0x1b8]);
    assert_eq!(sector[0x5c..0x64], first.to_le_bytes());
    assert_eq!(sector[510..], [0x55, 0xaa]);
    assert_eq!(sector[450], 0xee, "the protective entry stays");
    let core = bytes(bench, first * 512, 1007 << 10);
    assert_eq!(core[0x1f4..0x1fc], (first + 1).to_le_bytes());
    let unpacker = fs::metadata(parts().join("lzma_decompress.img")).unwrap();
    let unpacker = usize::try_from(unpacker.len()).unwrap();
    let (_, objects) = Core::read(&core, unpacker).unwrap();
    let config = format!("search.fs_uuid {ROOT} root\nset prefix=($root)'/boot/grub'\n");
    assert!(objects.contains(&Object::Config(config)));
    assert!(objects.contains(&Object::Prefix("/boot/grub".to_owned())));
    let all = fs::read_dir(parts()).unwrap().map(|entry| entry.unwrap());
    let all = all.filter(|entry| entry.path().extension().is_some_and(|e| e == "mod"));
    let mut names = Vec::new();
    for entry in all {
        let mut module = fs::read(entry.path()).unwrap();
        module.resize(module.len().next_multiple_of(4), 0);
        if objects.contains(&Object::Module(module)) {
            names.push(entry.file_name().into_string().unwrap());
        }
    }
    names
}

#[test]
fn a_disk_that_uefi_starts_gets_the_systems_own_grub_for_a_bios() {
    if !may_mount() {
        return;
    }
    let bench = debian(Some(MENU));
    partition(&bench, 2048);
    put_grub(&bench, OWN);
    capture(&bench);
    let disk = bench.disk.to_str().unwrap();
    let before = [1, 2].map(|number| info(disk, number));
    let told = done(&restore(&bench, 200, "empty"));
    for words in [
        "a BIOS will start it, too",
        "its own GRUB",
        "UEFI starts the disk as before",
        "UEFI starts it as before",
        "do not reach what a BIOS starts",
        "host name old",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
    let target = bench.word("target");
    let said = run("sgdisk", &["-v", &target]);
    assert!(said.contains("No problems found"), "{said}");
    assert_eq!(before, [1, 2].map(|number| info(&target, number)));
    let new = info(&target, 3);
    for words in ["(BIOS boot", "First sector: 34 ", "Last sector: 2047 "] {
        assert!(new.contains(words), "{words}: {new}");
    }
    let modules = judge(&bench, 34);
    for name in ["ext2.mod", "normal.mod", "regexp.mod"] {
        assert!(modules.iter().any(|found| found == name), "{name}");
    }
    // What an interrupted restore goes on with is the same.
    let first = bytes(&bench, 0, 1 << 20);
    done(&restore(&bench, 200, "empty"));
    assert!(bytes(&bench, 0, 1 << 20) == first);
    let words = ["--firmware", "keep"];
    let told = done(&bench.restore(200, &format!("{NVME}\nbios\n"), &words));
    assert!(!told.contains("GRUB's core"), "{told}");
    let source = fs::read(&bench.disk).unwrap();
    assert!(bytes(&bench, 0, 1 << 20) == source[..1 << 20]);
}

#[test]
fn the_mediums_grub_serves_where_the_menu_can_be_executed_by_it() {
    if !may_mount() {
        return;
    }
    let bench = debian(Some(MENU));
    partition(&bench, 2048);
    capture(&bench);
    refused(
        &restore(&bench, 200, "empty"),
        &[
            "Test Debian, old",
            "neither it nor this medium",
            "install grub-pc-bin",
        ],
    );
    put_grub(&bench, "medium");
    let told = done(&restore(&bench, 200, "medium"));
    assert!(told.contains("this medium's GRUB"), "{told}");
    assert!(told.contains("install grub-pc-bin"), "{told}");
    judge(&bench, 34);
    // A part of a GRUB is none.
    fs::remove_file(bench.path("medium/kernel.img")).unwrap();
    refused(
        &restore(&bench, 200, "medium"),
        &["neither it nor this medium"],
    );
    put_grub(&bench, "medium");
    fs::remove_file(bench.path("medium/normal.mod")).unwrap();
    refused(&restore(&bench, 200, "medium"), &["normal.mod is missing"]);
}

#[test]
fn what_cannot_start_by_a_bios_is_refused_with_the_reason() {
    let bench = debian(Some("insmod blscfg\nblscfg\n"));
    partition(&bench, 2048);
    put_grub(&bench, "medium");
    capture(&bench);
    refused(
        &restore(&bench, 200, "medium"),
        &["the command blscfg", "its distribution's own GRUB"],
    );
    fs::remove_file(bench.path("root/boot/grub/grub.cfg")).unwrap();
    capture(&bench);
    refused(
        &restore(&bench, 200, "medium"),
        &["no grub.cfg", "a BIOS starts it by GRUB only"],
    );
    fs::remove_file(bench.path("root/etc/os-release")).unwrap();
    fs::remove_file(bench.path("root/etc/fstab")).unwrap();
    capture(&bench);
    refused(&restore(&bench, 200, "medium"), &["No Linux was found"]);
}

#[test]
fn it_comes_where_nothing_is() {
    if !may_mount() {
        return;
    }
    let bench = debian(Some(MENU));
    // (The ESP begins right behind the table.)
    partition(&bench, 34);
    let disk = bench.disk.to_str().unwrap();
    run("sgdisk", &["--largest-new=3", disk]);
    put_grub(&bench, "medium");
    capture(&bench);
    let refusal = restore(&bench, 200, "medium");
    refused(&refusal, &["no room for a BIOS boot partition", "by 3 MiB"]);
    done(&restore(&bench, 203, "medium"));
    let target = bench.word("target");
    let said = run("sgdisk", &["-v", &target]);
    assert!(said.contains("No problems found"), "{said}");
    let new = info(&target, 4);
    assert!(new.contains("First sector: 409600 "), "{new}");
    judge(&bench, 409_600);
    // Data that no partition has stays.
    let bench = debian(Some(MENU));
    partition(&bench, 2048);
    put_grub(&bench, "medium");
    let disk = File::options().write(true).open(&bench.disk).unwrap();
    disk.write_all_at(b"data", 100 * 512).unwrap();
    capture(&bench);
    done(&restore(&bench, 200, "medium"));
    assert_eq!(bytes(&bench, 100 * 512, 4), b"data");
    judge(&bench, 130 * MIB / 512);
}
