//! Any sound hive as a boot store: everything that is done to one keeps it
//! sound, and no old name is left where that is said.
#![no_main]

use hive::{FileTime, Hive};
use uuid::Uuid;
use windows::bcd::{Store, default_entry, element, leftovers, repoint, stop_resuming, to_uefi};
use windows::ids::{IdMap, PartitionId};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let mut file = data.to_vec();
    fuzz::seal(&mut file);
    let Ok((hive, _)) = Hive::open(file, &[]) else {
        return;
    };
    let Ok(store) = Store::read(&hive) else {
        return;
    };
    let devices = store.objects.iter().flat_map(|object| {
        let devices = object.numbers().filter(|n| element::is_device(*n));
        devices.filter_map(|number| object.device(number)?.ok()?.device.partition())
    });
    let old = devices.last().unwrap_or(PartitionId::Mbr {
        signature: 1,
        offset: 2,
    });
    let _ = default_entry(&store, &old);
    let new = PartitionId::Gpt {
        disk: Uuid::from_u128(1),
        partition: Uuid::from_u128(2),
    };
    let map = IdMap::new([(old, new)]).expect("one pair");
    let Ok(mut edit) = hive.edit(FileTime(1)) else {
        return;
    };
    let _ = stop_resuming(&mut edit);
    let done = repoint(&mut edit, &map).is_ok();
    let left = leftovers(edit.hive(), &map);
    assert!(!done || left.is_ok_and(|left| left.is_empty()));
    let _ = to_uefi(&mut edit, &new, &map);
    let file = edit.finish().expect("a sound hive stays sound");
    Hive::open(file, &[]).expect("our own hive");
});
