//! The main job: a captured machine comes back on other hardware, as itself.

use anyhow::{Result, ensure};
use image::Repository;
use qemu::{Bus, Disk, Firmware, Machine, Nic, NicModel};
use std::ffi::OsStr;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use tests::parts::{self, Filesystem, Part};
use tests::rescue::{self, code, rescue};
use tests::{Facts, Patient, Unattended, Web, blank_disk, same_blocks, scratch, tool};

const MIB: u64 = 1 << 20;

fn capture(disk: &Path, repository: &Path) -> Result<()> {
    rescue::capture(disk, repository, &["--name", "patient"])
}

fn same(repository: &Path, source: &Path, target: &Path, except: &[Range<u64>]) -> Result<()> {
    let store = store::DirStore::open(repository)?;
    let repository = Repository::open(Arc::new(store))?;
    let seen = same_blocks(&repository, "latest", source, target, except)?;
    println!("compared: {seen:?}");
    Ok(())
}

fn size(disk: &Path) -> Result<u64> {
    Ok(std::fs::metadata(disk)?.len())
}

/// What a larger GPT disk has to have otherwise: the size in the protective MBR, the
/// header, and where the backup was.
fn moved_backup(source: &Path) -> Result<[Range<u64>; 2]> {
    let size = size(source)?;
    Ok([446..1024, size - 33 * 512..size])
}

#[test]
fn vm_bios_patient_from_virtio_blk_to_nvme() -> Result<()> {
    let (patient, folder) = (Patient::named("bios")?, scratch()?);
    let plan = Unattended::new(folder.path(), "label:RESCUE/repo")?;
    capture(&patient.disk, &plan.repository())?;
    let target = folder.path().join("target.raw");
    blank_disk(&target, size(&patient.disk)?)?;
    let disk = || Disk::raw(&target).bus(Bus::Nvme);

    plan.run(Machine::new(Firmware::Bios), disk())?
        .succeeded()?;
    same(&plan.repository(), &patient.disk, &target, &[])?;
    let facts = Facts::of(Machine::new(Firmware::Bios), disk())?;
    patient.is(&facts)?;
    ensure!(facts.runs_on("nvme"), "not on the new disk: {facts:?}");
    Ok(())
}

#[test]
fn vm_uefi_patient_from_ahci_over_http_to_a_larger_virtio_scsi_disk_with_secure_boot() -> Result<()>
{
    let (patient, folder) = (Patient::named("uefi")?, scratch()?);
    let repository = folder.path().join("repository");
    capture(&patient.disk, &repository)?;
    let web = Web::serve(&repository)?;
    let plan = Unattended::new(folder.path(), &web.url_for_guest())?;
    let target = folder.path().join("target.raw");
    blank_disk(&target, size(&patient.disk)? + 64 * MIB)?;
    let disk = || Disk::raw(&target).bus(Bus::VirtioScsi);

    // (Two processors: what happens at once really does, here at least.)
    let machine = || Machine::new(Firmware::SecureBoot).cpus(2);
    let card = Nic::new(NicModel::E1000);
    plan.run(machine().nic(card), disk())?.succeeded()?;
    ensure!(web.ranges() > 0, "nothing was read by ranges");
    same(
        &repository,
        &patient.disk,
        &target,
        &moved_backup(&patient.disk)?,
    )?;
    let verdict = tool(
        "gdisk",
        &["sgdisk".as_ref(), "-v".as_ref(), target.as_os_str()],
    )?;
    ensure!(verdict.contains("No problems found"), "sgdisk: {verdict}");
    let facts = Facts::of(machine(), disk())?;
    patient.is(&facts)?;
    ensure!(
        facts.runs_on("virtio_scsi"),
        "not on the new disk: {facts:?}"
    );
    ensure!(facts.secure_boot(), "Secure Boot is off: {facts:?}");
    Ok(())
}

#[test]
fn vm_mbr_data_disk_from_ahci_to_a_larger_megasas_disk() -> Result<()> {
    let (patient, folder) = (Patient::named("data")?, scratch()?);
    let plan = Unattended::new(folder.path(), "label:RESCUE/repo")?;
    capture(&patient.disk, &plan.repository())?;
    let target = folder.path().join("target.raw");
    blank_disk(&target, size(&patient.disk)? + 128 * MIB)?;

    let disk = Disk::raw(&target).bus(Bus::Megasas);
    plan.run(Machine::new(Firmware::Bios), disk)?.succeeded()?;
    same(&plan.repository(), &patient.disk, &target, &[])?;
    data_is_whole(&patient.disk, &target, folder.path())
}

/// Checks table, filesystems and a file of each on a restored `data` patient.
fn data_is_whole(source: &Path, target: &Path, folder: &Path) -> Result<()> {
    parts::verify_table(target)?;
    let (was, is) = (parts::table(source)?, parts::table(target)?);
    ensure!(was == is, "the table was\n{was}\nand is\n{is}");
    let mut contents = Vec::new();
    // NTFS, FAT, and the logical partition, as scripts/make-patient lays them out.
    for (start, filesystem) in [
        (2048, Filesystem::Ntfs),
        (204_800, Filesystem::Fat),
        (411_648, Filesystem::Ext),
    ] {
        let part = Part::at(target, start, folder)?;
        part.is_clean(filesystem)?;
        contents.push(part.checksum(filesystem, "noise.bin")?);
    }
    let same = contents.windows(2).all(|pair| pair[0] == pair[1]);
    ensure!(
        same,
        "noise.bin was the same file three times, is {contents:?}"
    );
    Ok(())
}

#[test]
fn vm_a_disk_with_other_sectors_is_refused() -> Result<()> {
    let (patient, folder) = (Patient::named("data")?, scratch()?);
    let plan = Unattended::new(folder.path(), "label:RESCUE/repo")?;
    capture(&patient.disk, &plan.repository())?;
    let target = folder.path().join("target.raw");
    blank_disk(&target, 2 * size(&patient.disk)?)?;
    let disk = Disk::raw(&target).bus(Bus::Nvme).sector(4096);

    let outcome = plan
        .run(Machine::new(Firmware::Bios), disk)?
        .failed_with(code::SECTOR_SIZE)?;
    let reason = outcome.event["error"].to_string();
    ensure!(
        reason.contains("4096") && reason.contains("512"),
        "{reason}"
    );
    let untouched = folder.path().join("blank.raw");
    blank_disk(&untouched, size(&target)?)?;
    let left = tests::left_behind(&untouched, &target)?;
    ensure!(left.is_untouched(), "the target was written to: {left:?}");
    Ok(())
}

#[test]
fn host_mbr_data_disk_to_a_larger_one() -> Result<()> {
    let (patient, folder) = (Patient::named("data")?, scratch()?);
    let repository = folder.path().join("repository");
    capture(&patient.disk, &repository)?;
    let target = folder.path().join("target.raw");
    blank_disk(&target, size(&patient.disk)? + 128 * MIB)?;
    let words: [&OsStr; 8] = [
        "restore".as_ref(),
        "latest".as_ref(),
        "--from".as_ref(),
        repository.as_os_str(),
        "--to".as_ref(),
        target.as_os_str(),
        "--yes".as_ref(),
        "--verify".as_ref(),
    ];
    rescue(&words)?.succeeded()?;
    same(&repository, &patient.disk, &target, &[])?;
    data_is_whole(&patient.disk, &target, folder.path())?;

    let sectors: Vec<&OsStr> = words[..6]
        .iter()
        .copied()
        .chain(["--plan", "--sector-size", "4096"].map(OsStr::new))
        .collect();
    rescue(&sectors)?.failed_with(code::SECTOR_SIZE, &["4096", "512"])?;
    Ok(())
}
