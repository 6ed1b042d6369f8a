//! Machines without any medium: they start from the tree that `imagebuilder pxe`
//! makes, handed out by its own recipe with a real dnsmasq and nginx, and restore.

use anyhow::{Context, Result, ensure};
use qemu::{Bus, Disk, Exit, Firmware, Machine, Nic, NicModel};
use std::fs;
use std::path::Path;
use std::time::Duration;
use tests::lab::{ADDRESS, Lab, TAP};
use tests::{Sample, artefact, blank_disk, make_volume, medium, outcome, scratch};

const LIMIT: Duration = Duration::from_secs(60);

/// The tree, with the repository and a plan for any machine in it.
fn tree(folder: &Path, sample: &Sample) -> Result<std::path::PathBuf> {
    let tree = folder.join("tree");
    copy(&artefact("rescue-pxe")?, &tree)?;
    fs::rename(&sample.repository, tree.join("repository"))?;
    fs::create_dir(tree.join("plans"))?;
    let plan = format!(
        "[restore]\nfrom = \"http://{ADDRESS}/repository\"\nthen = \"poweroff\"\n\
         [target]\nserial = \"T\"\n"
    );
    fs::write(tree.join("plans/default.toml"), plan)?;
    // As README.txt tells: more words behind the kernel's name.
    let words = format!("vmlinuz rescue.config=http://{ADDRESS}/plans/ ");
    for file in ["boot.ipxe", "grub/grub.cfg"] {
        let file = tree.join(file);
        let text = fs::read_to_string(&file)?;
        fs::remove_file(&file)?;
        fs::write(&file, text.replace("vmlinuz ", &words))?;
    }
    Ok(tree)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target).context("copying the tree")?;
        }
    }
    Ok(())
}

/// Boots and restores; what the servers said. UEFI HTTP boot starts the ISO,
/// whose plan is on a volume.
fn restores(firmware: Firmware, http_only: bool) -> Result<String> {
    let folder = scratch()?;
    let sample = Sample::captured(folder.path(), 32)?;
    let tree = tree(folder.path(), &sample)?;
    if http_only {
        fs::copy(medium()?, tree.join("rescue.iso")).context("copying the ISO")?;
        // Firmware that is offered both takes TFTP first.
        let config = tree.join("dnsmasq.conf");
        let text = fs::read_to_string(&config)?;
        fs::remove_file(&config)?;
        fs::write(
            &config,
            text.replace("set:efi", "set:unused")
                .replace("pxe-service", "#"),
        )?;
    }
    let plans = folder.path().join("plans");
    fs::create_dir(&plans)?;
    fs::copy(tree.join("plans/default.toml"), plans.join("rescue.toml"))?;
    let target = folder.path().join("target.raw");
    blank_disk(&target, 64 << 20)?;
    let lab = Lab::new()?;
    let serve = tree.join("serve.sh");
    let serve = serve.to_str().context("a path")?;
    let server = lab.start(&[serve, TAP, "10.77.0.100", "10.77.0.200"])?;
    server.wait_for(
        "sockets bound exclusively to interface",
        Duration::from_secs(20),
    )?;
    let disk = Disk::raw(&target).bus(Bus::VirtioBlk).serial("T");
    let mut machine = Machine::new(firmware)
        .memory_mib(512)
        .nic(Nic::new(NicModel::Virtio).tap(TAP).boots())
        .disk(disk.never_boots())
        .inside(&lab.enter())
        .events();
    let volume = folder.path().join("volume.raw");
    make_volume(&volume, "RESCUE", &plans, 16)?;
    if http_only {
        machine = machine
            .disk(Disk::raw(&volume).bus(Bus::VirtioBlk).never_boots())
            .fw_cfg("opt/org.tianocore/IPv4PXESupport", "no")
            .fw_cfg("opt/org.tianocore/IPv6PXESupport", "no");
    }
    let mut vm = machine.start()?;
    let end = vm
        .wait_event("the outcome", LIMIT, outcome())
        .with_context(|| server.said());
    let end = end.with_context(|| vm.console())?;
    ensure!(end["event"] == "done", "{end}");
    ensure!(
        vm.wait_exit(LIMIT)? == Exit::PoweredOff,
        "it should switch off"
    );
    let (source, target) = (fs::read(&sample.disk)?, fs::read(&target)?);
    let (from, to) = (1 << 20, 30 << 20);
    ensure!(source[from..to] == target[from..to], "the data is another");
    Ok(server.said())
}

fn has(said: &str, words: &[&str]) -> Result<()> {
    for word in words {
        ensure!(said.contains(word), "no {word:?} in:\n{said}");
    }
    Ok(())
}

#[test]
fn vm_netboot_bios_through_ipxe() -> Result<()> {
    let said = restores(Firmware::Bios, false)?;
    has(
        &said,
        &["GET /boot.ipxe ", "GET /boot/vmlinuz ", "GET /repository/"],
    )
}

#[test]
fn vm_netboot_secure_boot_through_shim_and_grubnet() -> Result<()> {
    let said = restores(Firmware::SecureBoot, false)?;
    has(
        &said,
        &[
            "bootx64.efi to ",
            "grubx64.efi to ",
            "grub/grub.cfg to ",
            "vmlinuz to ",
        ],
    )
}

#[test]
fn vm_netboot_uefi_http() -> Result<()> {
    let said = restores(Firmware::Uefi, true)?;
    has(
        &said,
        &["GET /rescue.iso ", "UefiHttpBoot", "GET /repository/"],
    )?;
    ensure!(!said.contains("bootx64.efi to "), "TFTP was used:\n{said}");
    Ok(())
}
