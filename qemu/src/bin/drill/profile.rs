//! The hardware that a drill pretends to have.

use anyhow::{Context, Result, bail, ensure};
use qemu::{Bus, Firmware, NicModel};
use serde::Deserialize;
use std::fs;
use std::path::Path;

/// What `--hardware NAME` knows without a file.
const BUILT_IN: [(&str, &str); 10] = [
    ("ahci", include_str!("../../../profiles/ahci.toml")),
    (
        "dell-perc",
        include_str!("../../../profiles/dell-perc.toml"),
    ),
    ("hp-sas", include_str!("../../../profiles/hp-sas.toml")),
    (
        "hyper-v-like",
        include_str!("../../../profiles/hyper-v-like.toml"),
    ),
    ("ide", include_str!("../../../profiles/ide.toml")),
    ("lsi-scsi", include_str!("../../../profiles/lsi-scsi.toml")),
    ("nvme", include_str!("../../../profiles/nvme.toml")),
    ("virtio", include_str!("../../../profiles/virtio.toml")),
    ("vmware", include_str!("../../../profiles/vmware.toml")),
    (
        "vmware-e1000",
        include_str!("../../../profiles/vmware-e1000.toml"),
    ),
];

/// Larger than any host has; a slip of the finger is told, not tried.
const MEMORY_LIMIT: u32 = 1 << 20;
/// What the medium needs in every case.
const MEMORY_LEAST: u32 = 512;

/// One kind of machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Profile {
    /// What it is called in reports.
    pub(crate) name: String,
    /// What it is like, in a line.
    pub(crate) title: String,
    /// What its disks hang on.
    pub(crate) bus: Bus,
    /// Its network card.
    pub(crate) nic: NicModel,
    /// What it can start by, the preferred one first.
    pub(crate) firmware: Vec<Firmware>,
    /// Its memory.
    pub(crate) memory_mib: u32,
    /// Its processors.
    pub(crate) processors: u32,
}

/// A profile as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Written {
    title: String,
    controller: Controller,
    nic: Card,
    firmware: Vec<Start>,
    #[serde(default = "usual_memory")]
    memory_mib: u32,
    #[serde(default = "usual_processors")]
    processors: u32,
}

fn usual_memory() -> u32 {
    2048
}

fn usual_processors() -> u32 {
    2
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Controller {
    Ahci,
    Ide,
    Lsi,
    Megasas,
    Mptsas,
    Nvme,
    Pvscsi,
    VirtioBlk,
    VirtioScsi,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Card {
    E1000,
    E1000e,
    Rtl8139,
    Tulip,
    Virtio,
    Vmxnet3,
}

/// What a machine starts by, in the words of profiles and `--firmware`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Start {
    /// PC BIOS
    Bios,
    /// UEFI without Secure Boot
    Uefi,
    /// UEFI that starts only what Microsoft's keys sign
    SecureBoot,
}

impl Start {
    pub(crate) fn firmware(self) -> Firmware {
        match self {
            Self::Bios => Firmware::Bios,
            Self::Uefi => Firmware::Uefi,
            Self::SecureBoot => Firmware::SecureBoot,
        }
    }
}

/// What a firmware is called here.
pub(crate) fn firmware_name(firmware: Firmware) -> &'static str {
    match firmware {
        Firmware::Bios => "BIOS",
        Firmware::Uefi => "UEFI",
        Firmware::SecureBoot => "UEFI with Secure Boot",
    }
}

impl Profile {
    /// The same machine with so many processors, if that is said.
    pub(crate) fn with_processors(mut self, processors: Option<u32>) -> Self {
        self.processors = processors.unwrap_or(self.processors);
        self
    }

    /// The built-in profile of this name, or the one in a file of this name.
    pub(crate) fn named(name: &str) -> Result<Self> {
        if let Some((name, text)) = BUILT_IN.iter().find(|(known, _)| *known == name) {
            return Self::parse(name, text);
        }
        if !name.ends_with(".toml") {
            let known: Vec<&str> = BUILT_IN.iter().map(|(name, _)| *name).collect();
            bail!(
                "there is no hardware {name:?}: there are {}, or the file of your own, NAME.toml",
                known.join(", ")
            );
        }
        let file = Path::new(name);
        let text = fs::read_to_string(file)
            .with_context(|| format!("reading the hardware profile {name}"))?;
        let stem = file.file_stem().unwrap_or_default().to_string_lossy();
        Self::parse(&stem, &text)
    }

    /// All built-in profiles with the text of their files.
    pub(crate) fn built_in() -> impl Iterator<Item = (Result<Self>, &'static str)> {
        BUILT_IN
            .iter()
            .map(|(name, text)| (Self::parse(name, text), *text))
    }

    fn parse(name: &str, text: &str) -> Result<Self> {
        let context = || format!("the hardware profile {name} is wrong");
        let written: Written = toml::from_str(text).with_context(context)?;
        Self::checked(name, written).with_context(context)
    }

    fn checked(name: &str, written: Written) -> Result<Self> {
        let memory = written.memory_mib;
        ensure!(
            (MEMORY_LEAST..=MEMORY_LIMIT).contains(&memory),
            "memory-mib is {memory}: from {MEMORY_LEAST} to {MEMORY_LIMIT} are possible"
        );
        let processors = written.processors;
        ensure!(
            (1..=64).contains(&processors),
            "processors is {processors}: from 1 to 64 are possible"
        );
        ensure!(
            !written.firmware.is_empty(),
            "firmware is empty: what does it start by? \"bios\", \"uefi\", \"secure-boot\""
        );
        Ok(Self {
            name: name.to_owned(),
            title: written.title,
            bus: bus(written.controller),
            nic: card(written.nic),
            firmware: written.firmware.iter().map(|f| f.firmware()).collect(),
            memory_mib: memory,
            processors,
        })
    }
}

fn bus(controller: Controller) -> Bus {
    match controller {
        Controller::Ahci => Bus::Ahci,
        Controller::Ide => Bus::Ide,
        Controller::Lsi => Bus::Lsi,
        Controller::Megasas => Bus::Megasas,
        Controller::Mptsas => Bus::MptSas,
        Controller::Nvme => Bus::Nvme,
        Controller::Pvscsi => Bus::Pvscsi,
        Controller::VirtioBlk => Bus::VirtioBlk,
        Controller::VirtioScsi => Bus::VirtioScsi,
    }
}

fn card(card: Card) -> NicModel {
    match card {
        Card::E1000 => NicModel::E1000,
        Card::E1000e => NicModel::E1000e,
        Card::Rtl8139 => NicModel::Rtl8139,
        Card::Tulip => NicModel::Tulip,
        Card::Virtio => NicModel::Virtio,
        Card::Vmxnet3 => NicModel::Vmxnet3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_profile_is_right_and_says_what_it_is() {
        for (profile, text) in Profile::built_in() {
            let profile = profile.unwrap();
            assert!(text.starts_with("# "), "{}", profile.name);
            assert!(!profile.title.is_empty());
        }
        let vmware = Profile::named("vmware").unwrap();
        assert_eq!((vmware.bus, vmware.nic), (Bus::Pvscsi, NicModel::Vmxnet3));
        assert_eq!(vmware.memory_mib, 2048);
    }

    #[test]
    fn a_slip_in_a_profile_is_told_with_its_name() {
        let good = "title = \"x\"\ncontroller = \"nvme\"\nnic = \"e1000\"\nfirmware = [\"bios\"]\n";
        assert_eq!(Profile::parse("own", good).unwrap().memory_mib, 2048);
        let cases = [
            (format!("{good}memory = 5\n"), "unknown field `memory`"),
            (format!("{good}memory-mib = 5\n"), "memory-mib is 5"),
            (format!("{good}processors = 0\n"), "processors is 0"),
            (good.replace("nvme", "floppy"), "unknown variant `floppy`"),
            (good.replace("\"bios\"", ""), "firmware is empty"),
        ];
        for (text, word) in cases {
            let error = format!("{:#}", Profile::parse("own", &text).unwrap_err());
            assert!(error.contains("profile own"), "{error}");
            assert!(error.contains(word), "{error}");
        }
        let error = Profile::named("dell").unwrap_err().to_string();
        assert!(error.contains("dell-perc"), "{error}");
    }

    #[test]
    fn a_file_of_the_users_is_a_profile() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("our-server.toml");
        fs::write(&file, include_str!("../../../profiles/nvme.toml")).unwrap();
        let profile = Profile::named(file.to_str().unwrap()).unwrap();
        assert_eq!(profile.name, "our-server");
        assert_eq!(profile.bus, Bus::Nvme);
    }
}
