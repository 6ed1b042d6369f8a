//! The network's settings as the operator fills them in: a form for each link, and
//! one for the proxy.

use std::time::Duration;

use anyhow::{Context, bail};
use site::network::{Link, LinkName, Proxy, VlanId};

use super::network::settings::{self, Given};
use super::network::state::{LinkState, Origin};
use super::network::{self, Network};
use super::state::Board;
use crate::ui::dialogue::{Field, Filled, Form};

/// The form of a link.
pub(super) const LINK: &str = "link";
/// The form of the proxy.
pub(super) const PROXY: &str = "proxy";

/// How long setting a link may take; it goes on after that.
const PATIENCE: Duration = Duration::from_secs(15);

const BY_DHCP: &str = "DHCP";
const STATIC: &str = "static";

const HELP: &str = "\
With DHCP (IPv4) the link asks a server for its address, and nothing else is needed. Static \
addresses are written with their network: 10.0.0.7/24, or fd00::7/64, or both with a blank \
between; so are gateways and name servers. With the number of a VLAN the settings are those of \
the VLAN on top of the link. IPv6 addresses that a router advertises are taken in any case.";

const PROXY_HELP: &str = "\
http://proxy:3128, or http://user:password@proxy:3128 with %40 for an @ and the like. It is used \
for http:// and https:// repositories, plans and reports. Nothing at all: servers are reached \
directly.";

/// Every form there is now.
#[must_use]
pub(super) fn forms(board: &Board) -> Vec<Form> {
    let network: Network = board.read(network::STATE).unwrap_or_default();
    let links = network.links.iter().filter(|(_, l)| l.part_of.is_none());
    // A VLAN is set by the form of the link that it is on top of.
    let links = links.filter(|(name, _)| !name.contains('.'));
    let mut forms: Vec<Form> = links
        .map(|(name, state)| link(name, state, said(board, &network, name).as_ref()))
        .collect();
    if !forms.is_empty() {
        forms.push(proxy());
    }
    forms
}

/// What was said of the link `name` so far, by anybody.
fn said(board: &Board, network: &Network, name: &str) -> Option<Link> {
    let others = network.links.keys().filter(|n| !n.contains('.')).count();
    let mac = network.links.get(name).and_then(|l| l.mac.parse().ok());
    settings::of_link(board, name, mac, others == 1)
}

fn link(name: &str, state: &LinkState, set: Option<&Link>) -> Form {
    let now = state.addresses.iter().filter(|a| a.origin == Origin::Set);
    let now: Vec<String> = now.map(ToString::to_string).collect();
    let is_static = set.map_or(!now.is_empty(), |l| !l.addresses.is_empty());
    let addresses = set.map_or(now.join(" "), |l| join(&l.addresses));
    let vlan = set.and_then(|l| l.vlan).map(|v| v.get().to_string());
    let method = Field::one_of("method", "Method", &[BY_DHCP, STATIC]);
    Form {
        id: LINK,
        // `submit` finds the link's name here.
        offer: format!("{name} ({})", state.mac),
        heading: format!("How is {name} to get its address?"),
        fields: vec![
            method.filled(if is_static { STATIC } else { BY_DHCP }),
            Field::text(
                "addresses",
                "Addresses, as 10.0.0.7/24 or fd00::7/64",
                addresses,
            ),
            Field::text(
                "gateway",
                "Gateway",
                set.map(|l| join(&l.gateway)).unwrap_or_default(),
            ),
            Field::text(
                "dns",
                "Name servers",
                set.map(|l| join(&l.dns)).unwrap_or_default(),
            ),
            Field::text("vlan", "VLAN, if any", vlan.unwrap_or_default()),
        ],
        help: HELP.to_owned(),
    }
}

fn proxy() -> Form {
    Form {
        id: PROXY,
        offer: "The proxy through which web servers are reached".to_owned(),
        heading: "Through which proxy are web servers reached?".to_owned(),
        // It may hold a password.
        fields: vec![Field::secret(
            "proxy",
            "Proxy, as http://proxy:3128; nothing for none",
        )],
        help: PROXY_HELP.to_owned(),
    }
}

fn join<T: ToString>(all: &[T]) -> String {
    let all: Vec<String> = all.iter().map(ToString::to_string).collect();
    all.join(" ")
}

/// Does what a form says, if it is one of these.
///
/// # Errors
/// What is wrong with the values, or does not work.
pub(super) fn submit(board: &Board, form: &Form, values: &[String]) -> anyhow::Result<Filled> {
    match form.id {
        LINK => set_link(board, form, values),
        PROXY => set_proxy(board, values),
        _ => bail!("there is no form {:?}", form.id),
    }
}

fn set_link(board: &Board, form: &Form, values: &[String]) -> anyhow::Result<Filled> {
    let name = form.offer.split_whitespace().next().unwrap_or_default();
    let mut link = read(name, values)?;
    // What the form does not ask for stays as it was.
    let network: Network = board.read(network::STATE).unwrap_or_default();
    if let Some(before) = said(board, &network, name) {
        (link.search, link.mtu) = (before.search, before.mtu);
    }
    let serial = Given::change(board, |given| {
        given.operator.links.retain(|l| l.name != link.name);
        given.operator.links.push(link.clone());
    })
    .context("telling the network")?;
    let ready = |board: &Board| {
        let network: Network = board.read(network::STATE)?;
        (network.serial >= serial && !network.waiting).then_some(network)
    };
    let network = board
        .wait_for(PATIENCE, ready)
        .context("watching the network")?;
    let network = network
        .or_else(|| board.read(network::STATE))
        .unwrap_or_default();
    let lines: Vec<String> = network
        .lines()
        .iter()
        .map(|line| format!("  {line}"))
        .collect();
    Ok(Filled::Done(format!(
        "{name} is set. The network now:\n{}",
        lines.join("\n")
    )))
}

fn set_proxy(board: &Board, values: &[String]) -> anyhow::Result<Filled> {
    let text = values.first().map(|v| v.trim()).unwrap_or_default();
    let told = match text {
        "" => "Web servers are reached directly.".to_owned(),
        text => format!(
            "Web servers are reached through {}.",
            text.parse::<Proxy>()?
        ),
    };
    Given::change(board, |given| given.proxy = Some(text.to_owned()))
        .context("keeping the proxy")?;
    Ok(Filled::Done(told))
}

/// The settings of link `name` that the form's values say.
fn read(name: &str, values: &[String]) -> anyhow::Result<Link> {
    let [method, addresses, gateway, dns, vlan] = values else {
        bail!("the form has five values, not {}", values.len());
    };
    let name: LinkName = name.parse()?;
    let mut word = vec![format!("link={name}")];
    let listed = |text: &str, key: &str| -> Vec<String> {
        let parts = text.split([' ', ',']).filter(|part| !part.is_empty());
        parts.map(|part| format!("{key}{part}")).collect()
    };
    if method == STATIC {
        let addresses = listed(addresses, "");
        if addresses.is_empty() {
            bail!("a static link needs an address, as 10.0.0.7/24 or fd00::7/64");
        }
        word.extend(addresses);
        word.extend(listed(gateway, "gateway="));
    } else {
        word.push("dhcp".to_owned());
    }
    word.extend(listed(dns, "dns="));
    if !vlan.trim().is_empty() {
        let vlan: VlanId = vlan.trim().parse()?;
        word.push(format!("vlan={}", vlan.get()));
    }
    match Link::from_word(&word.join(",")) {
        Ok(link) => Ok(link),
        Err(bad) => bail!("{}", bad.what),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::init::network::state::Address;

    fn values(all: [&str; 5]) -> Vec<String> {
        all.map(str::to_owned).to_vec()
    }

    fn board() -> (tempfile::TempDir, Board) {
        let folder = tempfile::tempdir().unwrap();
        let board = Board::at(folder.path());
        let mut network = Network::default();
        let address = Address {
            address: "10.0.0.7".parse().unwrap(),
            prefix: 24,
            origin: Origin::Set,
        };
        for (name, part_of) in [("eth0", None), ("eth0.42", None), ("eth1", Some("bond0"))] {
            let state = LinkState {
                mac: "52:54:00:12:34:56".into(),
                part_of: part_of.map(str::to_owned),
                addresses: vec![address],
                ..LinkState::default()
            };
            network.links.insert(name.into(), state);
        }
        network.serial = 99;
        board.publish(network::STATE, &network).unwrap();
        (folder, board)
    }

    #[test]
    fn a_form_for_each_link_that_can_be_set() {
        let (_folder, board) = board();
        let forms = forms(&board);
        let offers: Vec<&str> = forms.iter().map(|f| f.offer.as_str()).collect();
        assert_eq!(offers[0], "eth0 (52:54:00:12:34:56)");
        assert_eq!((forms.len(), forms[1].id), (2, PROXY));
        assert_eq!(forms[0].fields[0].value, STATIC);
        assert_eq!(forms[0].fields[1].value, "10.0.0.7/24");
    }

    #[test]
    fn what_is_filled_in_is_told_and_shown_again() {
        let (_folder, board) = board();
        let form = forms(&board).remove(0);
        let filled = values([
            STATIC,
            "10.0.0.9/24, fd00::9/64",
            "10.0.0.1",
            "10.0.0.53",
            "42",
        ]);
        submit(&board, &form, &filled).unwrap();
        let given = Given::read(&board);
        let link = &given.operator.links[0];
        assert_eq!((link.addresses.len(), link.vlan.unwrap().get()), (2, 42));
        let again = forms(&board).remove(0);
        let shown: Vec<&str> = again.fields.iter().map(|f| f.value.as_str()).collect();
        assert_eq!(
            shown,
            [
                STATIC,
                "10.0.0.9/24 fd00::9/64",
                "10.0.0.1",
                "10.0.0.53",
                "42"
            ]
        );
        submit(
            &board,
            &again,
            &values([BY_DHCP, "10.0.0.9/24", "10.0.0.1", "", ""]),
        )
        .unwrap();
        let given = Given::read(&board);
        assert_eq!(given.operator.links.len(), 1, "the same link, set anew");
        assert!(given.operator.links[0].setup().dhcp && given.operator.links[0].vlan.is_none());
    }

    #[test]
    fn what_a_plan_said_is_shown_and_stays() {
        let (_folder, board) = board();
        let word = "10.0.0.7/24,gateway=10.0.0.1,dns=10.0.0.53,search=lab,mtu=1400";
        let mut plan = Link::from_word(word).unwrap();
        plan.mac = "52:54:00:12:34:56".parse().ok();
        Given::change(&board, |given| given.plan.links.push(plan)).unwrap();
        let form = forms(&board).remove(0);
        let shown: Vec<&str> = form.fields.iter().map(|f| f.value.as_str()).collect();
        assert_eq!(shown, [STATIC, "10.0.0.7/24", "10.0.0.1", "10.0.0.53", ""]);
        let filled: Vec<String> = shown
            .iter()
            .map(|s| s.replace("10.0.0.7", "10.0.0.8"))
            .collect();
        submit(&board, &form, &filled).unwrap();
        let link = Given::read(&board).operator.links.remove(0);
        assert_eq!(link.mtu.map(|m| m.get()), Some(1400));
        assert_eq!(link.search.len(), 1);
    }

    #[test]
    fn mistakes_are_told_and_change_nothing() {
        let (_folder, board) = board();
        let form = forms(&board).remove(0);
        for (filled, words) in [
            (values([STATIC, "", "", "", ""]), "needs an address"),
            (values([STATIC, "10.0.0.7", "", "", ""]), "add the bits"),
            (
                values([STATIC, "10.0.0.7/24", "10.1.0.1", "", ""]),
                "not in the network",
            ),
            (values([BY_DHCP, "", "", "x", ""]), "invalid IP"),
            (values([BY_DHCP, "", "", "", "5000"]), "1 to 4094"),
        ] {
            let error = submit(&board, &form, &filled).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
        assert_eq!(Given::read(&board), Given::default());
    }

    #[test]
    fn the_proxy_is_kept_and_its_password_not_shown() {
        let (_folder, board) = board();
        let form = proxy();
        let filled = submit(&board, &form, &["http://me:secret@proxy:3128".to_owned()]).unwrap();
        let Filled::Done(told) = filled else {
            panic!("{filled:?}")
        };
        assert!(
            told.contains("http://me@proxy:3128") && !told.contains("secret"),
            "{told}"
        );
        let kept = Given::read(&board).proxy;
        assert_eq!(kept.as_deref(), Some("http://me:secret@proxy:3128"));
        assert!(submit(&board, &form, &["proxy".to_owned()]).is_err());
        submit(&board, &form, &[String::new()]).unwrap();
        assert_eq!(
            Given::read(&board).proxy.as_deref(),
            Some(""),
            "none at all"
        );
    }
}
