//! What a BIOS needs to start a Windows: code in sector 0 that goes on to the active
//! partition, whose first sector knows where it is.
//!
//! A restore puts every partition where it was, with the sector 0 that was there. So
//! what is missing here was missing in the machine, too.

use disk::ReadAt;

use super::super::Adaptation;
use super::around::Bios;

/// In the first sector of an NTFS: the number of sectors before it on the disk (u32;
/// "hidden sectors" in Microsoft's documents).
const HIDDEN: u64 = 0x1C;

/// Looks at the partition `number`, which has the boot store of a BIOS.
pub(super) fn check(bios: &Bios, number: u32, volume: &dyn ReadAt, told: &mut Adaptation) {
    let mut warn = |text: String| told.warnings.push(text);
    if !bios.has_code {
        let text = "There is no boot code in the disk's first sector: a BIOS does not start it. \
                    Repair it (bootrec /fixmbr, from Windows' own set-up medium)";
        warn(text.to_owned());
    }
    match bios.active {
        None => warn(format!(
            "No partition of the disk is active: a BIOS does not start it. Partition {number}, \
             which has the boot store, should be"
        )),
        Some(active) if active == number => {
            let mut bytes = [0; 4];
            let read = volume.read_exact_at(&mut bytes, HIDDEN);
            let hidden = u64::from(u32::from_le_bytes(bytes));
            if read.is_ok() && hidden != bios.start {
                warn(format!(
                    "The first sector of the partition says that it begins at sector {hidden} of \
                     the disk, but it begins at {}: a BIOS may not start it. Repair it (bootrec \
                     /fixboot, from Windows' own set-up medium)",
                    bios.start
                ));
            }
        }
        Some(_) => {}
    }
}
