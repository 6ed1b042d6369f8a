use super::*;
use crate::Config;
use proptest::prelude::*;

const FULL: &str = r#"name = "ACME"

[network]
proxy = "http://me:secret@proxy:3128"
no-proxy = ["10.0.0.0/8", "lab"]

[[network.link]]
mac = "52:54:00:12:34:56"
addresses = ["10.0.0.7/24", "fd00::7/64"]
gateway = ["10.0.0.1", "fd00::1"]
dns = "10.0.0.53"
search = ["lab"]
mtu = 9000

[[network.link]]
mac = "52:54:00:12:34:56"
vlan = 42

[[network.bond]]
name = "bond0"
members = ["eth2", "52:54:00:12:34:58"]
mode = "802.3ad"
vlan = 7
addresses = "10.7.0.7/24"
"#;

fn full() -> Network {
    Config::parse("site.toml", FULL).unwrap().network
}

#[test]
fn everything_is_read() {
    let network = full();
    let links: Vec<&Link> = network.links().collect();
    let setup = links[0].setup();
    assert!(!setup.dhcp, "addresses are given instead");
    assert_eq!(setup.addresses[1].to_string(), "fd00::7/64");
    assert_eq!(setup.gateways.len(), 2);
    assert_eq!(
        setup.dns,
        ["10.0.0.53".parse::<std::net::IpAddr>().unwrap()]
    );
    assert_eq!(setup.mtu.unwrap().get(), 9000);
    assert!(links[1].setup().dhcp && links[1].vlan.unwrap().get() == 42);
    assert!(links[0].is_about("eth0", Some([0x52, 0x54, 0, 0x12, 0x34, 0x56])));
    assert!(!links[0].is_about("eth0", None));
    let bond = network.bonds().next().unwrap();
    assert_eq!((bond.mode, bond.mode as u8), (Mode::Lacp, 4));
    assert!(bond.members[0].is("eth2", None));
    assert!(bond.members[1].is("x", Some([0x52, 0x54, 0, 0x12, 0x34, 0x58])));
    assert_eq!(network.proxy.unwrap().to_string(), "http://me@proxy:3128");
}

#[test]
fn links_and_bonds_survive_json() {
    for link in full().links() {
        let text = format!("{link:?}");
        let value = serde_json::to_value(link).unwrap();
        let back: Link = serde_json::from_value(value).unwrap();
        assert_eq!(format!("{back:?}"), text);
    }
    let bond = full().bonds().next().unwrap().clone();
    let value = serde_json::to_value(&bond).unwrap();
    assert_eq!(serde_json::from_value::<Bond>(value).unwrap(), bond);
}

/// The message about [`FULL`] with `from` replaced.
fn refused(from: &str, to: &str) -> String {
    let text = FULL.replacen(from, to, 1);
    assert_ne!(text, FULL, "{from}");
    let error = Config::parse("site.toml", &text).unwrap_err();
    error.to_string()
}

#[test]
fn mistakes_are_named_with_their_line() {
    for (from, to, line, words) in [
        ("10.0.0.7/24", "10.0.0.7", 9, "add the bits"),
        ("\"10.0.0.1\"", "\"10.0.0\"", 10, "\"10.0.0\": invalid IP"),
        ("dns =", "dsn =", 11, "unknown field `dsn`"),
        ("9000", "90", 13, "576 to 65535"),
        ("vlan = 42", "vlan = 4095", 17, "1 to 4094"),
        ("802.3ad", "802.3", 22, "`active-backup`"),
        ("\"eth2\"", "\"eth 2\"", 21, "no name of a link"),
        ("http://me", "https://me", 4, "always http://"),
        ("10.0.0.0/8", "*", 5, "no server"),
        ("mac = \"52", "mac = \"52:", 8, "no hardware address"),
        // What contradicts itself is named by the table it is in.
        (
            "\"10.0.0.1\"",
            "\"10.0.1.1\"",
            7,
            "not in the network of 10.0.0.7/24",
        ),
        ("\"10.0.0.1\"", "\"10.0.0.7\"", 7, "the link's own address"),
        ("fd00::1\"", "10.0.0.2\"", 7, "both 10.0.0.1 and 10.0.0.2"),
        ("10.0.0.53", "0.0.0.0", 7, "no machine has"),
        ("vlan = 42", "", 15, "52:54:00:12:34:56 is set twice"),
        (
            "vlan = 42",
            "gateway = \"10.0.0.1\"",
            15,
            "needs an address of its own kind",
        ),
        ("34:56\"\nvlan", "34:58\"\nvlan", 15, "a member of bond0"),
        (
            "mac = \"52:54:00:12:34:56\"\nvlan",
            "vlan",
            15,
            "say which link each is",
        ),
        (
            "\"eth2\", ",
            "\"eth2\", \"eth2\", ",
            19,
            "eth2 is a member of bond0 already",
        ),
        (
            "[\"eth2\", \"52:54:00:12:34:58\"]",
            "[]",
            19,
            "no `members`",
        ),
    ] {
        let text = refused(from, to);
        let place = format!("site.toml, line {line}: ");
        assert!(
            text.starts_with(&place) && text.contains(words),
            "{from} -> {to}: {text}"
        );
        assert!(!text.contains("secret"), "{text}");
    }
}

#[test]
fn two_bonds_and_a_lonely_link_beside_them() {
    let two = format!("{FULL}[[network.bond]]\nname = \"bond0\"\nmembers = [\"eth5\"]\n");
    let text = Config::parse("s", &two).unwrap_err().to_string();
    assert!(
        text.starts_with("s, line 25: ") && text.contains("two bonds bond0"),
        "{text}"
    );
    let lonely = "[[network.bond]]\nname = \"b\"\nmembers = [\"a\"]\n[[network.link]]\nvlan = 1\n";
    let text = Config::parse("s", lonely).unwrap_err().to_string();
    assert!(
        text.starts_with("s, line 4: ") && text.contains("which link"),
        "{text}"
    );
    let more = lonely.replace("vlan = 1", "name = \"b\"\nvlan = 1");
    assert!(
        Config::parse("s", &more).is_ok(),
        "a VLAN on top of the bond"
    );
    let again = lonely.replace("vlan = 1", "name = \"b\"");
    let text = Config::parse("s", &again).unwrap_err().to_string();
    assert!(text.contains("set there already"), "{text}");
}

#[test]
fn a_plan_has_the_same_table() {
    let plan = format!(
        "[restore]\nfrom = \"/r\"\n[target]\nonly-disk = true\n{}",
        &FULL[14..]
    );
    let plan = crate::plan::parse("rescue.toml", &plan).unwrap();
    assert_eq!(plan.network, full());
    let wrong = "[restore]\nfrom = \"/r\"\n[target]\nonly-disk = true\n[[network.link]]\n\
                 gateway = \"10.0.0.1\"\n";
    let text = crate::plan::parse("rescue.toml", wrong)
        .unwrap_err()
        .to_string();
    assert!(text.starts_with("rescue.toml, line 5: `gateway`"), "{text}");
}

#[test]
fn a_word_of_the_command_line() {
    let word =
        "10.0.0.7/24,fd00::7/64,gateway=10.0.0.1,dns=10.0.0.53,dns=fd00::53,link=eth0,vlan=42";
    let link = Link::from_word(word).unwrap();
    assert_eq!(link.name.as_ref().unwrap().as_str(), "eth0");
    assert_eq!((link.addresses.len(), link.dns.len()), (2, 2));
    assert_eq!(link.vlan.unwrap().get(), 42);
    let link = Link::from_word("dhcp,link=52:54:00:12:34:56").unwrap();
    assert!(link.setup().dhcp && link.mac.is_some());
    for (word, why) in [
        ("", "empty"),
        ("10.0.0.7", "add the bits"),
        ("gw=10.0.0.1", "no `gw`"),
        ("gateway=xy", "\"xy\": invalid"),
        ("10.0.0.7/24,gateway=10.1.0.1", "not in the network"),
        ("vlan=5000", "1 to 4094"),
    ] {
        let text = Link::from_word(word).unwrap_err().to_string();
        assert!(text.starts_with(&format!("rescue.ip={word}: ")), "{text}");
        assert!(text.contains(why), "{text}");
    }
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(cut in 0usize..500, junk in "\\PC{0,6}", word in "\\PC*") {
        let mut broken = FULL.to_owned();
        broken.insert_str(cut.min(FULL.len()), &junk);
        let _ = Config::parse("x", &broken);
        let _ = Link::from_word(&word);
    }
}
