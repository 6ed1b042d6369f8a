//! Messages of NETLINK_ISCSI as bytes: building and reading, no socket.
//!
//! Layout: Linux `include/scsi/iscsi_if.h`, `struct iscsi_uevent` behind a netlink
//! header: kind (u32), error (i32), transport (u64), 24 bytes of what is asked, 16
//! bytes of what is answered, then data. Everything is in the machine's own byte
//! order.

const HEADER: usize = 16;
const ASKED: usize = HEADER + 16;
const ANSWERED: usize = ASKED + 24;
/// Netlink header and `struct iscsi_uevent`.
pub(super) const LENGTH: usize = ANSWERED + 16;

pub(super) const CREATE_SESSION: u32 = 11;
pub(super) const DESTROY_SESSION: u32 = 12;
pub(super) const CREATE_CONN: u32 = 13;
pub(super) const DESTROY_CONN: u32 = 14;
pub(super) const BIND_CONN: u32 = 15;
pub(super) const SET_PARAM: u32 = 16;
pub(super) const START_CONN: u32 = 17;
pub(super) const STOP_CONN: u32 = 18;
const IF_ERROR: u32 = 103;

/// A request of this kind to `transport`: `asked` is its part of the union `u`.
pub(super) fn request(kind: u32, transport: u64, asked: &[u8], data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; LENGTH];
    let mut put = |at: usize, value: &[u8]| {
        if let Some(place) = bytes.get_mut(at..at.saturating_add(value.len())) {
            place.copy_from_slice(value);
        }
    };
    let length = u32::try_from(LENGTH.saturating_add(data.len())).unwrap_or(u32::MAX);
    put(0, &length.to_ne_bytes());
    put(4, &u16::try_from(kind).unwrap_or(0).to_ne_bytes());
    put(6, &1u16.to_ne_bytes()); // NLM_F_REQUEST
    put(HEADER, &kind.to_ne_bytes());
    put(HEADER + 8, &transport.to_ne_bytes());
    put(ASKED, asked);
    bytes.extend_from_slice(data);
    bytes
}

/// Numbers one behind the other.
pub(super) fn numbers(values: &[u32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_ne_bytes()).collect()
}

/// The kernel's answer to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// It was not even tried, for this reason (an error number).
    Refused(i32),
    /// It was; the first two numbers of the union `r`.
    Done([u32; 2]),
}

/// Reads `message` as the answer to a request of this kind; `None` when it is
/// something else (news about connections).
pub(super) fn answer(message: &[u8], kind: u32) -> Option<Answer> {
    let u32_at = |at: usize| {
        let bytes: [u8; 4] = message.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(u32::from_ne_bytes(bytes))
    };
    // Answers have the request's kind in the netlink header, news have 0.
    let bytes: [u8; 2] = message.get(4..6)?.try_into().ok()?;
    if u32::from(u16::from_ne_bytes(bytes)) != kind {
        return None;
    }
    if u32_at(HEADER)? == IF_ERROR {
        let number = u32_at(HEADER + 4)?.cast_signed();
        return Some(Answer::Refused(number.checked_neg()?));
    }
    Some(Answer::Done([u32_at(ANSWERED)?, u32_at(ANSWERED + 4)?]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_laid_out_as_the_kernel_wants() {
        let asked = numbers(&[3, 0, 15, 4]);
        let bytes = request(SET_PARAM, 0x1122_3344_5566_7788, &asked, b"iqn\0");
        assert_eq!(bytes.len(), 76);
        assert_eq!(bytes[..4], 76u32.to_ne_bytes());
        assert_eq!(bytes[4..6], 16u16.to_ne_bytes());
        assert_eq!(bytes[16..20], 16u32.to_ne_bytes());
        assert_eq!(bytes[24..32], 0x1122_3344_5566_7788u64.to_ne_bytes());
        assert_eq!(bytes[32..48], asked);
        assert_eq!(&bytes[72..], b"iqn\0");
    }

    #[test]
    fn answers_are_told_from_news() {
        let mut bytes = request(CREATE_SESSION, 1, &[], &[]);
        bytes[56..64].copy_from_slice(&numbers(&[7, 2]));
        assert_eq!(answer(&bytes, CREATE_SESSION), Some(Answer::Done([7, 2])));
        assert_eq!(answer(&bytes, CREATE_CONN), None);
        bytes[16..20].copy_from_slice(&IF_ERROR.to_ne_bytes());
        bytes[20..24].copy_from_slice(&(-22i32).to_ne_bytes());
        assert_eq!(answer(&bytes, CREATE_SESSION), Some(Answer::Refused(22)));
        assert_eq!(
            answer(&bytes[..60], CREATE_SESSION),
            Some(Answer::Refused(22))
        );
        assert_eq!(answer(&bytes[..10], CREATE_SESSION), None);
    }
}
