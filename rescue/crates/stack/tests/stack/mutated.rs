//! Sound structures with bytes changed and cut: never a panic, never a read
//! or a change outside of the partitions.

use proptest::prelude::*;
use stack::{NoKeys, Part, volumes};

use crate::made::{group, linear, lv, pv};
use crate::superblocks::{Member, v0, v1};
use crate::tools::{change, parts};

/// Reads both ends of everything that is found, and lowers a change there.
fn walk(parts: &[Part]) {
    let found = volumes(parts, &NoKeys);
    for note in &found.notes {
        assert!(!note.to_string().is_empty());
    }
    for volume in &found.volumes {
        let size = volume.device.size();
        for at in [0, size / 2, size - 1] {
            let change = change(volume, at, b"x");
            let Ok(lowered) = volume.device.lower(&[change]) else {
                continue;
            };
            for change in lowered {
                let end = change.at + change.after.len() as u64;
                let holds =
                    |part: &Part| part.start <= change.at && end <= part.start + part.device.size();
                assert!(parts.iter().any(holds), "{change:?}");
            }
        }
    }
}

fn lvm_image() -> (Vec<u8>, String) {
    let how = "type = \"raid1\" device_count = 1 raids = [\"m\", \"i\"]";
    let lvs = lv("root", true, 2, &linear("pv0", 1))
        + &lv("r", true, 1, how)
        + &lv("m", false, 1, &linear("pv0", 5))
        + &lv("i", false, 1, &linear("pv0", 6));
    let text = group(1, 1, &lvs);
    let mut image = vec![0; 2 << 20];
    pv(&mut image, 0, &text, 512);
    (image, text)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn lvm_structures(flips in prop::collection::vec((512_usize..8192, any::<u8>()), 1..4), cut in any::<u32>()) {
        let (mut image, _) = lvm_image();
        for (at, byte) in flips {
            image[at] = byte;
        }
        if cut % 2 == 0 {
            image.truncate(cut as usize % (2 << 20));
        }
        walk(&parts(vec![image]));
    }

    /// With sound checksums, so that what is behind them is reached.
    #[test]
    fn lvm_texts(flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let (mut image, text) = lvm_image();
        let mut text = text.into_bytes();
        for (at, byte) in flips {
            let at = at.index(text.len());
            text[at] = byte & 0x7f;
        }
        let text = String::from_utf8(text).unwrap();
        pv(&mut image, 0, &text, 512);
        walk(&parts(vec![image]));
    }

    #[test]
    fn lvm_numbers(at in any::<prop::sample::Index>(), number in any::<u64>()) {
        let (mut image, text) = lvm_image();
        let places: Vec<_> = text.match_indices("= ").filter(|(at, _)| text.as_bytes()[at + 2].is_ascii_digit()).collect();
        let (place, _) = places[at.index(places.len())];
        let end = text[place + 2..].find(' ').unwrap() + place + 2;
        let text = format!("{}{number}{}", &text[..place + 2], &text[end..]);
        pv(&mut image, 0, &text, 512);
        walk(&parts(vec![image]));
    }

    /// With sound checksums, where the numbers are.
    #[test]
    fn md_superblocks(minor in 0_u32..4, at in 0_usize..256, byte in any::<u8>(), fixed in any::<bool>(), cut in 0_usize..8) {
        let mut image = vec![0; 2 << 20];
        let place = match minor {
            0 => image.len() - 8192,
            1 => 0,
            2 => 4096,
            _ => image.len() - 65536,
        };
        match minor {
            3 => v0(&mut image, 0, 1),
            minor => v1(&mut image, minor, &Member::mirror(0)),
        }
        image[place + at] = byte;
        if fixed && minor < 3 {
            image[place + 216..place + 220].fill(0);
            let words = image[place..place + 260].chunks(4).map(|word| u64::from(u32::from_le_bytes(word.try_into().unwrap())));
            let sum: u64 = words.sum();
            let sum = ((sum & 0xffff_ffff) + (sum >> 32)) as u32;
            image[place + 216..place + 220].copy_from_slice(&sum.to_le_bytes());
        }
        if cut == 0 {
            image.truncate((2 << 20) - 4096);
        }
        walk(&parts(vec![image]));
    }
}
