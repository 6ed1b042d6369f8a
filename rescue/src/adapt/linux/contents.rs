//! What is in an initramfs: archives in the format "newc" one after the other,
//! each as it is or compressed (`buffer-format.rst` of the Linux kernel).

use std::collections::BTreeSet;
use std::io::{BufRead, Read};

use super::index::name_of;

/// Bytes of a header.
const HEADER: usize = 110;
/// What a header begins with; the second has checksums.
const MAGIC: [&[u8]; 2] = [b"070701", b"070702"];
/// What a zstd frame begins with (RFC 8878).
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// No name is longer than this many bytes.
const NAME: usize = 4096;
/// Bytes that are unpacked at most.
const MOST: u64 = 4 << 30;

/// The names of the modules in it; `None` when it is compressed in a way that is
/// not read here, or damaged.
pub(super) fn modules(initramfs: &[u8]) -> Option<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    let mut rest = initramfs;
    loop {
        let zeros = rest.iter().take_while(|byte| **byte == 0).count();
        rest = rest.get(zeros..)?;
        if rest.is_empty() {
            return Some(found);
        }
        if rest.starts_with(&ZSTD) {
            rest = unpack(rest, &mut found)?;
        } else if MAGIC.iter().any(|magic| rest.starts_with(magic)) {
            rest = archive(rest, &mut found)?;
        } else {
            return None;
        }
    }
}

/// Reads one frame; what is after it.
fn unpack<'b>(bytes: &'b [u8], found: &mut BTreeSet<String>) -> Option<&'b [u8]> {
    let decoder = zstd::stream::read::Decoder::with_buffer(bytes).ok()?;
    let mut decoder = std::io::BufReader::new(decoder.single_frame().take(MOST));
    loop {
        let next = decoder.fill_buf().ok()?;
        match next.first() {
            None => return Some(decoder.into_inner().into_inner().finish()),
            Some(0) => decoder.consume(1),
            Some(_) => archive(&mut decoder, found).map(drop)?,
        }
    }
}

/// Reads one archive; what is after it.
fn archive<R: Read>(mut from: R, found: &mut BTreeSet<String>) -> Option<R> {
    loop {
        let mut header = [0; HEADER];
        from.read_exact(&mut header).ok()?;
        if !MAGIC.iter().any(|magic| header.starts_with(magic)) {
            return None;
        }
        let (size, name) = (number(&header, 54)?, number(&header, 94)?);
        let name = usize::try_from(name).ok().filter(|len| *len <= NAME)?;
        // Header and name, and the contents, end at multiples of four bytes.
        let padded = (HEADER + name).next_multiple_of(4) - HEADER;
        let mut text = vec![0; padded];
        from.read_exact(&mut text).ok()?;
        text.truncate(name.saturating_sub(1));
        let size = size.next_multiple_of(4);
        let skipped = std::io::copy(
            &mut Read::by_ref(&mut from).take(size),
            &mut std::io::sink(),
        );
        if skipped.ok()? != size {
            return None;
        }
        if text == b"TRAILER!!!" {
            return Some(from);
        }
        found.extend(name_of(&String::from_utf8_lossy(&text)));
    }
}

/// Eight hexadecimal digits.
fn number(header: &[u8], at: usize) -> Option<u64> {
    let digits = std::str::from_utf8(header.get(at..at + 8)?).ok()?;
    u64::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::super::archive::Archive;
    use super::*;

    fn with(path: &str) -> Vec<u8> {
        let mut archive = Archive::default();
        archive.file(path, 1, b"abcde");
        archive.finish()
    }

    #[test]
    fn modules_are_found_in_every_archive() {
        let mut all = with("kernel/x86/microcode");
        all.extend([0; 512]);
        let mut packed = with("lib/modules/6.1/kernel/nvme-core.ko.xz");
        packed.extend([0; 300]);
        all.extend(zstd::encode_all(&packed[..], 3).unwrap());
        all.resize(all.len().next_multiple_of(4), 0);
        all.extend(with("lib/modules/6.1/kernel/sd_mod.ko"));
        let found = modules(&all).unwrap();
        assert_eq!(Vec::from_iter(found), ["nvme_core", "sd_mod"]);
        assert!(modules(&all[..all.len() - 50]).is_none());
        assert!(modules(&all[..300]).is_none());
        assert!(modules(b"\x1f\x8bgzip").is_none());
        assert_eq!(modules(&[]), Some(BTreeSet::new()));
    }
}
