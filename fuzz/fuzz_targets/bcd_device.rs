//! Any bytes as a device element: what is understood comes back byte for byte,
//! and a new name changes its place and no length.
#![no_main]

use uuid::Uuid;
use windows::bcd::DeviceElement;
use windows::ids::{IdMap, PartitionId};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(mut element) = DeviceElement::decode(data) else {
        return;
    };
    assert!(element.encode() == data, "{element:?}");
    let _ = element.device.to_string();
    let new = PartitionId::Gpt {
        disk: Uuid::from_u128(1),
        partition: Uuid::from_u128(2),
    };
    // Names in what is not understood, too.
    let old = element.device.partition().unwrap_or(PartitionId::Mbr {
        signature: 0x0003_EE7C,
        offset: 0x12_4F90_0000,
    });
    let map = IdMap::new([(old, new)]).expect("one pair");
    let had_name = element.device.partition().is_some();
    element.device.rename(&map);
    assert!(!had_name || element.device.partition() == Some(new));
    let renamed = element.encode();
    assert_eq!(renamed.len(), data.len());
    assert!(DeviceElement::decode(&renamed).is_ok());
});
