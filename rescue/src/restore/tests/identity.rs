//! The machine that comes back is the one that was captured, or the restore fails.

use std::process::Command;

use hive::{FileTime, Hive, ValueType};

use super::*;
use crate::exit::Code;
use crate::ntfs_volume;

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

/// A disk without a table: NTFS with hives of a Windows, and this SAM.
fn windows(sam: &[u8]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let (root, disk) = (folder.path().join("root"), folder.path().join("disk.raw"));
    ntfs_volume::windows(&root, &["SYSTEM", "SECURITY"]);
    fs::write(root.join("Windows/System32/config/SAM"), sam).unwrap();
    ntfs_volume::volume(&root, &disk, 32);
    fs::read(disk).unwrap()
}

/// The SAM of a machine with another SID.
fn another(sam: Vec<u8>) -> Vec<u8> {
    let (hive, _) = Hive::open(sam, &[]).unwrap();
    let account = "SAM\\Domains\\Account";
    let value = hive.key(account).unwrap().value("V").unwrap().unwrap();
    let mut data = value.data().unwrap().into_owned();
    *data.last_mut().unwrap() ^= 1;
    let mut edit = hive.edit(FileTime(1)).unwrap();
    edit.set_value(account, "V", ValueType::BINARY, &data)
        .unwrap();
    edit.finish().unwrap()
}

#[test]
fn a_windows_with_another_sam_is_another_machine() {
    let sam = ntfs_volume::hive("joined-8.1/SAM");
    let captured = Sample::of(windows(&sam), SectorSize::B512);
    let mut sample = Sample::of(windows(&another(sam)), SectorSize::B512);
    // As if SAM had changed on the way.
    sample.image.manifest.systems = captured.image.manifest.systems.clone();
    sample.image.manifest.identity_key = captured.image.manifest.identity_key.clone();
    let target = sample.target(sample.size());
    let plan = sample.plan(&target, &verified()).unwrap();
    let error = execute(plan, &Silent).unwrap_err();
    assert_eq!(error.code(), Some(Code::IdentityChanged));
    let text = error.to_string();
    for words in ["SAM hive is another", "machine SID is another"] {
        assert!(text.contains(words), "{text}");
    }
    assert!(!text.contains("SECURITY hive"), "{text}");
}
