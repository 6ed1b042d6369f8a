//! A disk that a BIOS started, restored for UEFI: what becomes of its table, and what
//! is not restored.

use std::io;
use std::sync::Arc;

use disk::{ReadAt, Table};
use image::{DiskImage, Image};

use super::options::{Adapt, Options};
use super::plan::Fitted;
use super::refusal::PlanError;
use super::summary::{PartitionLine, Summary};
use super::watched::Watched;
use super::withheld::{Withheld, withhold};
use crate::firmware::{self, Case, Conversion, Outcome};
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
    if options.adapt == Adapt::No {
        // What systems call partitions is changed where they are adapted.
        return Ok(Outcome::default());
    }
    let shared: Arc<dyn ReadAt> = source.clone();
    let case = Case {
        source: &shared,
        manifest: &image.manifest,
        disk,
        table: &fitted.table,
        target_size,
    };
    let outcome = firmware::plan(&Looker::default(), &case, options.firmware);
    source.check()?;
    if let Some(conversion) = &outcome.conversion {
        let withheld = withhold_with(&*shared, &fitted.table, conversion);
        fitted.withheld = withheld.map_err(PlanError::reading)?;
        let changes = &conversion.converted.layout.changes;
        fitted.changes.clone_from(changes);
    }
    Ok(outcome)
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
}
