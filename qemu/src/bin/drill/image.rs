//! What is known of the image, from `rescue show --json`.

use crate::repository::Repository;
use anyhow::{Context, Result, bail};
use qemu::Firmware;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// Type of an EFI system partition (UEFI specification, 5.3.3).
const ESP: &str = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b";
/// Type of the partition that GRUB has its core in on GPT disks started by a BIOS
/// (GRUB manual, "BIOS installation").
const BIOS_BOOT: &str = "21686148-6449-6e6f-744e-656564454649";

/// The facts of an image that a drill needs.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Image {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) created: String,
    pub(crate) tool: String,
    pub(crate) machine: Machine,
    pub(crate) disks: Vec<DiskImage>,
    #[serde(default)]
    pub(crate) systems: Vec<System>,
    /// Of its signature, in words.
    #[serde(skip)]
    pub(crate) signature: String,
    /// What `rescue show` warned of.
    #[serde(skip)]
    pub(crate) doubts: Vec<String>,
}

/// The captured machine.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Machine {
    pub(crate) hostname: Option<String>,
    pub(crate) firmware: Option<String>,
}

/// One disk of it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct DiskImage {
    pub(crate) index: u32,
    pub(crate) size: u64,
    pub(crate) sector_size: u32,
    pub(crate) table: String,
    #[serde(default)]
    regions: Vec<Region>,
}

#[derive(Debug, Clone, Deserialize)]
struct Region {
    start: u64,
    len: u64,
    kind: Value,
    root: Option<Root>,
}

#[derive(Debug, Clone, Deserialize)]
struct Root {
    chunk: String,
}

/// An operating system in it.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub(crate) struct System {
    pub(crate) family: String,
    pub(crate) name: String,
    pub(crate) hostname: Option<String>,
    pub(crate) disk: u32,
    pub(crate) partition: u32,
}

/// The hash of a part of a disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Hash {
    pub(crate) disk: u32,
    pub(crate) start: u64,
    pub(crate) len: u64,
    /// BLAKE3 of the part's map, which has the hashes of all its data.
    pub(crate) blake3: String,
}

impl Image {
    /// Asks `program` for `image` of `repository`.
    pub(crate) fn shown(
        program: &Path,
        image: &str,
        repository: &Repository,
        trust_keys: &[impl AsRef<Path>],
    ) -> Result<Self> {
        let mut command = Command::new(program);
        command.arg("show").arg("--json").args(repository.words());
        for key in trust_keys {
            command.arg("--trust-key").arg(key.as_ref());
        }
        // A name may begin with a dash.
        let output = command.arg("--").arg(image).output();
        let output = output.with_context(|| format!("starting {}", program.display()))?;
        let stdout = String::from_utf8_lossy(&output.stdout);
        let stderr = String::from_utf8_lossy(&output.stderr);
        parse(&stdout).with_context(|| match stderr.trim() {
            "" => format!("asking {} for the image", program.display()),
            said => format!("asking {} for the image: {said}", program.display()),
        })
    }

    /// What it was started by, as far as it shows: what the captured machine told
    /// of itself, else what its partitions are for.
    pub(crate) fn started_by(&self) -> Option<Firmware> {
        match self.machine.firmware.as_deref() {
            Some("uefi") => return Some(Firmware::Uefi),
            Some("bios") => return Some(Firmware::Bios),
            _ => {}
        }
        let types: Vec<&str> = self.disks.iter().flat_map(DiskImage::types).collect();
        if types.contains(&ESP) {
            return Some(Firmware::Uefi);
        }
        let by_bios = types.contains(&BIOS_BOOT) || self.disks.iter().any(|d| d.table == "mbr");
        by_bios.then_some(Firmware::Bios)
    }

    /// The host name that its system has, when all of them have the same.
    pub(crate) fn hostname(&self) -> Option<&str> {
        let mut names = self.systems.iter().filter_map(|s| s.hostname.as_deref());
        match (names.next(), names.next()) {
            (Some(one), None) => Some(one),
            (None, _) => self.machine.hostname.as_deref(),
            (Some(_), Some(_)) => None,
        }
    }

    pub(crate) fn hashes(&self) -> Vec<Hash> {
        let of_disk = |disk: &DiskImage| {
            let index = disk.index;
            let hash = move |region: &Region| {
                let root = region.root.as_ref()?;
                Some(Hash {
                    disk: index,
                    start: region.start,
                    len: region.len,
                    blake3: root.chunk.clone(),
                })
            };
            disk.regions.iter().filter_map(hash).collect::<Vec<_>>()
        };
        self.disks.iter().flat_map(of_disk).collect()
    }
}

impl DiskImage {
    fn types(&self) -> impl Iterator<Item = &str> {
        let regions = self.regions.iter();
        regions.filter_map(|region| region.kind["partition"]["type_id"].as_str())
    }
}

/// Finds the image among the lines that `rescue show --json` printed.
fn parse(lines: &str) -> Result<Image> {
    let mut doubts = Vec::new();
    let mut found = None;
    for line in lines.lines() {
        let Ok(value) = serde_json::from_str::<Value>(line) else {
            continue;
        };
        match value["event"].as_str() {
            Some("failed") => bail!("{}", value["error"].as_str().unwrap_or(line)),
            Some("warning") => doubts.extend(value["text"].as_str().map(str::to_owned)),
            _ if value["image"].is_object() => found = Some(value),
            _ => {}
        }
    }
    let value = found.context("it told no image")?;
    let mut image: Image = serde_json::from_value(value["image"].clone())
        .context("what it told of the image is not what this version understands")?;
    image.signature = signature(&value["signature"]);
    image.doubts = doubts;
    Ok(image)
}

fn signature(value: &Value) -> String {
    let key = value["key"].as_str().unwrap_or("?");
    match value["state"].as_str() {
        Some("trusted") => format!("signed by key {key}, which is trusted"),
        Some("unchecked") => format!("signed by key {key}; not checked: no --trust-key was given"),
        Some("unreadable") => "signed with something that cannot be read".to_owned(),
        _ => "not signed".to_owned(),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// What `rescue show --json` prints, shortened.
    pub(crate) const SHOWN: &str = r#"{"v":1,"event":"warning","text":"it is old"}
{"v":1,"signature":{"state":"none"},"image":{"id":"20261126T224509Z-fe5b37ef","name":"web1","created":"2026-11-26T22:45:09Z","tool":"rescue 0.1.0","machine":{"firmware":null,"hostname":null},"disks":[{"index":0,"size":1677721600,"sector_size":512,"table":"gpt","regions":[{"start":0,"len":1048576,"kind":"gap","root":{"chunk":"5b3a"}},{"start":1048576,"len":67108864,"kind":{"partition":{"number":1,"type_id":"c12a7328-f81f-11d2-ba4b-00a0c93ec93b"}},"root":null}]}],"systems":[{"disk":0,"partition":2,"family":"linux","name":"Debian","hostname":"patient-uefi","identity":{}}]}}"#;

    #[test]
    fn an_image_is_read_with_what_was_warned_of() {
        let image = parse(SHOWN).unwrap();
        assert_eq!(image.id, "20261126T224509Z-fe5b37ef");
        assert_eq!(image.hostname(), Some("patient-uefi"));
        assert_eq!(image.started_by(), Some(Firmware::Uefi));
        assert_eq!(image.doubts, ["it is old"]);
        assert_eq!(image.signature, "not signed");
        let hashes = image.hashes();
        assert_eq!(hashes.len(), 1);
        assert_eq!(hashes[0].blake3, "5b3a");
    }

    #[test]
    fn what_starts_it_is_what_the_machine_told_or_the_partitions() {
        let bios = SHOWN.replace("\"firmware\":null", "\"firmware\":\"bios\"");
        assert_eq!(parse(&bios).unwrap().started_by(), Some(Firmware::Bios));
        let boot = SHOWN.replace(ESP, BIOS_BOOT);
        assert_eq!(parse(&boot).unwrap().started_by(), Some(Firmware::Bios));
        let data = SHOWN.replace(ESP, "0fc63daf-8483-4772-8e79-3d69d8477de4");
        assert_eq!(parse(&data).unwrap().started_by(), None);
    }

    #[test]
    fn a_failure_is_passed_on() {
        let failed = r#"{"v":1,"event":"failed","error":"there is no image x","code":10}"#;
        let error = parse(failed).unwrap_err().to_string();
        assert_eq!(error, "there is no image x");
        assert!(parse("").is_err());
    }
}
