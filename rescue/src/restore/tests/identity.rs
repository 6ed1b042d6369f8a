//! The machine that comes back is the one that was captured, or the restore fails.

use std::process::Command;

use hive::{FileTime, Hive, ValueType};

use super::*;
use crate::exit::Code;
use crate::inventory::Hardware;
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

/// A SYSTEM with an address that was set by hand, and a TPM.
fn with_more(system: Vec<u8>) -> Vec<u8> {
    let (hive, _) = Hive::open(system, &[]).unwrap();
    let mut edit = hive.edit(FileTime(1)).unwrap();
    let card = "ControlSet001\\Services\\Tcpip\\Parameters\\Interfaces\\{x}";
    let tpm = "ControlSet001\\Enum\\ACPI\\MSFT0101\\1";
    let class = hive::sz("{D94EE5D8-D189-4994-83D2-F68D7D41B0E6}");
    let address = hive::multi_sz(&["10.0.0.5"]);
    edit.create_key(card).unwrap();
    edit.create_key(tpm).unwrap();
    for (key, name, kind, data) in [
        (card, "EnableDHCP", ValueType::DWORD, hive::dword(0)),
        (card, "IPAddress", ValueType::MULTI_SZ, address),
        (tpm, "ClassGUID", ValueType::SZ, class),
    ] {
        edit.set_value(key, name, kind, &data).unwrap();
    }
    edit.finish().unwrap()
}

/// The three answers, of genuine hives, on hardware that Windows has no driver for.
#[test]
fn the_report_of_a_windows_answers_what_a_technician_asks() {
    let folder = tempfile::tempdir().unwrap();
    let (root, disk) = (folder.path().join("root"), folder.path().join("disk.raw"));
    ntfs_volume::windows(&root, &["SAM", "SECURITY"]);
    let system = with_more(ntfs_volume::hive("joined-8.1/SYSTEM"));
    fs::write(root.join("Windows/System32/config/SYSTEM"), system).unwrap();
    ntfs_volume::volume(&root, &disk, 32);
    let sample = Sample::of(fs::read(disk).unwrap(), SectorSize::B512);
    let target = sample.target(sample.size());
    let list = folder.path().join("hardware");
    let pvscsi = "pci:v000015ADd000007C0sv000015ADsd000007C0bc01sc07i00\n";
    fs::write(&list, pvscsi).unwrap();
    let adapt = |force| Options {
        adapt: Adapt::To {
            hardware: Hardware::of_file(&list).unwrap(),
            force,
            drivers: None,
            passphrases: Default::default(),
        },
        ..verified()
    };
    assert!(sample.plan(&target, &adapt(false)).is_err());
    let report = sample.restore(&target, &adapt(true));
    let answers = &report.answers;
    assert_eq!(answers.same_machine.verdict, Verdict::Yes);
    let same = answers.same_machine.lines.join(" ");
    for words in [
        "STUDENT-PC8",
        "domain INTERNAL",
        "SID S-1-5-21-4070822719-3404542230-2541167049",
    ] {
        assert!(same.contains(words), "{same}");
    }
    assert_eq!(answers.will_boot.verdict, Verdict::No);
    let boots = answers.will_boot.lines.join(" ");
    assert!(
        boots.contains("Forced: ") && boots.contains("VEN_15AD&DEV_07C0"),
        "{boots}"
    );
    let known = answers.to_know.join("\n");
    for words in [
        "Never run the original and this one at once",
        "Machine account's password: ",
        "; if the domain refuses it",
        "Its TPM stayed behind",
        "Static IP 10.0.0.5",
    ] {
        assert!(known.contains(words), "{words}: {known}");
    }
    assert!(
        !known.contains("trust relationship failed"),
        "it is told in few words: {known}"
    );
    let shown = crate::ui::report::screen(&report, &[]);
    assert!(shown.lines().count() <= 14, "{shown}");
    // On like hardware nobody can tell.
    let plain = sample.restore(&sample.target(sample.size()), &verified());
    assert_eq!(plain.answers.will_boot.verdict, Verdict::Unknown);
    assert!(!plain.answers.to_know.join("").contains("TPM"), "{plain:?}");
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
