//! Firmware that modules ask for, by what they say of themselves.

use std::collections::BTreeSet;
use std::io::Read;

use crate::files::{Files, FilesError};

/// Where the kernel looks (`drivers/base/firmware_loader/main.c`).
const FOLDER: &str = "/lib/firmware";
/// As the file is, or compressed, which kernels since 5.3 and 5.19 read.
const ENDS: [&str; 3] = ["", ".xz", ".zst"];
/// No file has more bytes.
const FILE: u64 = 32 << 20;
/// More names are not looked for.
const MANY: usize = 200;

/// The names that the module `bytes`, in a file called `path`, has in its section
/// `.modinfo`: "firmware=" and a name, ended by a zero byte. (Of what is compressed with
/// xz nothing is known.)
pub(super) fn of(path: &str, bytes: &[u8]) -> Vec<String> {
    const MOST: u64 = 64 << 20;
    let mut unpacked = Vec::new();
    let read = match path.rsplit('.').next() {
        Some("zst") => zstd::Decoder::new(bytes)
            .and_then(|from| from.take(MOST).read_to_end(&mut unpacked))
            .is_ok(),
        Some("gz") => {
            let from = flate2::bufread::GzDecoder::new(bytes);
            from.take(MOST).read_to_end(&mut unpacked).is_ok()
        }
        Some("xz") => false,
        _ => {
            return names(bytes);
        }
    };
    match read {
        true => names(&unpacked),
        false => Vec::new(),
    }
}

fn names(module: &[u8]) -> Vec<String> {
    let facts = module.split(|byte| *byte == 0);
    let name = |fact: &[u8]| {
        let name = std::str::from_utf8(fact.strip_prefix(b"firmware=")?).ok()?;
        let sound =
            !name.is_empty() && name.len() < 200 && !name.split('/').any(|part| part == "..");
        sound.then(|| name.to_owned())
    };
    facts.filter_map(name).take(MANY).collect()
}

/// Those of the files `names` that the system has: paths in an initramfs, and bytes, all
/// together no more than `most`.
pub(super) fn files(
    files: &dyn Files,
    names: &BTreeSet<String>,
    most: usize,
) -> Result<Vec<(String, Vec<u8>)>, FilesError> {
    let mut found = Vec::new();
    let mut left = most;
    for name in names {
        for end in ENDS {
            let path = format!("{FOLDER}/{name}{end}");
            // (A driver asks for one of several, and most do without any.)
            let Some(bytes) = files.read(&path, FILE)?.filter(|b| b.len() <= left) else {
                continue;
            };
            left = left.saturating_sub(bytes.len());
            found.push((path.trim_start_matches('/').to_owned(), bytes));
            break;
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::Folder;

    #[test]
    fn a_module_names_its_firmware() {
        let module =
            b"\x7fELF\0license=GPL\0firmware=ql2500_fw.bin\0firmware=a/b.fw\0firmware=../x\0";
        assert_eq!(of("q.ko", module), ["ql2500_fw.bin", "a/b.fw"]);
        let packed = zstd::encode_all(&module[..], 1).unwrap();
        assert_eq!(of("q.ko.zst", &packed), of("q.ko", module));
        assert!(of("q.ko.zst", module).is_empty() && of("q.ko.xz", module).is_empty());
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("lib/firmware/a");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("b.fw.xz"), "fw").unwrap();
        let there = Folder::open(root.path()).unwrap();
        let names: BTreeSet<String> = of("q.ko", module).into_iter().collect();
        let found = files(&there, &names, 100).unwrap();
        assert_eq!(
            found,
            [("lib/firmware/a/b.fw.xz".to_owned(), b"fw".to_vec())]
        );
        assert!(files(&there, &names, 1).unwrap().is_empty());
    }
}
