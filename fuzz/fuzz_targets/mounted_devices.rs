//! Any bytes as a value of MountedDevices, its name before a NUL: what is read
//! comes back, and new names apply to partitions only.
#![no_main]

use uuid::Uuid;
use windows::ids::{IdMap, PartitionId};
use windows::mounted::{Mount, Mounted, letter, renaming};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let mut parts = data.splitn(2, |byte| *byte == 0);
    let name = String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
    let data = parts.next().unwrap_or_default();
    let target = Mounted::decode(data);
    assert!(target.encode() == data, "{target:?}");
    let _ = target.to_string();
    let mount = Mount { name, target };
    let Some(old) = mount.target.partition() else {
        assert_eq!(renaming(&[mount], &IdMap::default()), Default::default());
        return;
    };
    let new = PartitionId::Gpt {
        disk: Uuid::from_u128(1),
        partition: Uuid::from_u128(2),
    };
    let map = IdMap::new([(old, new)]).expect("one pair");
    assert_eq!(letter(std::slice::from_ref(&mount), &old), mount.letter());
    let done = renaming(&[mount], &map);
    assert!(done.unmapped.is_empty());
    for mount in done.changes {
        assert!(Mounted::decode(&mount.target.encode()) == Mounted::from(new));
    }
});
