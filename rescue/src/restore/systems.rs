//! What becomes of the systems on a disk: for this hardware, for this firmware.

use std::sync::Arc;

use disk::{Extent, ReadAt};
use image::{DiskImage, Image};

use super::convert;
use super::options::{Adapt, Options};
use super::plan::Fitted;
use super::refusal::{PlanError, Reason, Refusal};
use super::summary::Summary;
use super::watched::Watched;
use super::withheld::{Withheld, is_free};
use crate::adapt::{self, Adaptation, Brought, Patch};
use crate::boot_entries::{self, BootEntries, Told};
use crate::firmware::{Becomes, Conversion, Outcome};
use crate::identity::Looker;
use crate::inventory::Disk;

/// What is planned for them.
#[derive(Debug, Default)]
pub(super) struct Systems {
    /// What is changed for the hardware.
    pub(super) adaptation: Adaptation,
    /// What becomes of the disk for another firmware.
    pub(super) becomes: Becomes,
    /// Their families.
    pub(super) families: Vec<String>,
    /// What the firmware will be told of the disk.
    boot: Told,
}

/// Plans it, and what it changes in `fitted`.
///
/// # Errors
/// [`PlanError::Refused`] when one of them will not start and nobody goes on in spite of that.
pub(super) fn plan(
    source: &Arc<Watched>,
    image: &Image,
    disk: &DiskImage,
    target: &Disk,
    fitted: &mut Fitted,
    options: &Options,
) -> Result<Systems, PlanError> {
    let outcome = convert::plan(source, image, disk, target.size, fitted, options)?;
    let adaptation = adapt(source, image, disk, &fitted.withheld, &outcome, options)?;
    if !adaptation.refusals.is_empty() {
        let why = |why: &String| Reason::WillNotStart { why: why.clone() };
        return Err(PlanError::Refused(Refusal {
            target: target.path.display().to_string(),
            reasons: adaptation.refusals.iter().map(why).collect(),
        }));
    }
    let systems = image.manifest.systems.iter();
    let here = systems.filter(|system| system.disk == disk.index);
    let families: Vec<String> = here.map(|system| system.family.clone()).collect();
    let becomes = outcome.becomes;
    let boot = boot_entries(
        source,
        disk,
        target,
        &families,
        becomes.conversion(),
        options,
    )?;
    Ok(Systems {
        adaptation,
        becomes,
        families,
        boot,
    })
}

/// What the systems on the image's disk need; their refusals are warnings when
/// the operator goes on in spite of them. With what a conversion says.
fn adapt(
    source: &Arc<Watched>,
    image: &Image,
    disk: &DiskImage,
    withheld: &Withheld,
    outcome: &Outcome,
    options: &Options,
) -> Result<Adaptation, PlanError> {
    let Adapt::To {
        hardware,
        force,
        drivers,
        passphrases,
    } = &options.adapt
    else {
        return Ok(Adaptation::default());
    };
    let shared: Arc<dyn ReadAt> = source.clone();
    let (looker, manifest) = (Looker::default(), &image.manifest);
    let conversion = outcome.becomes.conversion();
    let mut adaptation = adapt::plan(
        &looker,
        &shared,
        manifest,
        disk,
        hardware,
        Brought {
            drivers: drivers.as_ref(),
            passphrases,
        },
        conversion.map(|conversion| &conversion.names),
    );
    source.check()?;
    if !is_apart(&adaptation.patches, withheld) {
        let why = "What has to change in its systems for this hardware lies in the first MiB of \
                   the disk, or in its last, which are written at the very end: nothing of it is \
                   changed";
        adaptation = Adaptation {
            warnings: adaptation.warnings,
            refusals: vec![why.to_owned()],
            untouched: true,
            ..Adaptation::default()
        };
    }
    adaptation.warnings.splice(0..0, outcome.warning.clone());
    if conversion.is_some() && adaptation.untouched {
        // A Windows' letters would name partitions that are not there: nobody could log in.
        let why = "It would be converted for UEFI, but its system could not be told of that: \
                   --firmware keep restores the disk as it was";
        adaptation.refusals.push(why.to_owned());
        return Ok(adaptation);
    }
    adaptation
        .refusals
        .splice(0..0, outcome.refusals.iter().cloned());
    if *force {
        adaptation.forced.clone_from(&adaptation.refusals);
        adaptation.warnings.append(&mut adaptation.refusals);
    }
    let [lines, edits, warnings] = outcome.becomes.said();
    adaptation.lines.splice(0..0, lines.iter().cloned());
    adaptation.edits.extend_from_slice(edits);
    adaptation.warnings.extend_from_slice(warnings);
    Ok(adaptation)
}

/// Whether no patch is in what is withheld.
fn is_apart(patches: &[Patch], withheld: &Withheld) -> bool {
    patches.iter().all(|patch| {
        let extent = Extent {
            start: patch.at,
            len: patch.after.len() as u64,
        };
        is_free(&withheld.extents, extent)
    })
}

/// What the firmware will be told of the disk.
fn boot_entries(
    source: &Arc<Watched>,
    disk: &DiskImage,
    target: &Disk,
    families: &[String],
    conversion: Option<&Conversion>,
    options: &Options,
) -> Result<Told, PlanError> {
    let wish = &options.boot_entries;
    if let Some(conversion) = conversion {
        // (What exactly it is told of a converted disk is known when that is there.)
        let lines = matches!(wish, BootEntries::In(_)).then(|| {
            format!(
                "The firmware gets a boot entry {} for the new EFI system partition, first in its \
                 order.",
                conversion.entry
            )
        });
        return Ok(Told {
            lines: lines.into_iter().collect(),
            ..Told::default()
        });
    }
    let shared: Arc<dyn ReadAt> = source.clone();
    let told = boot_entries::plan(wish, &shared, disk.sector_size, families, target);
    source.check()?;
    Ok(told)
}

impl Summary {
    /// What becomes of the systems.
    pub(super) fn describe_systems(&mut self, systems: &Systems) {
        let adaptation = &systems.adaptation;
        self.warnings.extend(adaptation.warnings.iter().cloned());
        self.adapt.clone_from(&adaptation.lines);
        self.adapt_edits.clone_from(&adaptation.edits);
        self.boot = systems.boot.clone();
        self.warnings.append(&mut self.boot.warnings);
        match &systems.becomes {
            Becomes::Same => {}
            Becomes::Uefi(conversion) => {
                self.adapt.append(&mut self.boot.lines);
                self.describe_conversion(conversion);
            }
            Becomes::Bios(to_bios) => self.describe_to_bios(to_bios),
        }
    }
}
