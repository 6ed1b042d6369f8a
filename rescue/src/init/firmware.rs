//! Firmware that drivers asked for and did not get, as the kernel logs it.
//!
//! Source: `_request_firmware` in Linux's `drivers/base/firmware_loader/main.c`.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::BorrowedFd;

use super::kernel_log::KernelLog;

/// No such file.
const ENOENT: &str = "-2";

/// What was asked for since the kernel started.
#[derive(Debug)]
pub(super) struct Firmware {
    log: Option<KernelLog>,
    /// Files by driver and device.
    wanted: BTreeMap<String, BTreeSet<String>>,
}

impl Firmware {
    /// From the log's beginning on; nothing when it cannot be read.
    pub(super) fn from_start() -> Self {
        Self {
            log: KernelLog::from_start(),
            wanted: BTreeMap::new(),
        }
    }

    /// Has something to read when [`Firmware::look`] may find more.
    pub(super) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.log.as_ref().map(KernelLog::fd)
    }

    /// Reads what was logged; whether more is wanted than before.
    pub(super) fn look(&mut self) -> bool {
        let mut more = false;
        while let Some(record) = self.log.as_mut().and_then(KernelLog::next) {
            if let Some((device, file)) = lacked(&record) {
                let files = self.wanted.entry(device.to_owned()).or_default();
                more |= files.insert(file.to_owned());
            }
        }
        more
    }

    /// In sentences.
    pub(super) fn lines(&self) -> Vec<String> {
        self.wanted
            .iter()
            .map(|(d, files)| line(d, files))
            .collect()
    }
}

fn line(device: &str, files: &BTreeSet<String>) -> String {
    /// Drivers try several versions of one file.
    const MANY: usize = 3;
    let mut names: Vec<&str> = files.iter().take(MANY).map(String::as_str).collect();
    if files.len() > MANY {
        names.push("…");
    }
    format!(
        "{device} asked for firmware that the medium does not have ({}) and may not work without: \
         imagebuilder customize --firmware DIR gives it to a medium",
        names.join(", ")
    )
}

/// Driver and device, and the file that they did not get, of a record of the log:
/// "4,612,8123,-;bnx2 0000:02:00.0: Direct firmware load for bnx2/x.fw failed with error -2".
fn lacked(record: &str) -> Option<(&str, &str)> {
    let (_, text) = record.lines().next()?.split_once(';')?;
    let (device, rest) = text.split_once(": Direct firmware load for ")?;
    let (file, error) = rest.split_once(" failed with error ")?;
    (error.trim() == ENOENT).then_some((device, file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_names_device_and_file() {
        let record = "4,612,8123,-;bnx2 0000:02:00.0: Direct firmware load for bnx2/mips-09.fw \
                      failed with error -2\n SUBSYSTEM=pci\n DEVICE=+pci:0000:02:00.0\n";
        assert_eq!(
            lacked(record),
            Some(("bnx2 0000:02:00.0", "bnx2/mips-09.fw"))
        );
        for other in [
            "",
            "4,1,1,-;e100: Direct firmware load for x failed",
            "4,1,1,-;e100: Direct firmware load for x failed with error -12",
            "6,1,1,-;usb 1-1: new device",
        ] {
            assert_eq!(lacked(other), None, "{other}");
        }
    }

    #[test]
    fn many_versions_of_a_file_are_not_all_told() {
        let files: BTreeSet<String> = (1..6).map(|n| format!("x-{n}.fw")).collect();
        let text = line("x 0", &files);
        assert!(text.contains("(x-1.fw, x-2.fw, x-3.fw, …)"), "{text}");
    }
}
