//! What partition types are called, in words a system administrator uses.
//!
//! Sources: UEFI 2.10 §5.3, the Discoverable Partitions Specification,
//! Microsoft's `PARTITION_INFORMATION_GPT` page, and A. Brouwer's list of MBR
//! types.

/// Said of a type that is not in the tables here.
pub(super) const UNKNOWN: &str = "unknown type";

/// GPT type GUIDs (lower case, as `blkid` and `lsblk` print them).
const GPT: &[(&str, &str)] = &[
    ("c12a7328-f81f-11d2-ba4b-00a0c93ec93b", "EFI system (ESP)"),
    ("21686148-6449-6e6f-744e-656564454649", "BIOS boot"),
    (
        "024dee41-33e7-11d3-9d69-0008c781f39f",
        "MBR partition scheme",
    ),
    ("9e1a2d38-c612-4316-aa26-8b49521e5a8b", "PowerPC PReP boot"),
    (
        "bc13c2ff-59e6-4262-a352-b275fd6f7172",
        "Linux extended boot (XBOOTLDR)",
    ),
    ("0fc63daf-8483-4772-8e79-3d69d8477de4", "Linux filesystem"),
    ("0657fd6d-a4ab-43c4-84e5-0933c84b4f4f", "Linux swap"),
    ("e6d6d379-f507-44c2-a23c-238f2a3df928", "Linux LVM"),
    ("a19d880f-05fc-4d3b-a006-743f0f84911e", "Linux RAID"),
    ("44479540-f297-41b2-9af7-d131d5f0458a", "Linux root (x86)"),
    (
        "4f68bce3-e8cd-4db1-96e7-fbcaf984b709",
        "Linux root (x86-64)",
    ),
    ("69dad710-2ce4-4e3c-b16c-21a1d49abed3", "Linux root (ARM)"),
    (
        "b921b045-1df0-41c3-af44-4c6f280d3fae",
        "Linux root (ARM-64)",
    ),
    (
        "8484680c-9521-48c6-9c11-b0720656f69e",
        "Linux /usr (x86-64)",
    ),
    ("933ac7e1-2eb4-4f13-b844-0e14e2aef915", "Linux /home"),
    ("3b8f8425-20e0-4f3b-907f-1a25a76f98e8", "Linux /srv"),
    ("4d21b016-b534-45c2-a9fb-5c16e091fd2d", "Linux /var"),
    ("7ec6f557-3bc5-4aca-b293-16ef5df639d1", "Linux /var/tmp"),
    ("7ffec5c9-2d00-49b7-8941-3ea10a5586b7", "Linux dm-crypt"),
    ("ca7d7ccb-63ed-4c53-861c-1742536059cc", "Linux LUKS"),
    ("8da63339-0007-60c0-c436-083ac8230908", "Linux reserved"),
    (
        "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7",
        "Microsoft basic data",
    ),
    (
        "e3c9e316-0b5c-4db8-817d-f92df00215ae",
        "Microsoft reserved (MSR)",
    ),
    ("de94bba4-06d1-4d40-a16a-bfd50179d6ac", "Windows recovery"),
    (
        "5808c8aa-7e8f-42e0-85d2-e1e90434cfb3",
        "Windows dynamic disk metadata (LDM)",
    ),
    (
        "af9b60a0-1431-4f62-bc68-3311714a69ad",
        "Windows dynamic disk data (LDM)",
    ),
    (
        "e75caf8f-f680-4cee-afa3-b001e56efc2d",
        "Windows Storage Spaces",
    ),
    (
        "558d43c5-a1ac-43c0-aac8-d1472b2923d1",
        "Windows Storage Replica",
    ),
    ("37affc90-ef7d-4e96-91c3-2d7ae055b174", "IBM GPFS"),
    ("4fbd7e29-9d25-41b8-afd0-062c0ceff05d", "Ceph OSD"),
    ("aa31e02a-400f-11db-9590-000c2911d1b8", "VMware VMFS"),
    ("9198effc-31c0-11db-8f78-000c2911d1b8", "VMware reserved"),
    (
        "9d275380-40ad-11db-bf97-000c2911d1b8",
        "VMware kernel core dump",
    ),
    ("83bd6b9d-7f41-11dc-be0b-001560b84f0f", "FreeBSD boot"),
    ("516e7cb4-6ecf-11d6-8ff8-00022d09712b", "FreeBSD disklabel"),
    ("516e7cb5-6ecf-11d6-8ff8-00022d09712b", "FreeBSD swap"),
    ("516e7cb6-6ecf-11d6-8ff8-00022d09712b", "FreeBSD UFS"),
    ("516e7cba-6ecf-11d6-8ff8-00022d09712b", "FreeBSD ZFS"),
    (
        "6a898cc3-1dd2-11b2-99a6-080020736631",
        "Solaris /usr or Apple ZFS",
    ),
    ("6a945a3b-1dd2-11b2-99a6-080020736631", "Solaris reserved"),
    ("48465300-0000-11aa-aa11-00306543ecac", "Apple HFS+"),
    ("7c3457ef-0000-11aa-aa11-00306543ecac", "Apple APFS"),
    ("426f6f74-0000-11aa-aa11-00306543ecac", "Apple boot"),
    ("fe3a2a5d-4f32-41a7-b725-accc3285a309", "ChromeOS kernel"),
    ("3cb8e202-3b7e-47dd-8a3c-7ff2a13cfcec", "ChromeOS root"),
];

/// The types of EFI system partitions, in a GPT and in an MBR.
const ESP: [&str; 2] = ["c12a7328-f81f-11d2-ba4b-00a0c93ec93b", "0xef"];

/// Whether `type_id` (as [`Partition::type_id`](crate::Partition::type_id)) is that of an EFI
/// system partition.
#[must_use]
pub fn is_esp(type_id: &str) -> bool {
    ESP.iter().any(|known| type_id.eq_ignore_ascii_case(known))
}

/// The name of a GPT type, given its GUID in lower case with hyphens.
pub(super) fn gpt_type_name(guid: &str) -> &'static str {
    GPT.iter()
        .find(|(known, _)| *known == guid)
        .map_or(UNKNOWN, |(_, name)| name)
}

/// The name of an MBR type.
pub(super) fn mbr_type_name(kind: u8) -> &'static str {
    match kind {
        0x01 => "FAT12",
        0x04 => "FAT16 (below 32 MiB)",
        0x05 => "extended",
        0x06 => "FAT16",
        0x07 => "NTFS, exFAT or HPFS",
        0x0b => "FAT32",
        0x0c => "FAT32 (LBA)",
        0x0e => "FAT16 (LBA)",
        0x0f => "extended (LBA)",
        0x11 => "hidden FAT12",
        0x12 => "vendor diagnostics",
        0x14 | 0x16 => "hidden FAT16",
        0x17 => "hidden NTFS",
        0x1b => "hidden FAT32",
        0x1c => "hidden FAT32 (LBA)",
        0x1e => "hidden FAT16 (LBA)",
        0x27 => "Windows recovery",
        0x39 => "Plan 9",
        0x41 => "PowerPC PReP boot",
        0x42 => "Windows dynamic disk (LDM)",
        0x63 => "GNU Hurd or System V",
        0x82 => "Linux swap (or Solaris)",
        0x83 => "Linux filesystem",
        0x84 => "hibernation",
        0x85 => "Linux extended",
        0x88 => "Linux plaintext partition table",
        0x8e => "Linux LVM",
        0xa5 => "FreeBSD",
        0xa6 => "OpenBSD",
        0xa8 => "Apple UFS",
        0xa9 => "NetBSD",
        0xaf => "Apple HFS or HFS+",
        0xbe => "Solaris boot",
        0xbf => "Solaris",
        0xda => "data without a filesystem",
        0xde => "Dell utility",
        0xe7 => "Windows Storage Spaces",
        0xe8 => "Linux LUKS",
        0xea => "Linux extended boot (XBOOTLDR)",
        0xeb => "BeOS",
        0xee => "GPT protective",
        0xef => "EFI system (ESP)",
        0xfb => "VMware VMFS",
        0xfc => "VMware kernel core dump",
        0xfd => "Linux RAID",
        _ => UNKNOWN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gpt::partition_types as crate_types;

    #[test]
    fn guids_are_unique_and_canonical() {
        for (at, (guid, name)) in GPT.iter().enumerate() {
            let parsed = uuid::Uuid::parse_str(guid).unwrap();
            assert_eq!(parsed.hyphenated().to_string(), *guid, "{name}");
            assert!(GPT.iter().skip(at + 1).all(|(g, n)| g != guid && n != name));
        }
    }

    /// The `gpt` crate's list was typed by others: where both name a type,
    /// both must mean the same one.
    #[test]
    fn names_agree_with_the_gpt_crate() {
        for (theirs, ours) in [
            (crate_types::EFI, "EFI system (ESP)"),
            (crate_types::BIOS, "BIOS boot"),
            (crate_types::LINUX_FS, "Linux filesystem"),
            (crate_types::LINUX_SWAP, "Linux swap"),
            (crate_types::LINUX_LVM, "Linux LVM"),
            (crate_types::LINUX_RAID, "Linux RAID"),
            (crate_types::BASIC, "Microsoft basic data"),
            (crate_types::MICROSOFT_RESERVED, "Microsoft reserved (MSR)"),
            (crate_types::WINDOWS_RECOVERY, "Windows recovery"),
        ] {
            assert_eq!(gpt_type_name(&theirs.guid.hyphenated().to_string()), ours);
        }
        for (id, yes) in [
            (&*crate_types::EFI.guid.to_string(), true),
            (&*crate_types::EFI.guid.to_string().to_uppercase(), true),
            ("0xef", true),
            ("0xee", false),
            (&*crate_types::BIOS.guid.to_string(), false),
        ] {
            assert_eq!(is_esp(id), yes, "{id}");
        }
        assert_eq!(
            gpt_type_name("00000000-0000-0000-0000-000000000001"),
            UNKNOWN
        );
        assert_eq!(mbr_type_name(0x83), "Linux filesystem");
        assert_eq!(mbr_type_name(0x02), UNKNOWN);
    }
}
