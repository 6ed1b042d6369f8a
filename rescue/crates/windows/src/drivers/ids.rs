//! The ids that Windows makes of a device, the most particular first.

use std::fmt;

use uuid::{Uuid, uuid};

/// The class of Hyper-V's storage controllers on its bus.
pub const HYPER_V_STORAGE: Uuid = uuid!("ba6163d9-04a1-4d29-b605-72e2ffb1dc7f");

/// The class of PCI devices that Hyper-V hands on, NVMe disks of Azure for one.
pub const HYPER_V_PCI: Uuid = uuid!("44c4f61d-4444-4400-9d52-802e27ede19f");

/// A PCI function, as its configuration space tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PciDevice {
    /// Vendor.
    pub vendor: u16,
    /// Device.
    pub device: u16,
    /// Vendor of the board.
    pub subsystem_vendor: u16,
    /// Device of the board.
    pub subsystem_device: u16,
    /// Revision.
    pub revision: u8,
    /// Class, subclass and programming interface: 0x010601 for AHCI.
    pub class: u32,
}

/// A device that a driver is sought for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Device {
    /// On PCI.
    Pci(PciDevice),
    /// Told by ACPI tables.
    Acpi {
        /// The `_HID`, such as `PNP0A08`.
        id: String,
        /// The `_CLS`: class, subclass, programming interface.
        class: Option<[u8; 3]>,
    },
    /// On the bus of Hyper-V, by its class.
    VmBus(Uuid),
    /// Any other, by the ids that Windows would give it.
    Named(Vec<String>),
}

impl PciDevice {
    /// Class and subclass.
    #[must_use]
    pub const fn subclass(&self) -> u32 {
        self.class >> 8 & 0xFFFF
    }

    /// In the order that Windows 8.1 keeps in `Enum\PCI` (measured). Windows 10
    /// tries the ids with a class before the bare `VEN_&DEV_`; that only tells
    /// which of two drivers comes first.
    fn ids(&self) -> Vec<String> {
        let vendor = format!("PCI\\VEN_{:04X}", self.vendor);
        let device = format!("{vendor}&DEV_{:04X}", self.device);
        let (board, maker) = (self.subsystem_device, self.subsystem_vendor);
        let board = format!("{device}&SUBSYS_{board:04X}{maker:04X}");
        let revision = format!("REV_{:02X}", self.revision);
        let class = format!("CC_{:06X}", self.class & 0xFF_FFFF);
        let subclass = format!("CC_{:04X}", self.subclass());
        vec![
            format!("{board}&{revision}"),
            board,
            format!("{device}&{revision}"),
            device.clone(),
            format!("{device}&{class}"),
            format!("{device}&{subclass}"),
            format!("{vendor}&{class}"),
            format!("{vendor}&{subclass}"),
            vendor,
            format!("PCI\\{class}"),
            format!("PCI\\{subclass}"),
        ]
    }
}

impl Device {
    /// The ids, the most particular first.
    #[must_use]
    pub fn ids(&self) -> Vec<String> {
        match self {
            Self::Pci(pci) => pci.ids(),
            Self::Acpi { id, class } => {
                let mut ids = vec![format!("ACPI\\{id}"), format!("*{id}")];
                if let Some([class, sub, interface]) = class {
                    let sub = format!("ACPI\\CLS_{class:04X}&SUBCLS_{sub:04X}");
                    ids.extend([format!("{sub}&PI_{interface:02X}"), sub]);
                }
                ids
            }
            Self::VmBus(class) => vec![format!("VMBUS\\{}", class.braced())],
            Self::Named(ids) => ids.clone(),
        }
    }
}

/// As an operator can look it up.
impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pci(pci) => write!(
                f,
                "PCI\\VEN_{:04X}&DEV_{:04X}&SUBSYS_{:04X}{:04X}&REV_{:02X} (class {:06x})",
                pci.vendor,
                pci.device,
                pci.subsystem_device,
                pci.subsystem_vendor,
                pci.revision,
                pci.class
            ),
            Self::Acpi { id, .. } => write!(f, "ACPI\\{id}"),
            Self::VmBus(class) => write!(f, "VMBUS\\{}", class.braced()),
            Self::Named(ids) => f.write_str(&ids.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `Enum\PCI` of a genuine Windows 8.1 keeps of VirtualBox's AHCI controller.
    #[test]
    fn ids_of_a_genuine_device() {
        let device = Device::Pci(PciDevice {
            vendor: 0x8086,
            device: 0x2829,
            subsystem_vendor: 0,
            subsystem_device: 0,
            revision: 2,
            class: 0x01_0601,
        });
        let expected = [
            "PCI\\VEN_8086&DEV_2829&SUBSYS_00000000&REV_02",
            "PCI\\VEN_8086&DEV_2829&SUBSYS_00000000",
            "PCI\\VEN_8086&DEV_2829&REV_02",
            "PCI\\VEN_8086&DEV_2829",
            "PCI\\VEN_8086&DEV_2829&CC_010601",
            "PCI\\VEN_8086&DEV_2829&CC_0106",
            "PCI\\VEN_8086&CC_010601",
            "PCI\\VEN_8086&CC_0106",
            "PCI\\VEN_8086",
            "PCI\\CC_010601",
            "PCI\\CC_0106",
        ];
        assert_eq!(device.ids(), expected);
        let text = "PCI\\VEN_8086&DEV_2829&SUBSYS_00000000&REV_02 (class 010601)";
        assert_eq!(device.to_string(), text);
        let sata = Device::Acpi {
            id: "AMDI0600".to_owned(),
            class: Some([1, 6, 1]),
        };
        let generic = "ACPI\\CLS_0001&SUBCLS_0006&PI_01".to_owned();
        assert!(sata.ids().contains(&generic));
    }
}
