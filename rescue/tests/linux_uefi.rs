//! A Linux that a BIOS started is restored for UEFI.
#![allow(clippy::unwrap_used)] // helpers of tests are tests

#[path = "common/bench.rs"]
mod bench;

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Output;

use bench::{Bench, MIB, NVME, all_of, done, may_mount, output, refused, run};

const ROOT: &str = "11111111-2222-4333-8444-555555555555";
const BOOT: &str = "66666666-7777-4888-9999-aaaaaaaaaaaa";
const SHIM: &str = "root/usr/lib/shim/shimx64.efi.signed";
const SIGNED: &str = "root/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed";
const UNSIGNED: &str = "root/usr/lib/grub/x86_64-efi/monolithic/grubx64.efi";

/// The files of a Debian, whose GRUB's menu is in `config`.
fn debian(bench: &Bench, fstab: &str, config: &str) {
    bench.debian(fstab);
    fs::create_dir_all(bench.path("root/boot")).unwrap();
    bench.write(config, "linux /vmlinuz root=UUID=1\n");
}

/// Restores onto a disk of `mib` MiB of a machine that UEFI starts.
fn restore(bench: &Bench, mib: u64, more: &[&str]) -> Output {
    let hardware = format!("{NVME}\nuefi\n");
    bench.restore(mib, &hardware, &[&["--verify"], more].concat())
}

/// A copy of bytes of the restored disk.
fn part(bench: &Bench, at: u64, len: u64) -> String {
    let mut bytes = vec![0; usize::try_from(len).unwrap()];
    let disk = File::open(bench.path("target")).unwrap();
    disk.read_exact_at(&mut bytes, at).unwrap();
    fs::write(bench.path("restored"), bytes).unwrap();
    bench.word("restored")
}

/// First byte and bytes of a partition, by sgdisk.
fn place(disk: &str, number: u32) -> (u64, u64) {
    let said = run("sgdisk", &[&format!("-i={number}"), disk]);
    let value = |key: &str| -> u64 {
        let line = said.lines().find_map(|line| line.strip_prefix(key));
        let line = line.unwrap_or_else(|| panic!("{key}: {said}"));
        line.split_whitespace().next().unwrap().parse().unwrap()
    };
    let first = value("First sector: ");
    (first * 512, (value("Last sector: ") + 1 - first) * 512)
}

/// What fsck.fat, mtools and blkid say of the ESP.
fn judge_esp(esp: &str, files: &[(&str, &[u8])]) -> String {
    run("fsck.fat", &["-n", esp]);
    for (path, bytes) in files {
        let found = output("mtype", &["-i", esp, &format!("::{path}")]);
        assert!(found.stdout == *bytes, "{path}: {found:?}");
    }
    let blkid = ["-p", "-s", "UUID", "-o", "value", esp];
    run("blkid", &blkid).trim().to_owned()
}

fn cat(volume: &str, path: &str) -> String {
    run("debugfs", &["-R", &format!("cat {path}"), volume])
}

const GRUB: &[u8] = b"MZ a GRUB\0/EFI/debian\0";

/// A GPT with GRUB's partition for a BIOS.
fn on_gpt() -> Bench {
    let bench = Bench::blank(200);
    debian(
        &bench,
        &format!("UUID={ROOT} / ext4 errors=remount-ro 0 1\n"),
        "root/boot/grub/grub.cfg",
    );
    let disk = bench.disk.to_str().unwrap();
    let parts = [
        "--new=1:2048:4095",
        "--typecode=1:ef02",
        "--new=2:4096:+120M",
    ];
    run(
        "sgdisk",
        &[&parts[..], &["--change-name=2:root", disk]].concat(),
    );
    bench
}

#[test]
fn a_gpt_that_a_bios_starts_gets_an_esp_with_the_systems_own_grub() {
    if !may_mount() {
        return;
    }
    let bench = on_gpt();
    bench.write(SIGNED, GRUB);
    bench.write(SHIM, "a shim");
    bench.write("root/usr/lib/shim/mmx64.efi", "a manager");
    bench.write(UNSIGNED, "not this one");
    bench.ext4("root", ROOT, 2, 120);
    let disk = bench.disk.to_str().unwrap();
    let before = [1, 2].map(|number| run("sgdisk", &[&format!("-i={number}"), disk]));
    bench.capture();
    // There are 78 MiB behind the root.
    refused(
        &restore(&bench, 200, &["--firmware", "uefi"]),
        &[
            "no room for an EFI system partition",
            "one of 233832448 bytes",
        ],
    );
    let told = done(&restore(&bench, 300, &["--firmware", "uefi"]));
    for words in [
        "its own GRUB for UEFI",
        "a BIOS starts the disk as before",
        "host name old",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
    let target = bench.word("target");
    let said = run("sgdisk", &["-v", &target]);
    assert!(said.contains("No problems found"), "{said}");
    let after = [1, 2].map(|number| run("sgdisk", &[&format!("-i={number}"), &target]));
    assert_eq!(before, after);
    let (start, len) = place(&target, 3);
    assert_eq!((start, len), (122 * MIB, 100 * MIB));
    let config = format!(
        "search.fs_uuid {ROOT} root\nset prefix=($root)'/boot/grub'\nconfigfile $prefix/grub.cfg\n"
    );
    let uuid = judge_esp(
        &part(&bench, start, len),
        &[
            ("/EFI/debian/shimx64.efi", b"a shim"),
            ("/EFI/debian/grubx64.efi", GRUB),
            ("/EFI/debian/mmx64.efi", b"a manager"),
            ("/EFI/debian/grub.cfg", config.as_bytes()),
            ("/EFI/BOOT/BOOTX64.EFI", b"a shim"),
            ("/EFI/BOOT/grubx64.efi", GRUB),
            ("/EFI/BOOT/mmx64.efi", b"a manager"),
        ],
    );
    let root = part(&bench, 2 * MIB, 120 * MIB);
    run("e2fsck", &["-f", "-n", &root]);
    let fstab = format!(
        "UUID={ROOT} / ext4 errors=remount-ro 0 1\n\
         UUID={uuid} /boot/efi vfat umask=0077,nofail 0 1\n"
    );
    assert_eq!(cat(&root, "/etc/fstab"), fstab);
    let folder = run("debugfs", &["-R", "stat /boot/efi", &root]);
    assert!(folder.contains("Type: directory"), "{folder}");
    // The machine that is described says nothing to a restore that was not asked to.
    let told = done(&restore(&bench, 300, &["--firmware", "keep"]));
    assert!(!told.contains("GRUB"), "{told}");
    let said = output("sgdisk", &["-i=3", &target]);
    assert!(all_of(&said).contains("does not exist"), "{said:?}");
}

/// An MBR with a /boot of its own and the root in the extended partition, named by the
/// MBR's names; the UEFI program is unsigned.
#[test]
fn an_mbr_with_logical_partitions_becomes_a_gpt_and_its_names_follow() {
    if !may_mount() {
        return;
    }
    let bench = Bench::blank(200);
    debian(
        &bench,
        "PARTUUID=36234da4-05 / ext4\nPARTUUID=36234da4-01 /boot ext4",
        "boot/grub/grub.cfg",
    );
    bench.write(UNSIGNED, GRUB);
    let script = bench.path("script");
    fs::write(
        &script,
        "label: dos\nlabel-id: 0x36234da4\nstart=2048, size=131072, type=83, bootable\n\
         start=135168, size=180224, type=5\nstart=137216, size=163840, type=83\n",
    )
    .unwrap();
    let disk = bench.disk.to_str().unwrap();
    let shown = script.to_str().unwrap();
    run("sh", &["-c", &format!("sfdisk -q {disk} <{shown}")]);
    bench.ext4("boot", BOOT, 1, 64);
    bench.ext4("root", ROOT, 67, 80);
    bench.capture();
    let told = done(&restore(&bench, 300, &["--firmware", "uefi"]));
    for words in [
        "Secure Boot has to be off",
        "logical partitions",
        "host name old",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
    let target = bench.word("target");
    let said = run("sgdisk", &["-v", &target]);
    assert!(said.contains("No problems found"), "{said}");
    assert_eq!(place(&target, 1), (MIB, 64 * MIB));
    assert_eq!(place(&target, 5), (67 * MIB, 80 * MIB));
    let (start, len) = place(&target, 2);
    let config = format!(
        "search.fs_uuid {BOOT} root\nset prefix=($root)'/grub'\nconfigfile $prefix/grub.cfg\n"
    );
    let esp = part(&bench, start, len);
    let uuid = judge_esp(
        &esp,
        &[
            ("/EFI/debian/grubx64.efi", GRUB),
            ("/EFI/debian/grub.cfg", config.as_bytes()),
            ("/EFI/BOOT/BOOTX64.EFI", GRUB),
        ],
    );
    let [boot, guid] = ["-i=1", "-i=5"].map(|number| {
        let said = run("sgdisk", &[number, &target]);
        let mut lines = said.lines();
        let guid = lines.find_map(|line| line.strip_prefix("Partition unique GUID: "));
        guid.unwrap().to_lowercase()
    });
    let root = part(&bench, 67 * MIB, 80 * MIB);
    run("e2fsck", &["-f", "-n", &root]);
    let fstab = format!(
        "PARTUUID={guid} / ext4\nPARTUUID={boot} /boot ext4\n\
         UUID={uuid} /boot/efi vfat umask=0077,nofail 0 1\n"
    );
    assert_eq!(cat(&root, "/etc/fstab"), fstab);
    // What was in fstab is kept.
    let kept = cat(&root, "/var/lib/rescue/1/etc/fstab");
    assert!(kept.starts_with("PARTUUID=36234da4-05 "), "{kept}");
}

#[test]
fn what_is_missing_is_named() {
    let bench = on_gpt();
    bench.ext4("root", ROOT, 2, 120);
    bench.capture();
    refused(
        &restore(&bench, 300, &["--firmware", "uefi"]),
        &["Test Debian, old", "grub-efi-amd64-signed and shim-signed"],
    );
    let repository = bench.path("repository");
    fs::remove_dir_all(&repository).unwrap();
    bench.write(UNSIGNED, GRUB);
    bench.write("root/boot/grub/grub.cfg", "\tlinux16 /vmlinuz\n");
    bench.ext4("root", ROOT, 2, 120);
    bench.capture();
    refused(&restore(&bench, 300, &["--firmware", "uefi"]), &["linux16"]);
    fs::remove_dir_all(&repository).unwrap();
    fs::remove_file(bench.path("root/boot/grub/grub.cfg")).unwrap();
    bench.ext4("root", ROOT, 2, 120);
    bench.capture();
    refused(
        &restore(&bench, 300, &["--firmware", "uefi"]),
        &["no grub.cfg"],
    );
    assert!(Path::new(&bench.word("target")).exists());
}

/// GRUB would have to open it first.
#[test]
fn a_menu_inside_of_luks_is_refused() {
    if !may_mount() {
        return;
    }
    let bench = on_gpt();
    bench.write(UNSIGNED, GRUB);
    bench.ext4("root", ROOT, 2, 80);
    let part = bench.path("part");
    File::options()
        .write(true)
        .open(&part)
        .unwrap()
        .set_len(112 * MIB)
        .unwrap();
    let secret = &*bench.encrypt(&part);
    let disk = File::options().write(true).open(&bench.disk).unwrap();
    disk.write_all_at(&fs::read(&part).unwrap(), 2 * MIB)
        .unwrap();
    bench.capture();
    let words = ["--firmware", "uefi"];
    let refusal = restore(&bench, 300, &words);
    refused(&refusal, &["looked into with its passphrase only"]);
    let refusal = restore(
        &bench,
        300,
        &[&words[..], &["--passphrase-file", secret]].concat(),
    );
    refused(&refusal, &["/ is encrypted with LUKS"]);
}
