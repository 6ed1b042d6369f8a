//! GRUB's own words.

/// The folder in `/EFI` where a GRUB for UEFI looks for its configuration: `debian` of
/// "/EFI/debian". (It has that path in its program, as a string that ends with a zero
/// byte, when it was made for no disk in particular; GRUB's manual, "prefix".)
pub(super) fn folder(program: &[u8]) -> Option<&str> {
    const BEFORE: &[u8] = b"/EFI/";
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    let at = |at: usize| {
        let rest = program.get(at..)?.strip_prefix(BEFORE)?;
        let len = rest.iter().position(|byte| !is_name(byte))?;
        // (A path that goes on is that of a file.)
        let name = rest.get(..len).filter(|_| rest.get(len) == Some(&0))?;
        let name = std::str::from_utf8(name).ok()?;
        let is_other = name.eq_ignore_ascii_case("boot") || name.starts_with('.');
        (!name.is_empty() && name.len() < 40 && !is_other).then_some(name)
    };
    // What it was made with comes behind the program.
    let places = program.windows(BEFORE.len()).enumerate().rev();
    let mut places = places.filter(|(_, bytes)| *bytes == BEFORE);
    places.find_map(|(place, _)| at(place))
}

/// The configuration on the EFI system partition, as Debian's `grub-install` writes it:
/// it goes on with the one in the folder `path` of the file system `uuid`.
pub(super) fn configuration(uuid: &str, path: &str) -> String {
    format!("search.fs_uuid {uuid} root\nset prefix=($root)'{path}'\nconfigfile $prefix/grub.cfg\n")
}

/// Whether a menu has commands that only a BIOS has.
pub(super) fn is_for_bios(menu: &str) -> bool {
    let mut words = menu
        .lines()
        .filter_map(|line| line.split_whitespace().next());
    words.any(|word| ["linux16", "initrd16", "knetbsd"].contains(&word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grub_says_where_it_looks() {
        let program = b"MZ /EFI/BOOT\0 (/EFI/debian/grub.cfg\0 \x03\0\0\0/EFI/debian\0\0\0";
        assert_eq!(folder(program), Some("debian"));
        for none in [
            &b""[..],
            b"/EFI/",
            b"/EFI/debian",
            b"/EFI/\0",
            b"/EFI/../x\0",
            b"/EFI/..\0",
            b"/EFI/a'b\0",
            b"(hd0,gpt2)/boot/grub\0",
        ] {
            assert_eq!(folder(none), None, "{none:?}");
        }
    }

    #[test]
    fn menus_of_a_bios_are_known() {
        assert!(is_for_bios(
            "menuentry x {\n\tlinux16 /vmlinuz root=/dev/sda1\n}\n"
        ));
        assert!(!is_for_bios("linux /vmlinuz # linux16\n"));
    }
}
