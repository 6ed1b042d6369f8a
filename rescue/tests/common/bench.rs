//! A disk in a file, partitioned and filled by the programs that do it on machines, and
//! restored by ours.
#![allow(dead_code)] // each file of tests uses its own part of it

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

pub(crate) const MIB: u64 = 1 << 20;
/// QEMU's NVMe controller.
pub(crate) const NVME: &str = "pci:v00001B36d00000010sv00001AF4sd00001100bc01sc08i02";
/// The kernel of [`Bench::trees`].
pub(crate) const VERSION: &str = "6.1";

pub(crate) fn output(program: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(program);
    command.env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin");
    let output = command.args(arguments).output();
    output.unwrap_or_else(|e| panic!("{program}: {e}; see scripts/packages"))
}

pub(crate) fn run(program: &str, arguments: &[&str]) -> String {
    let output = output(program, arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {text}{errors}"
    );
    text
}

/// What our program says that is to succeed.
pub(crate) fn rescue(arguments: &[&str]) -> String {
    run(env!("CARGO_BIN_EXE_rescue"), arguments)
}

pub(crate) fn may_mount() -> bool {
    let root = run("id", &["-u"]).trim() == "0";
    if !root {
        eprintln!("SKIPPED: mounting a file system takes root");
    }
    root
}

/// Runs a script of the shell, which has `words` as $1 and so on, where nobody else sees what it
/// mounts: what other tests start would have the mounts in their namespaces, and hold them.
pub(crate) fn apart(script: &str, words: &[&str]) {
    let shell = ["--mount", "--propagation", "private", "sh", "-e", "-c"];
    run("unshare", &[&shell[..], &[script, "sh"], words].concat());
}

/// A disk, and a folder for all that comes onto it and of it.
pub(crate) struct Bench {
    pub(crate) folder: TempDir,
    pub(crate) disk: PathBuf,
}

impl Bench {
    /// A blank disk of `mib` MiB.
    pub(crate) fn blank(mib: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let disk = folder.path().join("disk");
        File::create(&disk).unwrap().set_len(mib * MIB).unwrap();
        Self { folder, disk }
    }

    /// A disk of 700 MiB with partitions 1 (64 MiB at MiB 1) and 2 (600 MiB behind it).
    pub(crate) fn with_two() -> Self {
        let bench = Self::blank(700);
        let disk = bench.disk.to_str().unwrap();
        run("sgdisk", &["--new=1:2048:+64M", "--new=2:0:+600M", disk]);
        bench
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The path of `name`, as words of a command have it.
    pub(crate) fn word(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// Puts a file into the folder.
    pub(crate) fn write(&self, path: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// The files of a Debian without a kernel, in `root`.
    pub(crate) fn debian(&self, fstab: &str) {
        let release = "PRETTY_NAME=\"Test Debian\"\nID=debian\n";
        let id = "0123456789abcdef0123456789abcdef\n";
        self.write("root/etc/fstab", fstab);
        self.write("root/etc/os-release", release);
        self.write("root/etc/hostname", "old\n");
        self.write("root/etc/machine-id", id);
    }

    /// A blank file for what becomes a partition of `mib` MiB.
    pub(crate) fn part(&self, mib: u64) -> PathBuf {
        let part = self.path("part");
        File::create(&part).unwrap().set_len(mib * MIB).unwrap();
        part
    }

    /// Puts what is in `part` at MiB `at` of the disk.
    pub(crate) fn place(&self, part: &Path, at: u64) {
        let disk = File::options().write(true).open(&self.disk).unwrap();
        let bytes = fs::read(part).unwrap();
        disk.write_all_at(&bytes, at * MIB).unwrap();
    }

    /// An ext4 of `mib` MiB at MiB `at` of the disk, with the files of `tree`.
    pub(crate) fn ext4(&self, tree: &str, uuid: &str, at: u64, mib: u64) {
        let (part, tree) = (self.part(mib), self.word(tree));
        let shown = part.to_str().unwrap();
        let words = ["-q", "-t", "ext4", "-U", uuid, "-d", &tree, shown];
        run("mke2fs", &words);
        self.place(&part, at);
    }

    /// Encrypts what is in `part` (LUKS2), whose last 32 MiB are free; the file with the passphrase
    /// "correct horse".
    pub(crate) fn encrypt(&self, part: &Path) -> String {
        self.write("secret", "correct horse");
        let secret = self.word("secret");
        let kind = ["reencrypt", "-q", "--encrypt", "--type", "luks2"];
        let light = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"];
        let room = ["--reduce-device-size", "32M", part.to_str().unwrap()];
        let key = ["--key-file", &secret];
        run("cryptsetup", &[&kind[..], &key, &light, &room].concat());
        secret
    }

    pub(crate) fn capture(&self) {
        let (disk, to) = (self.disk.to_str().unwrap(), self.word("repository"));
        rescue(&["capture", disk, "--to", &to, "--name", "x"]);
    }

    /// The file that says `lines` of the hardware.
    pub(crate) fn hardware(&self, lines: &str) -> String {
        fs::write(self.path("hardware"), lines).unwrap();
        self.word("hardware")
    }

    /// Restores the latest image onto a new disk of `mib` MiB, `target`, of a machine
    /// with this `hardware`.
    pub(crate) fn restore(&self, mib: u64, hardware: &str, more: &[&str]) -> Output {
        let to = self.path("target");
        File::create(&to).unwrap().set_len(mib * MIB).unwrap();
        let [from, to] = ["repository", "target"].map(|name| self.word(name));
        let hardware = self.hardware(hardware);
        let words = ["restore", "latest", "--from", &from, "--to", &to, "--yes"];
        let words = [&words[..], &["--hardware", &hardware], more].concat();
        output(env!("CARGO_BIN_EXE_rescue"), &words)
    }

    /// The files of a system with a kernel that drives NVMe: those of /boot, in `boot`, and
    /// the others, in `root`.
    pub(crate) fn trees(&self, fstab: &str) -> [PathBuf; 2] {
        let [boot, root] = ["boot", "root"].map(|name| self.path(name));
        let modules = format!("lib/modules/{VERSION}");
        let network = "auto enp0s3\niface enp0s3 inet static\n  address 10.0.0.5/24\n";
        fs::create_dir_all(&boot).unwrap();
        fs::create_dir_all(root.join("boot")).unwrap();
        for (folder, name, text) in [
            (&*modules, "modules.dep", "nvme.ko:\n"),
            (
                &modules,
                "modules.alias",
                "alias pci:v*d*sv*sd*bc01sc08i02* nvme\n",
            ),
            (&modules, "modules.builtin.modinfo", ""),
            (&modules, "nvme.ko", "a driver"),
            ("etc", "fstab", fstab),
            ("etc", "os-release", "PRETTY_NAME=\"Test Linux\"\n"),
            ("etc", "hostname", "several\n"),
            ("etc", "machine-id", "0123456789abcdef0123456789abcdef\n"),
            ("etc/network", "interfaces", network),
            ("lib/systemd/network", "99-default.link", "[Match]\n"),
        ] {
            let folder = root.join(folder);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join(name), text).unwrap();
        }
        fs::write(boot.join(format!("initrd.img-{VERSION}")), "an initramfs").unwrap();
        [boot, root]
    }
}

/// What was said of a system of [`Bench::trees`] that was adapted, and its initramfs.
pub(crate) fn judge(told: &str, initramfs: &[u8]) {
    assert!(told.contains("gets its own drivers"), "{told}");
    assert!(told.contains("several"), "{told}");
    // (The report, in lines of a screen.)
    let words: Vec<&str> = told.split_whitespace().collect();
    let words = words.join(" ");
    assert!(!words.contains("no system on it was adapted"), "{told}");
    let initramfs = String::from_utf8_lossy(initramfs);
    assert!(initramfs.starts_with("an initramfs"), "{initramfs}");
    assert!(initramfs.contains("a driver"), "{initramfs}");
}

/// All that was said, with warnings and errors.
pub(crate) fn all_of(output: &Output) -> String {
    let both = [&*output.stdout, &*output.stderr].concat();
    String::from_utf8_lossy(&both).into_owned()
}

/// The same, of a command that succeeded.
pub(crate) fn done(output: &Output) -> String {
    let text = all_of(output);
    assert!(output.status.success(), "{text}");
    text
}

/// Sees that a command failed, and said all these.
pub(crate) fn refused(output: &Output, words: &[&str]) {
    let text = all_of(output);
    assert!(!output.status.success(), "{text}");
    for words in words {
        assert!(text.contains(words), "{words}: {text}");
    }
}

/// What was said by a command that succeeded.
pub(crate) fn said(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{output:?}");
    text
}
