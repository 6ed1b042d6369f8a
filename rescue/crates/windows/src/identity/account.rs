//! The machine's own SID, in the hive SAM.
//!
//! Value `V` of `SAM\Domains\Account` begins with descriptors of 12 bytes each:
//! offset, length, a third number (u32); offsets count from 0x30. The second is
//! the SID's. Checked on SAM hives from XP to Server 2019.

use super::fact::{self, Fact, Source};
use super::sid::Sid;

/// The key of the machine's accounts.
pub(super) const KEY: &str = "SAM\\Domains\\Account";
/// Where the SID's descriptor is.
const DESCRIPTOR: usize = 0x0c;
/// What offsets count from.
const DATA: usize = 0x30;

pub(super) fn machine_sid(sam: &Source<'_>) -> Fact<Sid> {
    fact::value(sam, KEY, "V", |_, data| sid_in(data).map(Some))
}

fn sid_in(value: &[u8]) -> Result<Sid, String> {
    let field = |at: usize| {
        let bytes = value.get(at..)?.first_chunk::<4>()?;
        Some(u32::from_le_bytes(*bytes) as usize)
    };
    let (Some(offset), Some(len)) = (field(DESCRIPTOR), field(DESCRIPTOR + 4)) else {
        return Err(format!("it has {} bytes, expected 20 or more", value.len()));
    };
    let start = DATA.saturating_add(offset);
    let bytes = value.get(start..start.saturating_add(len));
    let bytes = bytes.ok_or_else(|| {
        format!(
            "its SID of {len} bytes at {start} is not inside its {} bytes",
            value.len()
        )
    })?;
    let sid = Sid::parse(bytes)?;
    if !sid.is_domain() {
        return Err(format!("{sid} is no SID of a machine"));
    }
    Ok(sid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value(offset: u32, len: u32) -> Vec<u8> {
        let mut value = vec![0; DATA + 8];
        value[DESCRIPTOR..DESCRIPTOR + 4].copy_from_slice(&offset.to_le_bytes());
        value[DESCRIPTOR + 4..DESCRIPTOR + 8].copy_from_slice(&len.to_le_bytes());
        value.extend([1, 4, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0]);
        value.extend([1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0]);
        value
    }

    #[test]
    fn the_sid_is_where_its_descriptor_says() {
        assert_eq!(sid_in(&value(8, 24)).unwrap().to_string(), "S-1-5-21-1-2-3");
        for (offset, len) in [(9, 24), (8, 25), (8, 23), (u32::MAX, 24), (8, u32::MAX)] {
            assert!(sid_in(&value(offset, len)).is_err(), "{offset} {len}");
        }
    }

    proptest! {
        #[test]
        fn a_damaged_value_has_no_sid_or_one_of_a_machine(
            at in 0usize..80, byte: u8, cut in 0usize..81,
        ) {
            let mut value = value(8, 24);
            value[at] = byte;
            value.truncate(cut);
            if let Ok(sid) = sid_in(&value) {
                prop_assert!(sid.is_domain());
            }
        }
    }
}
