//! Volumes made for the tests, of each kind. (Genuine ones: `tests/bitlocker.rs`.)

use super::*;
use crate::{FsKind, identify, map};
use disk::MemDisk;
use proptest::prelude::*;

const SIZE: usize = 512 << 10;
const COPIES: [u64; 3] = [64 << 10, 192 << 10, 320 << 10];

fn entry(role: u16, kind: u16, data: &[u8]) -> Vec<u8> {
    let size = u16::try_from(data.len() + 8).unwrap();
    let mut bytes = Vec::new();
    for field in [size, role, kind, 1] {
        bytes.extend(field.to_le_bytes());
    }
    bytes.extend(data);
    bytes
}

fn utf16(text: &str) -> Vec<u8> {
    let units = text.encode_utf16().chain([0]);
    units.flat_map(u16::to_le_bytes).collect()
}

/// An identifier that can be told from others by its first byte.
fn id(first: u8) -> [u8; 16] {
    let mut id: [u8; 16] = std::array::from_fn(|i| i as u8);
    id[3] = first;
    id
}

/// An entry for a way to open it, of type `priority`.
fn key(first: u8, priority: u16, more: &[u8]) -> Vec<u8> {
    let mut data = id(first).to_vec();
    data.extend([0; 10]);
    data.extend(priority.to_le_bytes());
    data.extend(entry(0, 5, &[0x5A; 60]));
    data.extend(more);
    entry(2, 8, &data)
}

fn backup(method: u16) -> Vec<u8> {
    let mut data = vec![0; 16];
    data.extend(method.to_le_bytes());
    data.extend([0; 2]);
    entry(0, 0x15, &data)
}

/// A volume to be made.
#[derive(Clone)]
struct Make {
    made: Made,
    on_write: bool,
    states: (u16, u16),
    method: u16,
    entries: Vec<u8>,
}

impl Make {
    fn with(entries: &[Vec<u8>]) -> Self {
        Self {
            made: Made::Seven,
            on_write: false,
            states: (4, 4),
            method: 0x8004,
            entries: entries.concat(),
        }
    }

    fn block(&self) -> Vec<u8> {
        let vista = self.made == Made::Vista;
        let mut set = vec![0; 48];
        let end = 48 + self.entries.len() as u32;
        for (at, value) in [(0, end), (4, 1), (8, 48), (12, end)] {
            set[at..at + 4].copy_from_slice(&value.to_le_bytes());
        }
        set[16..32].copy_from_slice(&id(0xEE));
        set[36..38].copy_from_slice(&self.method.to_le_bytes());
        set[40..48].copy_from_slice(&132_800_000_000_000_000_u64.to_le_bytes());
        set.extend(&self.entries);
        let unit = if vista { 1 } else { 16 };
        set.resize(set.len().next_multiple_of(16), 0);
        let size = u16::try_from((64 + set.len()) / unit).unwrap();
        let mut block = b"-FVE-FS-".to_vec();
        let version = if vista { 1 } else { 2 };
        for field in [size, version, self.states.0, self.states.1] {
            block.extend(field.to_le_bytes());
        }
        block.extend(262_144_u64.to_le_bytes());
        block.extend([0; 8]);
        block.extend(COPIES.iter().flat_map(|c| c.to_le_bytes()));
        block.extend([0; 8]);
        block.extend(set);
        let sum = crc32fast::hash(&block);
        block.extend([8, 0, 1, 0]);
        block.extend(sum.to_le_bytes());
        block
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; SIZE];
        let mut put = |at: usize, what: &[u8]| bytes[at..at + what.len()].copy_from_slice(what);
        put(510, &[0x55, 0xAA]);
        put(11, &[0, 2, 8]);
        let mut places = match self.on_write {
            true => Vec::from([
                0x3B, 0x4D, 0xA8, 0x92, 0x80, 0xDD, 0x0E, 0x4D, 0x9E, 0x4E, 0xB1, 0xE3, 0x28, 0x4E,
                0xAE, 0xD8,
            ]),
            false => Vec::from([
                0x3B, 0xD6, 0x67, 0x49, 0x29, 0x2E, 0xD8, 0x4A, 0x83, 0x99, 0xF6, 0xA3, 0x39, 0xE3,
                0xD0, 0x01,
            ]),
        };
        places.extend(COPIES.iter().flat_map(|c| c.to_le_bytes()));
        match self.made {
            Made::Vista => {
                put(0, b"\xEB\x52\x90-FVE-FS-");
                put(56, &(COPIES[0] / 4096).to_le_bytes());
            }
            Made::Seven => {
                put(0, b"\xEB\x58\x90-FVE-FS-");
                put(160, &places);
            }
            Made::ToGo => {
                put(0, b"\xEB\x58\x90MSWIN4.1");
                put(424, &places);
            }
        }
        let block = self.block();
        for copy in COPIES {
            put(copy as usize, &block);
        }
        bytes
    }

    fn read(&self) -> BitLocker {
        BitLocker::read(&MemDisk::new(self.bytes()))
            .unwrap()
            .unwrap()
    }

    fn notes(&self) -> String {
        self.read().notes().join(" ")
    }
}

#[test]
fn each_way_to_open_it_is_told_apart() {
    for (priority, opens, told) in [
        (0, Opens::Clear, "no secret at all"),
        (0x100, Opens::Tpm, "the TPM of its machine"),
        (0x500, Opens::TpmAndPin, "with a PIN"),
        (
            0x300,
            Opens::TpmAndKey,
            "with a startup key on USB, file {AB020100-0504-0706-",
        ),
        (
            0x700,
            Opens::TpmAndPinAndKey,
            "with a PIN and a startup key",
        ),
        (0x200, Opens::Key, "a key in a file"),
        (
            0x800,
            Opens::RecoveryPassword,
            "48 digits, recovery key ID AB020100-",
        ),
        (0x1000, Opens::Certificate, "smart card"),
        (0x2000, Opens::Password, "a password."),
        (0x4000, Opens::Other(0x4000), "something unknown (0x4000)"),
    ] {
        let volume = Make::with(&[key(0xAB, priority, &[])]).read();
        let found: Vec<Opens> = volume.protectors.iter().map(|p| p.opens).collect();
        assert_eq!(found, [opens]);
        assert_eq!(opens.needs_tpm(), priority & 0x100 != 0, "{opens:?}");
        assert_eq!(volume.is_suspended(), priority == 0);
        let notes = volume.notes().join(" ");
        assert!(notes.contains(told), "{notes}");
    }
}

#[test]
fn a_volume_says_what_it_is() {
    let name = entry(0, 2, &utf16("ExternalKey"));
    let saved = [backup(1), backup(4), backup(4), backup(16)].concat();
    let mut make = Make::with(&[
        entry(7, 2, &utf16("PC42 Data\u{1b} 10/8/2021")),
        key(1, 0x100, &[]),
        key(0xAB, 0x800, &saved),
        key(3, 0x200, &name),
        entry(3, 5, &[1; 80]),
        entry(0x0B, 5, &[1; 60]),
    ]);
    for (made, called) in [
        (Made::Seven, "BitLocker: AES-XTS 128; encrypted, called"),
        (Made::Vista, "BitLocker of Windows Vista: AES-XTS 128"),
        (Made::ToGo, "BitLocker To Go: AES-XTS 128"),
    ] {
        make.made = made;
        let volume = make.read();
        let expected = "PC42 Data\u{fffd} 10/8/2021";
        assert_eq!(volume.description.as_deref(), Some(expected));
        assert_eq!(
            (volume.made, volume.created),
            (made, 132_800_000_000_000_000)
        );
        assert_eq!(volume.id, "EE020100-0504-0706-0809-0A0B0C0D0E0F");
        assert_eq!(volume.recovery().count(), 1);
        assert_eq!(volume.protectors[2].name.as_deref(), Some("ExternalKey"));
        let notes = volume.notes().join("\n");
        assert!(notes.starts_with(called), "{notes}");
        let saved = "0F, saved in Active Directory and in Entra ID (Azure AD) and on paper.";
        assert!(notes.contains(saved), "{notes}");
        assert!(notes.ends_with("they open when it does."), "{notes}");
    }
}

#[test]
fn the_method_and_how_far_it_went_are_told() {
    for (method, told) in [
        (0x8000, "AES-CBC 128 with diffuser;"),
        (0x8001, "AES-CBC 256 with diffuser;"),
        (0x8002, "AES-CBC 128;"),
        (0x8003, "AES-CBC 256;"),
        (0x8005, "AES-XTS 256;"),
        (0x9999, "encryption method 0x9999;"),
    ] {
        let make = Make {
            method,
            ..Make::with(&[])
        };
        assert!(make.notes().contains(told), "{}", make.notes());
    }
    let states = |current, next, on_write| {
        let make = Make {
            states: (current, next),
            on_write,
            ..Make::with(&[])
        };
        (make.read().conversion.is_under_way(), make.notes())
    };
    for (current, next, on_write, under_way, told) in [
        (4, 4, false, false, "; encrypted."),
        (4, 4, true, false, "; encrypted where it is used"),
        (1, 1, true, false, "; decrypted."),
        (
            2,
            4,
            false,
            true,
            "being encrypted (encrypted up to byte 262144)",
        ),
        (
            5,
            4,
            true,
            true,
            "being encrypted (how far is not known here)",
        ),
        (
            5,
            1,
            false,
            true,
            "being decrypted (encrypted up to byte 262144)",
        ),
        (3, 1, false, true, "being decrypted"),
        (9, 9, false, true, "in state Other(9), to become Other(9)"),
    ] {
        let (is, notes) = states(current, next, on_write);
        assert_eq!(is, under_way, "{notes}");
        assert!(notes.contains(told), "{notes}");
    }
    let nothing = "Nothing is written that opens it";
    assert!(states(4, 4, false).1.contains(nothing));
    assert!(!states(1, 1, false).1.contains(nothing));
}

#[test]
fn a_stick_to_be_carried_around_is_no_fat() {
    let mut make = Make::with(&[key(1, 0x2000, &[])]);
    make.made = Made::ToGo;
    let mut bytes = make.bytes();
    // A boot sector that a FAT would have.
    bytes[11..36].copy_from_slice(&[
        0, 2, 1, 1, 0, 2, 16, 0, 0, 4, 0xF8, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    ]);
    bytes[510..512].copy_from_slice(&[0x55, 0xAA]);
    let found = identify(&MemDisk::new(bytes.clone())).unwrap();
    assert_eq!((found.kind, found.others), (FsKind::Bitlocker, vec![]));
    let notes = map(&MemDisk::new(bytes.clone())).unwrap().notes.join(" ");
    assert!(notes.contains("BitLocker To Go"), "{notes}");
    bytes[424] ^= 1;
    let found = identify(&MemDisk::new(bytes)).unwrap();
    assert_eq!(found.kind, FsKind::Fat12);
}

#[test]
fn the_best_copy_counts() {
    let good = Make::with(&[key(0xAB, 0x800, &[])]);
    let expected = good.read();
    let read = |bytes: Vec<u8>| BitLocker::read(&MemDisk::new(bytes)).unwrap();
    let mut bytes = good.bytes();
    // The identifier of the protector in the first copy: only the checksum knows.
    bytes[COPIES[0] as usize + 120] ^= 1;
    assert_eq!(read(bytes.clone()), Ok(expected.clone()));
    bytes[COPIES[1] as usize] ^= 1;
    assert_eq!(read(bytes.clone()), Ok(expected.clone()));
    bytes[COPIES[2] as usize] ^= 1;
    let told = read(bytes.clone()).unwrap();
    assert_ne!(told, expected);
    assert_eq!(told.protectors.len(), 1);
    bytes[COPIES[0] as usize] ^= 1;
    let why = read(bytes).unwrap_err();
    assert!(why.contains("at byte 65536 does not begin with"), "{why}");
}

#[test]
fn what_makes_no_sense_is_told_and_captured() {
    let bytes = Make::with(&[]).bytes();
    let why = |changes: &[(usize, &[u8])]| {
        let mut bytes = bytes.clone();
        for (at, with) in changes {
            bytes[*at..*at + with.len()].copy_from_slice(with);
        }
        let disk = MemDisk::new(bytes);
        let notes = map(&disk).unwrap().notes.join(" ");
        let why = BitLocker::read(&disk).unwrap().unwrap_err();
        assert!(notes.contains(&why), "{notes}");
        why
    };
    let far = [0xFF; 24];
    assert!(why(&[(176, &far)]).contains("not inside the partition"));
    assert!(why(&[(160, &[0; 16])]).contains("none of BitLocker's"));
    let all = |at: usize, with: &'static [u8]| {
        let places = COPIES.map(|copy| (copy as usize + at, with));
        why(&places)
    };
    assert!(all(10, &[3]).contains("version 3, expected 1 or 2"));
    assert!(all(8, &[1, 0]).contains("said to have 16 bytes"));
    assert!(all(8, &[0xFF, 0xFF]).contains("not inside the partition"));
    assert!(all(64 + 8, &[0]).contains("from byte 0 to"));
    assert!(all(64 + 12, &[0xFF; 4]).contains("to 4294967295 of"));
    let entry = Make::with(&[vec![7, 0, 2, 0, 8, 0, 1, 0]]);
    let why = BitLocker::read(&MemDisk::new(entry.bytes())).unwrap();
    assert!(why.unwrap_err().contains("entry 0 has a size of 7"));
    let many = Make::with(&vec![entry_of_nothing(); 1001]);
    let why = BitLocker::read(&MemDisk::new(many.bytes())).unwrap();
    assert!(why.unwrap_err().contains("entry 1000"));
}

fn entry_of_nothing() -> Vec<u8> {
    entry(0, 0, &[])
}

proptest! {
    /// Some bytes changed where something is read: an answer, never a panic, and
    /// never a long one.
    #[test]
    fn changed_volumes_are_answered(
        made in prop_oneof![Just(Made::Vista), Just(Made::Seven), Just(Made::ToGo)],
        changes in proptest::collection::vec((0..900_usize, any::<u8>()), 1..12),
    ) {
        let mut make = Make::with(&[
            entry(7, 2, &utf16("PC42 C: 10/8/2021")),
            key(1, 0x500, &backup(1)),
            key(2, 0x800, &entry(0, 2, &utf16("DiskPassword"))),
            entry(0x0B, 5, &[1; 60]),
        ]);
        make.made = made;
        let mut bytes = make.bytes();
        for (at, with) in changes {
            // The first 512 are the boot sector, the rest the first copy.
            match at.checked_sub(512) {
                None => bytes[at] = with,
                Some(at) => bytes[COPIES[0] as usize + at] = with,
            }
        }
        bytes.truncate(COPIES[1] as usize);
        let found = BitLocker::read(&MemDisk::new(bytes)).unwrap();
        if let Ok(volume) = found {
            prop_assert!(volume.notes().iter().map(String::len).sum::<usize>() < 10_000);
        }
    }
}
