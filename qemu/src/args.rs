//! QEMU's command line for a machine: pure, so that it can be tested.

use crate::accel::Accel;
use crate::disk::{Bus, Disk, Format, Writes};
use crate::error::{Error, Result};
use crate::firmware::{Firmware, Ovmf};
use crate::hub::Port;
use crate::machine::{Drive, Machine, Nic, NicModel};
use std::collections::BTreeSet;
use std::path::Path;

/// What the host adds to the description.
#[derive(Debug)]
pub(crate) struct Host<'a> {
    pub(crate) accel: Accel,
    /// OVMF with this machine's own copy of the variables.
    pub(crate) ovmf: Option<Ovmf>,
    /// The machine's folder: sockets and pid file.
    pub(crate) dir: &'a Path,
}

/// The arguments, without the program's name.
pub(crate) fn arguments(machine: &Machine, host: &Host<'_>) -> Result<Vec<String>> {
    let mut line = Line {
        board: board(machine)?,
        ..Line::default()
    };
    basics(&mut line, machine, host)?;
    firmware(&mut line, machine, host)?;
    ports(&mut line, machine, host)?;
    for drive in &machine.drives {
        line.drive(drive)?;
    }
    for nic in &machine.nics {
        line.nic(nic, machine.firmware);
    }
    if let Some(direct) = &machine.kernel {
        line.add("-kernel", text(&direct.kernel)?.to_owned());
        if let Some(initrd) = &direct.initrd {
            line.add("-initrd", text(initrd)?.to_owned());
        }
        line.add("-append", direct.command_line.clone());
    }
    for (name, value) in &machine.fw_cfg {
        line.add("-fw_cfg", format!("name={name},string={}", escape(value)));
    }
    line.words.extend(machine.extra.iter().cloned());
    Ok(line.words)
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Board {
    /// i440FX: has parallel ATA, no SATA.
    Pc,
    #[default]
    Q35,
}

fn board(machine: &Machine) -> Result<Board> {
    let ide = machine.drives.iter().any(|drive| match drive {
        Drive::Disk(disk) => disk.bus == Bus::Ide,
        Drive::Cdrom { bus, .. } => *bus == Bus::Ide,
    });
    match (ide, machine.firmware) {
        (true, Firmware::SecureBoot) => Err(Error::Impossible(
            "Secure Boot needs the q35 board, which has no parallel ATA; use Bus::Ahci".to_owned(),
        )),
        (true, _) => Ok(Board::Pc),
        (false, _) => Ok(Board::Q35),
    }
}

fn basics(line: &mut Line, machine: &Machine, host: &Host<'_>) -> Result<()> {
    for flag in ["-nodefaults", "-no-user-config"] {
        line.words.push(flag.to_owned());
    }
    let smm = match machine.firmware {
        Firmware::SecureBoot => ",smm=on",
        Firmware::Bios | Firmware::Uefi => "",
    };
    let name = match line.board {
        Board::Pc => "pc",
        Board::Q35 => "q35",
    };
    line.add("-machine", format!("{name}{smm}"));
    line.add("-accel", host.accel.argument().to_owned());
    line.add("-cpu", host.accel.cpu().to_owned());
    line.add("-smp", machine.cpus.to_string());
    line.add("-m", format!("{}M", machine.memory_mib));
    line.add("-display", "none".to_owned());
    line.add("-device", "VGA".to_owned());
    let clock = machine.clock.as_deref().unwrap_or("utc");
    line.add("-rtc", format!("base={clock}"));
    line.add("-pidfile", text(&host.dir.join("pid"))?.to_owned());
    if machine.ends_on_reboot {
        line.words.push("-no-reboot".to_owned());
    }
    Ok(())
}

fn firmware(line: &mut Line, machine: &Machine, host: &Host<'_>) -> Result<()> {
    let Some(ovmf) = &host.ovmf else {
        return Ok(());
    };
    if machine.firmware == Firmware::SecureBoot {
        // The variables can only be changed from system management mode.
        let secure = "driver=cfi.pflash01,property=secure,value=on";
        line.add("-global", secure.to_owned());
    }
    let code = escape(text(&ovmf.code)?);
    let vars = escape(text(&ovmf.vars)?);
    line.add(
        "-drive",
        format!("if=pflash,unit=0,format=raw,readonly=on,file={code}"),
    );
    line.add("-drive", format!("if=pflash,unit=1,format=raw,file={vars}"));
    Ok(())
}

/// QEMU connects to sockets that we already listen on.
fn ports(line: &mut Line, machine: &Machine, host: &Host<'_>) -> Result<()> {
    for port in Port::ALL {
        let name = port.name();
        let socket = host.dir.join(name);
        let socket = escape(text(&socket)?);
        let backend = match (port, &machine.console) {
            (Port::Console, Some(own)) => {
                let own = escape(text(own)?);
                format!("socket,id={name},path={own},server=on,wait=off")
            }
            _ => format!("socket,id={name},path={socket}"),
        };
        line.add("-chardev", backend);
        match port {
            Port::Monitor => line.add("-mon", format!("chardev={name},mode=control")),
            Port::Console | Port::Events => line.add("-serial", format!("chardev:{name}")),
        }
    }
    Ok(())
}

/// The command line so far, and what is taken on its buses.
#[derive(Debug, Default)]
struct Line {
    words: Vec<String>,
    board: Board,
    controllers: BTreeSet<&'static str>,
    drives: u32,
    next_boot: u32,
    ide: u32,
    sata: u32,
    nics: u32,
}

impl Line {
    fn add(&mut self, option: &str, value: String) {
        self.words.push(option.to_owned());
        self.words.push(value);
    }

    /// Adds a controller unless it is there.
    fn controller(&mut self, id: &'static str, model: &str) {
        if self.controllers.insert(id) {
            self.add("-device", format!("{model},id={id}"));
        }
    }

    fn drive(&mut self, drive: &Drive) -> Result<()> {
        let id = format!("drive{}", self.drives);
        self.drives += 1;
        let (backend, mut device) = match drive {
            Drive::Disk(disk) => (disk_backend(disk)?, self.disk_device(disk)?),
            Drive::Cdrom { iso, bus } => (
                format!("format=raw,readonly=on,file={}", escape(text(iso)?)),
                self.cd_device(*bus)?,
            ),
        };
        let boots = !matches!(drive, Drive::Disk(disk) if !disk.boots);
        if boots {
            device = format!("{device},bootindex={}", self.next_boot);
            self.next_boot += 1;
        }
        self.add("-drive", format!("if=none,id={id},{backend}"));
        self.add("-device", format!("{device},drive={id}"));
        Ok(())
    }

    fn disk_device(&mut self, disk: &Disk) -> Result<String> {
        let mut device = match disk.bus {
            Bus::Ide => format!("ide-hd,{}", self.ide_place()?),
            Bus::Ahci => format!("ide-hd,{}", self.sata_place()?),
            Bus::Nvme => "nvme".to_owned(),
            Bus::VirtioBlk => "virtio-blk-pci".to_owned(),
            Bus::VirtioScsi => {
                self.controller("scsi", "virtio-scsi-pci");
                "scsi-hd,bus=scsi.0".to_owned()
            }
            Bus::Megasas => {
                self.controller("megasas", "megasas");
                "scsi-hd,bus=megasas.0".to_owned()
            }
            Bus::MptSas => {
                self.controller("mptsas", "mptsas1068");
                // (Linux passes over a disk without an address on SAS. NAA 3: a local one.)
                let address = (3 << 60) | u64::from(self.drives);
                format!("scsi-hd,bus=mptsas.0,wwn={address:#x}")
            }
            Bus::Lsi => {
                self.controller("lsi", "lsi53c895a");
                "scsi-hd,bus=lsi.0".to_owned()
            }
            Bus::Pvscsi => {
                self.controller("pvscsi", "pvscsi");
                "scsi-hd,bus=pvscsi.0".to_owned()
            }
            Bus::Usb => {
                self.controller("xhci", "qemu-xhci");
                "usb-storage,bus=xhci.0,removable=on".to_owned()
            }
        };
        if let Some(serial) = serial(disk)? {
            device = format!("{device},serial={}", escape(&serial));
        }
        if disk.sector != 512 {
            let size = sector(disk)?;
            device = format!("{device},logical_block_size={size},physical_block_size={size}");
        }
        Ok(device)
    }

    fn cd_device(&mut self, bus: Bus) -> Result<String> {
        Ok(match bus {
            Bus::Ide => format!("ide-cd,{}", self.ide_place()?),
            Bus::Ahci => format!("ide-cd,{}", self.sata_place()?),
            Bus::VirtioScsi => {
                self.controller("scsi", "virtio-scsi-pci");
                "scsi-cd,bus=scsi.0".to_owned()
            }
            Bus::Usb => {
                self.controller("xhci", "qemu-xhci");
                self.controller("uas", "usb-uas,bus=xhci.0");
                "scsi-cd,bus=uas.0".to_owned()
            }
            Bus::Nvme | Bus::VirtioBlk | Bus::Megasas | Bus::MptSas | Bus::Lsi | Bus::Pvscsi => {
                let reason = format!("a CD drive cannot hang on {bus:?}");
                return Err(Error::Impossible(reason));
            }
        })
    }

    fn ide_place(&mut self) -> Result<String> {
        let n = self.ide;
        self.ide += 1;
        if n >= 4 {
            let reason = "parallel ATA has places for four drives".to_owned();
            return Err(Error::Impossible(reason));
        }
        Ok(format!("bus=ide.{},unit={}", n / 2, n % 2))
    }

    fn sata_place(&mut self) -> Result<String> {
        let n = self.sata;
        self.sata += 1;
        if n >= 6 {
            let reason = "the SATA controller has six ports".to_owned();
            return Err(Error::Impossible(reason));
        }
        Ok(match self.board {
            // The board's own controller, whose buses QEMU calls ide.0 to ide.5.
            Board::Q35 => format!("bus=ide.{n}"),
            Board::Pc => {
                self.controller("ahci", "ahci");
                format!("bus=ahci.{n}")
            }
        })
    }

    fn nic(&mut self, nic: &Nic, firmware: Firmware) {
        let id = format!("net{}", self.nics);
        self.nics += 1;
        let backend = match (&nic.tap, nic.wire) {
            (Some(device), _) => format!("tap,id={id},ifname={device},script=no,downscript=no"),
            (None, Some(port)) => format!("socket,id={id},connect=127.0.0.1:{port}"),
            (None, None) => user_network(nic, &id),
        };
        let model = match nic.model {
            NicModel::E1000 => "e1000",
            NicModel::E1000e => "e1000e",
            NicModel::Vmxnet3 => "vmxnet3",
            NicModel::Rtl8139 => "rtl8139",
            NicModel::Tulip => "tulip",
            NicModel::I82551 => "i82551",
            NicModel::Virtio => "virtio-net-pci",
        };
        self.add("-netdev", backend);
        let mut device = format!("{model},netdev={id}");
        if let Some(mac) = &nic.mac {
            device.push_str(&format!(",mac={mac}"));
        }
        if nic.boots {
            device.push_str(&format!(",bootindex={}", self.next_boot));
            self.next_boot += 1;
        }
        // Without an option ROM the BIOS does not wait for a network boot, and
        // UEFI firmware uses its own drivers, as real machines do.
        if !nic.boots || firmware != Firmware::Bios {
            device.push_str(",romfile=");
        }
        self.add("-device", device);
    }
}

fn user_network(nic: &Nic, id: &str) -> String {
    let mut backend = format!("user,id={id}");
    if nic.restricted {
        backend.push_str(",restrict=on");
    }
    for forward in &nic.forwards {
        let (host, guest) = (forward.host, forward.guest);
        backend.push_str(&format!(",hostfwd=tcp:127.0.0.1:{host}-:{guest}"));
    }
    if let Some(served) = &nic.served {
        let words: Vec<String> = served.command.iter().map(|w| shell_word(w)).collect();
        let (at, port) = (Nic::SERVED_AT, served.port);
        let command = escape(&words.join(" "));
        backend.push_str(&format!(",guestfwd=tcp:{at}:{port}-cmd:{command}"));
    }
    backend
}

/// A word as a POSIX shell, and GLib's parser of such lines, takes it.
fn shell_word(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

fn disk_backend(disk: &Disk) -> Result<String> {
    // What reached the host's page cache survives QEMU; the host does not crash.
    // A qcow2 file is different: QEMU holds part of it in its own memory.
    let cache = match disk.format {
        Format::Raw => "unsafe",
        Format::Qcow2 => "writeback",
    };
    let writes = match disk.writes {
        Writes::Kept => "",
        Writes::ThrownAway => ",snapshot=on",
        Writes::Refused => ",readonly=on",
    };
    let (format, file) = (disk.format.name(), escape(text(&disk.file)?));
    Ok(format!(
        "format={format},cache={cache},discard=unmap{writes},file={file}"
    ))
}

/// The serial number to give, if any: NVMe cannot do without.
fn serial(disk: &Disk) -> Result<Option<String>> {
    match &disk.serial {
        Some(serial) if serial.len() > 20 => Err(Error::Impossible(format!(
            "the disk serial number {serial} is longer than 20 characters"
        ))),
        Some(serial) => Ok(Some(serial.clone())),
        None if disk.bus == Bus::Nvme => Ok(Some("NVME0".to_owned())),
        None => Ok(None),
    }
}

fn sector(disk: &Disk) -> Result<u32> {
    match (disk.bus, disk.sector) {
        (Bus::Ide | Bus::Ahci, _) => Err(Error::Impossible(format!(
            "{:?} disks have 512-byte sectors only, not {}",
            disk.bus, disk.sector
        ))),
        (_, 4096) => Ok(4096),
        (_, other) => Err(Error::Impossible(format!(
            "a disk has sectors of 512 or 4096 bytes, not {other}"
        ))),
    }
}

/// In QEMU's option lists a comma inside a value is doubled.
fn escape(value: &str) -> String {
    value.replace(',', ",,")
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().ok_or_else(|| {
        Error::Impossible(format!(
            "QEMU's options cannot carry the file name {}, which is not UTF-8",
            path.display()
        ))
    })
}
