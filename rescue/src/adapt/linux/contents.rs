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
/// And gzip (RFC 1952) with deflate.
const GZIP: [u8; 3] = [0x1f, 0x8b, 8];
/// No name is longer than this many bytes.
const NAME: usize = 4096;
/// More files are not remembered.
const FILES: usize = 100_000;
/// Bytes that are unpacked at most.
const MOST: u64 = 4 << 30;

/// How LZ4's old format begins, the one that kernels read: it has no end mark, and
/// kernels before 5.9 do not find what follows.
const LZ4: [u8; 4] = [0x02, 0x21, 0x4c, 0x18];

/// What an initramfs holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Contents {
    /// The names of its modules, as far as they were read.
    pub(super) modules: BTreeSet<String>,
    /// The paths of its other files: "etc/lvm/devices/system.devices".
    pub(super) files: BTreeSet<String>,
    /// Whether some of them are not compressed.
    pub(super) plain: bool,
    /// Whether all of it was read: it may be compressed in a way that is not, or damaged.
    pub(super) whole: bool,
    /// Whether what was not read is compressed with LZ4.
    pub(super) lz4: bool,
}

/// Looks into it.
pub(super) fn contents(initramfs: &[u8]) -> Contents {
    let mut found = Contents::default();
    let mut rest = initramfs;
    loop {
        let zeros = rest.iter().take_while(|byte| **byte == 0).count();
        rest = rest.get(zeros..).unwrap_or_default();
        let next = match rest {
            [] => {
                found.whole = true;
                return found;
            }
            _ if rest.starts_with(&ZSTD) => zstd(rest, &mut found),
            _ if rest.starts_with(&GZIP) => gzip(rest, &mut found),
            _ if MAGIC.iter().any(|magic| rest.starts_with(magic)) => archive(rest, &mut found),
            _ => None,
        };
        let Some(next) = next else {
            found.lz4 = rest.starts_with(&LZ4);
            return found;
        };
        rest = next;
    }
}

/// Reads one frame; what is after it.
fn zstd<'b>(bytes: &'b [u8], found: &mut Contents) -> Option<&'b [u8]> {
    let decoder = zstd::stream::read::Decoder::with_buffer(bytes).ok()?;
    let decoder = packed(decoder.single_frame(), found)?;
    Some(decoder.finish())
}

/// The same of gzip.
fn gzip<'b>(bytes: &'b [u8], found: &mut Contents) -> Option<&'b [u8]> {
    let decoder = packed(flate2::bufread::GzDecoder::new(bytes), found)?;
    Some(decoder.into_inner())
}

/// Reads what is unpacked to its end.
fn packed<R: Read>(decoder: R, found: &mut Contents) -> Option<R> {
    let mut decoder = std::io::BufReader::new(decoder.take(MOST));
    loop {
        let next = decoder.fill_buf().ok()?;
        match next.first() {
            None => return Some(decoder.into_inner().into_inner()),
            Some(0) => decoder.consume(1),
            Some(_) => archive(&mut decoder, found).map(drop)?,
        }
    }
}

/// Reads one archive; what is after it.
fn archive<R: Read>(mut from: R, found: &mut Contents) -> Option<R> {
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
        let path = String::from_utf8_lossy(&text);
        found.plain |= path.ends_with(".ko");
        match name_of(&path) {
            Some(name) => {
                found.modules.insert(name);
            }
            None if found.files.len() < FILES => {
                let path = path.trim_start_matches("./").trim_start_matches('/');
                found.files.insert(path.to_owned());
            }
            None => {}
        }
    }
}

/// Eight hexadecimal digits.
fn number(header: &[u8], at: usize) -> Option<u64> {
    let digits = std::str::from_utf8(header.get(at..at + 8)?).ok()?;
    u64::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

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
        let found = contents(&all);
        assert!(found.whole && found.plain, "{found:?}");
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&packed).unwrap();
        let mut zipped = gzip.finish().unwrap();
        zipped.extend(with("lib/modules/6.1/kernel/sd_mod.ko"));
        let same = contents(&zipped);
        assert_eq!((same.whole, &same.modules), (true, &found.modules));
        assert_eq!(Vec::from_iter(found.modules), ["nvme_core", "sd_mod"]);
        for bad in [&all[..all.len() - 50], &all[..300], b"\x1f\x8bgzip"] {
            assert!(!contents(bad).whole);
        }
        assert!(contents(&[]).whole);
        // Microcode comes first.
        let mut early = with("kernel/x86/microcode");
        early.extend(LZ4);
        assert!(contents(&early).lz4);
        assert!(!contents(&packed).plain);
    }
}
