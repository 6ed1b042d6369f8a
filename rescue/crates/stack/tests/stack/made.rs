//! Physical volumes of LVM made here, for what its tools cannot make without
//! a device mapper, and for what no tool would make.

/// LVM's checksum, bit by bit.
fn crc(bytes: &[u8]) -> u32 {
    let mut crc = 0xf597_a6cf_u32;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
        }
    }
    crc
}

fn put(bytes: &mut [u8], at: usize, field: &[u8]) {
    bytes[at..at + field.len()].copy_from_slice(field);
}

/// Where the metadata area is, and its size.
const MDA: usize = 4096;
const MDA_LEN: usize = 16384;

/// The UUID of physical volume `number`, with hyphens.
pub(crate) fn uuid(number: u8) -> String {
    format!("AAAAAA-BBBB-CCCC-DDDD-EEEE-FFFF-00000{number}")
}

/// Writes the label and the metadata into `image`; the text begins `from`
/// bytes into its area, and goes round at the end.
pub(crate) fn pv(image: &mut [u8], number: u8, text: &str, from: usize) {
    let len = image.len() as u64;
    let mut label = [0; 512];
    put(&mut label, 0, b"LABELONE");
    put(&mut label, 8, &1_u64.to_le_bytes());
    put(&mut label, 20, &32_u32.to_le_bytes());
    put(&mut label, 24, b"LVM2 001");
    put(&mut label, 32, uuid(number).replace('-', "").as_bytes());
    put(&mut label, 64, &len.to_le_bytes());
    put(&mut label, 72, &(1_u64 << 20).to_le_bytes());
    put(&mut label, 104, &(MDA as u64).to_le_bytes());
    put(&mut label, 112, &(MDA_LEN as u64).to_le_bytes());
    let sum = crc(&label[20..]);
    put(&mut label, 16, &sum.to_le_bytes());
    put(image, 512, &label);

    let mut head = [0; 512];
    put(&mut head, 4, b" LVM2 x[5A%r0N*>");
    put(&mut head, 20, &1_u32.to_le_bytes());
    put(&mut head, 24, &(MDA as u64).to_le_bytes());
    put(&mut head, 32, &(MDA_LEN as u64).to_le_bytes());
    put(&mut head, 40, &(from as u64).to_le_bytes());
    put(&mut head, 48, &(text.len() as u64).to_le_bytes());
    put(&mut head, 56, &crc(text.as_bytes()).to_le_bytes());
    let sum = crc(&head[4..]);
    put(&mut head, 0, &sum.to_le_bytes());
    put(image, MDA, &head);

    let first = text.len().min(MDA_LEN - from);
    put(image, MDA + from, &text.as_bytes()[..first]);
    put(image, MDA + 512, &text.as_bytes()[first..]);
}

/// The text of a group `vg-1` of 64 KiB extents with `pvs` physical volumes
/// of 1 MiB on and these logical volumes.
pub(crate) fn group(seqno: u32, pvs: u8, lvs: &str) -> String {
    let entry = |number: u8| {
        format!(
            "pv{number} {{ id = \"{}\" device = \"/dev/sd{number}\" status = [\"ALLOCATABLE\"] \
             dev_size = 6144 pe_start = 2048 pe_count = 32 }}\n",
            uuid(number)
        )
    };
    let pvs: String = (0..pvs).map(entry).collect();
    format!(
        "vg-1 {{ id = \"GGGGGG-0000-0000-0000-0000-0000-000000\" seqno = {seqno} format = \"lvm2\" \
         status = [\"RESIZEABLE\", \"READ\", \"WRITE\"] flags = [] extent_size = 128 max_lv = 0 max_pv = 0 \
         metadata_copies = 0 physical_volumes {{ {pvs} }}\nlogical_volumes {{ {lvs} }} }}\n\
         # a comment\ncontents = \"Text Format Volume Group\"\nversion = 1\ndescription = \"a \\\"test\\\"\"\n\0"
    )
}

/// A logical volume of one segment of `count` extents; `how` is the rest of the segment.
pub(crate) fn lv(name: &str, visible: bool, count: u32, how: &str) -> String {
    let seen = if visible { ", \"VISIBLE\"" } else { "" };
    let mark = name
        .bytes()
        .fold(0_u32, |sum, byte| (sum * 31 + u32::from(byte)) % 1_000_000);
    format!(
        "{name} {{ id = \"LLLLLL-0000-0000-0000-0000-0000-{mark:06}\" status = [\"READ\", \"WRITE\"{seen}] flags = [] \
         segment_count = 1 segment1 {{ start_extent = 0 extent_count = {count} {how} }} }}\n"
    )
}

/// How a linear segment lies on `on` from its extent `extent`.
pub(crate) fn linear(on: &str, extent: u32) -> String {
    format!("type = \"striped\" stripe_count = 1 stripes = [\"{on}\", {extent}]")
}
