//! Bytes that another program wrote, and any bytes.

use efi::{ACTIVE, DevicePath, HardDrive, LoadOption, Node, Signature};
use proptest::prelude::*;
use uuid::Uuid;

/// Made with Python's virt-firmware 26.10 (`virt.firmware.efi.bootentry`): title
/// "debian", GPT partition 1 at sector 2048 of 65536 sectors, a file.
const DEBIAN: &[u8] = include_bytes!("options/debian.bin");
/// The same partition behind PCI and SATA nodes, with optional data.
const FULL: &[u8] = include_bytes!("options/full.bin");
/// A network card's, hidden.
const PXE: &[u8] = include_bytes!("options/pxe.bin");

fn partition() -> HardDrive {
    HardDrive {
        number: 1,
        start: 2048,
        size: 65_536,
        signature: Signature::Gpt(Uuid::from_u128(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef)),
    }
}

#[test]
fn what_another_program_wrote_is_read_and_written_the_same() {
    let file = "\\EFI\\debian\\shimx64.efi";
    let ours = LoadOption::active("debian", DevicePath::to_file(partition(), file), Vec::new());
    assert_eq!(ours.to_bytes().unwrap(), DEBIAN);
    assert_eq!(LoadOption::parse(DEBIAN).unwrap(), ours);

    let full = LoadOption::parse(FULL).unwrap();
    assert_eq!(
        (full.title().as_str(), full.attributes),
        ("UEFI OS", ACTIVE)
    );
    assert_eq!(full.data, b"\0\0BO");
    let boot = "\\EFI\\BOOT\\BOOTX64.EFI".to_owned();
    assert_eq!(full.path.file(), Some((partition(), boot)));
    assert_eq!(full.to_bytes().unwrap(), FULL);

    // A path of two instances (7f 01 between them) is one.
    let mut two = DEBIAN.to_vec();
    let end = two.len() - 4;
    two.splice(end..end, [0x7f, 1, 4, 0, 1, 1, 4, 0]);
    two[4] += 8;
    let option = LoadOption::parse(&two).unwrap();
    assert_eq!((option.path.0.len(), option.data.len()), (4, 0));
    assert_eq!(option.to_bytes().unwrap(), two);

    let pxe = LoadOption::parse(PXE).unwrap();
    assert_eq!((pxe.attributes, pxe.path.file()), (9, None));
    assert_eq!(pxe.to_bytes().unwrap(), PXE);
}

#[test]
fn a_cut_option_is_refused_with_the_place() {
    for len in 0..DEBIAN.len() {
        let error = LoadOption::parse(&DEBIAN[..len]).unwrap_err().to_string();
        assert!(error.contains("at byte"), "{len}: {error}");
    }
    let large = vec![1; efi::LARGEST + 1];
    let error = LoadOption::parse(&large).unwrap_err().to_string();
    assert!(error.contains("131073 bytes"), "{error}");
}

fn node() -> impl Strategy<Value = Node> {
    let signature = prop_oneof![
        any::<u128>().prop_map(|id| Signature::Gpt(Uuid::from_u128(id))),
        any::<u32>().prop_map(Signature::Mbr),
    ];
    let drive = (any::<u32>(), any::<u64>(), any::<u64>(), signature).prop_map(
        |(number, start, size, signature)| {
            Node::HardDrive(HardDrive {
                number,
                start,
                size,
                signature,
            })
        },
    );
    let other = (
        1_u8..4,
        any::<u8>(),
        prop::collection::vec(any::<u8>(), 0..50),
    );
    prop_oneof![
        drive,
        prop::collection::vec(1_u16.., 0..40).prop_map(Node::File),
        other.prop_map(|(kind, sub, body)| Node::Other(kind, sub, body)),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        attributes: u32,
        title in prop::collection::vec(1_u16.., 0..40),
        nodes in prop::collection::vec(node(), 0..6),
        more_paths in prop::collection::vec(any::<u8>(), 0..40),
        data in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let path = DevicePath(nodes);
        let option = LoadOption { attributes, title, path, more_paths, data };
        prop_assert_eq!(LoadOption::parse(&option.to_bytes().unwrap()), Ok(option));
    }

    #[test]
    fn what_is_read_is_written_the_same(
        at in 0..FULL.len(),
        new in prop::collection::vec(any::<u8>(), 0..8),
    ) {
        let mut bytes = FULL.to_vec();
        let end = (at + new.len()).min(bytes.len());
        bytes.splice(at..end, new);
        if let Ok(option) = LoadOption::parse(&bytes) {
            prop_assert_eq!(option.to_bytes().unwrap(), bytes);
        }
    }
}
