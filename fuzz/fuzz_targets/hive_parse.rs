//! Any bytes as a hive: read, dumped, checked, compared with itself, never a
//! panic. The checksum is made right, for most inputs would end there.
#![no_main]

use hive::Hive;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let mut file = data.to_vec();
    fuzz::seal(&mut file);
    let Ok((hive, replayed)) = Hive::open(file, &[]) else {
        return;
    };
    assert!(replayed.entries() == 0);
    let sound = hive.validate().is_ok();
    let mut text = String::new();
    // What refers to the same cells again and again grows without end.
    if sound {
        hive.dump(&mut text).expect("a String takes everything");
        let changes = hive::diff(&hive, &hive).expect("a sound hive can be compared");
        assert!(changes.is_empty());
    }
    let again = Hive::open(hive.as_bytes().to_vec(), &[])
        .expect("it was a hive")
        .0;
    assert_eq!(again.validate().is_ok(), sound);
});
