//! Which machine this is: host name, firmware's description, firmware kind.

use std::fs;
use std::path::Path;

use image::Machine;

/// What identifies the machine whose `/proc` and `/sys` are under `root`. The
/// serial number and UUID need root; whatever cannot be read is left out.
pub(super) fn identify(root: &Path) -> Machine {
    let dmi = |name: &str| text(&root.join("sys/class/dmi/id").join(name));
    let firmware = match root.join("sys/firmware/efi").is_dir() {
        true => "uefi",
        false => "bios",
    };
    Machine {
        hostname: text(&root.join("proc/sys/kernel/hostname")),
        vendor: dmi("sys_vendor"),
        product: dmi("product_name"),
        serial: dmi("product_serial"),
        uuid: dmi("product_uuid"),
        firmware: Some(firmware.to_owned()),
    }
}

/// A file's text without what cannot be printed; `None` when nothing is left.
fn text(path: &Path) -> Option<String> {
    let bytes = fs::read(path).ok()?;
    let text: String = String::from_utf8_lossy(&bytes)
        .chars()
        .filter(|c| !c.is_control() && *c != char::REPLACEMENT_CHARACTER)
        .take(256)
        .collect();
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}
