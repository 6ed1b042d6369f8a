//! Linux guests made on AHCI, restored to other controllers under each firmware.
//! CI runs [`Pair::quarter`] of the pairs; `scripts/test --all` runs all.

use anyhow::{Context, Result, ensure};
use qemu::{Bus, Disk, Firmware, Machine};
use std::time::Duration;
use tests::guest::{Guest, old_card};
use tests::matrix::{FIRMWARE, Pair, restore_as_it_was, run};
use tests::{is_left_out, scratch};

/// A system without its disk waits half a minute for it, by a clock that emulation slows.
const GIVES_UP: Duration = Duration::from_secs(300);

/// One test a pair: `vm_matrix_GUEST::CONTROLLER_FIRMWARE`.
macro_rules! guests {
    ($($test:ident $guest:ident;)*) => {$(
        mod $test {
            use super::*;
            pairs! { $guest;
                ahci_bios Ahci Bios; ahci_uefi Ahci Uefi; ahci_secure_boot Ahci SecureBoot;
                nvme_bios Nvme Bios; nvme_uefi Nvme Uefi; nvme_secure_boot Nvme SecureBoot;
                virtio_blk_bios VirtioBlk Bios; virtio_blk_uefi VirtioBlk Uefi;
                virtio_blk_secure_boot VirtioBlk SecureBoot;
                virtio_scsi_bios VirtioScsi Bios; virtio_scsi_uefi VirtioScsi Uefi;
                virtio_scsi_secure_boot VirtioScsi SecureBoot;
                megasas_bios Megasas Bios;
                pvscsi_bios Pvscsi Bios;
            }
        }
    )*};
}

macro_rules! pairs {
    ($guest:ident; $($test:ident $bus:ident $firmware:ident;)*) => {
        pub(super) const PAIRS: &[Pair] = &[$(Pair {
            guest: Guest::$guest,
            bus: Bus::$bus,
            firmware: Firmware::$firmware,
        }),*];
        $(
            #[test]
            fn $test() -> Result<()> {
                run(Guest::$guest, Bus::$bus, Firmware::$firmware)
            }
        )*
    };
}

guests! {
    vm_matrix_dep Dep;
    vm_matrix_xfs Xfs;
    vm_matrix_lvm Lvm;
    vm_matrix_luks Luks;
    vm_matrix_raid1 Raid1;
    vm_matrix_btrfs Btrfs;
    vm_matrix_dracut Dracut;
}

/// No pair is forgotten.
#[test]
fn every_pair_has_its_test() {
    let tests = [
        vm_matrix_dep::PAIRS,
        vm_matrix_xfs::PAIRS,
        vm_matrix_lvm::PAIRS,
        vm_matrix_luks::PAIRS,
        vm_matrix_raid1::PAIRS,
        vm_matrix_btrfs::PAIRS,
        vm_matrix_dracut::PAIRS,
    ];
    assert_eq!(tests.concat(), Pair::all());
}

/// As it was made: on AHCI, with the old network card, under each firmware.
fn starts_where_it_was_made(guest: Guest) -> Result<()> {
    if is_left_out() {
        return Ok(());
    }
    for firmware in FIRMWARE {
        let machine = Machine::new(firmware).nic(old_card());
        let disk = Disk::raw(guest.patient()?.disk).bus(Bus::Ahci);
        let facts = guest.facts(machine, disk)?;
        guest
            .is_well(&facts, firmware, "e1000")
            .with_context(|| format!("{firmware:?}"))?;
        ensure!(facts.runs_on("ahci"), "{facts:?}");
        println!("{} {firmware:?}: {facts:?}", guest.name());
    }
    Ok(())
}

/// The control of the matrix: what is restored as it was does not find its disk.
fn is_lost_when_left_alone(guest: Guest, gives_up: &str) -> Result<()> {
    // CI has it once. (dracut gives up after minutes.)
    if is_left_out() && guest != Guest::Dep {
        return Ok(());
    }
    let folder = scratch()?;
    let target = folder.path().join("target.raw");
    restore_as_it_was(guest, &target)?;
    let disk = Disk::raw(&target).bus(Bus::Nvme).throw_away_writes();
    let mut vm = Machine::new(Firmware::Bios).disk(disk).start()?;
    vm.wait_for(gives_up, GIVES_UP)?;
    Ok(())
}

/// What initramfs-tools says of a root that does not come.
const NO_ROOT: &str = "Gave up waiting for root";

macro_rules! controls {
    ($($starts:ident $lost:ident $guest:ident $says:expr;)*) => {$(
        #[test]
        fn $starts() -> Result<()> {
            starts_where_it_was_made(Guest::$guest)
        }

        #[test]
        fn $lost() -> Result<()> {
            is_lost_when_left_alone(Guest::$guest, $says)
        }
    )*};
}

controls! {
    vm_dep_starts_where_it_was_made vm_dep_left_alone_is_lost_on_nvme Dep NO_ROOT;
    vm_xfs_starts_where_it_was_made vm_xfs_left_alone_is_lost_on_nvme Xfs NO_ROOT;
    vm_lvm_starts_where_it_was_made vm_lvm_left_alone_is_lost_on_nvme Lvm NO_ROOT;
    vm_luks_starts_where_it_was_made vm_luks_left_alone_is_lost_on_nvme Luks
        "Gave up waiting for";
    vm_raid1_starts_where_it_was_made vm_raid1_left_alone_is_lost_on_nvme Raid1 NO_ROOT;
    vm_btrfs_starts_where_it_was_made vm_btrfs_left_alone_is_lost_on_nvme Btrfs NO_ROOT;
    vm_dracut_starts_where_it_was_made vm_dracut_left_alone_is_lost_on_nvme Dracut
        "Could not boot";
}
