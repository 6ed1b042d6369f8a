//! Makes a disk that looks like a Windows machine's, see `tests::phony`:
//! `phony uefi|bios|7|10-dirty [hibernated] FILE`.

use anyhow::{Context, Result, bail};
use std::path::Path;
use tests::phony::{Dirty, Firmware, Seven, make};

const USAGE: &str = "phony uefi|bios|7|10-dirty [hibernated] FILE";

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (file, options) = words.split_last().context(USAGE)?;
    let file = Path::new(file);
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    match options.as_slice() {
        ["uefi"] => make(file, Firmware::Uefi, false),
        ["bios"] => make(file, Firmware::Bios, false),
        ["uefi", "hibernated"] => make(file, Firmware::Uefi, true),
        ["bios", "hibernated"] => make(file, Firmware::Bios, true),
        ["7"] => Seven::default().make(file),
        ["10-dirty"] => Dirty::default().make(file),
        _ => bail!("expected {USAGE}; found {options:?}"),
    }
}
