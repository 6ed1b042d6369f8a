//! What automation and a technician are told: disks, controllers, reports.

use image::{DiskImage, Image};
use serde_json::json;

use super::devices::Devices;
use crate::event::{Event, Sink};
use crate::inventory::Disk;
use crate::restore::Report;

/// Tells automation which disks there are.
pub(super) fn tell_disks(sink: &dyn Sink, disks: &[Disk]) {
    sink.emit(Event::Fact {
        name: "disks".to_owned(),
        value: json!(disks),
    });
}

/// Tells automation which controllers lack a driver or firmware, if any do.
pub(super) fn tell_controllers(sink: &dyn Sink, devices: &Devices) {
    let (missing, firmware) = (&devices.missing, &devices.firmware);
    if !missing.is_empty() || !firmware.is_empty() {
        sink.emit(Event::Fact {
            name: "controllers".to_owned(),
            value: json!({"missing": missing, "firmware": firmware}),
        });
    }
}

/// Tells automation of a restore that succeeded.
pub(super) fn tell(sink: &dyn Sink, report: &Report) {
    sink.emit(Event::Fact {
        name: "report".to_owned(),
        value: json!(report),
    });
    sink.emit(Event::Done {
        summary: report.to_string(),
    });
}

/// What was done, how it was checked, and what was not done, in full.
pub(super) fn in_full(report: &Report, others: &[String], sink: &dyn Sink) {
    let serial = report.serial.as_deref().unwrap_or("none");
    let mut lines = vec![format!(
        "{report}; image {}, disk serial number {serial}",
        report.image
    )];
    lines.extend(report.same_in_words());
    let changes = report.changes.iter();
    lines.extend(changes.map(|change| format!("changed: {change}")));
    lines.extend(report.adapted_in_words());
    let others = others.iter();
    lines.extend(others.map(|o| format!("not done: {o} of the image was not restored")));
    lines.push("not done: the restored system was not started".to_owned());
    let known = report.answers.to_know.iter();
    lines.extend(
        known
            .filter(|known| !report.warnings.contains(known))
            .cloned(),
    );
    for text in lines {
        sink.emit(Event::Note { text });
    }
    for text in report.warnings.iter().cloned() {
        sink.emit(Event::Warning { text });
    }
}

/// The disks of an image beside the one restored.
pub(crate) fn others(image: &Image, index: u32) -> Vec<String> {
    let disks = image.manifest.disks.iter().filter(|d| d.index != index);
    disks
        .map(|d| format!("disk {} ({})", d.index, image_disk(d)))
        .collect()
}

pub(super) fn image_disk(disk: &DiskImage) -> String {
    let partitions = disk
        .regions
        .iter()
        .filter(|r| r.partition().is_some())
        .count();
    format!(
        "{}: {}, {} of it data, {partitions} partitions",
        disk.model.as_deref().unwrap_or(&disk.source),
        disk::human_bytes(disk.size),
        disk::human_bytes(disk.data_bytes()),
    )
}
