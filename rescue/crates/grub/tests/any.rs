//! Any bytes: refused or not, nothing panics.

use grub::{Choice, Core, Menu, SECTOR, Set, boot_sector, closure};
use proptest::prelude::*;

/// A header of an ELF whose fields are anything.
fn elf(mut bytes: Vec<u8>) -> Vec<u8> {
    let magic = b"\x7fELF\x01\x01\x01";
    for (at, byte) in magic.iter().enumerate().take(bytes.len()) {
        bytes[at] = *byte;
    }
    if let Some(entry) = bytes.get_mut(24..28) {
        entry.copy_from_slice(&0x9000u32.to_le_bytes());
    }
    bytes
}

proptest! {
    #[test]
    fn files_may_be_anything(
        kernel in proptest::collection::vec(any::<u8>(), 0..300),
        table in 0u8..60,
        other in proptest::collection::vec(any::<u8>(), 0..600),
        list in ".{0,60}",
        config in ".{0,20}",
    ) {
        let mut set = Set::default();
        let mut kernel = elf(kernel);
        if let Some(offset) = kernel.get_mut(32..36) {
            offset.copy_from_slice(&u32::from(table).to_le_bytes());
        }
        set.add("kernel.img", kernel);
        set.add("boot.img", other.clone());
        set.add("diskboot.img", other.clone());
        set.add("lzma_decompress.img", other.clone());
        set.add("command.lst", list.clone().into_bytes());
        set.add("a.mod", elf(other.clone()));
        let _ = Core::new(&set, &["a"], &config, &config);
        let _ = boot_sector(&set, &[0; SECTOR], 1);
        let _ = Choice::new(&Menu::parse(&list), &list, &list, &|name| name.len() < 2);
        let _ = Core::read(&other, table.into());
    }

    #[test]
    fn a_list_of_modules_may_be_anything(list in "([a-c]:( [a-d]){0,4}\n|.){0,20}") {
        let found = closure(&list, ["a", "b"]);
        let mut once = found.clone();
        once.sort_unstable();
        once.dedup();
        prop_assert_eq!(once.len(), found.len());
        prop_assert!(found.contains(&"a") && found.contains(&"b"));
    }

    #[test]
    fn a_menu_may_be_anything(text in "(insmod [a-z]{1,3}[\n;{}]|[ '\"\\\\#$]|if |.|\n){0,60}") {
        let menu = Menu::parse(&text);
        prop_assert!(menu.commands.iter().all(|word| !word.contains(' ')));
    }
}
