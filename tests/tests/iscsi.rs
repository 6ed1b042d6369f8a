//! Repositories on disks of an iSCSI server: a real tgtd that asks for a password,
//! in the lab's network.

use anyhow::{Context, Result, ensure};
use qemu::{Bus, Disk, Firmware, Machine, Nic, NicModel};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tests::lab::{Lab, Server};
use tests::{Sample, Unattended, blank_disk, scratch, tool};

/// The lab's loopback, as QEMU's own network shows it to the guest.
const SERVER: &str = "10.0.2.2";
const TARGET: &str = "iqn.2025-01.org.example:backups";
/// With what an address has to escape.
const PASSWORD: &str = "twelve of@them";
const IN_ADDRESS: &str = "twelve%20of%40them";

/// A disk with a partition table and one file system, which holds the sample's
/// repository in its folder `web`.
fn disk_with(folder: &Path, sample: &Sample) -> Result<PathBuf> {
    let content = folder.join("shared");
    fs::create_dir(&content)?;
    fs::rename(&sample.repository, content.join("web"))?;
    let disk = folder.join("lun.raw");
    File::create(&disk)?.set_len(96 << 20)?;
    let table: [&OsStr; 4] = [
        "sgdisk".as_ref(),
        "--clear".as_ref(),
        "--new=1:2048:0".as_ref(),
        disk.as_os_str(),
    ];
    tool("gdisk", &table)?;
    let words = ["mke2fs", "-q", "-F", "-t", "ext4", "-E", "offset=1048576"];
    let mut words: Vec<&OsStr> = words.iter().map(AsRef::as_ref).collect();
    words.extend([
        "-d".as_ref(),
        content.as_os_str(),
        disk.as_os_str(),
        "90M".as_ref(),
    ]);
    tool("e2fsprogs", &words)?;
    Ok(disk)
}

/// Shares `disk` as LUN 1 of [`TARGET`] with user joe and [`PASSWORD`].
fn tgt(lab: &Lab, folder: &Path, disk: &Path) -> Result<Server> {
    let socket = format!("TGT_IPC_SOCKET={}", folder.join("tgt").display());
    let portal = "portal=127.0.0.1:3260";
    let server = lab.start(&["env", &socket, "tgtd", "-f", "--iscsi", portal])?;
    let script = format!(
        "set -e; export '{socket}'; admin() {{ tgtadm --lld iscsi --mode \"$@\"; }}; \
         until admin sys --op show >/dev/null 2>&1; do sleep 0.1; done; \
         admin target --op new --tid 1 --targetname {TARGET}; \
         admin logicalunit --op new --tid 1 --lun 1 --backing-store '{}'; \
         admin account --op new --user joe --password '{PASSWORD}'; \
         admin account --op bind --tid 1 --user joe; \
         admin target --op bind --tid 1 --initiator-address ALL; echo configured",
        disk.display()
    );
    let admin = lab.start(&["sh", "-c", &script])?;
    admin
        .wait_for("configured", Duration::from_secs(20))
        .with_context(|| server.said())
        .context("tgtd (package tgt)")?;
    Ok(server)
}

fn same(sample: &Sample, target: &Path) -> Result<()> {
    let (source, target) = (fs::read(&sample.disk)?, fs::read(target)?);
    let (from, to) = (1 << 20, 30 << 20);
    ensure!(source[from..to] == target[from..to], "the data is another");
    Ok(())
}

#[test]
fn vm_restores_from_an_iscsi_lun() -> Result<()> {
    let folder = scratch()?;
    let sample = Sample::captured(folder.path(), 32)?;
    let disk = disk_with(folder.path(), &sample)?;
    let before = fs::read(&disk)?;
    let target = folder.path().join("target.raw");
    blank_disk(&target, 64 << 20)?;
    let lab = Lab::new()?;
    let server = tgt(&lab, folder.path(), &disk)?;
    let from = format!("iscsi://joe:{IN_ADDRESS}@{SERVER}/{TARGET}/1/web");
    let plan = Unattended::new(folder.path(), &from)?;
    let machine = Machine::new(Firmware::Bios)
        .nic(Nic::new(NicModel::Virtio))
        .inside(&lab.enter());
    let target_disk = Disk::raw(&target).bus(Bus::VirtioBlk).never_boots();
    let outcome = plan.run(machine, target_disk)?;
    outcome.succeeded().with_context(|| server.said())?;
    same(&sample, &target)?;
    ensure!(
        before == fs::read(&disk)?,
        "the server's disk was written to"
    );
    Ok(())
}
