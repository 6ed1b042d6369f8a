//! Superblocks of md made here: `mdadm --create` needs a kernel with md.

/// A member that is to be described.
#[derive(Clone)]
pub(crate) struct Member {
    pub(crate) level: i32,
    /// Slots of the array.
    pub(crate) slots: u32,
    /// Which device of the array it is.
    pub(crate) number: u32,
    /// The role of each device.
    pub(crate) roles: Vec<u16>,
    pub(crate) events: u64,
    pub(crate) features: u32,
    /// The sector up to which it is recovered, with that feature.
    pub(crate) recovered: u64,
    pub(crate) name: &'static str,
    /// Sectors of each member that a mirror uses.
    pub(crate) used: u64,
}

impl Member {
    /// Member `number` of a mirror of two.
    pub(crate) fn mirror(number: u32) -> Self {
        Self {
            level: 1,
            slots: 2,
            number,
            roles: vec![0, 1],
            events: 17,
            features: 0,
            recovered: u64::MAX,
            name: "old:root",
            used: USED,
        }
    }
}

pub(crate) const UUID: [u8; 16] = *b"\x01\x23\x45\x67\x89\xab\xcd\xef0123456\xff";
/// That UUID as mdadm writes it.
pub(crate) const UUID_TEXT: &str = "01234567:89abcdef:30313233:343536ff";
/// Where the data of 1.1 and 1.2 begins, and how much an array uses, in sectors.
pub(crate) const DATA: u64 = 2048;
pub(crate) const USED: u64 = 2048;

fn sum(bytes: &[u8]) -> u32 {
    let mut sum = 0_u64;
    for word in bytes.chunks(4) {
        let mut full = [0; 4];
        full[..word.len()].copy_from_slice(word);
        sum += u64::from(u32::from_le_bytes(full));
    }
    ((sum & 0xffff_ffff) + (sum >> 32)) as u32
}

/// Writes a superblock of version 1.`minor` into the image of a member of 4 MiB.
pub(crate) fn v1(image: &mut [u8], minor: u32, member: &Member) {
    let sectors = image.len() as u64 / 512;
    let (at, data) = match minor {
        0 => ((sectors - 16) & !7, 0),
        1 => (0, DATA),
        _ => (8, DATA),
    };
    let room = if minor == 0 { at } else { sectors - DATA };
    let mut bytes = vec![0; 256 + 2 * member.roles.len()];
    let mut put = |at: usize, field: &[u8]| bytes[at..at + field.len()].copy_from_slice(field);
    put(0, &0xa92b_4efc_u32.to_le_bytes());
    put(4, &1_u32.to_le_bytes());
    put(8, &member.features.to_le_bytes());
    put(16, &UUID);
    put(32, member.name.as_bytes());
    put(64, &1_700_000_000_u64.to_le_bytes());
    put(72, &member.level.to_le_bytes());
    put(
        80,
        &if member.level == 1 { member.used } else { 0 }.to_le_bytes(),
    );
    put(88, &128_u32.to_le_bytes());
    put(92, &member.slots.to_le_bytes());
    put(128, &data.to_le_bytes());
    put(136, &room.to_le_bytes());
    put(144, &at.to_le_bytes());
    put(152, &member.recovered.to_le_bytes());
    put(160, &member.number.to_le_bytes());
    put(168, &[member.number as u8 + 1; 16]);
    put(192, &1_700_000_100_u64.to_le_bytes());
    put(200, &member.events.to_le_bytes());
    put(208, &u64::MAX.to_le_bytes());
    put(220, &(member.roles.len() as u32).to_le_bytes());
    for (number, role) in member.roles.iter().enumerate() {
        put(256 + 2 * number, &role.to_le_bytes());
    }
    let sum = sum(&bytes);
    bytes[216..220].copy_from_slice(&sum.to_le_bytes());
    let at = at as usize * 512;
    image[at..at + bytes.len()].copy_from_slice(&bytes);
}

/// Writes a superblock of version 0.90 for member `number` of a mirror of two, both in use.
pub(crate) fn v0(image: &mut [u8], number: u32, level: i32) {
    let mut words = vec![0_u32; 1024];
    let uuid = |at: usize| u32::from_le_bytes(UUID[at..at + 4].try_into().unwrap());
    let head = [
        (0, 0xa92b_4efc),
        (2, 90),
        (5, uuid(0)),
        (6, 1_700_000_000),
        (7, level.cast_unsigned()),
        (8, (USED / 2) as u32),
        (9, 2),
        (10, 2),
        (11, 3),
        (13, uuid(4)),
        (14, uuid(8)),
        (15, uuid(12)),
        (32, 1_700_000_100),
        (33, 1),
        (34, 2),
        (35, 2),
        (39, 17),
        (65, 65536),
    ];
    for (at, word) in head {
        words[at] = word;
    }
    for (at, device) in [(128, 0), (160, 1), (992, number)] {
        words[at..at + 5].copy_from_slice(&[device, 8, 1 + device, device, 6]);
    }
    let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let sum = sum(&bytes);
    bytes[38 * 4..39 * 4].copy_from_slice(&sum.to_le_bytes());
    let at = image.len() / 65536 * 65536 - 65536;
    image[at..at + 4096].copy_from_slice(&bytes);
}
