//! What is written about a run of drills. Field names are part of the interface
//! (docs/DRILL.md).

use crate::image::{Hash, Image, System};
use crate::picture::Picture;
use crate::profile::Profile;
use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::Value;
use std::fs;
use std::path::Path;

/// The version of the JSON form; raised when a field changes its meaning.
pub(crate) const VERSION: u32 = 1;

/// The whole report.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) v: u32,
    pub(crate) drill: &'static str,
    /// RFC 3339, UTC.
    pub(crate) begun: String,
    pub(crate) seconds: f64,
    pub(crate) verdict: Verdict,
    /// The exit code.
    pub(crate) code: u8,
    pub(crate) image: ImageFacts,
    pub(crate) medium: MediumFacts,
    /// `kvm` or `tcg`.
    pub(crate) accelerator: &'static str,
    pub(crate) wait_for: Vec<String>,
    /// Seconds it might take to prove itself, as it was applied.
    pub(crate) limit: u64,
    pub(crate) drills: Vec<Drill>,
}

#[derive(Debug, Serialize)]
pub(crate) struct ImageFacts {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) created: String,
    pub(crate) captured_by: String,
    pub(crate) repository: String,
    pub(crate) signature: String,
    pub(crate) doubts: Vec<String>,
    pub(crate) systems: Vec<System>,
    pub(crate) disks: Vec<u64>,
    pub(crate) hashes: Vec<Hash>,
}

#[derive(Debug, Serialize)]
pub(crate) struct MediumFacts {
    pub(crate) file: String,
    pub(crate) bytes: u64,
    pub(crate) blake3: String,
}

/// What came of a drill, or of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Verdict {
    Passed,
    Failed,
    NotRun,
}

impl Verdict {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::NotRun => "not-run",
        }
    }

    /// That of several: one that failed says most.
    pub(crate) fn of(all: &[Self]) -> Self {
        match all {
            all if all.contains(&Self::Failed) => Self::Failed,
            all if all.is_empty() || all.contains(&Self::NotRun) => Self::NotRun,
            _ => Self::Passed,
        }
    }

    /// The exit code. (2 is a wrong command line.)
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Passed => 0,
            Self::Failed => 1,
            Self::NotRun => 3,
        }
    }
}

/// One drill.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Drill {
    pub(crate) hardware: String,
    pub(crate) title: String,
    pub(crate) firmware: String,
    pub(crate) controller: String,
    pub(crate) nic: String,
    pub(crate) memory_mib: u32,
    pub(crate) processors: u32,
    pub(crate) qemu: Option<String>,
    pub(crate) verdict: Verdict,
    /// Why it did not pass.
    pub(crate) reason: Option<String>,
    /// What the reason was read from.
    pub(crate) evidence: Vec<String>,
    pub(crate) seconds: f64,
    pub(crate) steps: Vec<Step>,
    pub(crate) proofs: Vec<Proven>,
    pub(crate) compared: Vec<Compared>,
    /// What the medium warned of.
    pub(crate) warnings: Vec<String>,
    pub(crate) notes: Vec<String>,
    /// The medium's own report, one for each disk.
    pub(crate) restores: Vec<Value>,
    pub(crate) pictures: Vec<Picture>,
    /// The serial console of what was started.
    pub(crate) console: String,
    /// That of the medium.
    pub(crate) console_of_restore: String,
}

/// A part of a drill.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Step {
    pub(crate) name: String,
    pub(crate) text: String,
    /// Seconds after the drill's begin.
    pub(crate) at: f64,
    pub(crate) seconds: f64,
}

/// A proof that was given.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Proven {
    pub(crate) proof: String,
    /// Seconds after the drill's begin.
    pub(crate) at: f64,
    pub(crate) told: String,
    pub(crate) machine_id: Option<String>,
}

/// Something that must be the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Compared {
    pub(crate) what: String,
    pub(crate) expected: String,
    pub(crate) found: String,
    pub(crate) same: Option<bool>,
    /// Who told.
    pub(crate) by: String,
}

impl Drill {
    pub(crate) fn of(profile: &Profile) -> Self {
        Self {
            hardware: profile.name.clone(),
            title: profile.title.clone(),
            firmware: String::new(),
            controller: format!("{:?}", profile.bus).to_lowercase(),
            nic: format!("{:?}", profile.nic).to_lowercase(),
            memory_mib: profile.memory_mib,
            processors: profile.processors,
            qemu: None,
            verdict: Verdict::NotRun,
            reason: None,
            evidence: Vec::new(),
            seconds: 0.0,
            steps: Vec::new(),
            proofs: Vec::new(),
            compared: Vec::new(),
            warnings: Vec::new(),
            notes: Vec::new(),
            restores: Vec::new(),
            pictures: Vec::new(),
            console: String::new(),
            console_of_restore: String::new(),
        }
    }

    /// Keeps the medium's report, and what it says of who the machine is.
    pub(crate) fn take_restore(&mut self, report: Value) {
        for system in report["same"].as_array().into_iter().flatten() {
            let system = system.as_str().unwrap_or_default().to_owned();
            self.compared.push(Compared {
                what: "identity".to_owned(),
                expected: "as in the image".to_owned(),
                found: system,
                same: Some(true),
                by: "the medium, on the disk, after the restore".to_owned(),
            });
        }
        self.restores.push(report);
    }

    /// What the medium said before the start, where it said that it will not come up.
    pub(crate) fn foretold(&self) -> Option<&str> {
        let answers = self.restores.iter().map(|r| &r["answers"]["will_boot"]);
        let mut bad = answers.filter(|answer| answer["verdict"] == "no");
        bad.find_map(|answer| answer["lines"][0].as_str())
    }

    /// The sentences under `key` of the medium's reports.
    pub(crate) fn restore_lines(&self, key: &str) -> Vec<&str> {
        let lists = self
            .restores
            .iter()
            .filter_map(|report| report[key].as_array());
        lists.flatten().filter_map(Value::as_str).collect()
    }
}

impl ImageFacts {
    pub(crate) fn new(image: &Image, repository: &str) -> Self {
        Self {
            id: image.id.clone(),
            name: image.name.clone(),
            created: image.created.clone(),
            captured_by: image.tool.clone(),
            repository: repository.to_owned(),
            signature: image.signature.clone(),
            doubts: image.doubts.clone(),
            systems: image.systems.clone(),
            disks: image.disks.iter().map(|disk| disk.size).collect(),
            hashes: image.hashes(),
        }
    }
}

impl MediumFacts {
    pub(crate) fn of(file: &Path) -> Result<Self> {
        let context = || format!("reading the medium {}", file.display());
        let mut open = fs::File::open(file).with_context(context)?;
        let mut hasher = blake3::Hasher::new();
        let bytes = std::io::copy(&mut open, &mut hasher).with_context(context)?;
        Ok(Self {
            file: file.display().to_string(),
            bytes,
            blake3: hasher.finalize().to_hex().to_string(),
        })
    }
}

impl Report {
    /// Writes `report.json`, `report.html`, the pictures and the consoles.
    pub(crate) fn write(&self, folder: &Path) -> Result<()> {
        let write = |name: &str, bytes: &[u8]| {
            let file = folder.join(name);
            fs::write(&file, bytes).with_context(|| format!("writing {}", file.display()))
        };
        let json = serde_json::to_string_pretty(self).context("writing the report")?;
        write("report.json", json.as_bytes())?;
        write("report.html", crate::html::page(self).as_bytes())?;
        for drill in &self.drills {
            for picture in &drill.pictures {
                write(&picture.file, &picture.png)?;
            }
            let consoles = [
                ("console", &drill.console),
                ("medium", &drill.console_of_restore),
            ];
            for (name, text) in consoles {
                if !text.is_empty() {
                    write(&format!("{}-{name}.txt", drill.hardware), text.as_bytes())?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_failed_decides_and_one_that_was_not_run_is_no_success() {
        use Verdict::{Failed, NotRun, Passed};
        assert_eq!(Verdict::of(&[Passed, Passed]).code(), 0);
        assert_eq!(Verdict::of(&[Passed, NotRun, Failed]).code(), 1);
        assert_eq!(Verdict::of(&[Passed, NotRun]).code(), 3);
        assert_eq!(Verdict::of(&[]).code(), 3);
    }
}
