//! The smallest hive there can be, and logs for it.

use hive::{Hive, checksum, log_hash};

const NIL: u32 = u32::MAX;

/// Offset in the bins, bytes.
pub(crate) type Page = (u32, Vec<u8>);

/// A hive of this minor version: a root key, its security, nothing else.
pub(crate) fn hive(minor: u32) -> Vec<u8> {
    let mut data = base(minor, 0, 1, 1, 4096);
    let mut bin = b"hbin".to_vec();
    bin.extend(
        [0_u32, 4096, 0, 0, 0, 0, 0]
            .iter()
            .flat_map(|n| n.to_le_bytes()),
    );
    let mut root = b"nk\x2c\0".to_vec();
    let fields = [0, 0, 0, 0, 0, 0, NIL, NIL, 0, NIL, 120, NIL, 0, 0, 0, 0, 0];
    root.extend(fields.iter().flat_map(|n: &u32| n.to_le_bytes()));
    root.extend([4, 0, 0, 0]);
    root.extend(b"root");
    let mut security = b"sk\0\0".to_vec();
    security.extend([120_u32, 120, 1, 20].iter().flat_map(|n| n.to_le_bytes()));
    security.extend([1, 0, 0, 0x80]);
    security.resize(20 + 20, 0);
    for body in [root, security] {
        let size = (body.len() + 4).next_multiple_of(8);
        let start = bin.len();
        bin.extend((-(size as i32)).to_le_bytes());
        bin.extend(body);
        bin.resize(start + size, 0);
    }
    let free = 4096 - bin.len() as u32;
    bin.extend(free.to_le_bytes());
    bin.resize(4096, 0);
    data.extend(bin);
    data
}

/// A base block.
fn base(minor: u32, kind: u32, sequence_1: u32, sequence_2: u32, bins: u32) -> Vec<u8> {
    let mut base = b"regf".to_vec();
    let fields = [sequence_1, sequence_2, 0, 0, 1, minor, kind, 1, 32, bins, 1];
    base.extend(fields.iter().flat_map(|n| n.to_le_bytes()));
    base.resize(4096, 0);
    seal(&mut base);
    base
}

/// Makes the checksum of a base block right.
pub(crate) fn seal(file: &mut [u8]) {
    let sum = checksum(file);
    file[508..512].copy_from_slice(&sum.to_le_bytes());
}

/// Makes a hive say that it was not written to the end.
pub(crate) fn soil(file: &mut [u8]) {
    let sequence = u32::from_le_bytes(file[8..12].try_into().unwrap());
    file[4..8].copy_from_slice(&(sequence + 1).to_le_bytes());
    seal(file);
}

/// Pages that turn `old` into `new`: offset in the bins, bytes.
pub(crate) fn pages(old: &Hive, new: &Hive, size: usize) -> Vec<Page> {
    let bins = |hive: &Hive| hive.as_bytes()[4096..][..hive.bins_size() as usize].to_vec();
    let (old, new) = (bins(old), bins(new));
    let changed = new.chunks(size).enumerate().filter_map(|(index, page)| {
        let at = index * size;
        let same = old.get(at..at + page.len()) == Some(page);
        (!same).then(|| (at as u32, page.to_vec()))
    });
    changed.collect()
}

/// A log of Windows 8.1 and later whose first entry has this number.
pub(crate) fn new_log(first: u32, entries: &[(u32, Vec<Page>)]) -> Vec<u8> {
    let bins = entries.first().map_or(4096, |entry| entry.0);
    let mut log = base(5, 6, first, first, bins);
    log.truncate(512);
    for (sequence, (bins, pages)) in (first..).zip(entries) {
        log.extend(entry(sequence, *bins, pages));
    }
    log
}

pub(crate) fn entry(sequence: u32, bins: u32, pages: &[Page]) -> Vec<u8> {
    let mut rest = Vec::new();
    for (offset, bytes) in pages {
        rest.extend(offset.to_le_bytes());
        rest.extend((bytes.len() as u32).to_le_bytes());
    }
    rest.extend(pages.iter().flat_map(|page| page.1.clone()));
    let size = (40 + rest.len()).next_multiple_of(512);
    rest.resize(size - 40, 0);
    let mut entry = b"HvLE".to_vec();
    let fields = [size as u32, 1, sequence, bins, pages.len() as u32];
    entry.extend(fields.iter().flat_map(|n| n.to_le_bytes()));
    entry.extend(log_hash(&rest).to_le_bytes());
    entry.extend(log_hash(&entry[..32]).to_le_bytes());
    entry.extend(rest);
    entry
}

/// A log of Windows 8 and before. No genuine one is at hand: this is written
/// from the specification, by the same reading of it that the replay follows.
pub(crate) fn old_log(sequence: u32, time: u64, bins: u32, pages: &[Page]) -> Vec<u8> {
    let mut log = base(3, 1, sequence, sequence, bins);
    log[12..20].copy_from_slice(&time.to_le_bytes());
    seal(&mut log);
    log.truncate(512);
    log.extend(b"DIRT");
    let mut bitmap = vec![0_u8; (bins as usize / 512).div_ceil(8)];
    for (offset, bytes) in pages {
        assert_eq!(bytes.len(), 512);
        let bit = *offset as usize / 512;
        bitmap[bit / 8] |= 1 << (bit % 8);
    }
    log.extend(bitmap);
    log.resize(log.len().next_multiple_of(512), 0);
    log.extend(pages.iter().flat_map(|page| page.1.clone()));
    log
}

/// A hive of this minor version with some of everything in it.
pub(crate) fn furnished(minor: u32) -> Hive {
    use hive::{FileTime, ValueType, dword, multi_sz, sz};
    let mut edit = open(&hive(minor)).edit(FileTime(1)).unwrap();
    for path in ["Software\\Größe", "System\\Services\\disk", "System\\名前"] {
        edit.create_key(path).unwrap();
    }
    let mut set = |path, name, kind, data: &[u8]| edit.set_value(path, name, kind, data).unwrap();
    set("System", "", ValueType::SZ, &sz("a text"));
    set(
        "System\\Services\\disk",
        "Start",
        ValueType::DWORD,
        &dword(0),
    );
    set(
        "System\\Services\\disk",
        "Group",
        ValueType::MULTI_SZ,
        &multi_sz(&["a", "b"]),
    );
    set("Software\\Größe", "名", ValueType(0x221), &[7; 20_000]);
    for number in 0..30 {
        let path = format!("System\\Services\\service{number}");
        edit.create_key(&path).unwrap();
    }
    edit.delete_key("System\\Services\\service7").unwrap();
    open(&edit.finish().unwrap())
}

pub(crate) fn open(bytes: &[u8]) -> Hive {
    Hive::open(bytes.to_vec(), &[]).unwrap().0
}
