//! The file of a driver: for which processor it is, and whether it carries a
//! signature.
//!
//! A PE file: at 0x3C where its header is; there `PE\0\0`, the machine (u16); 20
//! bytes on 0x10B or 0x20B (32 or 64 bits); then, at 96 or 112 from there, the
//! directories, whose fifth says where the signature is (Microsoft's "PE Format").

use crate::inf::Arch;

const HEADER_AT: usize = 0x3C;
/// From `PE\0\0` to the optional header.
const OPTIONAL: usize = 24;
const SECURITY: usize = 4;

/// What the beginning of a driver's file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Image {
    /// `None` for a processor that [`Arch`] does not know.
    pub arch: Option<Arch>,
    /// Whether there is a signature in it, good or not. Without one Windows wants
    /// a catalogue.
    pub has_signature: bool,
}

impl Image {
    /// Reads the beginning of a file, 4 KiB are enough; `None` when it is no
    /// program of Windows.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let header = number(bytes, HEADER_AT)? as usize;
        let head = bytes.get(header..)?;
        let is_image = bytes.starts_with(b"MZ") && head.starts_with(b"PE\0\0");
        let directories = match half(head, OPTIONAL)? {
            0x10B => 96,
            0x20B => 112,
            _ => return None,
        };
        let directories = OPTIONAL + directories;
        // How many there are stands before them.
        let count = number(head, directories - 4)? as usize;
        let size = number(head, directories + SECURITY * 8 + 4);
        let has_signature = count > SECURITY && size? > 0;
        is_image.then_some(Self {
            arch: arch(half(head, 4)?),
            has_signature,
        })
    }
}

/// `IMAGE_FILE_MACHINE_…`.
fn arch(machine: u16) -> Option<Arch> {
    match machine {
        0x014C => Some(Arch::X86),
        0x8664 => Some(Arch::Amd64),
        0xAA64 => Some(Arch::Arm64),
        _ => None,
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_le_bytes(*bytes))
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u16::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(machine: u16, magic: u16, signature: u32) -> Vec<u8> {
        let mut file = vec![0; 0x400];
        let mut put = |at: usize, bytes: &[u8]| {
            for (to, byte) in file.iter_mut().skip(at).zip(bytes) {
                *to = *byte;
            }
        };
        let directories = 0x80 + OPTIONAL + if magic == 0x20B { 112 } else { 96 };
        put(0, b"MZ");
        put(HEADER_AT, &0x80_u32.to_le_bytes());
        put(0x80, b"PE\0\0");
        put(0x84, &machine.to_le_bytes());
        put(0x80 + OPTIONAL, &magic.to_le_bytes());
        put(directories - 4, &16_u32.to_le_bytes());
        put(directories + 36, &signature.to_le_bytes());
        file
    }

    #[test]
    fn programs_are_told_apart() {
        let read = |machine, magic, size| Image::read(&image(machine, magic, size));
        let told = |arch, has_signature| {
            Some(Image {
                arch,
                has_signature,
            })
        };
        assert_eq!(read(0x8664, 0x20B, 0x2000), told(Some(Arch::Amd64), true));
        assert_eq!(read(0x014C, 0x10B, 0), told(Some(Arch::X86), false));
        assert_eq!(read(0xAA64, 0x20B, 0), told(Some(Arch::Arm64), false));
        assert_eq!(read(0x0200, 0x20B, 1), told(None, true));
        assert_eq!(read(0x8664, 0x30B, 1), None);
        let whole = image(0x8664, 0x20B, 1);
        assert!((0..0x80 + OPTIONAL + 152).all(|end| Image::read(&whole[..end]).is_none()));
        let mut wrong = whole;
        wrong[0] = b'N';
        assert_eq!(Image::read(&wrong), None);
        wrong[HEADER_AT..HEADER_AT + 4].fill(0xFF);
        assert_eq!(Image::read(&wrong), None);
    }
}
