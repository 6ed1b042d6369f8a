//! GRUB: its menu, its configuration on the ESP, its BIOS image.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::xorriso;

/// What GRUB needs to find the medium, show the menu and load a kernel from
/// it on BIOS. (On UEFI the signed image brings its own set.)
const MODULES: &[&str] = &[
    "biosdisk",
    "boot",
    "chain",
    "configfile",
    "echo",
    "halt",
    "linux",
    "loadenv",
    "ls",
    "minicmd",
    "normal",
    "part_gpt",
    "part_msdos",
    "reboot",
    "regexp",
    "search",
    "search_fs_file",
    "serial",
    "sleep",
    "terminal",
    "test",
    "true",
];

/// The kernel's words in every entry: messages on the screen and on the first
/// serial line, where there is one.
const CONSOLES: &str = "console=tty0 console=ttyS0,115200 rootfstype=ramfs";

/// [`CONSOLES`], and few messages of the kernel.
pub(crate) const QUIET: &str =
    "console=tty0 console=ttyS0,115200 rootfstype=ramfs quiet loglevel=4";

/// Path on the ISO of an empty file that no other medium has.
pub(crate) fn marker(volume: &str) -> String {
    format!(".disk/{}", volume.to_lowercase())
}

/// The first lines GRUB reads, inside its BIOS image and on the ESP: find the
/// medium by its marker, wherever it is plugged in, and go on from there.
pub(crate) fn early_config(volume: &str) -> String {
    format!(
        "search --no-floppy --set=root --file /{}\n\
         set prefix=($root)/boot/grub\n\
         configfile $prefix/grub.cfg\n",
        marker(volume)
    )
}

/// Words for the kernel, such that GRUB's shell hands them on unchanged.
fn quoted(cmdline: &str) -> Result<String> {
    let mut out = String::new();
    for word in cmdline.split_whitespace() {
        let plain = |c: char| c.is_ascii_alphanumeric() || "=.,:/_-+@%".contains(c);
        match word {
            word if word.contains('\'') => {
                bail!("--cmdline: {word} has a ', which GRUB cannot pass")
            }
            word if word.chars().all(plain) => out.push_str(&format!(" {word}")),
            word => out.push_str(&format!(" '{word}'")),
        }
    }
    Ok(out)
}

/// The menu. `layers` are paths on the medium, in the order of unpacking;
/// `cmdline` holds more words for the kernel.
pub(crate) fn menu(volume: &str, layers: &[String], cmdline: &str) -> Result<String> {
    let marker = marker(volume);
    let search = format!("search --no-floppy --set=root --file /{marker}\n");
    entries(&search, layers, cmdline)
}

/// The menu of a GRUB that came by network: everything else is where it was.
pub(crate) fn net_menu(layers: &[String], cmdline: &str) -> Result<String> {
    entries("", layers, cmdline)
}

fn entries(first: &str, layers: &[String], cmdline: &str) -> Result<String> {
    let initrd = layers.join(" ");
    let extra = quoted(cmdline)?;
    Ok(format!(
        r#"{first}set timeout=3
set default=rescue
# UEFI firmware copies its console to the serial line by itself.
if [ "$grub_platform" = pc ]; then
  if serial --unit=0 --speed=115200; then
    terminal_input console serial
    terminal_output console serial
  fi
fi
# Words that imagebuilder customize added; no other variable is taken from there.
if [ -f $prefix/grubenv ]; then
  load_env --file $prefix/grubenv rescue_args
fi
menuentry "Rescue" --id rescue {{
  linux /boot/vmlinuz {QUIET}{extra} $rescue_args
  initrd {initrd}
}}
menuentry "Rescue (text, verbose)" --id verbose {{
  linux /boot/vmlinuz {CONSOLES} loglevel=7 nomodeset rescue.ui=line{extra} $rescue_args
  initrd {initrd}
}}
menuentry "Boot from the first local disk" --id local {{
  if [ "$grub_platform" = pc ]; then
    # Booted from a stick, the stick itself is the first disk.
    if regexp '^hd0' "$root"; then set root=hd1; else set root=hd0; fi
    chainloader +1
  else
    exit
  fi
}}
menuentry "Reboot" --id reboot {{
  reboot
}}
"#
    ))
}

/// The BIOS boot image of an ISO: GRUB's core with [`MODULES`] and
/// [`early_config`]. `work` is a folder for files on the way.
pub(crate) fn bios_image(grub_pc: &Path, volume: &str, work: &Path) -> Result<Vec<u8>> {
    core(grub_pc, "i386-pc-eltorito", &["iso9660"], volume, work)
}

/// GRUB's core for a BIOS boot partition.
pub(crate) fn disk_core(grub_pc: &Path, volume: &str, work: &Path) -> Result<Vec<u8>> {
    core(grub_pc, "i386-pc", &["fat"], volume, work)
}

fn core(
    grub_pc: &Path,
    format: &str,
    filesystem: &[&str],
    volume: &str,
    work: &Path,
) -> Result<Vec<u8>> {
    let config = work.join("early.cfg");
    let image = work.join("core.img");
    fs::write(&config, early_config(volume)).context("writing GRUB's early configuration")?;
    let mut command = xorriso::tool("grub-mkimage");
    command.arg("--format").arg(format);
    command.arg("--prefix=/boot/grub");
    command.arg("--directory").arg(grub_pc);
    command.arg("--config").arg(&config);
    command.arg("--output").arg(&image);
    command.args(MODULES).args(filesystem);
    xorriso::run(command, "grub-common").context("making GRUB's BIOS image")?;
    fs::read(&image).context("reading GRUB's BIOS image")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_menu_loads_every_layer_in_order_and_takes_more_words() {
        let layers = ["/boot/a".to_owned(), "/boot/b".to_owned()];
        let menu = menu("RESCUE_12AB", &layers, "rescue.config=http://x/y").unwrap();
        assert_eq!(menu.matches("initrd /boot/a /boot/b\n").count(), 2);
        assert_eq!(
            menu.matches(" rescue.config=http://x/y $rescue_args\n")
                .count(),
            2
        );
        assert!(menu.starts_with("search --no-floppy --set=root --file /.disk/rescue_12ab\n"));
        assert_eq!(menu.matches('{').count(), menu.matches('}').count());
    }

    #[test]
    fn words_pass_the_shell_of_grub_unchanged() {
        assert_eq!(quoted("").unwrap(), "");
        assert_eq!(quoted(" a=1  b=x;$y&z ").unwrap(), " a=1 'b=x;$y&z'");
        assert!(quoted("it's").is_err());
    }
}
