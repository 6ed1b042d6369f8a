//! The description of a machine.

use crate::accel::Accel;
use crate::disk::{Bus, Disk};
use crate::error::Result;
use crate::firmware::Firmware;
use crate::vm::Vm;
use std::path::PathBuf;

/// A network card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NicModel {
    /// Intel 82540EM.
    E1000,
    /// Intel 82574L.
    E1000e,
    /// VMware's paravirtual card.
    Vmxnet3,
    /// Realtek RTL8139.
    Rtl8139,
    /// DEC 21140, which Hyper-V's first generation of machines has as "legacy" card.
    Tulip,
    /// Intel 82551, which wants firmware (microcode) of its driver.
    I82551,
    /// virtio-net on PCI.
    Virtio,
}

/// A port of the guest's network behind which a program of the host answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Served {
    pub(crate) port: u16,
    pub(crate) command: Vec<String>,
}

/// A port of the host's loopback that leads into the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forward {
    /// TCP port on 127.0.0.1 of the host; 0 for one that is free, which
    /// [`Vm::forwarded`](crate::Vm::forwarded) tells.
    pub host: u16,
    /// TCP port of the guest.
    pub guest: u16,
}

/// A network card on QEMU's user network: the guest gets 10.0.2.15 by DHCP and
/// reaches the host's loopback as 10.0.2.2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nic {
    pub(crate) model: NicModel,
    pub(crate) forwards: Vec<Forward>,
    pub(crate) restricted: bool,
    pub(crate) served: Option<Served>,
    pub(crate) tap: Option<String>,
    pub(crate) wire: Option<u16>,
    pub(crate) boots: bool,
    pub(crate) mac: Option<String>,
}

impl Nic {
    /// A card of this model.
    #[must_use]
    pub fn new(model: NicModel) -> Self {
        Self {
            model,
            forwards: Vec::new(),
            restricted: false,
            served: None,
            tap: None,
            wire: None,
            boots: false,
            mac: None,
        }
    }

    /// With this MAC address, "52:54:00:00:00:01"; otherwise QEMU chooses one.
    #[must_use]
    pub fn mac(mut self, address: &str) -> Self {
        self.mac = Some(address.to_owned());
        self
    }

    /// Plugs it into this tap device instead of a network of QEMU's own; see
    /// [`Machine::inside`].
    #[must_use]
    pub fn tap(mut self, device: &str) -> Self {
        self.tap = Some(device.to_owned());
        self
    }

    /// Plugs it into whatever listens on this TCP port of the loopback, and takes
    /// and gives frames (each after its length, four bytes, big-endian).
    #[must_use]
    pub fn wire(mut self, port: u16) -> Self {
        self.wire = Some(port);
        self
    }

    /// The machine starts from it: it keeps its boot ROM.
    #[must_use]
    pub fn boots(mut self) -> Self {
        self.boots = true;
        self
    }

    /// Leads a port of the host into the guest.
    #[must_use]
    pub fn forward(mut self, forward: Forward) -> Self {
        self.forwards.push(forward);
        self
    }

    /// Starts this command on the host for each connection that the guest makes to
    /// TCP port `port` of [`Nic::SERVED_AT`], and joins its standard input and output
    /// to it. This is there on a [restricted](Nic::restricted) network, too.
    #[must_use]
    pub fn serve(mut self, port: u16, command: &[String]) -> Self {
        let command = command.to_vec();
        self.served = Some(Served { port, command });
        self
    }

    /// The address in the guest's network of what [`Nic::serve`] starts.
    pub const SERVED_AT: &'static str = "10.0.2.100";

    /// The guest reaches neither the host nor anything beyond.
    #[must_use]
    pub fn restricted(mut self) -> Self {
        self.restricted = true;
        self
    }
}

/// A kernel that QEMU loads itself, without boot loader.
#[derive(Debug, Clone)]
pub(crate) struct DirectKernel {
    pub(crate) kernel: PathBuf,
    pub(crate) initrd: Option<PathBuf>,
    pub(crate) command_line: String,
}

/// A machine to be built. Boot order is the order of the calls that add
/// bootable things.
#[derive(Debug, Clone)]
pub struct Machine {
    pub(crate) firmware: Firmware,
    pub(crate) memory_mib: u32,
    pub(crate) cpus: u32,
    pub(crate) accel: Option<Accel>,
    pub(crate) drives: Vec<Drive>,
    pub(crate) nics: Vec<Nic>,
    pub(crate) kernel: Option<DirectKernel>,
    pub(crate) fw_cfg: Vec<(String, String)>,
    pub(crate) vars: Option<PathBuf>,
    pub(crate) console: Option<PathBuf>,
    pub(crate) clock: Option<String>,
    pub(crate) ends_on_reboot: bool,
    pub(crate) extra: Vec<String>,
    pub(crate) wrapper: Vec<String>,
}

#[derive(Debug, Clone)]
pub(crate) enum Drive {
    Disk(Disk),
    Cdrom { iso: PathBuf, bus: Bus },
}

impl Machine {
    /// A machine with 1024 MiB, one processor, no disk and no network. (Translated, a
    /// second one helps little alone, and two machines with two each on two cores are
    /// several times slower: each waits for what the host is not running.)
    #[must_use]
    pub fn new(firmware: Firmware) -> Self {
        Self {
            firmware,
            memory_mib: 1024,
            cpus: 1,
            accel: None,
            drives: Vec::new(),
            nics: Vec::new(),
            kernel: None,
            fw_cfg: Vec::new(),
            vars: None,
            console: None,
            clock: None,
            ends_on_reboot: true,
            extra: Vec::new(),
            wrapper: Vec::new(),
        }
    }

    /// How it starts.
    #[must_use]
    pub fn firmware(&self) -> Firmware {
        self.firmware
    }

    /// Memory in MiB.
    #[must_use]
    pub fn memory_mib(mut self, mib: u32) -> Self {
        self.memory_mib = mib;
        self
    }

    /// Number of processors.
    #[must_use]
    pub fn cpus(mut self, cpus: u32) -> Self {
        self.cpus = cpus;
        self
    }

    /// Uses this accelerator instead of probing for the best.
    #[must_use]
    pub fn accel(mut self, accel: Accel) -> Self {
        self.accel = Some(accel);
        self
    }

    /// Adds a disk.
    #[must_use]
    pub fn disk(mut self, disk: Disk) -> Self {
        self.drives.push(Drive::Disk(disk));
        self
    }

    /// Adds a CD drive (SATA) with `iso` in it.
    #[must_use]
    pub fn cdrom(self, iso: impl Into<PathBuf>) -> Self {
        self.cdrom_on(iso, Bus::Ahci)
    }

    /// Adds a CD drive on `bus`: IDE, AHCI, virtio-scsi or USB.
    #[must_use]
    pub fn cdrom_on(mut self, iso: impl Into<PathBuf>, bus: Bus) -> Self {
        let iso = iso.into();
        self.drives.push(Drive::Cdrom { iso, bus });
        self
    }

    /// Adds a USB stick with `file` on it, byte for byte; writes are forgotten.
    #[must_use]
    pub fn usb_stick(self, file: impl Into<PathBuf>) -> Self {
        self.disk(Disk::raw(file).bus(Bus::Usb).throw_away_writes())
    }

    /// Adds a network card.
    #[must_use]
    pub fn nic(mut self, nic: Nic) -> Self {
        self.nics.push(nic);
        self
    }

    /// What its hardware clock shows when it starts, "2040-01-01T00:00:00", UTC.
    #[must_use]
    pub fn clock(mut self, shows: &str) -> Self {
        self.clock = Some(shows.to_owned());
        self
    }

    /// Starts this kernel directly.
    #[must_use]
    pub fn kernel(
        mut self,
        kernel: impl Into<PathBuf>,
        initrd: Option<PathBuf>,
        command_line: &str,
    ) -> Self {
        self.kernel = Some(DirectKernel {
            kernel: kernel.into(),
            initrd,
            command_line: command_line.to_owned(),
        });
        self
    }

    /// Starts QEMU by these words in front of its own command line: one that
    /// enters a network namespace.
    #[must_use]
    pub fn inside(mut self, words: &[String]) -> Self {
        self.wrapper = words.to_vec();
        self
    }

    /// Gives the guest a string under a firmware configuration name.
    #[must_use]
    pub fn fw_cfg(mut self, name: &str, value: &str) -> Self {
        self.fw_cfg.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Asks our PID 1 for JSON events on the second serial port, which
    /// [`Vm::wait_event`] reads.
    #[must_use]
    pub fn events(self) -> Self {
        self.fw_cfg("opt/org.rescue/events", "ttyS1")
    }

    /// Asks our PID 1 for this interface ("line", "full", "ascii") on the console.
    #[must_use]
    pub fn interface(self, name: &str) -> Self {
        self.fw_cfg("opt/org.rescue/ui", name)
    }

    /// Leaves the first serial port to whoever connects to this socket, which
    /// QEMU makes: a terminal program. [`Vm::wait_for`] and [`Vm::send`] know
    /// nothing of it then.
    #[must_use]
    pub fn console_at(mut self, socket: impl Into<PathBuf>) -> Self {
        self.console = Some(socket.into());
        self
    }

    /// Keeps UEFI variables in this file (made from the firmware's template when
    /// it does not exist) instead of a copy that ends with the machine.
    #[must_use]
    pub fn uefi_vars(mut self, file: impl Into<PathBuf>) -> Self {
        self.vars = Some(file.into());
        self
    }

    /// Lets the guest reboot; without this a reboot ends the machine with
    /// [`Exit::Rebooted`](crate::Exit::Rebooted).
    #[must_use]
    pub fn may_reboot(mut self) -> Self {
        self.ends_on_reboot = false;
        self
    }

    /// Adds arguments to QEMU's command line as they are.
    #[must_use]
    pub fn arguments(mut self, arguments: &[&str]) -> Self {
        self.extra.extend(arguments.iter().map(|a| (*a).to_owned()));
        self
    }

    /// Starts the machine.
    ///
    /// # Errors
    /// A missing program or firmware, a machine that cannot exist, or QEMU's own
    /// refusal with its message and command line.
    pub fn start(self) -> Result<Vm> {
        Vm::start(self)
    }
}
