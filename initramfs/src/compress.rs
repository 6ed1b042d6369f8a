//! zstd the way the kernel can unpack it.

use std::io::Write;

use zstd::zstd_safe::CParameter;

use crate::{Error, Result};

/// The kernel refuses windows over 128 MiB (`ZSTD_WINDOWSIZE_MAX` in its
/// lib/decompress_unzstd.c) and allocates what a frame asks for. 16 MiB keeps
/// a machine with 512 MiB comfortable; more gains next to nothing.
const WINDOW_LOG: u32 = 24;

/// A compression level, 1 to 19.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level(i32);

impl Level {
    /// For tests.
    pub const FAST: Self = Self(1);
    /// As small as the kernel's decoder comfortably allows.
    pub const BEST: Self = Self(19);

    /// `None` outside 1 to 19; higher levels ask for larger windows.
    #[must_use]
    pub fn new(level: u8) -> Option<Self> {
        (1..=19).contains(&level).then_some(Self(i32::from(level)))
    }
}

/// One zstd frame, with checksum.
///
/// # Errors
/// [`Error::Codec`].
pub fn compress(bytes: &[u8], level: Level) -> Result<Vec<u8>> {
    let codec = |source| Error::Codec {
        action: "compressing a layer".to_owned(),
        source,
    };
    let mut encoder = zstd::Encoder::new(Vec::new(), level.0).map_err(codec)?;
    encoder.include_checksum(true).map_err(codec)?;
    encoder
        .set_pledged_src_size(Some(bytes.len() as u64))
        .map_err(codec)?;
    encoder
        .set_parameter(CParameter::WindowLog(WINDOW_LOG))
        .map_err(codec)?;
    encoder.write_all(bytes).map_err(codec)?;
    encoder.finish().map_err(codec)
}

/// One initramfs of several layers, for loaders that take only one. Each
/// layer starts at a multiple of 4, which the kernel wants of plain cpio.
#[must_use]
pub fn join(layers: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    for layer in layers {
        out.resize(out.len().next_multiple_of(4), 0);
        out.extend_from_slice(layer);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_unpack_within_the_window() {
        let bytes = vec![b'a'; 100_001];
        let frame = compress(&bytes, Level::FAST).unwrap();
        assert!(frame.len() < 1000);
        // What the kernel checks first: the window the frame asks for.
        let mut decoder = zstd::Decoder::new(&frame[..]).unwrap().single_frame();
        decoder.window_log_max(WINDOW_LOG).unwrap();
        let mut plain = Vec::new();
        std::io::copy(&mut decoder, &mut plain).unwrap();
        assert_eq!(plain, bytes);
    }

    #[test]
    fn joined_layers_are_aligned() {
        assert_eq!(
            join(&[b"12345", b"6", b"789"]),
            b"12345\0\0\x006\0\0\x00789"
        );
    }

    #[test]
    fn levels_outside_the_range_are_refused() {
        assert_eq!(Level::new(0), None);
        assert_eq!(Level::new(19), Some(Level::BEST));
        assert_eq!(Level::new(20), None);
    }
}
