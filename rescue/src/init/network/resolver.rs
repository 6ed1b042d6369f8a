//! /etc/resolv.conf.

use std::net::IpAddr;

/// The resolver reads this many servers.
const SERVERS: usize = 3;

/// Name servers and search domains, those that count most first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Resolver {
    servers: Vec<String>,
    domains: Vec<String>,
}

impl Resolver {
    /// Adds a server that is reached over `link`.
    pub(super) fn server(&mut self, server: IpAddr, link: &str) {
        let local = matches!(server, IpAddr::V6(v6) if v6.is_unicast_link_local());
        let text = match local {
            true => format!("{server}%{link}"),
            false => server.to_string(),
        };
        if !self.servers.contains(&text) {
            self.servers.push(text);
        }
    }

    pub(super) fn domain(&mut self, domain: &str) {
        if !self.domains.iter().any(|d| d == domain) {
            self.domains.push(domain.to_owned());
        }
    }

    /// The file.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        if !self.domains.is_empty() {
            text.push_str(&format!("search {}\n", self.domains.join(" ")));
        }
        for server in self.servers.iter().take(SERVERS) {
            text.push_str(&format!("nameserver {server}\n"));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_servers_are_written_once_and_three_at_most() {
        let mut resolver = Resolver::default();
        for server in ["10.0.0.1", "fe80::1", "10.0.0.1", "fd00::53", "10.0.0.4"] {
            resolver.server(server.parse().unwrap(), "eth0");
        }
        resolver.domain("example.org");
        resolver.domain("example.org");
        assert_eq!(
            resolver.text(),
            "search example.org\nnameserver 10.0.0.1\nnameserver fe80::1%eth0\nnameserver fd00::53\n"
        );
        assert_eq!(Resolver::default().text(), "");
    }
}
