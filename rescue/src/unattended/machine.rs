//! By which names a server may know this machine: the hardware addresses of
//! its wired links, and what its firmware says (SMBIOS).
//!
//! A plan's address may hold them (`{mac}`, `{uuid}`, `{serial}`), or name a
//! folder with one plan per machine in it.

use std::fs;
use std::path::Path;

use serde::Serialize;

use crate::init::network::Network;

/// This machine's names. All of them are plain: letters, digits, `.`, `_`, `-`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Names {
    /// Hardware addresses, "52-54-00-12-34-56"; links with an address first.
    pub macs: Vec<String>,
    /// The firmware's UUID, lower case.
    pub uuid: Option<String>,
    /// The firmware's serial number; other characters than plain ones are `_`.
    pub serial: Option<String>,
}

impl Names {
    /// Those of this machine; `dmi` is /sys/class/dmi/id.
    #[must_use]
    pub fn of(network: &Network, dmi: &Path) -> Self {
        let mut links: Vec<_> = network.links.values().collect();
        links.sort_by_key(|link| !link.is_up());
        // A VLAN and a bond have that of a link they are made of.
        let mut macs: Vec<String> = Vec::new();
        for link in links {
            let mac = plain(&link.mac.replace(':', "-"));
            if !macs.contains(&mac) {
                macs.push(mac);
            }
        }
        Self {
            macs,
            uuid: told(dmi, "product_uuid").map(|text| plain(&text).to_lowercase()),
            serial: told(dmi, "product_serial").map(|text| plain(&text)),
        }
    }

    /// The addresses at which `address` may have a plan for this machine, in
    /// the order in which they are tried.
    ///
    /// A folder (the address ends with `/`) has `MAC.toml`, `UUID.toml`,
    /// `SERIAL.toml`, `default.toml`. Placeholders are filled in; an address
    /// whose placeholder has no value here leads nowhere. Any other address is
    /// the plan itself.
    #[must_use]
    pub fn addresses(&self, address: &str) -> Vec<String> {
        if address.ends_with('/') {
            let names = self.macs.iter().chain(&self.uuid).chain(&self.serial);
            let names = names.map(String::as_str).chain(["default"]);
            return names.map(|name| format!("{address}{name}.toml")).collect();
        }
        let mut all = vec![address.to_owned()];
        fill(&mut all, "{mac}", &self.macs);
        fill(&mut all, "{uuid}", self.uuid.as_slice());
        fill(&mut all, "{serial}", self.serial.as_slice());
        all
    }
}

/// Each address once with each of `values` for `placeholder`, if it has it.
fn fill(addresses: &mut Vec<String>, placeholder: &str, values: &[String]) {
    if !addresses.iter().any(|a| a.contains(placeholder)) {
        return;
    }
    let filled = |address: &String| -> Vec<String> {
        values
            .iter()
            .map(|value| address.replace(placeholder, value))
            .collect()
    };
    *addresses = addresses.iter().flat_map(filled).collect();
}

/// An attribute of the firmware, unless it is one of the texts that say nothing.
fn told(dmi: &Path, attribute: &str) -> Option<String> {
    const NOTHING: [&str; 5] = [
        "not specified",
        "none",
        "default string",
        "to be filled by o.e.m.",
        "system serial number",
    ];
    let text = fs::read_to_string(dmi.join(attribute)).ok()?;
    let text = text.trim();
    let says = !text.is_empty() && !NOTHING.contains(&text.to_lowercase().as_str());
    says.then(|| text.to_owned())
}

/// `text` as a file name that no server and no folder can misread.
fn plain(text: &str) -> String {
    let keep = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    text.chars()
        .map(|c| if keep(c) { c } else { '_' })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn names() -> Names {
        Names {
            macs: vec!["52-54-00-12-34-56".into(), "52-54-00-12-34-57".into()],
            uuid: Some("4c4c4544-0042".into()),
            serial: Some("ABC_1".into()),
        }
    }

    #[test]
    fn a_folder_is_asked_for_every_name_and_the_default_last() {
        let all = names().addresses("http://h/plans/");
        assert_eq!(
            all,
            [
                "http://h/plans/52-54-00-12-34-56.toml",
                "http://h/plans/52-54-00-12-34-57.toml",
                "http://h/plans/4c4c4544-0042.toml",
                "http://h/plans/ABC_1.toml",
                "http://h/plans/default.toml",
            ]
        );
    }

    #[test]
    fn a_bond_and_its_vlan_add_no_names() {
        use crate::init::network::LinkState;
        let link = |mac: &str| LinkState {
            mac: mac.into(),
            ..LinkState::default()
        };
        let mut network = Network::default();
        for (name, mac) in [
            ("bond0.42", "a:1"),
            ("bond0", "a:1"),
            ("eth0", "a:1"),
            ("eth1", "a:2"),
        ] {
            network.links.insert(name.into(), link(mac));
        }
        let names = Names::of(&network, Path::new("/nowhere"));
        assert_eq!(names.macs, ["a-1", "a-2"]);
    }

    #[test]
    fn placeholders_are_filled_in() {
        let all = names().addresses("http://h/p?mac={mac}&u={uuid}");
        assert_eq!(all.len(), 2);
        assert_eq!(all[1], "http://h/p?mac=52-54-00-12-34-57&u=4c4c4544-0042");
        assert_eq!(names().addresses("http://h/x.toml"), ["http://h/x.toml"]);
        let nameless = Names::default();
        assert!(nameless.addresses("http://h/{serial}").is_empty());
        assert_eq!(nameless.addresses("http://h/"), ["http://h/default.toml"]);
    }

    #[test]
    fn the_firmware_is_read_with_care() {
        let dmi = tempfile::tempdir().unwrap();
        fs::write(dmi.path().join("product_uuid"), "4C4C4544-0042\n").unwrap();
        fs::write(dmi.path().join("product_serial"), "../A B/1\n").unwrap();
        let names = Names::of(&Network::default(), dmi.path());
        assert_eq!(names.uuid.as_deref(), Some("4c4c4544-0042"));
        assert_eq!(names.serial.as_deref(), Some("___A_B_1"));
        fs::write(
            dmi.path().join("product_serial"),
            "To Be Filled By O.E.M.\n",
        )
        .unwrap();
        assert_eq!(Names::of(&Network::default(), dmi.path()).serial, None);
    }

    proptest! {
        #[test]
        fn a_name_never_leads_out_of_its_folder(text in "\\PC*") {
            let name = plain(&text);
            prop_assert!(!name.contains('/') && !name.contains('.') && !name.contains('?'));
        }
    }
}
