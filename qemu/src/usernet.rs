//! What QEMU tells of its user network (`info usernet`).
//!
//! Layout: `slirp_connection_info` of libslirp (`src/misc.c`): protocol with state,
//! descriptor, source address and port, destination address and port, queues.

/// One line of the table.
#[derive(Debug, PartialEq, Eq)]
struct Connection<'a> {
    state: &'a str,
    source: u16,
    destination: u16,
}

fn connections(table: &str) -> impl Iterator<Item = Connection<'_>> {
    table.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let state = words.next()?.strip_prefix("TCP[")?.strip_suffix(']')?;
        // Descriptor and source address come before the ports.
        let source = words.nth(2)?.parse().ok()?;
        let destination = words.nth(1)?.parse().ok()?;
        Some(Connection {
            state,
            source,
            destination,
        })
    })
}

/// The host's port that leads to `guest`.
pub(crate) fn forwarded(table: &str, guest: u16) -> Option<u16> {
    connections(table)
        .find(|c| c.state == "HOST_FORWARD" && c.destination == guest)
        .map(|c| c.source)
}

/// Whether the guest has accepted a connection that came through the host's port.
pub(crate) fn is_answered(table: &str, guest: u16) -> bool {
    let Some(host) = forwarded(table, guest) else {
        return false;
    };
    connections(table)
        .any(|c| c.state == "ESTABLISHED" && c.destination == guest && c.source == host)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "Hub -1 (net0):\r
  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ\r
  TCP[ESTABLISHED]   14       127.0.0.1 40123       10.0.2.15    22     0     0\r
  TCP[HOST_FORWARD]  12       127.0.0.1 40123       10.0.2.15    22     0     0\r
  TCP[SYN_SENT]      15       127.0.0.1 40999       10.0.2.15    80     0     0\r
  TCP[HOST_FORWARD]  13       127.0.0.1 40999       10.0.2.15    80     0     0\r
  UDP[236 sec]       16       10.0.2.15   123        10.0.2.2   123     0     0\r
";

    #[test]
    fn a_port_is_told_and_whether_the_guest_answered() {
        assert_eq!(forwarded(TABLE, 22), Some(40123));
        assert_eq!(forwarded(TABLE, 443), None);
        assert!(is_answered(TABLE, 22));
        assert!(!is_answered(TABLE, 80));
        assert!(!is_answered("", 22));
    }
}
