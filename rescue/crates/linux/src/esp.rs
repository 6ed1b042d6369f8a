//! A new EFI system partition in fstab(5).

use crate::fstab::entries;

/// Where it is mounted.
pub const MOUNT: &str = "/boot/efi";
/// Where others may have it.
const OTHERS: [&str; 3] = ["/efi", "/esp", "/boot/EFI"];

/// The fstab `text` with a line for the EFI system partition whose file system is `uuid`,
/// as blkid(8) writes it; `None` when it has one, be it of another.
#[must_use]
pub fn mounted(text: &str, uuid: &str) -> Option<String> {
    let is_esp = |mount: &str| mount == MOUNT || OTHERS.contains(&mount);
    if entries(text).iter().any(|entry| is_esp(entry.mount)) {
        return None;
    }
    let end = if text.ends_with('\n') || text.is_empty() {
        ""
    } else {
        "\n"
    };
    // Nothing that starts the system waits for it.
    Some(format!(
        "{text}{end}UUID={uuid} {MOUNT} vfat umask=0077,nofail 0 1\n"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_added_once() {
        let line = "UUID=AB12-CD34 /boot/efi vfat umask=0077,nofail 0 1\n";
        for (text, is) in [
            ("", line.to_owned()),
            ("UUID=1 / ext4\n", format!("UUID=1 / ext4\n{line}")),
            ("UUID=1 / ext4", format!("UUID=1 / ext4\n{line}")),
            (
                "#UUID=1 /boot/efi vfat\n",
                format!("#UUID=1 /boot/efi vfat\n{line}"),
            ),
        ] {
            let new = mounted(text, "AB12-CD34").unwrap();
            assert_eq!(new, is);
            assert_eq!(mounted(&new, "AB12-CD34"), None);
        }
        assert_eq!(mounted("UUID=1 /efi vfat defaults\n", "AB12-CD34"), None);
    }
}
