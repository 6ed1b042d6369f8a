use super::*;
use crate::Signature;
use uuid::Uuid;

fn esp(guid: u128) -> HardDrive {
    HardDrive {
        number: 1,
        start: 2048,
        size: 65_536,
        signature: Signature::Gpt(Uuid::from_u128(guid)),
    }
}

const OURS: u128 = 1;
const SHIM: &str = "\\EFI\\debian\\shimx64.efi";

fn option(title: &str, partition: HardDrive, file: &str) -> LoadOption {
    LoadOption::active(title, DevicePath::to_file(partition, file), Vec::new())
}

fn pxe() -> LoadOption {
    let path = DevicePath(vec![crate::Node::Other(3, 11, vec![0; 33])]);
    LoadOption::active("PXE", path, Vec::new())
}

fn known(order: &[u16], options: &[(u16, LoadOption)]) -> Known {
    let options = options.iter().cloned();
    Known {
        order: order.iter().copied().map(BootNumber).collect(),
        options: options.map(|(n, o)| (BootNumber(n), o)).collect(),
        unknown: BTreeSet::new(),
    }
}

fn disk() -> RestoredDisk {
    RestoredDisk {
        partitions: vec![esp(OURS)],
        absent: Vec::new(),
        elsewhere: Vec::new(),
        wanted: vec![Wanted {
            title: "debian".to_owned(),
            partition: esp(OURS),
            file: SHIM.to_owned(),
            data: Vec::new(),
        }],
        last: false,
    }
}

fn numbers(numbers: &[u16]) -> Vec<BootNumber> {
    numbers.iter().copied().map(BootNumber).collect()
}

/// A copy of the disk is still in the machine: what leads nowhere on the restored one
/// may start that.
#[test]
fn what_may_be_a_copy_s_stays() {
    let moved = HardDrive {
        start: 4096,
        ..esp(OURS)
    };
    let known = known(
        &[0, 1, 2],
        &[
            (0, option("moved", moved, SHIM)),
            (1, option("gone", esp(OURS), "\\EFI\\old\\grubx64.efi")),
            (2, option("other", esp(9), SHIM)),
        ],
    );
    let mut disk = disk();
    disk.absent = vec![(esp(OURS), "\\EFI\\old\\grubx64.efi".to_owned())];
    let alone = known.changes(&disk).unwrap();
    let removed: Vec<BootNumber> = alone.remove.iter().map(|(number, _)| *number).collect();
    assert_eq!((removed, alone.kept), (numbers(&[0, 1]), Vec::new()));
    disk.elsewhere = vec![esp(9)];
    assert_eq!(known.changes(&disk).unwrap().kept, []);
    disk.elsewhere = vec![moved];
    let changes = known.changes(&disk).unwrap();
    assert_eq!(
        (changes.remove, changes.kept),
        (Vec::new(), numbers(&[0, 1]))
    );
    assert_eq!(changes.order, Some(numbers(&[3, 0, 1, 2])));
}

#[test]
fn a_new_option_gets_a_free_number_and_comes_first() {
    let mut known = known(&[2, 0, 3], &[(0, pxe()), (2, option("x", esp(9), SHIM))]);
    known.unknown.insert(BootNumber(1));
    let changes = known.changes(&disk()).unwrap();
    assert_eq!(
        changes.put,
        [(BootNumber(4), option("debian", esp(OURS), SHIM))]
    );
    assert_eq!(changes.numbers, numbers(&[4]));
    // Boot0003 leads nowhere, which is not our business.
    assert_eq!(changes.order, Some(numbers(&[4, 2, 0, 3])));
    assert_eq!(changes.remove, []);
    // Of a disk that the machine need not start from.
    let mut beside = disk();
    beside.last = true;
    let changes = known.changes(&beside).unwrap();
    assert_eq!(changes.order, Some(numbers(&[2, 0, 3, 4])));
}

#[test]
fn one_that_is_there_keeps_its_number_and_its_place() {
    let there = option("Debian GNU/Linux", esp(OURS), "\\efi\\DEBIAN\\shimx64.efi");
    let known = known(&[0, 5], &[(0, pxe()), (5, there.clone())]);
    let changes = known.changes(&disk()).unwrap();
    assert!(changes.is_empty(), "{changes:?}");
    assert_eq!(changes.numbers, numbers(&[5]));
    // One that is never tried is put in front.
    let unlisted = Known {
        order: numbers(&[0]),
        ..known.clone()
    };
    assert_eq!(
        unlisted.changes(&disk()).unwrap().order,
        Some(numbers(&[5, 0]))
    );
    // One that is switched off is switched on.
    let mut off = known;
    off.options.get_mut(&BootNumber(5)).unwrap().attributes = 8;
    let changes = off.changes(&disk()).unwrap();
    assert_eq!(
        changes.put,
        [(
            BootNumber(5),
            LoadOption {
                attributes: 9,
                ..there
            }
        )]
    );
    assert_eq!(changes.order, None);
}

#[test]
fn what_leads_nowhere_on_this_disk_goes_and_nothing_else() {
    let moved = HardDrive {
        start: 4096,
        ..esp(OURS)
    };
    let renumbered = HardDrive {
        number: 3,
        ..esp(OURS)
    };
    let known = known(
        &[0, 1, 2, 3, 4, 5, 6],
        &[
            (0, option("moved", moved, SHIM)),
            (
                1,
                option("other disk", HardDrive { start: 1, ..esp(9) }, "\\gone.efi"),
            ),
            (2, option("gone", esp(OURS), "/efi/OLD/grubx64.efi")),
            (3, pxe()),
            (4, option("debian", esp(OURS), SHIM)),
            (5, option("debian", esp(OURS), SHIM)),
            (6, option("renumbered", renumbered, SHIM)),
        ],
    );
    let mut disk = disk();
    disk.absent
        .push((esp(OURS), "\\EFI\\old\\grubx64.efi".to_owned()));
    let changes = known.changes(&disk).unwrap();
    let removed = [
        (BootNumber(0), Stale::Moved),
        (BootNumber(2), Stale::Gone),
        (BootNumber(5), Stale::Double),
        (BootNumber(6), Stale::Moved),
    ];
    assert_eq!(changes.remove, removed);
    assert_eq!(changes.order, Some(numbers(&[1, 3, 4])));
    assert_eq!(changes.put, []);
}

/// Firmware knows partitions by their GUIDs: what nothing replaces may still start.
#[test]
fn what_moved_stays_when_nothing_takes_its_place() {
    let moved = HardDrive {
        start: 4096,
        ..esp(OURS)
    };
    let known = known(
        &[0],
        &[(0, option("vendor", moved, "\\EFI\\vendor\\x.efi"))],
    );
    let changes = known.changes(&disk()).unwrap();
    assert_eq!(changes.remove, []);
    assert_eq!(changes.order, Some(numbers(&[1, 0])));
}

/// The same loader with other parameters is another entry.
#[test]
fn of_two_that_are_the_same_the_one_tried_first_stays() {
    let same = option("debian", esp(OURS), SHIM);
    let mut with_data = same.clone();
    with_data.data = vec![1];
    let known = known(&[9, 4], &[(4, same.clone()), (9, same), (11, with_data)]);
    let changes = known.changes(&disk()).unwrap();
    assert_eq!(changes.remove, [(BootNumber(4), Stale::Double)]);
    assert_eq!(
        (changes.numbers, changes.order),
        (numbers(&[9]), Some(numbers(&[9])))
    );
}

/// It leads through a controller that the disk may not hang on any more.
#[test]
fn an_option_that_names_the_controller_is_not_relied_on() {
    let mut full = option("debian", esp(OURS), SHIM);
    full.path.0.insert(0, crate::Node::Other(2, 1, vec![0; 8]));
    let known = known(&[0], &[(0, full)]);
    let changes = known.changes(&disk()).unwrap();
    assert_eq!((changes.put.len(), changes.remove.len()), (1, 0));
    assert_eq!(changes.order, Some(numbers(&[1, 0])));
}

#[test]
fn several_loaders_keep_their_order_and_numbers_are_never_used_twice() {
    let mut disk = disk();
    let mut second = disk.wanted[0].clone();
    second.file = "\\EFI\\Microsoft\\Boot\\bootmgfw.efi".to_owned();
    disk.wanted.push(second);
    let changes = known(&[1], &[(1, pxe())]).changes(&disk).unwrap();
    assert_eq!(changes.numbers, numbers(&[0, 2]));
    assert_eq!(changes.order, Some(numbers(&[0, 2, 1])));
    let mut full = Known::default();
    full.unknown.extend((0..=u16::MAX).map(BootNumber));
    assert_eq!(full.changes(&disk), Err(NoNumber));
}
