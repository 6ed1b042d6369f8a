//! The guests of the matrix, made by `scripts/make-guests` on AHCI, and what each must
//! show wherever it starts.

use crate::patient::{Facts, Patient};
use anyhow::{Context, Result, ensure};
use qemu::{Disk, Exit, Firmware, Machine, Nic, NicModel, Vm};
use std::time::Duration;

/// A small system reaches its passphrase's prompt, or ends, where the processor runs it.
const PATIENCE: Duration = Duration::from_secs(60);
/// Without what Debian's mdadm does then: it makes an initramfs that nobody starts from,
/// which takes longer than everything before.
const POWER_OFF: &str = "systemctl mask --runtime mdadm-shutdown.service; systemctl poweroff\n";
/// What opens the guest [`Guest::Luks`]; `scripts/make-guests` has it too.
pub const PASSPHRASE: &str = "correct horse";

/// A Debian whose initramfs has the drivers of an AHCI machine only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guest {
    /// ext4, initramfs-tools with `MODULES=dep`; fstab and `resume=` by `/dev/sdaN`.
    Dep,
    /// `/boot` of its own, XFS root.
    Xfs,
    /// Root and `/boot` on a logical volume.
    Lvm,
    /// `/boot` of its own, LUKS2 root that asks for its passphrase on the console.
    Luks,
    /// Root and `/boot` on an md RAID1 of two partitions of the disk.
    Raid1,
    /// btrfs, root in a subvolume.
    Btrfs,
    /// ext4, `dracut --hostonly`.
    Dracut,
}

impl Guest {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Dep,
        Self::Xfs,
        Self::Lvm,
        Self::Luks,
        Self::Raid1,
        Self::Btrfs,
        Self::Dracut,
    ];

    /// Its name for `scripts/make-guests`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Dep => "dep",
            Self::Xfs => "xfs",
            Self::Lvm => "lvm",
            Self::Luks => "luks",
            Self::Raid1 => "raid1",
            Self::Btrfs => "btrfs",
            Self::Dracut => "dracut",
        }
    }

    /// Its disk and identity.
    ///
    /// # Errors
    /// When it has not been made.
    pub fn patient(self) -> Result<Patient> {
        Patient::named(self.name()).context("run scripts/make-guests all")
    }

    /// What the plan of an unattended restore has to know, as lines of its `[restore]`.
    #[must_use]
    pub fn keys(self) -> String {
        match self {
            Self::Luks => format!("passphrases = [\"{PASSPHRASE}\"]\n"),
            _ => String::new(),
        }
    }

    /// What lies between its root file system and the disk, as lsblk names it.
    fn layers(self) -> &'static [&'static str] {
        match self {
            Self::Lvm => &["lvm", "part", "disk"],
            Self::Luks => &["crypt", "part", "disk"],
            Self::Raid1 => &["raid1", "part", "disk"],
            Self::Dep | Self::Xfs | Self::Btrfs | Self::Dracut => &["part", "disk"],
        }
    }

    fn filesystem(self) -> &'static str {
        match self {
            Self::Xfs => "xfs",
            Self::Btrfs => "btrfs",
            Self::Dep | Self::Lvm | Self::Luks | Self::Raid1 | Self::Dracut => "ext4",
        }
    }

    /// The address its one network card has: of its own, or by QEMU's DHCP.
    fn address(self) -> &'static str {
        match self {
            Self::Dep | Self::Lvm | Self::Luks | Self::Dracut => "10.0.2.77/24",
            Self::Xfs | Self::Raid1 | Self::Btrfs => "10.0.2.15/24",
        }
    }

    /// Answers what it asks before it starts.
    ///
    /// # Errors
    /// When it does not ask, with the console's tail.
    pub fn unlock(self, vm: &mut Vm) -> Result<()> {
        if self == Self::Luks {
            vm.wait_for("Please unlock disk", PATIENCE)?;
            vm.send(&format!("{PASSPHRASE}\n"))?;
        }
        Ok(())
    }

    /// Starts `machine` with `disk` (writes are forgotten), waits for its facts, and
    /// lets it power off.
    ///
    /// # Errors
    /// When it does not come that far, with the console's tail.
    pub fn facts(self, machine: Machine, disk: Disk) -> Result<Facts> {
        let mut vm = machine.disk(disk.throw_away_writes()).start()?;
        self.unlock(&mut vm)?;
        let facts = Facts::told_by(&mut vm)?;
        vm.send(POWER_OFF)?;
        let exit = vm.wait_exit(PATIENCE)?;
        ensure!(exit == Exit::PoweredOff, "instead of powering off: {exit}");
        Ok(facts)
    }

    /// Checks that `facts` are of this guest, whole, on `firmware`, with the network
    /// working on a card of `driver`.
    ///
    /// # Errors
    /// With the first fact that is not so.
    pub fn is_well(self, facts: &Facts, firmware: Firmware, driver: &str) -> Result<()> {
        self.patient()?.is(facts)?;
        let uefi = firmware != Firmware::Bios;
        let started_by = if uefi { "uefi" } else { "bios" };
        for (name, wanted) in [
            ("filesystem", self.filesystem().into()),
            ("layers", self.layers().into()),
            ("firmware", started_by.into()),
            (
                "secure_boot",
                serde_json::Value::from(firmware == Firmware::SecureBoot),
            ),
            ("failed", serde_json::json!([])),
        ] {
            let is = facts.get(name);
            ensure!(*is == wanted, "{name} is {is}, not {wanted}: {facts:?}");
        }
        let cards = facts.get("cards");
        let card = &cards[0];
        ensure!(
            card["driver"] == driver,
            "the card is not {driver}: {cards}"
        );
        let address = serde_json::json!([self.address()]);
        ensure!(
            card["addresses"] == address,
            "the card's address is not {address}: {cards}"
        );
        Ok(())
    }
}

/// The network card of the machine that the guests were made for.
#[must_use]
pub fn old_card() -> Nic {
    Nic::new(NicModel::E1000).mac("52:54:00:00:00:01")
}

/// The network card of machines that they are restored to: another model, another MAC.
#[must_use]
pub fn new_card() -> Nic {
    Nic::new(NicModel::Virtio).mac("52:54:00:00:00:02")
}
