//! The version a kernel image says it has.
//!
//! Layout: Documentation/arch/x86/boot.rst of the Linux sources, "The
//! real-mode kernel header".

use anyhow::{Context, Result, bail};

/// `uname -r` of the bzImage `bytes`.
pub(crate) fn version(bytes: &[u8]) -> Result<String> {
    if bytes.get(0x202..0x206) != Some(b"HdrS") {
        bail!("this is no x86 Linux kernel: 'HdrS' is missing at byte 0x202");
    }
    let field = bytes.get(0x20e..0x210).and_then(|b| b.try_into().ok());
    let pointer = field.map(u16::from_le_bytes).filter(|at| *at != 0);
    let at = pointer.context("the kernel header holds no version string")?;
    let text = bytes
        .get(usize::from(at) + 0x200..)
        .and_then(|rest| rest.split(|b| matches!(b, 0 | b' ')).next())
        .and_then(|word| std::str::from_utf8(word).ok())
        .filter(|word| !word.is_empty() && word.len() < 65);
    text.map(str::to_owned)
        .with_context(|| format!("no version where the kernel header points (0x200 + {at:#x})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(pointer: u16, text: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; 0x400];
        bytes[0x202..0x206].copy_from_slice(b"HdrS");
        bytes[0x20e..0x210].copy_from_slice(&pointer.to_le_bytes());
        bytes[0x300..0x300 + text.len()].copy_from_slice(text);
        bytes
    }

    #[test]
    fn the_first_word_is_the_version() {
        let bytes = image(0x100, b"6.1.0-56-amd64 (debian-kernel@x) #1 SMP\0");
        assert_eq!(version(&bytes).unwrap(), "6.1.0-56-amd64");
    }

    #[test]
    fn anything_else_is_refused() {
        assert!(version(b"MZ").is_err());
        assert!(version(&image(0, b"6.1")).is_err());
        assert!(version(&image(0xfff0, b"6.1")).is_err());
        assert!(version(&image(0x100, b"\0")).is_err());
    }
}
