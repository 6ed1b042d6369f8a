//! What a restore did.

use std::fmt;

use disk::human_bytes;
use serde::Serialize;

use super::answers::Answers;
use super::plan::Plan;
use crate::boot_entries::Told;

/// The outcome of a restore that succeeded. Field names are part of the
/// interface.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Report {
    /// The image's id.
    pub image: String,
    /// Which of its disks.
    pub disk: u32,
    /// The machine it is of.
    pub machine: String,
    /// Where it went.
    pub target: String,
    /// The target's serial number.
    pub serial: Option<String>,
    /// Stored bytes read from the repository.
    pub fetched_bytes: u64,
    /// Bytes of data and zeros on the target.
    pub handled_bytes: u64,
    /// Of them, those an interrupted run had already written, or that belong
    /// to the withheld parts.
    pub skipped_bytes: u64,
    /// How it was checked.
    pub checked: Checked,
    /// What was changed for the hardware, in sentences.
    pub adapted: Vec<String>,
    /// The firmware's boot entries for it, as they were read back.
    pub boot: Told,
    /// The systems on it that were looked at afterwards and are themselves.
    pub same: Vec<String>,
    /// Is it the same machine, will it boot here, what has to be known.
    pub answers: Answers,
    /// Whether an interrupted restore was continued.
    pub resumed: bool,
    /// What was changed in the partition table.
    pub changes: Vec<String>,
    /// What the operator should know.
    pub warnings: Vec<String>,
    /// Seconds until all data was on stable storage.
    pub write_seconds: f64,
    /// Seconds of reading back.
    pub verify_seconds: f64,
    /// Seconds in all.
    pub seconds: f64,
}

/// How far the result was checked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Checked {
    /// Every chunk's hash, before it was written.
    #[default]
    BeforeWriting,
    /// That, and everything was read back from the target.
    ReadBack,
}

impl Report {
    /// A sentence for each system that is itself.
    pub fn same_in_words(&self) -> impl Iterator<Item = String> {
        let same = self.same.iter();
        same.map(|system| format!("the same machine, checked: {system}"))
    }

    /// A sentence for each thing that was changed for the hardware, and in it.
    pub fn adapted_in_words(&self) -> impl Iterator<Item = String> {
        let adapted = self.adapted.iter();
        let adapted = adapted.map(|line| format!("for this hardware: {line}"));
        adapted.chain(self.boot.lines.iter().cloned())
    }

    pub(super) fn begin(plan: &Plan) -> Self {
        let summary = &plan.summary;
        Self {
            image: summary.image.clone(),
            disk: summary.disk,
            machine: summary.machine.clone(),
            target: plan.target.path.display().to_string(),
            serial: plan.target.serial.clone(),
            fetched_bytes: 0,
            handled_bytes: 0,
            skipped_bytes: 0,
            checked: Checked::BeforeWriting,
            adapted: Vec::new(),
            boot: Told::default(),
            same: Vec::new(),
            answers: Answers::default(),
            resumed: plan.resume.is_some(),
            changes: summary.changes.clone(),
            warnings: summary.warnings.clone(),
            write_seconds: 0.0,
            verify_seconds: 0.0,
            seconds: 0.0,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let checked = match self.checked {
            Checked::BeforeWriting => "every chunk checked before it was written, none read back",
            Checked::ReadBack => "everything read back and compared",
        };
        write!(
            f,
            "{} is on {}: {} from {} fetched, in {:.0} s; {checked}",
            self.machine,
            self.target,
            human_bytes(self.handled_bytes),
            human_bytes(self.fetched_bytes),
            self.seconds.max(1.0)
        )
    }
}
