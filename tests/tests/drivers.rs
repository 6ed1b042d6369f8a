//! Controllers that the medium has no driver for, and cards that load firmware.

use anyhow::{Context, Result, ensure};
use qemu::{Firmware, Machine, Nic, NicModel};
use serde_json::Value;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::time::Duration;
use tests::builder::build;
use tests::scratch;

const LIMIT: Duration = Duration::from_secs(90);

/// Storage and a network card for the medium, but neither of the other two.
const MODULES: &str =
    "[storage]\nsd_mod\nahci\nload loop\nsquashfs\n[network]\ne100\nload af_packet\n";

/// A SCSI controller that the kernel has a driver for, and a switch that it has none for.
const STRANGERS: [&str; 4] = ["-device", "am53c974", "-device", "rocker,name=sw"];

/// The kernel and the initramfs of a folder for network boot, as one file.
fn initrd(tree: &Path) -> Result<Vec<u8>> {
    let menu = fs::read_to_string(tree.join("grub/grub.cfg"))?;
    let line = menu.lines().find_map(|l| l.trim().strip_prefix("initrd "));
    let mut all = Vec::new();
    for layer in line.context("an initrd line")?.split_whitespace() {
        all.extend(fs::read(tree.join(layer.trim_start_matches('/')))?);
        all.resize(all.len().next_multiple_of(4), 0);
    }
    Ok(all)
}

/// What `fact` says of controllers, all sentences.
fn sentences(value: &Value, of: &str) -> Vec<String> {
    let all = value[of].as_array().cloned().unwrap_or_default();
    let texts = all.iter().filter_map(Value::as_str);
    texts.map(str::to_owned).collect()
}

/// QEMU's i82551 comes up only with microcode that the driver loads as firmware.
#[test]
fn vm_firmware_of_a_layer_is_found_and_controllers_without_a_driver_get_advice() -> Result<()> {
    let folder = scratch()?;
    let (list, firmware) = (
        folder.path().join("few.list"),
        folder.path().join("firmware"),
    );
    fs::write(&list, MODULES)?;
    fs::create_dir_all(firmware.join("e100"))?;
    // As long as the driver wants it; QEMU takes any.
    fs::write(firmware.join("e100/real"), vec![0; 134 * 4 + 3])?;
    std::os::unix::fs::symlink("real", firmware.join("e100/d102e_ucode.bin"))?;
    let tree = folder.path().join("tree");
    let words: [&OsStr; 4] = [
        "--module-list".as_ref(),
        list.as_os_str(),
        "--firmware".as_ref(),
        firmware.as_os_str(),
    ];
    build("pxe", &tree, &words)?;
    let initramfs = folder.path().join("initrd");
    fs::write(&initramfs, initrd(&tree)?)?;
    let words = "console=ttyS0 rootfstype=ramfs quiet rescue.ui=line rescue.events=ttyS1";
    let mut vm = Machine::new(Firmware::Bios)
        .memory_mib(256)
        .kernel(tree.join("boot/vmlinuz"), Some(initramfs), words)
        .nic(Nic::new(NicModel::I82551))
        .arguments(&STRANGERS)
        .start()?;
    let (mut told, mut has_address) = (Value::Null, false);
    let both = vm.wait_event("the controllers, and an address", LIMIT, |event| {
        match event["name"].as_str() {
            Some("controllers") => told = event["value"].clone(),
            Some("network") => has_address |= event.to_string().contains("10.0.2.15"),
            _ => {}
        }
        told.is_object() && has_address
    });
    both.with_context(|| vm.console())?;
    let missing = sentences(&told, "missing");
    let [switch, scsi] = &missing[..] else {
        anyhow::bail!("two controllers have no driver: {told}");
    };
    ensure!(
        scsi.contains("storage controller pci 1022:2020")
            && scsi.contains("--driver am53c974.ko esp_scsi.ko scsi_transport_spi.ko"),
        "{scsi}"
    );
    ensure!(
        switch.contains("network controller pci 1b36:0006") && switch.contains("newer kernel"),
        "{switch}"
    );
    for event in vm.events().iter().filter(|e| e["name"] == "controllers") {
        ensure!(sentences(&event["value"], "firmware").is_empty(), "{event}");
    }
    Ok(())
}
