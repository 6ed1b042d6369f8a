//! The machine that comes back is the one that was captured, or the restore fails.

use std::process::Command;

use super::*;
use crate::exit::Code;

const MIB: usize = 1 << 20;

/// A disk without a table: an ext4 file system with the bones of a Linux system.
fn linux() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    for (path, text) in [
        ("usr/lib/os-release", "PRETTY_NAME=\"Test Linux 1\"\n"),
        ("etc/hostname", "web1\n"),
        ("etc/machine-id", "0123456789abcdef0123456789abcdef\n"),
        ("etc/ssh/ssh_host_ed25519_key", "private\n"),
    ] {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let disk = folder.path().join("disk.raw");
    fs::write(&disk, vec![0; 16 * MIB]).unwrap();
    let made = Command::new("mke2fs")
        .args(["-q", "-F", "-t", "ext4", "-d"])
        .args([&root, &disk])
        .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
        .output()
        .expect("this test needs mke2fs: install the package e2fsprogs");
    assert!(made.status.success(), "{made:?}");
    fs::read(disk).unwrap()
}

#[test]
fn a_linux_system_is_known_and_comes_back_as_itself() {
    let sample = Sample::of(linux(), SectorSize::B512);
    let [system] = sample.image.manifest.systems.as_slice() else {
        panic!("{:?}", sample.image.manifest.systems);
    };
    assert_eq!((system.disk, system.partition), (0, 0));
    assert_eq!(system.title(), "Test Linux 1, web1");
    assert_eq!(system.identity["hostname"], "web1");
    assert!(system.identity["machine-id"].starts_with("keyed:"));
    let target = sample.target(sample.size());
    let report = sample.restore(&target, &verified());
    assert_eq!(report.same, ["Test Linux 1, web1"]);
}

#[test]
fn another_machine_than_the_captured_one_is_no_success() {
    let mut sample = Sample::of(linux(), SectorSize::B512);
    // As if an id had changed on the way.
    let system = &mut sample.image.manifest.systems[0];
    let other = "keyed:00000000000000000000000000000000".to_owned();
    system.identity.insert("machine-id".to_owned(), other);
    let keytab = ("krb5 keytab".to_owned(), "keyed:0".to_owned());
    system.identity.extend([keytab]);
    let target = sample.target(sample.size());
    let plan = sample.plan(&target, &verified()).unwrap();
    let error = execute(plan, &Silent).unwrap_err();
    assert_eq!(error.code(), Some(Code::IdentityChanged));
    assert_eq!(error.left(), Left::Complete);
    let text = error.to_string();
    for words in [
        "Test Linux 1, web1: machine-id is another",
        "Test Linux 1, web1: krb5 keytab is gone",
        "must not be trusted",
    ] {
        assert!(text.contains(words), "{text}");
    }
}
