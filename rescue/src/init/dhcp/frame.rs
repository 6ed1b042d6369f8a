//! A DHCP message inside UDP inside IPv4: wrapping and unwrapping, pure.
//!
//! RFC 791 (IPv4), RFC 768 (UDP), RFC 1071 (the checksum).

const IP_HEADER: usize = 20;
const UDP_HEADER: usize = 8;
const UDP: u8 = 17;
const CLIENT: u16 = 68;
const SERVER: u16 = 67;

/// `payload` from 0.0.0.0:68 to 255.255.255.255:67, from the IP header on.
/// `None` when it is too long for one packet.
#[must_use]
pub fn wrap(payload: &[u8]) -> Option<Vec<u8>> {
    let udp_len = u16::try_from(payload.len().checked_add(UDP_HEADER)?).ok()?;
    let total = udp_len.checked_add(20)?;
    let mut ip = Vec::with_capacity(usize::from(total));
    ip.extend_from_slice(&[0x45, 0]);
    ip.extend_from_slice(&total.to_be_bytes());
    ip.extend_from_slice(&[0, 0, 0, 0, 64, UDP, 0, 0]);
    ip.extend_from_slice(&[0, 0, 0, 0, 255, 255, 255, 255]);
    let sum = checksum(&ip);
    ip.get_mut(10..12)?.copy_from_slice(&sum.to_be_bytes());
    ip.extend_from_slice(&CLIENT.to_be_bytes());
    ip.extend_from_slice(&SERVER.to_be_bytes());
    ip.extend_from_slice(&udp_len.to_be_bytes());
    // No UDP checksum: IPv4 allows it, and the link has its own.
    ip.extend_from_slice(&[0, 0]);
    ip.extend_from_slice(payload);
    Some(ip)
}

/// The UDP payload of an IPv4 packet for a DHCP client; `None` for any other
/// packet.
///
/// The UDP checksum is not looked at: virtual networks hand packets over
/// before it is filled in, and the message has its own marks.
#[must_use]
pub fn unwrap(packet: &[u8]) -> Option<&[u8]> {
    let first = *packet.first()?;
    let header = usize::from(first & 0xf) * 4;
    let total = usize::from(u16_at(packet, 2)?);
    let fragment = u16_at(packet, 6)? & 0x3fff;
    let sane = first >> 4 == 4 && header >= IP_HEADER && fragment == 0;
    if !sane || packet.get(9) != Some(&UDP) || checksum(packet.get(..header)?) != 0 {
        return None;
    }
    let udp = packet.get(header..total)?;
    if u16_at(udp, 0)? != SERVER || u16_at(udp, 2)? != CLIENT {
        return None;
    }
    udp.get(UDP_HEADER..usize::from(u16_at(udp, 4)?))
}

fn checksum(bytes: &[u8]) -> u16 {
    let mut sum = 0u32;
    for pair in bytes.chunks(2) {
        let high = u32::from(pair.first().copied().unwrap_or(0)) << 8;
        let low = u32::from(pair.get(1).copied().unwrap_or(0));
        sum = sum.saturating_add(high | low);
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let two = bytes.get(at..at.checked_add(2)?)?;
    Some(u16::from_be_bytes(two.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A packet as the server would send it: ports the other way round.
    pub(super) fn reply(payload: &[u8]) -> Vec<u8> {
        let mut packet = wrap(payload).unwrap();
        packet[20..24].copy_from_slice(&[0, 67, 0, 68]);
        packet
    }

    #[test]
    fn the_header_checksum_is_the_one_of_rfc_1071() {
        let packet = wrap(b"x").unwrap();
        assert_eq!(checksum(&packet[..20]), 0);
        assert_eq!(
            checksum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]),
            !0xddf2
        );
    }

    #[test]
    fn a_packet_for_somebody_else_is_left_alone() {
        assert_eq!(unwrap(&wrap(b"request").unwrap()), None, "to the server");
        let mut fragment = reply(b"answer");
        fragment[6] = 0x20;
        assert_eq!(unwrap(&fragment), None);
        let mut short = reply(b"answer");
        short.truncate(25);
        assert_eq!(unwrap(&short), None);
    }

    proptest! {
        #[test]
        fn what_is_wrapped_is_unwrapped(payload in prop::collection::vec(any::<u8>(), 0..600)) {
            let packet = reply(&payload);
            prop_assert_eq!(unwrap(&packet), Some(&payload[..]));
        }

        #[test]
        fn nothing_makes_it_panic(bytes in any::<Vec<u8>>(), at in 0usize..60, value: u8) {
            let _ = unwrap(&bytes);
            let mut packet = reply(&bytes[..bytes.len().min(50)]);
            if let Some(byte) = packet.get_mut(at) {
                *byte = value;
            }
            let _ = unwrap(&packet);
        }
    }
}
