//! What a technician wants to know after a restore: is it the same machine, will
//! it boot here, what else has to be known.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use image::Timestamp;
use serde::Serialize;

use super::options::{Adapt, Options};
use super::plan::Plan;
use crate::adapt::Adaptation;
use crate::capture;
use crate::firmware::{Becomes, Starter, needs_bios};
use crate::identity::{Compared, Known, Moment};

/// The answers. Field names are part of the interface.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Answers {
    /// Is it the same machine?
    pub same_machine: Answer,
    /// Will it boot here?
    pub will_boot: Answer,
    /// What has to be known, the most pressing first.
    pub to_know: Vec<String>,
}

/// An answer and what it rests on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// The answer.
    pub verdict: Verdict,
    /// Why, in sentences.
    pub lines: Vec<String>,
}

/// An answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// As far as it was checked.
    Yes,
    /// It is known not to be so.
    No,
    /// Nobody can tell.
    #[default]
    Unknown,
}

/// Two machines with one identity take the domain, and the network, from each other.
const BOTH: &str = "Never run the original and this one at once: one name, one identity.";

/// The machine that a restore is for, as far as it is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Here {
    /// What started the captured machine, and this one.
    firmware: Option<(Firmware, Firmware)>,
    /// What started this one.
    now: Option<Firmware>,
    other_machine: bool,
    has_tpm: Option<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Firmware {
    Uefi,
    Bios,
}

impl Firmware {
    fn of(machine: &image::Machine) -> Option<Self> {
        match machine.firmware.as_deref()? {
            "uefi" => Some(Self::Uefi),
            "bios" => Some(Self::Bios),
            _ => None,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Uefi => "UEFI",
            Self::Bios => "BIOS",
        }
    }
}

impl Here {
    /// Where `options` restore to, beside the machine that was `captured`.
    pub(super) fn of(options: &Options, captured: &image::Machine) -> Self {
        match &options.adapt {
            Adapt::No => Self::default(),
            Adapt::To { hardware, .. } if hardware.elsewhere => Self {
                other_machine: true,
                ..Self::default()
            },
            Adapt::To { .. } => Self::beside(Path::new("/"), captured),
        }
    }

    /// The machine whose `/sys` is below `root`.
    pub(super) fn beside(root: &Path, captured: &image::Machine) -> Self {
        let now = capture::machine(root);
        let of = |machine: &image::Machine| {
            let names = [&machine.vendor, &machine.product];
            names.map(Clone::clone)
        };
        let other = |before: &Option<String>, now: &Option<String>| matches!((before, now), (Some(before), Some(now)) if before != now);
        let serial = other(&captured.uuid, &now.uuid) || other(&captured.serial, &now.serial);
        let tpms = std::fs::read_dir(root.join("sys/class/tpm"));
        Self {
            firmware: Firmware::of(captured).zip(Firmware::of(&now)),
            now: Firmware::of(&now),
            other_machine: serial || of(captured) != of(&now) && of(captured) != [None, None],
            has_tpm: Some(tpms.is_ok_and(|mut all| all.next().is_some())),
        }
    }
}

impl Here {
    /// What is to be said of a disk that `only` that firmware starts, when this machine has
    /// been started by the other.
    pub(super) fn does_not_start(&self, only: Option<Starter>) -> Option<String> {
        match (only, self.now) {
            (Some(Starter::Uefi), Some(Firmware::Bios)) => Some(
                "This machine was started by a BIOS, and UEFI alone starts the disk: it has an EFI \
                 system partition and nothing for a BIOS. It will not start here. Set the machine's \
                 firmware to UEFI, or restore onto one that has it; a Linux with GRUB 2 is made to \
                 start by a BIOS, too, with --firmware bios."
                    .to_owned(),
            ),
            _ => None,
        }
    }
}

impl Answers {
    /// After the restore that `plan` planned; `warnings` are all there are.
    pub(super) fn new(plan: &Plan, compared: Option<&Compared>, warnings: &[String]) -> Self {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
        let captured: Option<Timestamp> = plan.summary.created.parse().ok();
        let moment = Moment {
            captured: captured.map_or(0, Timestamp::unix),
            now: since_1970.unwrap_or_default().as_secs(),
            other_machine: plan.here.other_machine,
            has_tpm: plan.here.has_tpm,
        };
        let adapted = matches!(plan.options.adapt, Adapt::To { .. });
        let facts = compared.map(|compared| compared.known.as_slice());
        let facts = facts.unwrap_or_default().iter();
        let known: Vec<&Known> = facts.chain(&plan.adaptation.known).collect();
        Self {
            same_machine: same_machine(compared),
            will_boot: will_boot(plan, adapted),
            to_know: to_know(&known, moment, warnings),
        }
    }
}

fn same_machine(compared: Option<&Compared>) -> Answer {
    let unknown = |why: String| Answer {
        verdict: Verdict::Unknown,
        lines: vec![why],
    };
    match compared {
        None => unknown("the image tells of no system on this disk.".to_owned()),
        Some(compared) if !compared.unknown.is_empty() => Answer {
            verdict: Verdict::Unknown,
            lines: compared
                .unknown
                .iter()
                .chain(&compared.equal)
                .cloned()
                .collect(),
        },
        Some(compared) => Answer {
            verdict: Verdict::Yes,
            lines: compared.equal.clone(),
        },
    }
}

fn will_boot(plan: &Plan, adapted: bool) -> Answer {
    let adaptation = &plan.adaptation;
    let (mut verdict, mut lines) = by_its_systems(adaptation, adapted);
    if let Some((against, line)) = by_its_firmware(plan) {
        verdict = against.unwrap_or(verdict);
        lines.push(line);
    }
    if !adaptation.forced.is_empty() {
        verdict = Verdict::No;
        // What it lacks comes first.
        lines.splice(
            0..0,
            adaptation.forced.iter().map(|why| format!("Forced: {why}")),
        );
    }
    Answer { verdict, lines }
}

/// Whether what is in the systems lets them start.
fn by_its_systems(adaptation: &Adaptation, adapted: bool) -> (Verdict, Vec<String>) {
    let (boots, gone) = (&adaptation.boots, &adaptation.kernels_gone);
    let verdict = match (boots.is_empty(), gone.is_empty()) {
        (false, true) => Verdict::Yes,
        (true, false) => Verdict::No,
        // (Of several, one has no kernel; or nothing is known.)
        (false, false) | (true, true) => Verdict::Unknown,
    };
    let mut lines: Vec<String> = gone.iter().chain(boots).cloned().collect();
    if lines.is_empty() {
        let unknown = match adaptation.lines.is_empty() {
            false => {
                "it was adapted to this hardware; that this is all its disk needs is not certain."
            }
            true if adapted => {
                "no system on it was adapted; it boots on hardware like that it comes from."
            }
            true => "nothing was adapted; it boots on hardware like that it comes from.",
        };
        lines.push(unknown.to_owned());
    }
    (verdict, lines)
}

/// What is to be said of the firmware, and the verdict that follows, if one does.
fn by_its_firmware(plan: &Plan) -> Option<(Option<Verdict>, String)> {
    let (good, bad) = (None, Some(Verdict::No));
    let conversion = plan.becomes.conversion();
    let kept = conversion.is_some_and(|c| c.converted.kept);
    let (verdict, line) = match plan.here.firmware {
        _ if matches!(plan.becomes, Becomes::Bios(_)) => (
            good,
            "the disk was made to start by a BIOS; UEFI starts it as before.".to_owned(),
        ),
        _ if kept => (
            good,
            "the disk was made to start by UEFI; a BIOS starts it as before.".to_owned(),
        ),
        Some((_, Firmware::Bios)) if conversion.is_some() => (
            bad,
            "the disk was converted for UEFI, this machine started by BIOS: set it to UEFI."
                .to_owned(),
        ),
        _ if conversion.is_some() => {
            (good, "the disk was converted, UEFI starts it now.".to_owned())
        }
        _ if plan.here.now == Some(Firmware::Uefi)
            && needs_bios(&plan.disk, !plan.families.is_empty()) =>
        {
            (
                bad,
                "a BIOS starts this disk, UEFI started this machine: set it to BIOS (legacy, CSM), \
                 or restore with --firmware uefi."
                    .to_owned(),
            )
        }
        Some((was, now)) if was == now => (good, format!("{}, as before.", was.name())),
        Some((was, now)) => {
            let (was, now) = (was.name(), now.name());
            (bad, format!("it started by {was}, this machine by {now}: set it to {was}."))
        }
        None if (plan.only, plan.here.now) == (Some(Starter::Uefi), Some(Firmware::Bios)) => (
            bad,
            "UEFI alone starts the disk, this machine started by BIOS: set it to UEFI.".to_owned(),
        ),
        None => return None,
    };
    Some((verdict, format!("Firmware: {line}")))
}

fn to_know(known: &[&Known], moment: Moment, warnings: &[String]) -> Vec<String> {
    let mut all = vec![BOTH.to_owned()];
    for known in known {
        let told = known.tell(moment);
        all.extend(told.filter(|told| !all.contains(told)));
    }
    let covered = |warning: &&String| !known.iter().any(|k| k.is_told_by(warning));
    all.extend(warnings.iter().filter(covered).cloned());
    all
}
