//! What the local security authority knows: names and SIDs of the machine and
//! of its domain, in the hive SECURITY.
//!
//! Each is the default value of a key below `Policy`, of type `REG_NONE`
//! (checked on hives of Windows 8.1 and Server 2019). A text is a length and a
//! maximum in bytes (u16 each), where it begins (u32), UTF-16 without a NUL.

use uuid::Uuid;

use super::fact::{self, Fact, Source};
use super::sid::Sid;

/// The machine or the domain that keeps accounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Domain {
    /// NetBIOS name; for a machine in no domain that of its workgroup.
    pub name: Fact<String>,
    /// Its SID.
    pub sid: Fact<Sid>,
}

/// What SECURITY says of machine and domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Where local accounts are: the machine itself (`PolAcDm…`).
    pub accounts: Domain,
    /// The domain or workgroup it is in (`PolPrDm…`); no SID for a workgroup.
    pub primary: Domain,
    /// The domain's DNS name (`PolDnDDN`).
    pub dns: Fact<String>,
    /// The forest's DNS name (`PolDnTrN`).
    pub forest: Fact<String>,
    /// The domain's GUID (`PolDnDmG`).
    pub guid: Fact<String>,
    /// Whether it is in a domain: the primary domain has a SID.
    pub joined: Fact<bool>,
}

impl Policy {
    pub(super) fn read(security: &Source<'_>) -> Self {
        let text = |name| of(security, name, text);
        let primary = Domain {
            name: text("PolPrDmN"),
            sid: of(security, "PolPrDmS", domain_sid),
        };
        Self {
            accounts: Domain {
                name: text("PolAcDmN"),
                sid: of(security, "PolAcDmS", domain_sid),
            },
            joined: match &primary.sid {
                Fact::Known(_) => Fact::Known(true),
                // (An empty value is a workgroup's; no value is no answer.)
                Fact::Absent => fact::bytes(security, "Policy\\PolPrDmS", "")
                    .map(|_| false)
                    .or_unknown("SECURITY has no Policy\\PolPrDmS"),
                Fact::Unknown(why) => Fact::Unknown(why.clone()),
            },
            primary,
            dns: text("PolDnDDN"),
            forest: text("PolDnTrN"),
            guid: of(security, "PolDnDmG", guid),
        }
    }
}

fn of<T>(
    security: &Source<'_>,
    name: &str,
    with: impl FnOnce(&[u8]) -> Result<Option<T>, String>,
) -> Fact<T> {
    let path = format!("Policy\\{name}");
    fact::value(security, &path, "", |_, data| with(data))
}

fn domain_sid(data: &[u8]) -> Result<Option<Sid>, String> {
    if data.is_empty() {
        return Ok(None);
    }
    let sid = Sid::parse(data)?;
    if !sid.is_domain() {
        return Err(format!("{sid} is no SID of a machine or domain"));
    }
    Ok(Some(sid))
}

fn text(data: &[u8]) -> Result<Option<String>, String> {
    if data.is_empty() {
        return Ok(None);
    }
    let [l0, l1, _, _, o0, o1, o2, o3, ..] = data else {
        return Err(format!("it has {} bytes, expected 8 or more", data.len()));
    };
    let len = usize::from(u16::from_le_bytes([*l0, *l1]));
    let start = u32::from_le_bytes([*o0, *o1, *o2, *o3]) as usize;
    let end = start.saturating_add(len);
    let Some(text) = data.get(start..end).filter(|_| len % 2 == 0) else {
        return Err(format!(
            "its text of {len} bytes at {start} is not inside its {} bytes",
            data.len()
        ));
    };
    let units = text.chunks_exact(2);
    let units = units.map(|unit| u16::from_le_bytes([unit[0], unit[1]]));
    let text: String = char::decode_utf16(units)
        .map(|unit| unit.map_err(|_| "it is no Unicode text".to_owned()))
        .collect::<Result<_, _>>()?;
    Ok((!text.is_empty()).then_some(text))
}

fn guid(data: &[u8]) -> Result<Option<String>, String> {
    let Ok(bytes) = <[u8; 16]>::try_from(data) else {
        return match data {
            [] => Ok(None),
            _ => Err(format!("it has {} bytes, expected 16", data.len())),
        };
    };
    if bytes == [0; 16] {
        return Ok(None);
    }
    Ok(Some(Uuid::from_bytes_le(bytes).to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn texts_are_inside_their_value() {
        let good = [4, 0, 6, 0, 8, 0, 0, 0, b'P', 0, b'C', 0, 0, 0];
        assert_eq!(text(&good), Ok(Some("PC".to_owned())));
        assert_eq!(text(&[]), Ok(None));
        for (at, byte) in [(0, 8), (0, 3), (4, 12), (7, 0xff), (9, 0xd8)] {
            let mut bad = good;
            bad[at] = byte;
            assert!(text(&bad).is_err(), "{at}");
        }
        assert!(text(&good[..7]).is_err());
    }

    #[test]
    fn a_guid_reads_as_windows_shows_it() {
        let bytes: Vec<u8> = (1..=16).collect();
        let shown = "04030201-0605-0807-090a-0b0c0d0e0f10";
        assert_eq!(guid(&bytes), Ok(Some(shown.to_owned())));
        assert_eq!(guid(&[0; 16]), Ok(None));
        assert!(guid(&[0; 15]).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = text(&bytes);
            let _ = guid(&bytes);
            if let Ok(Some(sid)) = domain_sid(&bytes) {
                prop_assert_eq!(bytes.len(), 24);
                prop_assert_eq!(sid.to_string().parse(), Ok(sid));
            }
        }
    }
}
