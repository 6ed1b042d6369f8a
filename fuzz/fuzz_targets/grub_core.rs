//! Any bytes as the files of a GRUB and as a core: nothing panics, and what is made is
//! read again as what went in.
#![no_main]

use grub::{Choice, Core, Menu, Object, SECTOR, Set, boot_sector};

/// Parts of the input, each with its length before it.
fn parts(mut data: &[u8]) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    while let [low, high, rest @ ..] = data {
        let len = usize::from(u16::from_le_bytes([*low, *high])).min(rest.len());
        let (part, rest) = rest.split_at(len);
        parts.push(part);
        data = rest;
    }
    parts
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = Core::read(data, data.len() / 3);
    let parts = parts(data);
    let part = |at: usize| parts.get(at).copied().unwrap_or_default();
    let mut set = Set::default();
    for (at, name) in Set::BASE.iter().enumerate() {
        set.add(name, part(at).to_vec());
    }
    set.add("a.mod", part(6).to_vec());
    let [moddep, commands] = ["moddep.lst", "command.lst"].map(|name| set.text(name).unwrap());
    let menu = Menu::parse(&String::from_utf8_lossy(part(7)));
    let _ = Choice::new(&menu, &moddep, &commands, &|name| name.len() < 9);
    let _ = boot_sector(&set, &[0; SECTOR], 34);
    let unpacker = set.get("lzma_decompress.img").unwrap().len();
    if let Ok(core) = Core::new(&set, &["a"], "/boot/grub", "x") {
        let (_, objects) = Core::read(&core.at(34), unpacker).expect("it was made just now");
        assert!(objects.contains(&Object::Config("x".to_owned())));
    }
});
