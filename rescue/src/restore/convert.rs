//! A disk that is restored for another firmware: what becomes of its table, and what is
//! not restored.

use std::borrow::Cow;
use std::io;
use std::sync::Arc;

use disk::{ReadAt, Table};
use image::{DiskImage, Image, RegionKind};

use super::options::{Adapt, Options};
use super::plan::{Fitted, Plan};
use super::refusal::PlanError;
use super::summary::{PartitionLine, Summary};
use super::watched::Watched;
use super::withheld::{Withheld, withhold};
use crate::firmware::{self, Becomes, Case, Conversion, Outcome, ToBios};
use crate::identity::Looker;

/// Plans the conversion of `disk`, and what it changes in `fitted`.
pub(super) fn plan(
    source: &Arc<Watched>,
    image: &Image,
    disk: &DiskImage,
    target_size: u64,
    fitted: &mut Fitted,
    options: &Options,
) -> Result<Outcome, PlanError> {
    let Adapt::To {
        hardware,
        passphrases,
        ..
    } = &options.adapt
    else {
        // What systems call partitions is changed where they are adapted.
        return Ok(Outcome::default());
    };
    let shared: Arc<dyn ReadAt> = source.clone();
    let case = Case {
        source: &shared,
        manifest: &image.manifest,
        disk,
        table: &fitted.table,
        target_size,
        passphrases,
        grub: options.grub.as_deref(),
    };
    let mut outcome = firmware::plan(&Looker::default(), &case, options.firmware);
    let kept = firmware::kept(&case, options.firmware, hardware);
    outcome.warning = outcome.warning.or(kept);
    source.check()?;
    let withheld = match &outcome.becomes {
        Becomes::Same => None,
        Becomes::Uefi(it) => Some(withhold_with(&*shared, &fitted.table, it)),
        Becomes::Bios(it) => Some(withhold_for_bios(&*shared, &fitted.table, it)),
    };
    if let Some(withheld) = withheld {
        fitted.withheld = withheld.map_err(PlanError::reading)?;
    }
    if let Some((_, layout)) = outcome.becomes.table() {
        fitted.changes.clone_from(&layout.changes);
    }
    Ok(outcome)
}

/// The same for a BIOS. The new partition is written with the first MiB, in which it usually is.
pub(super) fn withhold_for_bios(
    source: &dyn ReadAt,
    table: &Table,
    to_bios: &ToBios,
) -> io::Result<Withheld> {
    let made = &to_bios.made;
    let mut withheld = withhold(source, table, &made.layout, table.sector)?;
    withheld.add(made.extent, &to_bios.content);
    Ok(withheld)
}

/// What is withheld of the image `source`, whose table is `table`, where it is
/// converted: what it has in place of the new EFI system partition never comes.
pub(super) fn withhold_with(
    source: &dyn ReadAt,
    table: &Table,
    conversion: &Conversion,
) -> io::Result<Withheld> {
    let layout = &conversion.converted.layout;
    let mut withheld = withhold(source, table, layout, table.sector)?;
    withheld.also(conversion.esp.extent);
    Ok(withheld)
}

impl Plan {
    /// The image's disk, with the partitions called as they are on the target.
    pub(super) fn disk_as_named(&self) -> Cow<'_, DiskImage> {
        let Some(conversion) = self.becomes.conversion() else {
            return Cow::Borrowed(&self.disk);
        };
        let now = &conversion.converted.table.partitions;
        let mut disk = self.disk.clone();
        for region in &mut disk.regions {
            let same = now.iter().find(|now| now.start == region.start);
            if let (RegionKind::Partition(info), Some(now)) = (&mut region.kind, same) {
                info.uuid.clone_from(&now.uuid);
                info.name.clone_from(&now.name);
            }
        }
        Cow::Owned(disk)
    }
}

impl Summary {
    /// The partitions as they will be.
    pub(super) fn describe_conversion(&mut self, conversion: &Conversion) {
        let old = std::mem::take(&mut self.partitions);
        let partitions = conversion.converted.table.partitions.iter();
        self.partitions = partitions
            .map(|partition| {
                let number = partition.number;
                let kind = partition.type_name.clone();
                let is_esp = number == conversion.converted.esp;
                let before = old.iter().find(|line| line.number == number && !is_esp);
                match before {
                    Some(line) => PartitionLine {
                        kind,
                        ..line.clone()
                    },
                    None => PartitionLine {
                        number,
                        kind,
                        name: None,
                        filesystem: Some("vfat".to_owned()),
                        start: partition.start,
                        size: partition.len,
                        data_bytes: conversion.esp.bytes(),
                    },
                }
            })
            .collect();
        self.firmware = Some(conversion.told());
    }

    /// The same for a BIOS.
    pub(super) fn describe_to_bios(&mut self, to_bios: &ToBios) {
        let made = &to_bios.made;
        let mut partitions = made.table.partitions.iter();
        let new = partitions.find(|partition| partition.number == made.number);
        self.partitions.extend(new.map(|partition| PartitionLine {
            number: partition.number,
            kind: partition.type_name.clone(),
            name: None,
            filesystem: Some("grub".to_owned()),
            start: partition.start,
            size: partition.len,
            data_bytes: to_bios.content.len() as u64,
        }));
        self.partitions.sort_by_key(|line| line.number);
        self.firmware = Some(to_bios.told());
    }
}
