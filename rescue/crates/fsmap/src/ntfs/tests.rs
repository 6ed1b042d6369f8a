//! A volume made by hand whose MFT is in two pieces, named in an attribute
//! list: no tool makes one small.

use disk::MemDisk;

use super::record::{ATTRIBUTE_LIST, DATA, Run, Value};
use super::volume::Volume;
use crate::bytes::Source;
use crate::error::Stop;

const CLUSTER: usize = 1024;
const MFT: usize = 4;
const SECOND: usize = 40;

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}

fn resident(kind: u32, value: &[u8]) -> Vec<u8> {
    let mut a = vec![0; 0x18 + value.len().next_multiple_of(8)];
    let len = a.len() as u32;
    put(&mut a, 0, &kind.to_le_bytes());
    put(&mut a, 4, &len.to_le_bytes());
    put(&mut a, 0x10, &(value.len() as u32).to_le_bytes());
    put(&mut a, 0x14, &[0x18, 0]);
    put(&mut a, 0x18, value);
    a
}

fn data(start_vcn: u64, runs: &[u8]) -> Vec<u8> {
    let mut a = vec![0; 0x40 + runs.len().next_multiple_of(8)];
    let len = a.len() as u32;
    put(&mut a, 0, &DATA.to_le_bytes());
    put(&mut a, 4, &len.to_le_bytes());
    a[8] = 1;
    put(&mut a, 0x10, &start_vcn.to_le_bytes());
    put(&mut a, 0x20, &[0x40, 0]);
    put(&mut a, 0x38, &(18 * 1024_u64).to_le_bytes());
    put(&mut a, 0x40, runs);
    a
}

fn list_entry(vcn: u64, holder: u64) -> Vec<u8> {
    let mut e = vec![0; 0x20];
    put(&mut e, 0, &DATA.to_le_bytes());
    put(&mut e, 4, &[0x20, 0, 0, 0x1A]);
    put(&mut e, 8, &vcn.to_le_bytes());
    // A reuse count in the upper bits, which is not part of the number.
    put(&mut e, 0x10, &(holder | 7 << 48).to_le_bytes());
    e
}

fn record(attributes: &[Vec<u8>]) -> Vec<u8> {
    let mut r = vec![0; 1024];
    put(&mut r, 0, b"FILE\x30\0\x03\0");
    put(&mut r, 0x14, &[0x38, 0, 1, 0]);
    let mut at = 0x38;
    for a in attributes {
        put(&mut r, at, a);
        at += a.len();
    }
    put(&mut r, at, &[0xFF; 4]);
    for (slot, end) in [510, 1022].into_iter().enumerate() {
        let saved = [r[end], r[end + 1]];
        put(&mut r, 0x32 + slot * 2, &saved);
        put(&mut r, end, &[9, 0]);
    }
    put(&mut r, 0x30, &[9, 0]);
    r
}

/// 64 clusters; MFT records 0 to 15 at cluster 4, 16 and 17 at cluster 40.
fn volume() -> Vec<u8> {
    let mut v = vec![0; 64 * CLUSTER + 512];
    put(&mut v, 3, b"NTFS    ");
    put(&mut v, 0x0B, &[0, 2, 2]);
    put(&mut v, 0x28, &128_u64.to_le_bytes());
    put(&mut v, 0x30, &(MFT as u64).to_le_bytes());
    put(&mut v, 0x38, &2_u64.to_le_bytes());
    v[0x40] = 0xF6;
    put(&mut v, 0x1FE, &[0x55, 0xAA]);
    let list = [list_entry(16, 15), list_entry(0, 0)].concat();
    let first = record(&[
        resident(ATTRIBUTE_LIST, &list),
        data(0, &[0x11, 16, MFT as u8, 0]),
    ]);
    put(&mut v, MFT * CLUSTER, &first);
    let second = record(&[data(16, &[0x11, 2, SECOND as u8, 0])]);
    put(&mut v, (MFT + 15) * CLUSTER, &second);
    let far = record(&[resident(0x60, b"far away")]);
    put(&mut v, (SECOND + 1) * CLUSTER, &far);
    v
}

#[test]
fn an_attribute_list_leads_to_the_second_piece() {
    let disk = MemDisk::new(volume());
    let volume = Volume::open(Source::new(&disk)).unwrap();
    let value = volume.value(17, 0x60, "").unwrap().unwrap();
    assert_eq!(volume.read("test", &value, 4, 4).unwrap(), b"away");
    assert!(matches!(volume.value(18, 0x60, ""), Err(Stop::Raw(_))));
}

#[test]
fn a_missing_piece_is_noticed() {
    let mut bytes = volume();
    // The second piece says it starts elsewhere than the list does.
    bytes[(MFT + 15) * CLUSTER + 0x38 + 0x10] = 17;
    let disk = MemDisk::new(bytes);
    assert!(matches!(
        Volume::open(Source::new(&disk)),
        Err(Stop::Raw(_))
    ));
}

/// What a volume made to harm could ask for.
#[test]
fn a_value_up_to_the_end_of_all_numbers_is_refused() {
    let disk = MemDisk::new(volume());
    let volume = Volume::open(Source::new(&disk)).unwrap();
    let len = CLUSTER as u64;
    let value = Value::Runs {
        runs: vec![Run {
            vcn: u64::MAX / len,
            lcn: Some(0),
            len: 1,
        }],
        initialized: u64::MAX,
        size: u64::MAX,
    };
    let read = volume.read("test", &value, u64::MAX - (len - 1), len);
    assert!(matches!(read, Err(Stop::Raw(_))), "{read:?}");
}

/// A list may name the same piece thousands of times.
#[test]
fn pieces_are_not_collected_without_end() {
    let mut bytes = volume();
    let runs = [&[0x11, 1, 1].repeat(40)[..], &[0]].concat();
    let piece = record(&[data(16, &runs)]);
    put(&mut bytes, (MFT + 15) * CLUSTER, &piece);
    // The list gets clusters of its own: 50 to 62.
    let list = [list_entry(0, 0), list_entry(16, 15).repeat(400)].concat();
    assert!(list.len() <= 13 * CLUSTER);
    put(&mut bytes, 50 * CLUSTER, &list);
    let mut outside = data(0, &[0x11, 13, 50, 0]);
    put(&mut outside, 0, &ATTRIBUTE_LIST.to_le_bytes());
    put(&mut outside, 0x38, &(list.len() as u64).to_le_bytes());
    let first = record(&[outside, data(0, &[0x11, 16, MFT as u8, 0])]);
    put(&mut bytes, MFT * CLUSTER, &first);
    let disk = MemDisk::new(bytes);
    assert!(matches!(
        Volume::open(Source::new(&disk)),
        Err(Stop::Raw(_))
    ));
}
