//! Linux systems whose root is in a logical volume, or encrypted.
#![allow(clippy::unwrap_used)] // helpers of tests are tests

#[path = "common/bench.rs"]
mod bench;

use std::fs;
use std::path::Path;
use std::process::Command;

use bench::{Bench, NVME, VERSION, done, judge, may_mount, output, rescue, run, said};

const BOOT: &str = "11111111-2222-3333-4444-555555555555";

/// Frees the loop device at the end.
struct Loop(String);

impl Loop {
    fn of(file: &str) -> Self {
        Self(run("losetup", &["-f", "--show", file]).trim().to_owned())
    }

    /// LVM's own program, without a device mapper.
    fn lvm(&self, command: &str, arguments: &[&str]) {
        let config = format!(
            "devices{{filter=[\"a|^{}$|\",\"r|.*|\"] use_devicesfile=0}} \
             global{{activation=0 event_activation=0}} backup{{backup=0 archive=0}}",
            self.0
        );
        let words = [&[command, "--config", &config], arguments].concat();
        run("lvm", &words);
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = Command::new("losetup").args(["-d", &self.0]).status();
    }
}

/// Makes a group of that physical volume, and in it a logical volume of two pieces, the
/// first of 80 MiB behind the second.
fn make_volume(part: &str) {
    let pv = Loop::of(part);
    pv.lvm("pvcreate", &["-q", &pv.0]);
    pv.lvm("vgcreate", &["-q", "-s", "4m", "sys", &pv.0]);
    let make = ["-q", "-an", "-Zn", "-Wn", "-n", "root", "-L", "80m", "sys"];
    pv.lvm(
        "lvcreate",
        &[&make[..], &[&format!("{}:50-69", pv.0)]].concat(),
    );
    let more = ["-q", "-L", "160m", "sys/root"];
    pv.lvm(
        "lvextend",
        &[&more[..], &[&format!("{}:10-29", pv.0)]].concat(),
    );
}

/// Copies the volume's pieces to a disk where the physical volume begins at byte `start`, or
/// back. (The first extent is behind the first MiB of the physical volume.)
fn pieces(disk: &mut [u8], start: usize, lv: &mut [u8], put: bool) {
    for (from, to) in [(0, 50), (80, 10)] {
        let lv = &mut lv[from << 20..(from + 80) << 20];
        let place = start + ((1 + 4 * to) << 20);
        let disk = &mut disk[place..place + (80 << 20)];
        match put {
            true => disk.copy_from_slice(lv),
            false => lv.copy_from_slice(disk),
        }
    }
}

/// The root on a logical volume of two pieces, in the wrong order.
#[test]
fn a_root_on_a_logical_volume_gets_its_drivers() {
    if !may_mount() {
        return;
    }
    let bench = Bench::with_two();
    let [_, root] = bench.trees(&format!(
        "/dev/mapper/sys-root / ext4\nUUID={BOOT} /boot ext4\n"
    ));
    bench.ext4("boot", BOOT, 1, 64);
    let part = bench.part(600);
    make_volume(part.to_str().unwrap());
    let image = bench.path("lv");
    let shown = image.to_str().unwrap();
    let tree = root.to_str().unwrap();
    run("mke2fs", &["-q", "-t", "ext4", "-d", tree, shown, "160M"]);
    let bytes = fs::read(&image).unwrap();
    let mut disk = fs::read(&part).unwrap();
    let mut lv = bytes.clone();
    pieces(&mut disk, 0, &mut lv, true);
    fs::write(&part, disk).unwrap();
    bench.place(&part, 65);
    fs::remove_file(&part).unwrap();

    bench.capture();
    let told = said(&bench.restore(700, NVME, &[]));
    assert!(told.contains("gets its own drivers"), "{told}");
    assert!(told.contains("host name several"), "{told}");
    let mut disk = fs::read(bench.path("target")).unwrap();
    pieces(&mut disk, 65 << 20, &mut lv, false);
    fs::write(&image, &lv).unwrap();
    run("e2fsck", &["-f", "-n", shown]);
    let fstab = run("debugfs", &["-R", "cat /etc/fstab", shown]);
    assert!(
        fstab.starts_with("/dev/mapper/sys-root / ext4\n"),
        "{fstab}"
    );
    fs::write(&image, &disk[1 << 20..65 << 20]).unwrap();
    let path = format!(
        "dump /initrd.img-{VERSION} {}/out",
        bench.folder.path().display()
    );
    run("debugfs", &["-R", &path, shown]);
    let initramfs = fs::read(bench.path("out")).unwrap();
    judge(&told, &initramfs);
}

/// Whether a file below `folder` has these bytes.
fn holds(folder: &Path, bytes: &[u8]) -> bool {
    fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => holds(&path, bytes),
            false => fs::read(&path)
                .unwrap()
                .windows(bytes.len())
                .any(|w| w == bytes),
        }
    })
}

/// A root in LUKS2, /boot beside it; the file with its passphrase.
fn encrypted() -> (Bench, String) {
    let bench = Bench::with_two();
    let [_, root] = bench.trees(&format!(
        "/dev/mapper/root / ext4\nUUID={BOOT} /boot ext4\n"
    ));
    bench.ext4("boot", BOOT, 1, 64);
    let part = bench.part(200);
    let shown = part.to_str().unwrap();
    let tree = root.to_str().unwrap();
    run("mke2fs", &["-q", "-t", "ext4", "-d", tree, shown, "160M"]);
    let secret = bench.encrypt(&part);
    bench.place(&part, 65);
    (bench, secret)
}

/// The image tells what is in there when it is captured with the passphrase, which it does not hold.
fn captured_without_and_with(bench: &Bench, secret: &str) {
    let (from, to) = (bench.word("disk"), bench.word("repository"));
    let capture = ["capture", &from, "--to", &to, "--name", "x"];
    let closed = output(env!("CARGO_BIN_EXE_rescue"), &capture);
    let closed = String::from_utf8_lossy(&closed.stderr);
    let note =
        "\nWhich systems these hold is not known: partition 2 (LUKS: --passphrase-file FILE).\n";
    assert_eq!(closed.matches(note).count(), 1, "{closed}");
    assert!(!closed.contains("locked"), "{closed}");
    let told = rescue(&["show", "latest", "--from", &to]);
    assert!(!told.contains("Test Linux, several"), "{told}");
    rescue(&[&capture[..], &["--passphrase-file", secret]].concat());
    let told = rescue(&["show", "latest", "--from", &to]);
    assert!(told.contains("Test Linux, several"), "{told}");
    assert!(
        !holds(Path::new(&to), b"correct horse"),
        "it is in the repository"
    );
}

/// Restored without the passphrase, or looked into with a wrong one.
fn closed(bench: &Bench) {
    let told = said(&bench.restore(700, NVME, &["--plan"]));
    assert!(
        told.contains("LUKS") && told.contains("passphrase"),
        "{told}"
    );
    // Who it is cannot be told without, which is no failure.
    let told = done(&bench.restore(700, NVME, &[]));
    assert!(
        told.contains("Not compared with the captured machine"),
        "{told}"
    );
    let wrong = bench.path("wrong");
    fs::write(&wrong, "battery staple").unwrap();
    let words = [
        "identity",
        &bench.word("disk"),
        "--passphrase-file",
        wrong.to_str().unwrap(),
    ];
    let told = done(&output(env!("CARGO_BIN_EXE_rescue"), &words));
    assert!(told.contains("the passphrase is wrong"), "{told}");
    assert!(!told.contains("gets its own drivers"), "{told}");
}

/// With its passphrase it is adapted, without it is told.
#[test]
fn an_encrypted_root_is_adapted_with_its_passphrase() {
    if !may_mount() {
        return;
    }
    let (bench, secret) = encrypted();
    let secret = &*secret;
    captured_without_and_with(&bench, secret);
    closed(&bench);
    let told = said(&bench.restore(700, NVME, &["--passphrase-file", secret]));
    assert!(told.contains("gets its own drivers"), "{told}");
    assert!(told.contains("host name several"), "{told}");
    assert!(!told.contains("correct horse"), "{told}");
    let (to, hardware) = (bench.word("target"), bench.word("hardware"));
    let adapt = [
        "adapt",
        &to,
        "--hardware",
        &hardware,
        "--plan",
        "--passphrase-file",
        secret,
    ];
    let again = rescue(&adapt);
    assert!(again.contains("Nothing has to be changed"), "{again}");
    // What was written in there is what was there, but for that.
    let bytes = fs::read(bench.path("target")).unwrap();
    let part = bench.path("part");
    fs::write(&part, &bytes[65 << 20..265 << 20]).unwrap();
    let shown = part.to_str().unwrap();
    run(
        "cryptsetup",
        &[
            "reencrypt",
            "-q",
            "--decrypt",
            "--force-offline-reencrypt",
            "--key-file",
            secret,
            "--header",
            bench.path("header").to_str().unwrap(),
            shown,
        ],
    );
    run("e2fsck", &["-f", "-n", shown]);
    let list = run(
        "debugfs",
        &["-R", "cat /var/lib/rescue/1/changes.txt", shown],
    );
    assert!(list.contains("had 12 bytes"), "{list}");
}
