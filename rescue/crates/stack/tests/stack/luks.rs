//! LUKS: volumes of cryptsetup and of QEMU, both of which encrypt files without
//! a device mapper, read and changed here, and read again by them.

use std::path::{Path, PathBuf};
use std::process::Command;

use stack::{
    Change, Found, Keys, LuksProblem, NoKeys, Note, Part, Secret, StackError, Through, volumes,
};

use crate::made::{group, linear, lv, pv};
use crate::superblocks::{DATA, Member, v1};
use crate::tools::{apply, change, file, have, parts, run, tag};

const MIB: usize = 1 << 20;
const PASSPHRASE: &[u8] = b"a horse, a battery";

struct Given(Vec<&'static [u8]>, u64);

impl Keys for Given {
    fn for_luks(&self, uuid: &str) -> Vec<Secret> {
        assert_eq!(uuid.len(), 36);
        self.0
            .iter()
            .map(|bytes| Secret::new(bytes.to_vec()))
            .collect()
    }
    fn memory(&self) -> u64 {
        self.1
    }
}

/// The right passphrase after a wrong one.
fn given() -> Given {
    Given(vec![b"wrong", PASSPHRASE], 64 << 20)
}

fn plain(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    tag(&mut bytes, 9);
    bytes
}

fn all(device: &dyn stack::Layer) -> Vec<u8> {
    let mut bytes = vec![0; device.size() as usize];
    device.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

fn problem(found: &Found) -> Option<&LuksProblem> {
    found.notes.iter().find_map(|note| match note {
        Note::Luks { why, .. } => Some(why),
        _ => None,
    })
}

/// Two changes in one sector, and one across two; the plain bytes are changed with them.
fn edits(plain: &mut [u8]) -> Vec<Change> {
    let places = [(3, 5), (100, 7), (12285, 9), (plain.len() - 2, 2)];
    let edit = |(at, len): (usize, usize)| {
        let before = plain[at..at + len].to_vec();
        let after: Vec<u8> = before.iter().map(|byte| byte ^ 0x5a).collect();
        plain[at..at + len].copy_from_slice(&after);
        Change {
            at: at as u64,
            before,
            after,
        }
    };
    places.into_iter().map(edit).collect()
}

fn image(part: &Part) -> Vec<u8> {
    let mut bytes = vec![0; part.device.size() as usize];
    part.device.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

/// What is on the LUKS volume begins with `plain`; it is given back with changes that `plain` is given too.
fn read_and_change(bytes: Vec<u8>, version: u8, plain: &mut [u8]) -> Vec<u8> {
    let parts = parts(vec![bytes]);
    let found = volumes(&parts, &given());
    assert_eq!(found.notes, []);
    let [volume] = found.volumes.as_slice() else {
        panic!("{found:?}");
    };
    assert!(matches!(&volume.through[..], [Through::Luks { version: is, .. }] if *is == version));
    assert!(
        all(&*volume.device).starts_with(plain),
        "it reads as something else"
    );
    let mut odd = [0; 1000];
    volume.device.read_exact_at(&mut odd, 65_300).unwrap();
    assert_eq!(odd, plain[65_300..66_300]);
    let lowered = volume.device.lower(&edits(plain)).unwrap();
    let changed = apply(&parts, &lowered);
    let again = volumes(&changed, &given());
    assert!(
        all(&*again.volumes[0].device).starts_with(plain),
        "a change is not there"
    );
    image(&changed[0])
}

fn qemu(dir: &Path, from: &str, to: &Path, options: &str) -> PathBuf {
    let secret = file(dir, "passphrase", PASSPHRASE);
    let secret = format!("secret,id=key,file={}", secret.display());
    let mut command = Command::new("qemu-img");
    command.args(["convert", "--object", &secret]);
    match options {
        "" => command.args(["--image-opts", from, "-O", "raw"]),
        options => command.args(["-f", "raw", from, "-O", "luks", "-o", options]),
    };
    command.arg(to);
    // It measures how fast the processor is, and gives up where other programs had that
    // all the while.
    for _ in 0..20 {
        let output = command.output().expect("it starts");
        let said = String::from_utf8_lossy(&output.stderr);
        if !said.contains("Unable to get accurate CPU usage") {
            assert!(output.status.success(), "{command:?}: {said}");
            return to.to_owned();
        }
    }
    panic!("{command:?}: this machine is too busy");
}

#[test]
fn luks1_of_qemu_is_read_and_changed() {
    if !have("qemu-img") {
        return;
    }
    let ciphers = [
        "",
        ",cipher-alg=aes-128,hash-alg=sha1",
        ",cipher-alg=aes-256,cipher-mode=cbc,ivgen-alg=essiv,ivgen-hash-alg=sha256,hash-alg=sha512",
        ",cipher-alg=aes-128,cipher-mode=cbc,ivgen-alg=plain64",
        ",ivgen-alg=plain",
    ];
    for cipher in ciphers {
        let dir = tempfile::tempdir().unwrap();
        let mut plain = plain(MIB);
        let raw = file(dir.path(), "raw", &plain);
        let options = format!("key-secret=key,iter-time=10{cipher}");
        let luks = qemu(
            dir.path(),
            raw.to_str().unwrap(),
            &dir.path().join("luks"),
            &options,
        );
        let changed = read_and_change(std::fs::read(luks).unwrap(), 1, &mut plain);
        let changed = file(dir.path(), "changed", &changed);
        let from = format!(
            "driver=luks,key-secret=key,file.filename={}",
            changed.display()
        );
        let back = qemu(dir.path(), &from, &dir.path().join("back"), "");
        assert!(
            std::fs::read(back).unwrap() == plain,
            "{cipher}: QEMU reads something else"
        );
    }
}

/// cryptsetup with the passphrase, and without questions.
fn cryptsetup(dir: &Path, args: &[&str], last: &Path) {
    let key = file(dir, "key", PASSPHRASE);
    let mut command = Command::new("cryptsetup");
    command
        .args(args)
        .args(["-q", "--key-file"])
        .arg(key)
        .arg(last);
    run(&mut command);
}

/// `plain` on a volume of LUKS2, encrypted in place: the header takes the place of 4 MiB behind it.
fn luks2(dir: &Path, plain: &[u8], options: &[&str]) -> PathBuf {
    let mut bytes = plain.to_vec();
    bytes.resize(plain.len() + 8 * MIB, 0);
    let path = file(dir, "luks2", &bytes);
    let args = [
        "reencrypt",
        "--encrypt",
        "--type",
        "luks2",
        "--reduce-device-size",
        "8M",
    ];
    cryptsetup(dir, &[&args, options].concat(), &path);
    path
}

const QUICK: &[&str] = &["--pbkdf-force-iterations", "4", "--pbkdf-memory", "1024"];

#[test]
fn luks2_of_cryptsetup_is_read_and_changed() {
    if !have("cryptsetup") {
        return;
    }
    let options: [&[&str]; 4] = [
        &[
            "--pbkdf",
            "argon2id",
            "--pbkdf-parallel",
            "2",
            "--sector-size",
            "512",
        ],
        &[
            "--pbkdf",
            "argon2i",
            "--sector-size",
            "4096",
            "--key-size",
            "256",
        ],
        &[
            "--pbkdf",
            "pbkdf2",
            "--hash",
            "sha512",
            "--pbkdf-force-iterations",
            "1000",
        ],
        &["--cipher", "aes-cbc-essiv:sha256", "--key-size", "256"],
    ];
    for options in options {
        let dir = tempfile::tempdir().unwrap();
        let quick = if options.contains(&"pbkdf2") {
            &[]
        } else {
            QUICK
        };
        let mut plain = plain(2 * MIB);
        let luks = luks2(dir.path(), &plain, &[options, quick].concat());
        let changed = read_and_change(std::fs::read(luks).unwrap(), 2, &mut plain);
        let changed = file(dir.path(), "changed", &changed);
        let header = dir.path().join("header");
        let decrypt = [
            "reencrypt",
            "--decrypt",
            "--force-offline-reencrypt",
            "--header",
            header.to_str().unwrap(),
        ];
        cryptsetup(dir.path(), &decrypt, &changed);
        let back = std::fs::read(changed).unwrap();
        assert!(
            back[..plain.len()] == plain,
            "{options:?}: cryptsetup reads something else"
        );
    }
}

/// A LUKS1 volume of cryptsetup in `mib` MiB, with few rounds; `more` are words of its.
fn luks1(mib: usize, more: &[&str]) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let path = file(dir.path(), "luks1", &vec![0; mib * MIB]);
    let args = ["luksFormat", "--type", "luks1"];
    let rounds = ["--pbkdf-force-iterations", "1000"];
    cryptsetup(dir.path(), &[&args[..], &rounds, more].concat(), &path);
    std::fs::read(path).unwrap()
}

#[test]
fn luks1_of_cryptsetup_is_opened() {
    if !have("cryptsetup") {
        return;
    }
    let volume = luks1(4, &["--hash", "sha1"]);
    let found = volumes(&parts(vec![volume]), &given());
    assert_eq!((found.volumes.len(), found.notes.len()), (1, 0));
    assert!(found.volumes[0].names[0].starts_with("/dev/mapper/luks-"));
}

#[test]
fn what_stays_closed_says_why() {
    if !have("cryptsetup") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let luks = luks2(dir.path(), &plain(MIB), QUICK);
    let bytes = std::fs::read(&luks).unwrap();
    let why = |keys: &dyn Keys| {
        let found = volumes(&parts(vec![bytes.clone()]), keys);
        assert!(found.volumes.is_empty() && found.parts.contains(&1));
        problem(&found).cloned()
    };
    assert_eq!(why(&NoKeys), Some(LuksProblem::Locked { tried: 0 }));
    let wrong = Given(vec![b"wrong", b""], 64 << 20);
    assert_eq!(why(&wrong), Some(LuksProblem::Locked { tried: 2 }));
    let little = Given(vec![PASSPHRASE], 1 << 19);
    let memory = LuksProblem::Memory {
        needed: 1 << 20,
        allowed: 1 << 19,
    };
    assert_eq!(why(&little), Some(memory));
    let secret = format!("{:?}", Secret::new(PASSPHRASE.to_vec()));
    assert_eq!(secret, "Secret(..)");

    let begin = ["reencrypt", "--init-only", "--force-offline-reencrypt"];
    cryptsetup(dir.path(), &[&begin, QUICK].concat(), &luks);
    let found = volumes(&parts(vec![std::fs::read(&luks).unwrap()]), &given());
    assert_eq!(problem(&found), Some(&LuksProblem::Reencrypting));
}

#[test]
fn a_change_that_was_made_for_other_bytes_is_refused() {
    if !have("cryptsetup") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let luks = luks2(dir.path(), &plain(MIB), QUICK);
    let found = volumes(&parts(vec![std::fs::read(&luks).unwrap()]), &given());
    let volume = &found.volumes[0];
    let mut wrong = change(volume, 700, b"new");
    wrong.before[0] ^= 1;
    let refused = volume.device.lower(&[wrong]);
    assert!(matches!(refused, Err(StackError::Stale { at: 700, .. })));
}

/// The second copy of the header counts where the first is damaged; with neither, nothing is opened.
#[test]
fn either_copy_of_the_header_is_enough() {
    if !have("cryptsetup") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let luks = luks2(dir.path(), &plain(MIB), QUICK);
    let mut bytes = std::fs::read(&luks).unwrap();
    for (damage, opened) in [(4100, 1), (0x4000 + 4100, 0)] {
        bytes[damage] ^= 1;
        let found = volumes(&parts(vec![bytes.clone()]), &given());
        assert_eq!(found.volumes.len(), opened, "{:?}", found.notes);
        assert_eq!(
            matches!(problem(&found), Some(LuksProblem::Damaged { .. })),
            opened == 0
        );
    }
}

#[test]
fn lvm_in_luks_on_a_mirror_is_changed_on_both_members() {
    if !have("cryptsetup") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut inner = plain(3 * MIB);
    pv(
        &mut inner,
        0,
        &group(1, 1, &lv("root", true, 2, &linear("pv0", 1))),
        512,
    );
    let luks = std::fs::read(luks2(dir.path(), &inner, QUICK)).unwrap();
    let data = (DATA * 512) as usize;
    let members = [0, 1].map(|number| {
        let mut member = Member::mirror(number);
        member.used = luks.len() as u64 / 512;
        let mut image = vec![0; data + luks.len()];
        image[data..].copy_from_slice(&luks);
        v1(&mut image, 2, &member);
        image
    });
    let parts = parts(members.to_vec());
    let found = volumes(&parts, &given());
    assert_eq!(found.notes, []);
    let [root] = found.volumes.as_slice() else {
        panic!("{found:?}");
    };
    let way = &root.through[..];
    assert!(
        matches!(
            way,
            [
                Through::Md { .. },
                Through::Luks { .. },
                Through::Lvm { .. }
            ]
        ),
        "{way:?}"
    );
    let begin = MIB + 65536;
    assert!(all(&*root.device) == inner[begin..begin + 2 * 65536]);
    let edit = change(root, 1000, b"edited");
    let lowered = root.device.lower(std::slice::from_ref(&edit)).unwrap();
    assert_eq!(lowered.len(), 2);
    let changed = apply(&parts, &lowered);
    assert!(image(&changed[0])[data..] == image(&changed[1])[data..]);
    let again = volumes(&changed, &given());
    assert_eq!(change(&again.volumes[0], 1000, b"edited").before, b"edited");
}

/// Bytes of sound headers changed: an error, never a panic.
#[test]
fn damaged_headers_are_no_panic() {
    if !have("cryptsetup") {
        return;
    }
    let sound = luks1(3, &[]);
    // Not the rounds: more of them only take longer.
    let places = (0..168)
        .chain(208..212)
        .chain(244..256)
        .filter(|at| !(164..168).contains(at));
    for at in places {
        for byte in [0, 0xff] {
            let mut bytes = sound[..1 << 20].to_vec();
            bytes[at] = byte;
            let found = volumes(&parts(vec![bytes]), &Given(vec![PASSPHRASE], 0));
            for note in found.notes {
                assert!(!note.to_string().is_empty());
            }
        }
    }
    for len in [0, 5, 7, 8, 100, 591, 592, 4096] {
        let found = volumes(
            &parts(vec![sound[..len].to_vec()]),
            &Given(vec![PASSPHRASE], 0),
        );
        assert!(found.volumes.is_empty());
    }
}
