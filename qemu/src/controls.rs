//! What can be done to a running machine through QEMU's monitor.

use crate::error::Result;
use crate::usernet;
use crate::vm::Vm;
use serde_json::{Value, json};
use std::path::Path;

impl Vm {
    /// Plugs in a USB stick with `file` on it that cannot be written. The machine
    /// must have had one from the start: its controller is used.
    ///
    /// # Errors
    /// As [`Vm::qmp`].
    pub fn plug_usb_stick(&mut self, file: &Path, name: &str) -> Result<()> {
        let backend = json!({
            "driver": "raw",
            "node-name": name,
            "read-only": true,
            "file": { "driver": "file", "filename": file, "read-only": true },
        });
        self.qmp("blockdev-add", backend)?;
        let stick = json!({
            "driver": "usb-storage",
            "id": name,
            "bus": "xhci.0",
            "drive": name,
            "serial": name,
        });
        self.qmp("device_add", stick).map(drop)
    }

    /// Pulls out what [`Vm::plug_usb_stick`] plugged in under this name.
    ///
    /// # Errors
    /// As [`Vm::qmp`].
    pub fn pull_usb_stick(&mut self, name: &str) -> Result<()> {
        self.qmp("device_del", json!({ "id": name })).map(drop)
    }

    /// Presses the reset button.
    ///
    /// # Errors
    /// As [`Vm::qmp`].
    pub fn reset(&mut self) -> Result<()> {
        self.qmp("system_reset", Value::Null).map(drop)
    }

    /// Presses the power button; an operating system shuts down on it.
    ///
    /// # Errors
    /// As [`Vm::qmp`].
    pub fn press_power_button(&mut self) -> Result<()> {
        self.qmp("system_powerdown", Value::Null).map(drop)
    }

    /// Writes what the screen shows to `file` as PNG.
    ///
    /// # Errors
    /// As [`Vm::qmp`].
    pub fn screenshot(&mut self, file: &Path) -> Result<()> {
        let arguments = json!({ "filename": file, "format": "png" });
        self.qmp("screendump", arguments).map(drop)
    }

    /// Writes what the screen shows to `file` as a portable pixmap (PPM), which every
    /// version of QEMU can.
    ///
    /// # Errors
    /// As [`Vm::qmp`].
    pub fn pixmap(&mut self, file: &Path) -> Result<()> {
        self.qmp("screendump", json!({ "filename": file }))
            .map(drop)
    }

    /// Writes `bytes` of the guest's physical memory from `address` on to `file`.
    ///
    /// # Errors
    /// As [`Vm::qmp`].
    pub fn memory(&mut self, address: u64, bytes: u64, file: &Path) -> Result<()> {
        let arguments = json!({ "val": address, "size": bytes, "filename": file });
        self.qmp("pmemsave", arguments).map(drop)
    }

    /// The port of the host's loopback that leads to `guest` TCP port of the guest
    /// (see [`Forward`](crate::Forward)), if there is one.
    ///
    /// # Errors
    /// As [`Vm::qmp`].
    pub fn forwarded(&mut self, guest: u16) -> Result<Option<u16>> {
        Ok(usernet::forwarded(&self.usernet()?, guest))
    }

    /// True while a connection that came through such a port stands: the guest has
    /// answered it. (That the host's side could be connected to says nothing: QEMU
    /// itself takes the call, and asks the guest after that.)
    ///
    /// # Errors
    /// As [`Vm::qmp`].
    pub fn is_answered(&mut self, guest: u16) -> Result<bool> {
        Ok(usernet::is_answered(&self.usernet()?, guest))
    }

    /// QEMU's table of the connections of its user network.
    fn usernet(&mut self) -> Result<String> {
        let arguments = json!({ "command-line": "info usernet" });
        let answer = self.qmp("human-monitor-command", arguments)?;
        Ok(answer.as_str().unwrap_or_default().to_owned())
    }
}
