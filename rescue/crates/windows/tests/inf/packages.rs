//! The packages in `tests/packages`, each with the files its INF names.

use std::path::Path;

use windows::inf::{Arch, DeviceIds, DriverSet, Inf, Product, Target};

/// All INF files, by their path in the folder.
pub(crate) const ALL: [&str; 7] = [
    "viostor/w10/viostor.inf",
    "viostor/2k8R2/viostor.inf",
    "vioscsi/vioscsi.inf",
    "pvscsi/pvscsi.inf",
    "iastorvd/iaStorVD.inf",
    "megasas/megasas2.inf",
    "stornvme/stornvme.inf",
];

/// The files beside them, which are nowhere but in this list.
pub(crate) const FILES: [&str; 15] = [
    "viostor/w10/VIOSTOR.SYS",
    "viostor/w10/viostor.cat",
    "viostor/2k8R2/viostor.sys",
    "viostor/2k8R2/viostor.cat",
    "vioscsi/vioscsi.sys",
    "vioscsi/vioscsi.cat",
    "pvscsi/amd64/pvscsi.sys",
    "pvscsi/x86/pvscsi.sys",
    "pvscsi/pvscsi64.cat",
    "pvscsi/pvscsi32.cat",
    "iastorvd/iaStorVD.sys",
    "iastorvd/iaStorVD.cat",
    "iastorvd/tools/helper.exe",
    "megasas/MegaSAS2.sys",
    "stornvme/stornvme.sys",
];

pub(crate) fn bytes(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/packages");
    std::fs::read(folder.join(name)).unwrap()
}

pub(crate) fn inf(name: &str) -> Inf {
    Inf::parse(name, &bytes(name), Inf::ENGLISH).unwrap()
}

pub(crate) fn set() -> DriverSet {
    let paths = ALL.iter().chain(&FILES).map(|path| (*path).to_owned());
    DriverSet::new(
        paths,
        ALL.iter().map(|name| ((*name).to_owned(), bytes(name))),
    )
}

pub(crate) const fn amd64(major: u32, minor: u32, build: u32) -> Target {
    Target {
        arch: Arch::Amd64,
        major,
        minor,
        build,
        product: Product::Server,
        suite: 0,
    }
}

/// The ids that Windows' PCI driver gives to a device, from the closest on.
pub(crate) fn pci(vendor: &str, device: &str, subsystem: &str, class: &str) -> DeviceIds {
    let base = format!("PCI\\VEN_{vendor}&DEV_{device}");
    DeviceIds {
        hardware: vec![
            format!("{base}&SUBSYS_{subsystem}&REV_01"),
            format!("{base}&SUBSYS_{subsystem}"),
            format!("{base}&CC_{class}00"),
            format!("{base}&CC_{class}"),
        ],
        compatible: vec![
            format!("{base}&REV_01"),
            base,
            format!("PCI\\VEN_{vendor}&CC_{class}"),
            format!("PCI\\VEN_{vendor}"),
            format!("PCI\\CC_{class}00"),
            format!("PCI\\CC_{class}"),
        ],
    }
}
