//! Firmware that does as it is told, and firmware that does not.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Error, Result};
use std::sync::{Arc, Mutex};

use efi::plan::RestoredDisk;
use efi::{DevicePath, HardDrive, LoadOption, Signature};
use sys::Errno;
use uuid::Uuid;

use super::variables::Value;
use super::*;

/// What goes wrong, by the name of the variable.
type Fault = fn(operation: &str, name: &str) -> Option<Errno>;

/// Variables in memory.
#[derive(Clone)]
struct Memory {
    all: Arc<Mutex<BTreeMap<String, Value>>>,
    fault: Fault,
    /// How many changes there still are before the power goes.
    left: Arc<Mutex<u64>>,
    /// What is kept of each value: firmware that forgets the rest.
    keeps: usize,
}

impl Memory {
    fn change(&self, operation: &str, name: &str) -> Result<()> {
        let mut left = self.left.lock().unwrap();
        *left = left.checked_sub(1).ok_or(Errno::EIO)?;
        match (self.fault)(operation, name) {
            Some(errno) => Err(Error::from(errno)),
            None => Ok(()),
        }
    }

    fn order(&self) -> Vec<BootNumber> {
        let all = self.all.lock().unwrap();
        efi::parse_order(&all["BootOrder"].bytes).unwrap()
    }

    fn names(&self) -> Vec<String> {
        self.all.lock().unwrap().keys().cloned().collect()
    }
}

impl Variables for Memory {
    fn names(&self) -> Result<Vec<String>> {
        Ok(Self::names(self))
    }

    fn read(&self, name: &str) -> Result<Option<Value>> {
        Ok(self.all.lock().unwrap().get(name).cloned())
    }

    fn write(&self, name: &str, value: &Value) -> Result<()> {
        self.change("write", name)?;
        let mut value = value.clone();
        value.bytes.truncate(self.keeps);
        self.all.lock().unwrap().insert(name.to_owned(), value);
        Ok(())
    }

    fn remove(&self, name: &str) -> Result<()> {
        self.change("remove", name)?;
        self.all.lock().unwrap().remove(name);
        Ok(())
    }
}

fn esp(guid: u128) -> HardDrive {
    HardDrive {
        number: 1,
        start: 2048,
        size: 65_536,
        signature: Signature::Gpt(Uuid::from_u128(guid)),
    }
}

const SHIM: &str = "\\EFI\\debian\\shimx64.efi";
const WINDOWS: &str = "\\EFI\\Microsoft\\Boot\\bootmgfw.efi";

fn option(title: &str, partition: HardDrive, file: &str) -> LoadOption {
    LoadOption::active(title, DevicePath::to_file(partition, file), Vec::new())
}

/// A network card's entry first, then a stale one of this disk and one of another.
fn firmware(fault: Fault) -> Memory {
    let moved = HardDrive {
        start: 4096,
        ..esp(1)
    };
    let card = DevicePath(vec![efi::Node::Other(3, 11, vec![0; 33])]);
    let mut all = BTreeMap::new();
    let value = |bytes| Value {
        attributes: 7,
        bytes,
    };
    for (name, option) in [
        ("Boot0000", LoadOption::active("PXE", card, Vec::new())),
        ("Boot0001", option("old", moved, SHIM)),
        ("Boot0002", option("other", esp(9), SHIM)),
    ] {
        all.insert(name.to_owned(), value(option.to_bytes().unwrap()));
    }
    all.insert("BootOrder".to_owned(), value(vec![0, 0, 1, 0, 2, 0]));
    Memory {
        all: Arc::new(Mutex::new(all)),
        fault,
        left: Arc::new(Mutex::new(u64::MAX)),
        keeps: usize::MAX,
    }
}

const fn no_fault(_: &str, _: &str) -> Option<Errno> {
    None
}

fn found(fallback: bool) -> Found {
    let wanted = |title: &str, file: &str| Wanted {
        title: title.to_owned(),
        partition: esp(1),
        file: file.to_owned(),
        data: Vec::new(),
    };
    Found {
        disk: RestoredDisk {
            partitions: vec![esp(1)],
            absent: Vec::new(),
            elsewhere: Vec::new(),
            wanted: vec![
                wanted("debian", SHIM),
                wanted("Windows Boot Manager", WINDOWS),
            ],
            last: false,
        },
        fallback: fallback.then(|| "\\EFI\\BOOT\\BOOTX64.EFI".to_owned()),
        has_esp: true,
        notes: Vec::new(),
    }
}

fn prepared(memory: &Memory, fallback: bool) -> Prepared {
    let prepared = Prepared::with(Box::new(memory.clone()), |_| found(fallback));
    prepared.unwrap_or_else(|told| panic!("{told:?}"))
}

fn numbers(all: &[u16]) -> Vec<BootNumber> {
    all.iter().copied().map(BootNumber).collect()
}

#[test]
fn entries_are_made_in_front_and_told_as_they_read_back() {
    let memory = firmware(no_fault);
    let planned = prepared(&memory, true).planned();
    assert_eq!(
        memory.order(),
        numbers(&[0, 1, 2]),
        "a plan changes nothing"
    );
    let told = prepared(&memory, true).make();
    assert_eq!(memory.order(), numbers(&[3, 4, 0, 2]));
    assert_eq!(told.warnings, [] as [String; 0]);
    assert_eq!(told.entries, planned.entries);
    let first = &told.entries[0];
    assert_eq!((first.number.as_str(), first.place), ("Boot0003", Some(1)));
    assert!(first.made && first.file == SHIM);
    assert_eq!(
        told.lines[0],
        format!(
            "The firmware starts it by the boot entry Boot0003 \"debian\" ({SHIM}), read back."
        )
    );
    assert!(planned.lines[0].contains("gets the boot entry Boot0003 \"debian\""));
    assert!(
        planned.lines[2].contains("Boot0001 \"old\" is removed"),
        "{planned:?}"
    );
    assert!(told.lines[2].contains("Boot0001 \"old\""), "{told:?}");
    // The next time all is there.
    let again = prepared(&memory, true);
    assert!(again.changes.is_empty(), "{:?}", again.changes);
    let told = again.make();
    assert!(told.entries.iter().all(|entry| !entry.made), "{told:?}");
    assert_eq!(told.entries[0].title, "debian");
}

/// Another disk has a partition of the same GUID: entry 1 may be that one's.
#[test]
fn what_may_start_a_copy_of_the_disk_is_kept_and_told() {
    let memory = firmware(no_fault);
    let with_copy = |_: &Known| {
        let mut found = found(true);
        found.disk.elsewhere = vec![esp(1)];
        found
    };
    let prepared = || {
        let prepared = Prepared::with(Box::new(memory.clone()), with_copy);
        prepared.unwrap_or_else(|told| panic!("{told:?}"))
    };
    let planned = prepared().planned();
    let told = prepared().make();
    assert_eq!(memory.order(), numbers(&[3, 4, 0, 1, 2]));
    assert_eq!(told.warnings, planned.warnings);
    let warning = &told.warnings[0];
    assert!(
        warning.contains("Boot0001 \"old\"") && warning.contains("copy"),
        "{warning}"
    );
    assert!(!planned.lines.join(" ").contains("removed"), "{planned:?}");
}

#[test]
fn full_memory_leaves_what_was_and_tells_what_starts_the_disk_instead() {
    for (fault, words) in [
        (
            (|_: &str, name: &str| name.starts_with("Boot0").then_some(Errno::ENOSPC)) as Fault,
            "No space left",
        ),
        (|_, _| Some(Errno::EROFS), "Read-only"),
        (|_, name| (name == "Boot0003").then_some(Errno::EINVAL), ""),
    ] {
        let memory = firmware(fault);
        let before = Memory::names(&memory);
        let told = prepared(&memory, true).make();
        if words.is_empty() {
            // One of two is enough to start.
            assert_eq!(memory.order(), numbers(&[4, 0, 1, 2]));
            assert_eq!(told.entries.len(), 1);
            assert!(told.warnings[0].contains("writing Boot0003: "), "{told:?}");
            continue;
        }
        assert_eq!(told.entries, []);
        let warning = &told.warnings[0];
        assert!(
            warning.contains(words) && warning.contains("BOOTX64.EFI"),
            "{warning}"
        );
        let order = memory.order();
        let there = |n: &BootNumber| Memory::names(&memory).contains(&n.to_string());
        assert!(order.iter().all(there), "{order:?}");
        assert!(
            Memory::names(&memory)
                .iter()
                .all(|name| before.contains(name))
        );
        let told = prepared(&memory, false).make();
        let warning = told.warnings.last().unwrap();
        assert!(
            warning.contains(SHIM) && warning.contains("menu"),
            "{warning}"
        );
    }
}

/// As long as the order names a stale entry, it stays.
#[test]
fn an_order_that_cannot_be_written_keeps_all_that_it_names() {
    let memory = firmware(|_, name| (name == "BootOrder").then_some(Errno::EPERM));
    let told = prepared(&memory, true).make();
    assert_eq!(memory.order(), numbers(&[0, 1, 2]));
    assert!(Memory::names(&memory).contains(&"Boot0001".to_owned()));
    assert_eq!(told.entries, []);
    assert!(told.warnings[0].contains("writing BootOrder: "), "{told:?}");
}

#[test]
fn what_cannot_be_removed_is_told_and_not_tried() {
    let memory = firmware(|operation, _| (operation == "remove").then_some(Errno::EPERM));
    let told = prepared(&memory, true).make();
    assert_eq!(memory.order(), numbers(&[3, 4, 0, 2]));
    assert_eq!(told.entries.len(), 2);
    assert!(told.warnings[0].contains("removing Boot0001: "), "{told:?}");
}

/// It says that all went well.
#[test]
fn firmware_that_keeps_something_else_is_not_believed() {
    let memory = Memory {
        keeps: 30,
        ..firmware(no_fault)
    };
    let told = prepared(&memory, true).make();
    assert_eq!(told.entries, []);
    let warning = &told.warnings[0];
    assert!(
        warning.contains("Boot0003 was written, and reads back"),
        "{warning}"
    );
    // What was to go stays, when nothing takes its place.
    assert_eq!(memory.order(), numbers(&[0, 1, 2]));
    assert!(!Memory::names(&memory).contains(&"Boot0003".to_owned()));
}

/// Whenever the power goes: what the order names is there.
#[test]
fn a_power_cut_never_leaves_an_order_that_leads_nowhere() {
    let mut seen = BTreeSet::new();
    for left in 0.. {
        let memory = firmware(no_fault);
        *memory.left.lock().unwrap() = left;
        let _ = prepared(&memory, true).make();
        let order = memory.order();
        let there = |n: &BootNumber| Memory::names(&memory).contains(&n.to_string());
        assert!(order.iter().all(there), "after {left} changes: {order:?}");
        seen.insert(order);
        let over = *memory.left.lock().unwrap() > 0;
        if over {
            break;
        }
    }
    assert_eq!(seen.len(), 2, "{seen:?}");
}

#[test]
fn an_entry_that_is_not_understood_is_left_alone_and_said() {
    let memory = firmware(no_fault);
    let junk = Value {
        attributes: 7,
        bytes: vec![1],
    };
    memory
        .all
        .lock()
        .unwrap()
        .insert("Boot0003".to_owned(), junk.clone());
    let told = prepared(&memory, true).make();
    assert_eq!(memory.order(), numbers(&[4, 5, 0, 2]));
    assert_eq!(memory.all.lock().unwrap()["Boot0003"], junk);
    assert!(told.warnings[0].contains("Boot0003"), "{told:?}");
}

#[test]
fn without_uefi_who_asked_is_told_and_nobody_else() {
    let bare: Arc<dyn ReadAt> = Arc::new(disk::MemDisk::new(vec![0; 1 << 20]));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("disk");
    std::fs::write(&file, [0; 4096]).unwrap();
    let target = inventory::disk_at(&file).unwrap();
    let told = |wish: &BootEntries| plan(wish, &bare, SectorSize::B512, &[], &target);
    assert_eq!(told(&BootEntries::No), Told::default());
    let folder = tempfile::tempdir().unwrap();
    let quiet = told(&BootEntries::In(folder.path().to_owned()));
    assert_eq!(quiet, Told::default());
    let here = BootEntries::here(Wish::No, Some(folder.path()));
    assert_eq!(here, BootEntries::No);
    let refused = refused(&found(false), "this machine was not started by UEFI");
    assert!(
        refused.warnings[0].contains("not started by UEFI"),
        "{refused:?}"
    );
}
