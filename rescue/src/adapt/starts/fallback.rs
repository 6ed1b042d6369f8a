//! The loader that firmware starts when it has no entry of its own: on a new
//! machine there is none.

use super::super::fat::{Fat, FatError};
use super::super::volume::NewFile;

/// Windows' own.
pub(super) const LOADER: &str = "/EFI/Microsoft/Boot/bootmgfw.efi";
/// No loader has more bytes.
const MOST: u64 = 64 << 20;

const NAMES: [&str; 3] = ["BOOTX64.EFI", "BOOTAA64.EFI", "BOOTIA32.EFI"];

/// What is to become of the fallback.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fallback {
    /// It is there, or there is no loader of Windows.
    Good,
    /// Windows' loader is to be put there.
    Missing(NewFile),
    /// Windows' loader is no program.
    NoProgram,
}

pub(super) fn look(fat: &Fat) -> Result<Fallback, FatError> {
    let Some(bytes) = fat.read(LOADER, MOST)? else {
        return Ok(Fallback::Good);
    };
    let name = name_for(&bytes);
    // (What is no program is none of our business where another loader is there.)
    for known in NAMES
        .iter()
        .filter(|known| name.is_none_or(|name| name == **known))
    {
        if fat.read(&path(known), MOST)?.is_some() {
            return Ok(Fallback::Good);
        }
    }
    Ok(match name {
        None => Fallback::NoProgram,
        Some(name) => Fallback::Missing(NewFile::made(path(name), bytes)),
    })
}

fn path(name: &str) -> String {
    format!("/EFI/BOOT/{name}")
}

/// The name of the fallback for the processor that a program is for (UEFI
/// specification 2.10, 3.5.1.1; Microsoft's PE format: "MZ", at 0x3C where "PE"
/// is, the machine behind that).
fn name_for(program: &[u8]) -> Option<&'static str> {
    let header = program.get(0x3C..0x40)?.try_into().ok()?;
    let header = usize::try_from(u32::from_le_bytes(header)).ok()?;
    let machine = program
        .get(header..)?
        .strip_prefix(b"PE\0\0")?
        .first_chunk()?;
    let [x64, arm, ia32] = NAMES;
    match u16::from_le_bytes(*machine) {
        _ if !program.starts_with(b"MZ") => None,
        0x8664 => Some(x64),
        0xAA64 => Some(arm),
        0x014C => Some(ia32),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::name_for;

    #[test]
    fn the_processor_gives_the_name() {
        let program = |machine: u16| {
            let mut bytes = b"MZ".to_vec();
            bytes.resize(0x3C, 0);
            bytes.extend([0x80, 0, 0, 0]);
            bytes.resize(0x80, 0);
            bytes.extend(b"PE\0\0");
            bytes.extend(machine.to_le_bytes());
            bytes
        };
        assert_eq!(name_for(&program(0x8664)), Some("BOOTX64.EFI"));
        assert_eq!(name_for(&program(0xAA64)), Some("BOOTAA64.EFI"));
        assert_eq!(name_for(&program(0x014C)), Some("BOOTIA32.EFI"));
        assert_eq!(name_for(&program(0x0200)), None);
        let whole = program(0x8664);
        for len in 0..whole.len() {
            assert_eq!(name_for(&whole[..len]), None, "{len}");
        }
        let mut other = whole;
        other[0] = b'Z';
        assert_eq!(name_for(&other), None);
        assert_eq!(name_for(&[255; 100]), None);
    }
}
