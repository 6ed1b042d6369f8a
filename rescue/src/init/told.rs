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

/// What was done, how it was checked, and what was not done.
pub(super) fn report_text(report: &Report, others: &[String]) -> String {
    let mut text = String::new();
    let serial = report.serial.as_deref().unwrap_or("none");
    text.push_str(&format!(
        "{report}\nimage {}, disk serial number {serial}\n",
        report.image
    ));
    for line in report.same_in_words() {
        text.push_str(&format!("{line}\n"));
    }
    for change in &report.changes {
        text.push_str(&format!("changed: {change}\n"));
    }
    for warning in &report.warnings {
        text.push_str(&format!("warning: {warning}\n"));
    }
    for line in report.adapted_in_words() {
        text.push_str(&format!("{line}\n"));
    }
    text.push_str(match report.adapted.is_empty() {
        true => {
            "not done: the restored system was not adapted to this machine's hardware, and it was \
             not started\n"
        }
        false => {
            "not done: the restored system was not started; systems other than Windows were not \
             adapted\n"
        }
    });
    for other in others {
        text.push_str(&format!(
            "not done: {other} of the image was not restored\n"
        ));
    }
    text
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
