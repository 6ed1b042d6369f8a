//! What starts a disk, as far as its table tells.

use disk::{Table, TableKind, is_esp};

/// "BIOS boot", where GRUB has its code for a BIOS on a GPT disk.
pub(super) const BIOS_BOOT: &str = "21686148-6449-6e6f-744e-656564454649";
/// GPT attribute bit 2: "legacy BIOS bootable".
const LEGACY: u64 = 1 << 2;

/// A kind of firmware.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Starter {
    Bios,
    Uefi,
}

/// The one kind of firmware that can start a disk with this table; none when both may,
/// or nobody can tell.
pub(crate) fn only(table: &Table) -> Option<Starter> {
    let mut partitions = table.partitions.iter();
    let has_esp = partitions.any(|p| is_esp(&p.type_id));
    let mut partitions = table.partitions.iter();
    let for_bios = match table.kind {
        TableKind::Gpt => partitions.any(|p| p.type_id == BIOS_BOOT || p.attributes & LEGACY != 0),
        TableKind::Mbr => true,
        TableKind::None => false,
    };
    match (table.kind, has_esp, for_bios) {
        (_, false, true) => Some(Starter::Bios),
        (TableKind::Gpt, true, false) => Some(Starter::Uefi),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use disk::{Partition, SectorSize};

    const ESP: &str = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b";

    #[test]
    fn a_table_tells_what_starts_its_disk() {
        let partition = |type_id: &str, attributes| Partition {
            number: 1,
            start: 1 << 20,
            len: 1 << 20,
            type_id: type_id.to_owned(),
            type_name: String::new(),
            name: None,
            uuid: None,
            bootable: false,
            logical: false,
            attributes,
        };
        let mut table = Table::empty(SectorSize::B512, 1 << 30);
        assert_eq!(only(&table), None);
        let (gpt, mbr) = (TableKind::Gpt, TableKind::Mbr);
        let (bios, uefi) = (Some(Starter::Bios), Some(Starter::Uefi));
        for (kind, types, is) in [
            (gpt, &[][..], None),
            (gpt, &[("x", 0)], None),
            (gpt, &[("x", 4)], bios),
            (gpt, &[(BIOS_BOOT, 0)], bios),
            (gpt, &[(ESP, 0), ("x", 0)], uefi),
            (gpt, &[(ESP, 0), (BIOS_BOOT, 0)], None),
            (gpt, &[(ESP, 0), ("x", 4)], None),
            (mbr, &[], bios),
            (mbr, &[("0x83", 0)], bios),
            (mbr, &[("0xef", 0), ("0x83", 0)], None),
        ] {
            table.kind = kind;
            let partitions = types.iter().map(|(id, bits)| partition(id, *bits));
            table.partitions = partitions.collect();
            assert_eq!(only(&table), is, "{kind:?} {types:?}");
        }
    }
}
