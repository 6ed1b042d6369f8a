//! Linux systems of several file systems are told, adapted and come back as themselves.
#![allow(clippy::unwrap_used)] // helpers of tests are tests

#[path = "common/bench.rs"]
mod bench;

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use bench::{Bench, MIB, NVME, VERSION, apart, judge, may_mount, output, rescue, run, said};
use rescue::adapt::volume::{Editor, LinuxFs, NewFile, Tree, VolumeError};

const CARD: &str = "52:54:00:12:34:56";
const BOOT: &str = "11111111-2222-3333-4444-555555555555";
const ROOTS: [&str; 2] = [
    "22222222-2222-3333-4444-555555555555",
    "33333333-2222-3333-4444-555555555555",
];

/// Makes an XFS with that tree in partition 2.
fn fill_xfs(bench: &Bench, root: &Path) {
    let part = bench.part(600);
    let shown = part.to_str().unwrap();
    run("mkfs.xfs", &["-q", shown]);
    let place = bench.word("filled");
    fs::create_dir(&place).unwrap();
    let fill = "mount -t xfs -o loop \"$1\" \"$2\"; cp -a \"$3/.\" \"$2\"; umount \"$2\"";
    apart(fill, &[shown, &place, root.to_str().unwrap()]);
    bench.place(&part, 65);
    fs::remove_file(part).unwrap();
}

/// One that no other btrfs has: Linux mounts no second one of it at the same time.
fn fresh_uuid() -> String {
    let uuid = fs::read_to_string("/proc/sys/kernel/random/uuid").unwrap();
    uuid.trim().to_owned()
}

/// Makes a btrfs in partition 2 whose subvolumes have these trees, and does `more` in it.
fn fill_btrfs(bench: &Bench, uuid: &str, subvolumes: &[(&str, &Path)], more: &str) {
    let part = bench.part(600);
    let shown = part.to_str().unwrap();
    run("mkfs.btrfs", &["-q", "-f", "-U", uuid, shown]);
    let place = bench.word("filled");
    fs::create_dir_all(&place).unwrap();
    let make = subvolumes.iter().map(|(name, tree)| {
        let tree = tree.display();
        format!("btrfs -q subvolume create {name}; cp -a '{tree}/.' {name}\n")
    });
    let make: String = make.collect();
    let fill = format!(
        "mount -t btrfs -o loop \"$1\" \"$2\"; cd \"$2\"\n{make}{more}\ncd /; umount \"$2\""
    );
    apart(&fill, &[shown, &place]);
    bench.place(&part, 65);
}

/// Captures, restores for NVMe, and reads `paths` of the file system `kind` in
/// partition 2, and in /boot what partition 1 has.
fn restored(bench: &Bench, kind: &str, boot: bool, paths: &[&str]) -> (String, Vec<Vec<u8>>) {
    bench.capture();
    let shown = rescue(&["show", "latest", "--from", &bench.word("repository")]);
    assert!(shown.contains("Test Linux, several"), "{shown}");
    let told = said(&bench.restore(700, &format!("{NVME}\nnic {CARD}\n"), &[]));
    let target = bench.path("target");
    (told, read(&target, bench.folder.path(), kind, boot, paths))
}

/// What is in `paths` of a restored disk, as Linux mounts it.
fn read(target: &Path, folder: &Path, kind: &str, boot: bool, paths: &[&str]) -> Vec<Vec<u8>> {
    let (place, out) = (folder.join("mounted"), folder.join("read"));
    fs::create_dir_all(&place).unwrap();
    let options = |start: u64, len: u64| {
        let (start, len) = (start * MIB, len * MIB);
        format!("ro,loop,offset={start},sizelimit={len}")
    };
    let (root, boots) = (options(65, 600), options(1, 64));
    let script = "mount -t \"$4\" -o \"$5\" \"$1\" \"$2\"
                  test -z \"$6\" || mount -t ext4 -o \"$6\" \"$1\" \"$2/boot\"
                  cp \"$2$7\" \"$3\"";
    let [target, place, shown] = [target, &place, &out].map(|path| path.to_str().unwrap());
    let boots = if boot { &*boots } else { "" };
    let read = paths.iter().map(|path| {
        apart(script, &[target, place, shown, kind, &root, boots, path]);
        fs::read(&out).unwrap()
    });
    read.collect()
}

/// A root on XFS, /boot on ext4.
fn on_xfs() -> Bench {
    let bench = Bench::with_two();
    let [_, root] = bench.trees("/dev/sda2 / xfs\n/dev/sda1 /boot ext4 # small\n");
    bench.ext4("boot", BOOT, 1, 64);
    fill_xfs(&bench, &root);
    bench
}

#[test]
fn a_root_on_xfs_with_boot_on_ext4_gets_its_drivers() {
    if !may_mount() {
        return;
    }
    let bench = on_xfs();
    let initrd = format!("/boot/initrd.img-{VERSION}");
    let kept = "/var/lib/rescue/1";
    let [was, list] = ["etc/fstab", "changes.txt"].map(|name| format!("{kept}/{name}"));
    let link = "/etc/systemd/network/10-rescue-enp0s3.link";
    let paths = [&*initrd, "/etc/fstab", &was, &list, link];
    let (told, files) = restored(&bench, "xfs", true, &paths);
    let link = String::from_utf8_lossy(&files[4]);
    assert!(link.contains(&format!("MACAddress={CARD}")), "{link}");
    assert!(link.contains("Name=enp0s3"), "{link}");
    assert_eq!(files[2], b"/dev/sda2 / xfs\n/dev/sda1 /boot ext4 # small\n");
    let list = String::from_utf8_lossy(&files[3]);
    assert!(
        list.contains("had 12 bytes") && list.contains("/dev/sda2 is UUID="),
        "{list}"
    );
    judge(&told, &files[0]);
    let fstab = String::from_utf8_lossy(&files[1]);
    let lines: Vec<&str> = fstab.lines().collect();
    assert!(
        lines[0].starts_with("UUID=") && lines[0].ends_with(" / xfs"),
        "{fstab}"
    );
    assert!(lines[1].ends_with(" /boot ext4 # small"), "{fstab}");
    assert!(!fstab.contains("/dev/sda"), "{fstab}");
}

#[test]
fn a_root_in_a_subvolume_of_btrfs_gets_its_drivers() {
    if !may_mount() {
        return;
    }
    let bench = Bench::with_two();
    let [boot, root] = bench.trees("UUID=1 / btrfs subvol=@\n");
    let initrd = format!("initrd.img-{VERSION}");
    fs::copy(boot.join(&initrd), root.join("boot").join(&initrd)).unwrap();
    fill_btrfs(&bench, &fresh_uuid(), &[("@", &root)], "");
    let path = format!("/@/boot/{initrd}");
    let (told, files) = restored(&bench, "btrfs", false, &[&path]);
    judge(&told, &files[0]);
}

/// /boot and /var are subvolumes beside the root's, named in both ways; one that is not there
/// does not stand in the way.
#[test]
fn what_fstab_mounts_of_btrfs_beside_the_root_is_a_part_of_the_system() {
    if !may_mount() {
        return;
    }
    let bench = Bench::with_two();
    let uuid = fresh_uuid();
    let disk = format!("UUID={uuid}");
    let fstab = format!(
        "{disk} / btrfs subvol=/@\n{disk} /boot btrfs subvol=@my\\040boot\n\
         {disk} /var btrfs NUMBER\n{disk} /var/cache btrfs subvol=@gone\n"
    );
    let [boot, root] = bench.trees(&fstab);
    let var = bench.path("var");
    for folder in [&var, &root.join("var"), &var.join("cache")] {
        fs::create_dir_all(folder).unwrap();
    }
    let more = "sed -i s/NUMBER/subvolid=$(btrfs inspect-internal rootid @var)/ @/etc/fstab";
    fill_btrfs(
        &bench,
        &uuid,
        &[("@", &root), ("'@my boot'", &boot), ("@var", &var)],
        more,
    );
    let paths = [
        &*format!("/@my boot/initrd.img-{VERSION}"),
        "/@var/lib/rescue/1/changes.txt",
    ];
    let (told, files) = restored(&bench, "btrfs", false, &paths);
    judge(&told, &files[0]);
    let list = String::from_utf8_lossy(&files[1]);
    assert!(list.contains("had 12 bytes"), "{list}");
    assert!(told.contains("host name several"), "{told}");
}

#[test]
fn a_disk_is_adapted_where_it_is_and_brought_back() {
    if !may_mount() {
        return;
    }
    let bench = on_xfs();
    let (hardware, undo) = (&*bench.hardware(NVME), &*bench.word("undo"));
    let disk = bench.disk.to_str().unwrap();
    let before = fs::read(disk).unwrap();
    let words = ["adapt", disk, "--hardware", hardware, "--backup", undo];
    let told = rescue(&[&words[..], &["--plan"]].concat());
    assert!(told.contains("Test Linux, several"), "{told}");
    assert!(fs::read(disk).unwrap() == before, "--plan wrote something");
    let told = rescue(&[&words[..], &["--yes"]].concat());
    assert!(told.contains("the system is who it was"), "{told}");
    let initrd = format!("/boot/initrd.img-{VERSION}");
    let files = read(&bench.disk, bench.folder.path(), "xfs", true, &[&initrd]);
    judge(&told, &files[0]);
    // What is there is not overwritten by another backup.
    let again = rescue(&["adapt", disk, "--hardware", hardware]);
    assert!(again.contains("Nothing has to be changed"), "{again}");
    rescue(&["adapt", disk, "--undo", undo, "--yes"]);
    assert!(fs::read(disk).unwrap() == before, "something is another");
    // What was written since is not overwritten.
    rescue(&[
        "adapt",
        disk,
        "--hardware",
        hardware,
        "--backup",
        &format!("{undo}2"),
        "--yes",
    ]);
    let file = fs::read(undo).unwrap();
    let patched = File::options().write(true).open(disk).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&patched, &[9; 512 << 10], 65 * MIB).unwrap();
    let refused = Command::new(env!("CARGO_BIN_EXE_rescue"))
        .args(["adapt", disk, "--undo", undo, "--yes"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&refused.stderr);
    assert!(text.contains("was written since"), "{text}");
    assert!(fs::read(undo).unwrap() == file);
}

/// Room for the drivers of one kernel only: the newest has them.
#[test]
fn a_full_boot_partition_takes_what_it_can() {
    if !may_mount() {
        return;
    }
    let bench = Bench::with_two();
    let [boot, root] = bench.trees("/dev/sda2 / xfs\n/dev/sda1 /boot ext4\n");
    let modules = root.join("lib/modules");
    let noise: Vec<u8> = (0..8u32 << 20)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    fs::write(modules.join(VERSION).join("nvme.ko"), noise).unwrap();
    let older = modules.join("6.0");
    run(
        "cp",
        &[
            "-a",
            modules.join(VERSION).to_str().unwrap(),
            older.to_str().unwrap(),
        ],
    );
    fs::write(boot.join("initrd.img-6.0"), "another one").unwrap();
    fs::write(boot.join("filler"), vec![7; 44 << 20]).unwrap();
    let part = bench.part(64);
    let shown = part.to_str().unwrap();
    let tree = boot.to_str().unwrap();
    let words = [
        "-q",
        "-t",
        "ext4",
        "-O",
        "^has_journal",
        "-m",
        "0",
        "-d",
        tree,
        shown,
    ];
    run("mke2fs", &words);
    bench.place(&part, 1);
    fs::remove_file(&part).unwrap();
    fill_xfs(&bench, &root);
    let initrd = format!("/boot/initrd.img-{VERSION}");
    let (told, files) = restored(&bench, "xfs", true, &[&initrd, "/boot/initrd.img-6.0"]);
    assert!(
        told.contains("stays as it was captured: there is no room"),
        "{told}"
    );
    assert!(
        files[0].len() > 8 << 20 && files[1] == b"another one",
        "{told}"
    );
}

/// Whatever moment a process that edits is ended at, it is gone: an XFS that waited for a
/// volume nobody serves any more would hold up every sync(2) of the machine.
#[test]
fn an_editor_that_is_late_is_gone_at_any_moment() {
    if !may_mount() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("xfs");
    File::create(&image).unwrap().set_len(400 * MIB).unwrap();
    run("mkfs.xfs", &["-q", image.to_str().unwrap()]);
    let volume: Arc<dyn disk::ReadAt> = Arc::new(File::open(&image).unwrap());
    let tree = Tree::of(volume, LinuxFs::Xfs);
    let file = NewFile::changed("/large", vec![7; 40 << 20]);
    let mut late = 0;
    for milliseconds in (20..2000).step_by(70) {
        let editor = Editor {
            rescue: env!("CARGO_BIN_EXE_rescue").into(),
            time: Duration::from_millis(milliseconds),
            ..Editor::default()
        };
        match editor.edit_tree(&tree, std::slice::from_ref(&file)) {
            Ok(_) => break,
            Err(VolumeError::Late) => late += 1,
            Err(other) => panic!("after {milliseconds} ms: {other}"),
        }
    }
    assert!(late > 2, "it was never ended while it worked");
}

/// A link in a volume's root must not make this machine's own files those of a system.
#[test]
fn a_link_leads_out_of_no_volume() {
    if !may_mount() {
        return;
    }
    let bench = Bench::with_two();
    let [_, root] = bench.trees("UUID=1 / xfs\n");
    fs::remove_dir_all(root.join("etc")).unwrap();
    fs::remove_dir_all(root.join("lib")).unwrap();
    for name in ["@", "@rootfs", "root"] {
        std::os::unix::fs::symlink("/", root.join(name)).unwrap();
    }
    fill_xfs(&bench, &root);
    let told = rescue(&["identity", bench.disk.to_str().unwrap()]);
    assert!(told.contains("No system was found"), "{told}");
}

/// Nor does one in the name of a subvolume, or where that is mounted.
#[test]
fn a_subvolume_leads_out_of_no_volume() {
    if !may_mount() {
        return;
    }
    let bench = Bench::with_two();
    let uuid = fresh_uuid();
    let disk = format!("UUID={uuid}");
    let trap = bench.path("trap");
    fs::create_dir(&trap).unwrap();
    let initrd = trap.join(format!("initrd.img-{VERSION}"));
    fs::write(&initrd, "an initramfs").unwrap();
    let out = trap.display();
    let above = format!("../../../../../..{out}");
    for (option, boot) in [
        ("subvol=out", "mkdir -p @/boot".to_owned()),
        (&*format!("subvol={above}"), "mkdir -p @/boot".to_owned()),
        (
            "subvol=@boot",
            format!("rm -r @/boot; ln -s '{above}' @/boot"),
        ),
        ("subvol=@boot", "rm -r @/boot; ln -s / @/boot".to_owned()),
    ] {
        let fstab = format!("{disk} / btrfs subvol=@\n{disk} /boot btrfs {option}\n");
        let [boot_tree, root] = bench.trees(&fstab);
        let more = format!("ln -s '{out}' out\n{boot}");
        let trees: [(&str, &Path); 2] = [("@", &root), ("@boot", &boot_tree)];
        fill_btrfs(&bench, &uuid, &trees, &more);
        let hardware = bench.hardware(NVME);
        let disk = bench.disk.to_str().unwrap();
        let told = output(
            env!("CARGO_BIN_EXE_rescue"),
            &["adapt", disk, "--hardware", &hardware, "--plan"],
        );
        let told = String::from_utf8_lossy(&told.stdout) + String::from_utf8_lossy(&told.stderr);
        assert!(!told.contains("kernel 6.1 gets"), "{option} {boot}: {told}");
        assert!(told.contains("/boot"), "{option} {boot}: {told}");
        assert_eq!(fs::read(&initrd).unwrap(), b"an initramfs");
    }
}

/// The number that mount(2) gives says little.
#[test]
fn why_linux_mounts_no_volume_is_told_as_linux_tells_it() {
    if !may_mount() {
        return;
    }
    let bench = on_xfs();
    let file = File::options().write(true).open(&bench.disk).unwrap();
    // (Inode 128 of 512 bytes each: where mkfs.xfs puts the root.)
    file.write_all_at(b"no", 65 * MIB + 128 * 512).unwrap();
    let disk = bench.disk.to_str().unwrap();
    let told = output(env!("CARGO_BIN_EXE_rescue"), &["identity", disk]);
    let told = String::from_utf8_lossy(&told.stderr);
    assert!(told.contains("(Linux says: XFS (loop"), "{told}");
    assert!(told.contains("root inode"), "{told}");
}

/// Two systems that have /boot in common get their drivers both, on one sound /boot.
#[test]
fn two_systems_share_a_boot_partition() {
    if !may_mount() {
        return;
    }
    let bench = Bench::blank(1400);
    let words = ["--new=1:2048:+64M", "--new=2:0:+600M", "--new=3:0:+600M"];
    let disk = bench.disk.to_str().unwrap();
    run("sgdisk", &[&words[..], &[disk]].concat());
    let [boot, root] = bench.trees(&format!("UUID={BOOT} /boot ext4\n"));
    let other = bench.path("other");
    run(
        "cp",
        &["-a", root.to_str().unwrap(), other.to_str().unwrap()],
    );
    let modules = other.join("lib/modules");
    fs::rename(modules.join(VERSION), modules.join("6.2")).unwrap();
    fs::write(other.join("etc/hostname"), "another\n").unwrap();
    fs::write(boot.join("initrd.img-6.2"), "an initramfs of 6.2").unwrap();
    bench.ext4("boot", BOOT, 1, 64);
    bench.ext4("root", ROOTS[0], 65, 600);
    bench.ext4("other", ROOTS[1], 665, 600);
    let (hardware, undo) = (&*bench.hardware(NVME), &*bench.word("undo"));
    let words = [
        "adapt",
        disk,
        "--hardware",
        hardware,
        "--backup",
        undo,
        "--yes",
    ];
    let told = rescue(&words);
    assert!(
        told.contains("kernel 6.1 gets") && told.contains("kernel 6.2 gets"),
        "{told}"
    );
    assert!(told.contains("all 2 systems are who they were"), "{told}");
    let bytes = fs::read(disk).unwrap();
    let image = bench.path("boot.img");
    fs::write(&image, &bytes[1 << 20..65 << 20]).unwrap();
    let shown = image.to_str().unwrap();
    run("e2fsck", &["-f", "-n", shown]);
    for version in [VERSION, "6.2"] {
        let out = bench.path("out");
        let dump = format!("dump /initrd.img-{version} {}", out.display());
        run("debugfs", &["-R", &dump, shown]);
        let bytes = fs::read(&out).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(
            text.starts_with("an initramfs") && text.contains("a driver"),
            "{version}"
        );
    }
    let again = rescue(&["adapt", disk, "--hardware", hardware]);
    assert!(again.contains("Nothing has to be changed"), "{again}");
}

/// What fstab calls partitions by is in the partition table, too.
#[test]
fn a_boot_partition_is_known_by_its_names_in_the_table() {
    if !may_mount() {
        return;
    }
    let bench = Bench::with_two();
    let disk = bench.disk.to_str().unwrap();
    let guid = format!("--partition-guid=1:{BOOT}");
    run("sgdisk", &[&guid, "--change-name=1:the boot", disk]);
    let of_mbr = Bench::blank(700);
    let mbr = of_mbr.disk.to_str().unwrap();
    let table = "label: dos\nlabel-id: 0x36234DA4\n2048,64M,L\n,600M,L\n";
    fs::write(of_mbr.path("table"), table).unwrap();
    apart("sfdisk -q \"$1\" < \"$2\"", &[mbr, &of_mbr.word("table")]);
    for (bench, device) in [
        (&bench, &*format!("PARTUUID={BOOT}")),
        (&bench, "PARTLABEL=the\\040boot"),
        (&of_mbr, "/dev/disk/by-partuuid/36234da4-01"),
    ] {
        bench.trees(&format!("{device} /boot ext4\n"));
        bench.ext4("boot", ROOTS[0], 1, 64);
        bench.ext4("root", ROOTS[1], 65, 600);
        let hardware = bench.hardware(NVME);
        let disk = bench.disk.to_str().unwrap();
        let told = rescue(&["adapt", disk, "--hardware", &hardware, "--plan"]);
        assert!(told.contains("kernel 6.1 gets"), "{device}: {told}");
        assert!(!told.contains("is not on this disk"), "{device}: {told}");
    }
}

/// "/dev/sdb1" is nothing of this disk, however many partitions it has.
#[test]
fn what_was_on_another_disk_is_not_looked_for_on_this_one() {
    if !may_mount() {
        return;
    }
    let bench = Bench::with_two();
    let [_, root] = bench.trees("/dev/sda2 / xfs\n/dev/sdb1 /boot ext4\n");
    bench.ext4("boot", BOOT, 1, 64);
    fill_xfs(&bench, &root);
    let (told, files) = restored(&bench, "xfs", false, &["/etc/fstab"]);
    assert!(
        told.contains("/boot (/dev/sdb1) is not on this disk"),
        "{told}"
    );
    let fstab = String::from_utf8_lossy(&files[0]);
    assert!(
        fstab.contains("/dev/sdb1 /boot") && !fstab.contains("/dev/sda2"),
        "{fstab}"
    );
}
