//! Any bytes as a load option, as the boot order, and as what shim says of its
//! titles: what is read goes back as the same bytes, and no plan leaves the order
//! with a number that leads nowhere.
#![no_main]

use std::collections::BTreeMap;

use efi::loader::{Folder, loaders};
use efi::plan::{Known, RestoredDisk, Wanted};
use efi::{BootNumber, LoadOption, parse_order, write_order};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(order) = parse_order(data) {
        assert!(write_order(&order) == data);
    }
    let _ = loaders(&[Folder {
        name: "fedora".to_owned(),
        files: vec!["shimx64.efi".to_owned()],
        titles: Some(data.to_vec()),
    }]);
    let Ok(option) = LoadOption::parse(data) else {
        return;
    };
    assert!(option.to_bytes().as_deref() == Ok(data));
    let Some((partition, file)) = option.path.file() else {
        return;
    };
    let known = Known {
        order: vec![BootNumber(1), BootNumber(0)],
        options: BTreeMap::from([0, 1].map(|n| (BootNumber(n), option.clone()))),
        ..Known::default()
    };
    let disk = RestoredDisk {
        partitions: vec![partition],
        absent: Vec::new(),
        wanted: vec![Wanted {
            title: option.title(),
            partition,
            file,
            data: Vec::new(),
        }],
    };
    let changes = known.changes(&disk).expect("there are numbers left");
    let order = changes.order.as_ref().unwrap_or(&known.order);
    let removed = |n: &BootNumber| changes.remove.iter().any(|(number, _)| number == n);
    let put = |n: &BootNumber| changes.put.iter().any(|(number, _)| number == n);
    let leads = |n: &BootNumber| put(n) || (known.options.contains_key(n) && !removed(n));
    assert!(order.iter().all(leads), "{changes:?}");
    assert!(
        changes.numbers.iter().all(|n| order.contains(n)),
        "{changes:?}"
    );
});
