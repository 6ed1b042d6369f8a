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
    /// For development: seconds instead of half a minute, a fifth larger.
    pub const FAST: Self = Self(3);
    /// For release.
    pub const BEST: Self = Self(19);

    /// `None` outside 1 to 19; higher levels ask for larger windows.
    #[must_use]
    pub fn new(level: u8) -> Option<Self> {
        (1..=19).contains(&level).then_some(Self(i32::from(level)))
    }
}

/// One zstd frame, with checksum, padded to 4 bytes so that whatever is
/// concatenated stays aligned.
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
    let mut out = encoder.finish().map_err(codec)?;
    out.resize(out.len().next_multiple_of(4), 0);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_aligned_and_unpack() {
        let bytes = vec![b'a'; 100_001];
        let frame = compress(&bytes, Level::FAST).unwrap();
        assert_eq!(frame.len() % 4, 0);
        assert!(frame.len() < 1000);
        // What the kernel checks first: the window the frame asks for.
        let mut decoder = zstd::Decoder::new(&frame[..]).unwrap().single_frame();
        decoder.window_log_max(WINDOW_LOG).unwrap();
        let mut plain = Vec::new();
        std::io::copy(&mut decoder, &mut plain).unwrap();
        assert_eq!(plain, bytes);
    }

    #[test]
    fn levels_outside_the_range_are_refused() {
        assert_eq!(Level::new(0), None);
        assert_eq!(Level::new(19), Some(Level::BEST));
        assert_eq!(Level::new(20), None);
    }
}
