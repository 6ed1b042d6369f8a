//! Command lines, and one real machine.

use crate::accel::runs;
use crate::args::{Host, arguments};
use crate::{Accel, Bus, Disk, Error, Exit, Firmware, Machine, Nic, NicModel, boot_disk};
use crate::{Forward, firmware::Ovmf};
use std::path::{Path, PathBuf};
use std::time::Duration;

fn line(machine: &Machine) -> crate::Result<String> {
    let ovmf = Ovmf {
        code: PathBuf::from("/fw/code.fd"),
        vars: PathBuf::from("/vm/vars.fd"),
    };
    let host = Host {
        accel: Accel::Tcg,
        ovmf: (machine.firmware != Firmware::Bios).then_some(ovmf),
        dir: Path::new("/vm"),
    };
    Ok(arguments(machine, &host)?.join(" "))
}

fn one_disk(disk: Disk) -> String {
    line(&Machine::new(Firmware::Bios).disk(disk)).unwrap()
}

#[test]
fn every_bus_has_its_device() {
    let cases = [
        (Bus::Ide, "ide-hd,bus=ide.0,unit=0,serial=S1,bootindex=0"),
        (Bus::Ahci, "ide-hd,bus=ide.0,serial=S1,bootindex=0"),
        (Bus::Nvme, "nvme,serial=S1,bootindex=0"),
        (Bus::VirtioBlk, "virtio-blk-pci,serial=S1,bootindex=0"),
        (Bus::VirtioScsi, "scsi-hd,bus=scsi.0,serial=S1,bootindex=0"),
        (Bus::Megasas, "scsi-hd,bus=megasas.0,serial=S1,bootindex=0"),
        (
            Bus::MptSas,
            "scsi-hd,bus=mptsas.0,wwn=0x3000000000000001,serial=S1,bootindex=0",
        ),
        (Bus::Lsi, "scsi-hd,bus=lsi.0,serial=S1,bootindex=0"),
        (Bus::Pvscsi, "scsi-hd,bus=pvscsi.0,serial=S1,bootindex=0"),
        (Bus::Usb, "usb-storage,bus=xhci.0,removable=on,serial=S1"),
    ];
    for (bus, device) in cases {
        let line = one_disk(Disk::raw("d.raw").bus(bus).serial("S1"));
        assert!(line.contains(device), "{bus:?}: {line}");
        let board = if bus == Bus::Ide { "pc" } else { "q35" };
        assert!(line.contains(&format!("-machine {board} ")), "{line}");
    }
}

#[test]
fn files_formats_and_sectors_are_passed_on() {
    let native = one_disk(Disk::raw("a,b.raw").bus(Bus::Nvme).sector(4096));
    assert!(native.contains("logical_block_size=4096,physical_block_size=4096"));
    assert!(native.contains("serial=NVME0"), "NVMe needs a serial");
    assert!(native.contains("file=a,,b.raw"), "{native}");
    let qcow = one_disk(Disk::qcow2("q").throw_away_writes());
    assert!(qcow.contains("format=qcow2,cache=writeback,discard=unmap,snapshot=on"));
    assert!(!one_disk(Disk::raw("d").never_boots()).contains("bootindex"));
}

#[test]
fn a_machine_that_cannot_exist_is_refused_before_qemu_is() {
    let sata = Machine::new(Firmware::Bios).disk(Disk::raw("d").bus(Bus::Ahci).sector(4096));
    let ide = Machine::new(Firmware::SecureBoot).disk(Disk::raw("d").bus(Bus::Ide));
    let cd = Machine::new(Firmware::Bios).cdrom_on("c.iso", Bus::Nvme);
    let long = Machine::new(Firmware::Bios).disk(Disk::raw("d").serial("x".repeat(21)));
    for (machine, word) in [(sata, "512"), (ide, "q35"), (cd, "Nvme"), (long, "20")] {
        let Err(Error::Impossible(reason)) = line(&machine) else {
            panic!("accepted: {machine:?}");
        };
        assert!(reason.contains(word), "{reason}");
    }
}

#[test]
fn secure_boot_protects_its_variables() {
    let line = line(&Machine::new(Firmware::SecureBoot).cdrom("r.iso")).unwrap();
    for part in [
        "-machine q35,smm=on",
        "-global driver=cfi.pflash01,property=secure,value=on",
        "unit=0,format=raw,readonly=on,file=/fw/code.fd",
        "unit=1,format=raw,file=/vm/vars.fd",
        "ide-cd,bus=ide.0,bootindex=0",
    ] {
        assert!(line.contains(part), "{part} not in {line}");
    }
}

#[test]
fn controllers_are_added_once_and_order_is_kept() {
    let line = line(
        &Machine::new(Firmware::Bios)
            .disk(Disk::raw("a").bus(Bus::VirtioScsi))
            .disk(Disk::raw("b").bus(Bus::VirtioScsi))
            .disk(Disk::raw("c").bus(Bus::Ahci))
            .cdrom("r.iso"),
    )
    .unwrap();
    assert_eq!(line.matches("virtio-scsi-pci").count(), 1);
    assert!(line.contains("ide-hd,bus=ide.0,bootindex=2"));
    assert!(line.contains("ide-cd,bus=ide.1,bootindex=3"));
}

#[test]
fn network_events_and_kernel() {
    let forward = Forward {
        host: 2222,
        guest: 22,
    };
    let nic = Nic::new(NicModel::E1000)
        .mac("52:54:00:00:00:01")
        .forward(forward)
        .restricted();
    let line = line(&Machine::new(Firmware::Bios).nic(nic).events().kernel(
        "vmlinuz",
        None,
        "console=ttyS0",
    ))
    .unwrap();
    for part in [
        "user,id=net0,restrict=on,hostfwd=tcp:127.0.0.1:2222-:22",
        "e1000,netdev=net0,mac=52:54:00:00:00:01,romfile=",
        "-fw_cfg name=opt/org.rescue/events,string=ttyS1",
        "-kernel vmlinuz -append console=ttyS0",
        "-no-reboot",
    ] {
        assert!(line.contains(part), "{part} not in {line}");
    }
}

#[test]
fn what_a_guest_is_served_survives_quoting() {
    let command = ["/a b/drill", "serve", "/it's, here"].map(str::to_owned);
    let nic = Nic::new(NicModel::Vmxnet3).restricted().serve(80, &command);
    let line = line(&Machine::new(Firmware::Bios).nic(nic)).unwrap();
    let part = "user,id=net0,restrict=on,guestfwd=tcp:10.0.2.100:80-\
                cmd:'/a b/drill' 'serve' '/it'\\''s,, here' -device vmxnet3,netdev=net0";
    assert!(line.contains(part), "{line}");
}

/// Boots a boot sector: serial capture, QMP, screenshot, exit status, in one go.
#[test]
fn vm_says_a_line_and_leaves() {
    let dir = tempfile::tempdir().unwrap();
    let disk = dir.path().join("boot.raw");
    std::fs::write(&disk, boot_disk("first line\r\nsecond line\r\n", 21)).unwrap();
    let mut vm = Machine::new(Firmware::Bios)
        .memory_mib(64)
        .disk(Disk::raw(&disk).bus(Bus::Ahci))
        .start()
        .unwrap();
    let limit = Duration::from_secs(5);
    let read = vm.wait_for("second", limit).unwrap();
    assert!(read.contains("first line\nsecond"), "{read:?}");

    let status = vm.qmp("query-status", serde_json::Value::Null).unwrap();
    assert_eq!(status["status"], "running");
    let picture = dir.path().join("screen.png");
    vm.screenshot(&picture).unwrap();
    assert!(std::fs::read(&picture).unwrap().starts_with(b"\x89PNG"));

    let pixmap = dir.path().join("screen.ppm");
    vm.pixmap(&pixmap).unwrap();
    assert!(
        std::fs::read(&pixmap)
            .unwrap()
            .starts_with(b"P6\n720 400\n")
    );
    let memory = dir.path().join("memory");
    vm.memory(0x7c00 + 510, 2, &memory).unwrap();
    assert_eq!(std::fs::read(&memory).unwrap(), [0x55, 0xaa]);
    let (heard, at) = vm.listen(0, limit).unwrap();
    assert!(heard.starts_with("first line\nsecond"), "{heard:?}");
    assert_eq!(vm.listen(at + 99, Duration::ZERO).unwrap().0, "");
    assert_eq!(vm.next_event(Duration::ZERO).unwrap(), None);

    let refused = vm.qmp("no-such-command", serde_json::Value::Null);
    assert!(matches!(refused, Err(Error::Refused { .. })), "{refused:?}");
    let Err(Error::TimedOut { console, .. }) = vm.wait_for("third", Duration::from_millis(20))
    else {
        panic!("a halted machine said something");
    };
    assert!(console.contains("second line"));
    assert_eq!(vm.kill().unwrap(), Exit::Killed);
    assert!(matches!(
        vm.wait_for("third", limit),
        Err(Error::Ended { .. })
    ));
}

#[test]
fn vm_translation_always_runs_a_guest() {
    assert!(runs(Accel::Tcg).unwrap());
}

#[test]
fn vm_refused_by_qemu_says_why() {
    let machine = Machine::new(Firmware::Bios)
        .accel(Accel::Tcg)
        .arguments(&["-device", "no-such-device"]);
    let Err(Error::NotStarted { stderr, command }) = machine.start() else {
        panic!("QEMU accepted a device that does not exist");
    };
    assert!(stderr.contains("no-such-device"), "{stderr}");
    assert!(command.contains("-nodefaults"));
}
