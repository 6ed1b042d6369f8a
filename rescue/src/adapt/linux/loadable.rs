//! Whether the kernels themselves are there, where boot loaders look for them. Modules and an
//! initramfs alone start nothing.
//!
//! Sources: the naming of `installkernel(8)` and of Gentoo's and SUSE's packages; the Boot Loader
//! Specification; kernel-install(8), for unified kernel images.

use crate::files::{Files, FilesError};

/// How a kernel's file in /boot begins.
const NAMES: [&str; 6] = ["vmlinuz", "vmlinux", "kernel", "bzImage", "Image", "linux"];
/// Folders of what is started without a kernel in /boot: entries and unified kernel images.
const ENTRIES: [&str; 4] = [
    "/boot/loader/entries",
    "/boot/EFI/Linux",
    "/boot/efi/EFI/Linux",
    "/efi/EFI/Linux",
];
/// Files in /etc/kernel of systems that make unified kernel images, or have another layout.
const SETTINGS: [&str; 3] = ["uki.conf", "install.conf", "entry-token"];

/// The kernels in /boot, and what else may start the system.
#[derive(Debug, Default)]
pub(super) struct Loadable {
    kernels: Vec<String>,
    /// What says that there may be kernels elsewhere.
    others: Vec<String>,
}

/// Why no installed kernel is known to be there.
#[derive(Debug)]
pub(super) struct Gone {
    pub(super) why: String,
    /// Whether there is none.
    pub(super) is_certain: bool,
}

impl Loadable {
    pub(super) fn of(files: &dyn Files) -> Result<Self, FilesError> {
        let is_kernel = |name: &String| {
            let mut rests = NAMES.iter().filter_map(|kind| name.strip_prefix(kind));
            rests.any(|rest| rest.is_empty() || rest.starts_with('-'))
        };
        let mut kernels = files.list("/boot")?;
        kernels.retain(is_kernel);
        let mut others = Vec::new();
        for folder in ENTRIES {
            if !files.list(folder)?.is_empty() {
                others.push(folder.to_owned());
            }
        }
        let settings = files.list("/etc/kernel")?;
        let settings = settings
            .iter()
            .filter(|name| SETTINGS.contains(&name.as_str()));
        others.extend(settings.map(|name| format!("/etc/kernel/{name}")));
        Ok(Self { kernels, others })
    }

    /// Whether the kernel `version` is there.
    pub(super) fn has(&self, version: &str) -> bool {
        let end = format!("-{version}");
        self.kernels.iter().any(|name| name.ends_with(&end))
    }

    /// What is to be said when none of the installed kernels is.
    pub(super) fn gone(&self) -> Gone {
        let own = self.kernels.iter().map(|name| format!("/boot/{name}"));
        let others: Vec<String> = own.chain(self.others.iter().cloned()).collect();
        let none = "/boot has no kernel (vmlinuz-VERSION) of those whose modules are installed";
        Gone {
            is_certain: others.is_empty(),
            why: match others.is_empty() {
                true => format!("{none}: nothing is there that a boot loader could start."),
                false => format!(
                    "{none}. Whether something else starts it ({}) is not known.",
                    others.join(", ")
                ),
            },
        }
    }
}
