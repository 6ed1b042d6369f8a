//! Any logs onto any hive: never a panic, the result is clean, and logs are
//! replayed once. Checksums and hashes are made right.
#![no_main]

use hive::{Hive, log_hash};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((cuts, data)) = data.split_first_chunk::<4>() else {
        return;
    };
    let cut = |at: usize| usize::from(u16::from_le_bytes([cuts[at], cuts[at + 1]]));
    let (one, rest) = data.split_at(cut(0).min(data.len()));
    let (two, primary) = rest.split_at(cut(2).min(rest.len()));
    let logs = [one, two].map(|log| {
        let mut log = log.to_vec();
        fuzz::seal(&mut log);
        hash_entries(&mut log);
        log
    });
    let mut primary = primary.to_vec();
    fuzz::seal(&mut primary);
    let Ok((hive, replayed)) = Hive::open(primary, &[&logs[0], &logs[1]]) else {
        return;
    };
    assert_eq!(replayed.bins_after, hive.bins_size());
    assert!(replayed.was_dirty || replayed.entries() == 0);
    let (again, replayed) =
        Hive::open(hive.as_bytes().to_vec(), &[&logs[0], &logs[1]]).expect("it was a hive");
    assert!(!replayed.was_dirty && again.as_bytes() == hive.as_bytes());
    let _ = hive.validate();
});

/// Makes the hashes of a log's entries right.
fn hash_entries(log: &mut [u8]) {
    let mut at = 512;
    while let Some(entry) = log
        .get_mut(at..)
        .filter(|e| e.len() >= 512 && e.starts_with(b"HvLE"))
    {
        let size = u32::from_le_bytes([entry[4], entry[5], entry[6], entry[7]]) as usize;
        if size < 512 || size > entry.len() {
            return;
        }
        let body = log_hash(&entry[40..size]);
        entry[24..32].copy_from_slice(&body.to_le_bytes());
        let header = log_hash(&entry[..32]);
        entry[32..40].copy_from_slice(&header.to_le_bytes());
        at += size;
    }
}
