//! Makes a disk that looks like a Windows machine's, see `tests::phony`:
//! `phony uefi|bios [hibernated] FILE`.

use anyhow::{Context, Result, bail};
use std::path::Path;
use tests::phony::{Firmware, make};

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (file, options) = words
        .split_last()
        .context("phony uefi|bios [hibernated] FILE")?;
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let (firmware, hibernated) = match options.as_slice() {
        ["uefi"] => (Firmware::Uefi, false),
        ["bios"] => (Firmware::Bios, false),
        ["uefi", "hibernated"] => (Firmware::Uefi, true),
        ["bios", "hibernated"] => (Firmware::Bios, true),
        _ => bail!("expected uefi or bios, then hibernated or nothing; found {options:?}"),
    };
    make(Path::new(file), firmware, hibernated)
}
