//! Where drivers come from that no Windows brings.

use super::ids::Device;

/// The driver to supply for a device, in words that follow "supply".
#[must_use]
pub fn driver_to_supply(device: &Device) -> &'static str {
    const OTHER: &str = "the maker's driver for this version of Windows (.inf, .sys and .cat)";
    const NVME: u32 = 0x01_0802;
    let Device::Pci(pci) = device else {
        return OTHER;
    };
    match (pci.vendor, pci.device) {
        (0x1AF4, 0x1001 | 0x1042) => "viostor of virtio-win",
        (0x1AF4, 0x1004 | 0x1048) => "vioscsi of virtio-win",
        (0x15AD, 0x07C0) => "pvscsi of VMware Tools",
        (0x8086, 0x467F | 0x9A0B | 0xA77F) => {
            "Intel's VMD driver (iaStorVD), or switch VMD off in the firmware's set-up"
        }
        _ if pci.class & 0xFF_FFFF == NVME => {
            "a driver for NVMe (for Windows 7 Microsoft's updates KB2990941 and KB3087873, else \
             the maker's)"
        }
        _ => OTHER,
    }
}
