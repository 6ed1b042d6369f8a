//! Volumes made for the tests. (Genuine ones: crate fsmap, `tests/bitlocker.rs`.)

use super::*;
use crate::adapt;
use crate::capture;
use crate::event::Silent;
use crate::identity::Looker;
use crate::inventory::{Hardware, Machine};
use disk::SectorSize;
use fsmap::{Backup, Conversion, Made, Method};
use image::{Config, Repository};
use store::MemoryStore;

const ID: &str = "AB020100-0504-0706-0809-0A0B0C0D0E0F";

fn volume(opens: &[Opens]) -> BitLocker {
    let protector = |opens: &Opens| Protector {
        id: ID.to_owned(),
        opens: *opens,
        changed: 0,
        name: None,
        backups: Vec::new(),
    };
    BitLocker {
        made: Made::Seven,
        method: Method::AesXts(128),
        conversion: Conversion {
            current: State::Encrypted,
            next: State::Encrypted,
            up_to: None,
            on_write: false,
        },
        id: ID.to_owned(),
        description: Some("PC42 C: 10/8/2021".to_owned()),
        created: 0,
        protectors: opens.iter().map(protector).collect(),
        unlocks_others: false,
    }
}

#[test]
fn each_variant_says_what_happens_here() {
    let no_recovery = "WITHOUT THAT TPM IT DOES NOT OPEN";
    for (opens, told, short) in [
        (
            &[Opens::Tpm, Opens::RecoveryPassword][..],
            &["on any other, Windows asks for the recovery password", ID][..],
            "recovery key ID AB020100",
        ),
        (
            &[Opens::TpmAndPin],
            &[no_recovery],
            "no recovery password: only its old TPM opens it",
        ),
        (
            &[Opens::TpmAndKey],
            &[no_recovery],
            "no recovery password: only its old TPM opens it",
        ),
        (
            &[Opens::Tpm, Opens::Key],
            &[
                "the file {AB020100-0504-0706-0809-0A0B0C0D0E0F}.BEK opens it",
                "auto-unlock",
            ],
            "opens with its password or key, no recovery password",
        ),
        (
            &[Opens::Password],
            &["its password opens it as before"],
            "opens with its password or key, no recovery password",
        ),
        (
            &[Opens::Certificate, Opens::RecoveryPassword],
            &["smart card", "a recovery password opens it"],
            "recovery key ID AB020100",
        ),
        (
            &[Opens::Tpm, Opens::RecoveryPassword, Opens::Clear],
            &[
                "is suspended",
                "opens by itself here",
                "decrypt it on the machine",
                ID,
            ],
            "suspended or decrypted, it opens by itself",
        ),
        (
            &[Opens::Other(0x4000)],
            &["not known here (0x4000)"],
            "opens with its password or key, no recovery password",
        ),
    ] {
        let volume = volume(opens);
        let text = sentences(&volume);
        for told in told {
            assert!(text.contains(told), "{opens:?}: {text}");
        }
        let warned = text.contains(no_recovery);
        assert_eq!(warned, told.contains(&no_recovery), "{opens:?}: {text}");
        assert_eq!(in_short(&volume), short);
    }
}

#[test]
fn where_the_key_was_saved_and_how_far_it_is_are_told() {
    let mut volume = volume(&[Opens::RecoveryPassword]);
    volume.protectors[0].backups = vec![Backup::ActiveDirectory];
    volume.unlocks_others = true;
    volume.conversion.next = State::Decrypted;
    let text = sentences(&volume);
    for told in [
        "0E0F, which was saved in Active Directory",
        "it was being decrypted",
        "(auto-unlock) open when it does",
        "called it \"PC42 C: 10/8/2021\"",
    ] {
        assert!(text.contains(told), "{text}");
    }
    volume.conversion.current = State::Decrypted;
    assert!(sentences(&volume).contains("it is decrypted"));
    assert!(in_short(&volume).contains("opens by itself"));
}

/// A disk that is one volume, which a TPM and a recovery password open.
fn disk_of_one() -> Vec<u8> {
    const AT: usize = 64 << 10;
    let mut entries = Vec::new();
    for (first, priority) in [(1, 0x100_u16), (0xAB, 0x800)] {
        let mut id: [u8; 16] = std::array::from_fn(|i| i as u8);
        id[3] = first;
        for field in [36_u16, 2, 8, 1] {
            entries.extend(field.to_le_bytes());
        }
        entries.extend(id);
        entries.extend([0; 10]);
        entries.extend(priority.to_le_bytes());
    }
    let mut block = vec![0; 112];
    block[..8].copy_from_slice(b"-FVE-FS-");
    let end = 48 + entries.len() as u32;
    block.extend(entries);
    let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
    for (at, field) in [(8, 12_u16), (10, 2), (12, 4), (14, 4), (100, 0x8004)] {
        put(at, &field.to_le_bytes());
    }
    for (at, field) in [(64, end), (68, 1), (72, 48), (76, end)] {
        put(at, &field.to_le_bytes());
    }
    block.resize(12 * 16, 0);
    let mut disk = vec![0; 1 << 20];
    disk[..11].copy_from_slice(b"\xEB\x58\x90-FVE-FS-");
    disk[160..176].copy_from_slice(&[
        0x3B, 0xD6, 0x67, 0x49, 0x29, 0x2E, 0xD8, 0x4A, 0x83, 0x99, 0xF6, 0xA3, 0x39, 0xE3, 0xD0, 1,
    ]);
    disk[176..184].copy_from_slice(&(AT as u64).to_le_bytes());
    disk[510..512].copy_from_slice(&[0x55, 0xAA]);
    disk[AT..AT + block.len()].copy_from_slice(&block);
    disk
}

#[test]
fn a_restore_names_the_key_of_a_captured_volume() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("disk");
    std::fs::write(&path, disk_of_one()).unwrap();
    let store = Arc::new(MemoryStore::default());
    let repository = Repository::create(store, Config::new([7; 32])).unwrap();
    let disk = Machine::host().disk_at(&path, SectorSize::B512).unwrap();
    let disks = [capture::plan(disk, &Silent).unwrap()];
    let label = capture::Label::now(Some("x".to_owned())).unwrap();
    capture::run(&repository, &disks, label, &Default::default(), &Silent).unwrap();
    let image = repository.image("latest").unwrap();
    let disk = crate::restore::pick_disk(&image, None).unwrap().clone();
    let notes = disk.regions[0].fs.as_ref().unwrap().notes.join(" ");
    assert!(notes.contains(&format!("recovery key ID {ID}.")), "{notes}");
    let source: Arc<dyn ReadAt> = Arc::new(repository.read_at(&disk).unwrap());
    let hardware = Hardware::default();
    let looker = Looker::default();
    let told = adapt::plan(
        &looker,
        &source,
        &image.manifest,
        &disk,
        &hardware,
        adapt::Brought {
            drivers: None,
            passphrases: &crate::volumes::Passphrases::default(),
        },
        None,
    );
    assert_eq!(told.warnings.len(), 1, "{told:?}");
    let warning = &told.warnings[0];
    assert!(warning.starts_with("the whole disk: encrypted with BitLocker"));
    assert!(
        warning.contains(&format!("at hand, recovery key ID {ID}")),
        "{warning}"
    );
}
