//! Whole systems: their network configuration on a machine with other cards.

mod common;

use common::{Tree, after};
use linux::Edits;
use linux::network::{Mac, Nic, follow};
use proptest::prelude::*;

const NEW: &str = "52:54:00:00:00:01";

fn card(mac: &str, name: &str) -> Nic {
    Nic {
        mac: Mac::read(mac).unwrap_or(Mac([0; 6])),
        name: Some(name.to_owned()),
        bus: None,
        link: None,
    }
}

/// A system whose udev is systemd's, of this version.
fn tree(version: u32, files: &[(&str, &str)]) -> Tree {
    let mut tree = Tree::of(files);
    let library = format!("/usr/lib/systemd/libsystemd-shared-{version}.so");
    tree.0.insert(library, Vec::new());
    tree
}

fn again(tree: &Tree, told: &Edits, cards: &[Nic]) -> Edits {
    let mut tree = Tree(tree.0.clone());
    for file in &told.files {
        tree.0.insert(file.path.clone(), file.text.clone().into());
    }
    follow(&tree, cards)
}

/// Debian 12: a static address in /etc/network/interfaces.
#[test]
fn debian_ifupdown() {
    let files = tree(
        252,
        &[
            (
                "/etc/network/interfaces",
                "# This file describes the network interfaces\n\nsource /etc/network/interfaces.d/*\n\nauto lo\niface lo inet loopback\n",
            ),
            (
                "/etc/network/interfaces.d/lan",
                "allow-hotplug ens192\niface ens192 inet static\n\taddress 192.0.2.10/24\n\tgateway 192.0.2.1\niface template inet dhcp\n",
            ),
        ],
    );
    let cards = [card(NEW, "enp1s0")];
    let told = follow(&files, &cards);
    let link = &told.files[0];
    assert_eq!(link.path, "/etc/systemd/network/10-rescue-ens192.link");
    assert!(link.new);
    assert!(
        link.text
            .ends_with("[Match]\nPermanentMACAddress=52:54:00:00:00:01\n\n[Link]\nName=ens192\n")
    );
    assert!(
        link.copies
            .contains(&"/usr/lib/systemd/network/10-rescue-ens192.link".to_owned())
    );
    assert_eq!((told.files.len(), told.warnings.len()), (1, 0), "{told:?}");
    assert_eq!(again(&files, &told, &cards), Edits::default());
    // Restored again, elsewhere.
    let told = again(&files, &told, &[card("52:54:00:00:00:09", "eno1")]);
    assert!(
        told.files[0]
            .text
            .contains("PermanentMACAddress=52:54:00:00:00:09\n")
    );
    assert_eq!(told.files.len(), 1);
    // Where it is called so anyway, and where nothing is known of the name.
    assert_eq!(follow(&files, &[card(NEW, "ens192")]), Edits::default());
    assert_eq!(
        follow(
            &files,
            &[Nic {
                name: None,
                ..card(NEW, "")
            }]
        )
        .files
        .len(),
        1
    );
    // An older systemd knows one kind of address only.
    let mut old = Tree(files.0.clone());
    old.0.remove("/usr/lib/systemd/libsystemd-shared-252.so");
    let told = follow(&old, &cards);
    assert!(
        told.files.is_empty() && told.warnings[0].contains("no .link files"),
        "{told:?}"
    );
    old.0.insert(
        "/lib/systemd/network/99-default.link".into(),
        b"[Match]\nOriginalName=*\n".to_vec(),
    );
    assert!(
        follow(&old, &cards).files[0]
            .text
            .contains("[Match]\nMACAddress=52")
    );
}

/// Ubuntu 24.04: netplan as cloud-init writes it, and as its server's installer does.
#[test]
fn ubuntu_netplan() {
    let cloud = "# This file is generated from information provided by the datasource.\nnetwork:\n    ethernets:\n        eth0:\n            addresses:\n            - 192.0.2.10/24\n\
        \x20           match:\n                macaddress: \"FA:16:3E:11:22:33\"\n            set-name: eth0\n            macaddress: 02:00:00:00:00:01\n    version: 2\n";
    let files = tree(255, &[("/etc/netplan/50-cloud-init.yaml", cloud)]);
    let cards = [card("52:54:00:ab:cd:ef", "enp1s0")];
    let told = follow(&files, &cards);
    let new = after(&told, "/etc/netplan/50-cloud-init.yaml").unwrap();
    assert_eq!(new, cloud.replace("FA:16:3E:11:22:33", "52:54:00:AB:CD:EF"));
    assert_eq!(told.files.len(), 1, "{told:?}");
    assert!(told.warnings[0].contains("cloud-init"), "{told:?}");
    let mut off = Tree(files.0.clone());
    let config = b"network: {config: disabled}\n".to_vec();
    off.0
        .insert("/etc/cloud/cloud.cfg.d/99-disable.cfg".into(), config);
    assert!(follow(&off, &cards).warnings.is_empty());

    let bond = "network:\n  ethernets:\n    eno1: {}\n    eno2: {}\n  bonds:\n    bond0:\n      interfaces: [eno1, eno2]\n      addresses: [192.0.2.10/24]\n  vlans:\n    bond0.5:\n      id: 5\n      link: bond0\n  version: 2\n";
    let files = tree(255, &[("/etc/netplan/00-installer-config.yaml", bond)]);
    let cards = [card(NEW, "enp1s0f0"), card("52:54:00:00:00:02", "enp1s0f1")];
    let told = follow(&files, &cards);
    let paths: Vec<&str> = told.files.iter().map(|file| &*file.path).collect();
    assert_eq!(
        paths,
        [
            "/etc/systemd/network/10-rescue-eno1.link",
            "/etc/systemd/network/10-rescue-eno2.link"
        ]
    );
    assert!(told.files[1].text.contains("=52:54:00:00:00:02\n"));
    assert!(told.warnings[0].contains("eno1 is 52:54:00:00:00:01, eno2 is 52:54:00:00:00:02"));

    // A label in one file, what it stands for in another.
    let label = "network:\n  ethernets:\n    lan:\n      addresses: [192.0.2.10/24]\n";
    let card_of =
        "network:\n  ethernets:\n    lan:\n      match:\n        macaddress: fa:16:3e:11:22:33\n";
    let files = tree(
        255,
        &[
            ("/etc/netplan/01.yaml", label),
            ("/etc/netplan/02.yaml", card_of),
        ],
    );
    let told = follow(&files, &cards[..1]);
    assert_eq!(
        after(&told, "/etc/netplan/02.yaml").unwrap(),
        card_of.replace("fa:16:3e:11:22:33", NEW)
    );
    assert_eq!(told.files.len(), 1, "{told:?}");

    let any = "network:\n  version: 2\n  ethernets:\n    all:\n      match:\n        name: \"en*\"\n      dhcp4: true\n";
    let files = tree(255, &[("/etc/netplan/01.yaml", any)]);
    assert_eq!(follow(&files, &cards), Edits::default());
}

/// RHEL 9: a keyfile with a secret beside it; nothing of it is told.
#[test]
fn rhel_keyfiles() {
    let static_one = "[connection]\nid=ens192\nuuid=6a1b\ntype=ethernet\ninterface-name=ens192\n\n[ethernet]\nmac-address=00:50:56:AA:BB:CC\ncloned-mac-address=00:50:56:AA:BB:CC\n\n[ipv4]\naddress1=192.0.2.10/24,192.0.2.1\nmethod=manual\n";
    let wifi = "[connection]\nid=x\ntype=wifi\n[wifi]\nmac-address=00:50:56:AA:BB:CC\n[wifi-security]\npsk=S3cretS3cret\n";
    let path = "/etc/NetworkManager/system-connections/ens192.nmconnection";
    let files = tree(
        252,
        &[
            (path, static_one),
            (
                "/etc/NetworkManager/system-connections/x.nmconnection",
                wifi,
            ),
            (
                "/etc/NetworkManager/system-connections/any.nmconnection",
                "[connection]\ntype=ethernet\n",
            ),
        ],
    );
    let told = follow(&files, &[card(NEW, "enp1s0")]);
    let new = after(&told, path).unwrap();
    assert_eq!(
        new,
        static_one.replacen("00:50:56:AA:BB:CC", "52:54:00:00:00:01", 1)
    );
    assert_eq!(told.files.len(), 2, "{told:?}");
    assert!(!format!("{told:?}").contains("S3cret"));
    // The card came along: nothing to do.
    assert_eq!(
        follow(&files, &[card("00:50:56:aa:bb:cc", "ens192")]),
        Edits::default()
    );
}

/// RHEL 7: ifcfg with HWADDR, a VLAN, cards that are not used.
#[test]
fn red_hat_ifcfg() {
    let ifcfg = "TYPE=Ethernet\nDEVICE=em1\nHWADDR=\"d4:ae:52:00:00:01\" # first\nMACADDR=d4:ae:52:00:00:01\nONBOOT=yes\r\n";
    let folder = "/etc/sysconfig/network-scripts";
    let files = tree(
        219,
        &[
            (&format!("{folder}/ifcfg-em1"), ifcfg),
            (
                &format!("{folder}/ifcfg-em1.5"),
                "DEVICE=em1.5\nVLAN=yes\nPHYSDEV=em1\n",
            ),
            (
                &format!("{folder}/ifcfg-em2"),
                "DEVICE=em2\nHWADDR=d4:ae:52:00:00:02\nONBOOT=no\n",
            ),
            (&format!("{folder}/ifcfg-em1.bak"), "DEVICE=em7\n"),
            (&format!("{folder}/ifcfg-lo"), "DEVICE=lo\n"),
        ],
    );
    let told = follow(&files, &[card(NEW, "enp1s0")]);
    let new = after(&told, &format!("{folder}/ifcfg-em1")).unwrap();
    assert_eq!(new, ifcfg.replacen("d4:ae:52:00:00:01", NEW, 1));
    let link = after(&told, "/etc/systemd/network/10-rescue-em1.link").unwrap();
    assert!(link.contains("\nMACAddress="));
    assert_eq!((told.files.len(), told.warnings.len()), (2, 0), "{told:?}");
}

/// A card that is started only because something is made of it.
#[test]
fn a_card_below_a_vlan_counts() {
    let folder = "/etc/sysconfig/network-scripts";
    let ifcfg = "DEVICE=em1\nHWADDR=d4:ae:52:00:00:01\nONBOOT=no\n";
    let vlan = "DEVICE=em1.5\nVLAN=yes\nPHYSDEV=em1\nONBOOT=yes\n";
    let both = [
        (&*format!("{folder}/ifcfg-em1"), ifcfg),
        (&*format!("{folder}/ifcfg-em1.5"), vlan),
    ];
    let told = follow(&tree(219, &both), &[card(NEW, "enp1s0")]);
    let new = after(&told, &format!("{folder}/ifcfg-em1")).unwrap();
    assert_eq!(new, ifcfg.replace("d4:ae:52:00:00:01", NEW));
    assert_eq!(
        follow(&tree(219, &both[..1]), &[card(NEW, "enp1s0")]),
        Edits::default()
    );
}

/// SUSE: wicked, names by a rule of udev.
#[test]
fn suse_rules() {
    let rules = "# PCI device 0x15ad:0x07b0 (vmxnet3)\nSUBSYSTEM==\"net\", ACTION==\"add\", DRIVERS==\"?*\", ATTR{address}==\"00:50:56:aa:bb:cc\", ATTR{dev_id}==\"0x0\", ATTR{type}==\"1\", KERNEL==\"eth*\", NAME=\"eth0\"\n";
    let files = tree(
        246,
        &[
            ("/etc/udev/rules.d/70-persistent-net.rules", rules),
            (
                "/etc/sysconfig/network/ifcfg-eth0",
                "BOOTPROTO='static'\nIPADDR='192.0.2.10/24'\nSTARTMODE='auto'\n",
            ),
            (
                "/etc/sysconfig/network/ifcfg-br0",
                "BRIDGE='yes'\nBRIDGE_PORTS='eth0'\n",
            ),
        ],
    );
    let told = follow(&files, &[card(NEW, "enp1s0")]);
    let path = "/etc/udev/rules.d/70-persistent-net.rules";
    assert_eq!(
        after(&told, path).unwrap(),
        rules.replace("00:50:56:aa:bb:cc", NEW)
    );
    assert_eq!((told.files.len(), told.warnings.len()), (1, 0), "{told:?}");
    let copy = "/usr/lib/udev/rules.d/70-persistent-net.rules".to_owned();
    assert!(told.files[0].copies.contains(&copy));
}

/// Arch: systemd-networkd, by name, by address, and for all.
#[test]
fn arch_networkd() {
    let by_mac = "[Match]\nMACAddress=00-50-56-aa-bb-cc\n\n[Network]\nAddress=192.0.2.10/24\n";
    let files = tree(
        256,
        &[
            ("/etc/systemd/network/20-lan.network", by_mac),
            (
                "/etc/systemd/network/25-br.netdev",
                "[NetDev]\nName=br0\nKind=bridge\n",
            ),
            (
                "/etc/systemd/network/26-br.network",
                "[Match]\nName=br0\n[Network]\nDHCP=yes\n",
            ),
            (
                "/etc/systemd/network/30-any.network",
                "[Match]\nName=en*\n[Network]\nDHCP=yes\n",
            ),
        ],
    );
    let told = follow(&files, &[card(NEW, "enp1s0")]);
    assert_eq!(
        after(&told, "/etc/systemd/network/20-lan.network").unwrap(),
        by_mac.replace("00-50-56-aa-bb-cc", "52-54-00-00-00-01")
    );
    assert_eq!((told.files.len(), told.warnings.len()), (1, 0), "{told:?}");
    let path = "[Match]\nPath=pci-0000:03:00.0\n[Network]\nDHCP=yes\n";
    let files = tree(256, &[("/etc/systemd/network/20-lan.network", path)]);
    let told = follow(&files, &[card(NEW, "enp1s0")]);
    assert_eq!((told.files.len(), told.warnings.len()), (1, 0), "{told:?}");
    assert_eq!(
        after(&told, "/etc/systemd/network/20-lan.network").unwrap(),
        "[Match]\nPermanentMACAddress=52:54:00:00:00:01\n[Network]\nDHCP=yes\n"
    );
    let there = Nic {
        bus: Some("pci-0000:03:00.0".to_owned()),
        ..card(NEW, "enp1s0")
    };
    let other = card("52:54:00:00:00:02", "enp0s0");
    let told = follow(&files, &[other.clone(), there.clone()]);
    assert_eq!((told.files.len(), told.warnings.len()), (0, 0), "{told:?}");
    // A pattern, and several places, are not understood: told.
    for several in ["pci-0000:03:*", "pci-0000:03:00.0 pci-0000:04:00.0"] {
        let path = path.replace("pci-0000:03:00.0", several);
        let files = tree(256, &[("/etc/systemd/network/20-lan.network", &path)]);
        let told = follow(&files, std::slice::from_ref(&there));
        assert!(told.warnings[0].contains(several), "{told:?}");
        assert!(told.files.is_empty(), "{told:?}");
    }
    // The name comes back, and the place is no condition any more.
    let path = "[Match]\nName=ens9\nPath=pci-0000:07:00.0\n[Network]\nDHCP=yes\n";
    let files = tree(240, &[("/etc/systemd/network/20-lan.network", path)]);
    let told = follow(&files, &[there]);
    assert_eq!(
        after(&told, "/etc/systemd/network/20-lan.network").unwrap(),
        "[Match]\nName=ens9\nMACAddress=52:54:00:00:00:01\n[Network]\nDHCP=yes\n"
    );
    assert!(
        told.files
            .iter()
            .any(|file| file.path.ends_with("ens9.link"))
    );
    // A name that is given by the place stays, and is not given twice.
    let link = "[Match]\nPath=pci-0000:07:00.0\n[Link]\nName=lan0\n";
    let files = tree(
        252,
        &[
            ("/etc/systemd/network/10-lan.link", link),
            (
                "/etc/network/interfaces",
                "auto lan0\niface lan0 inet dhcp\n",
            ),
        ],
    );
    let told = follow(&files, &[card(NEW, "enp1s0")]);
    assert_eq!((told.files.len(), told.warnings.len()), (1, 0), "{told:?}");
    assert_eq!(
        after(&told, "/etc/systemd/network/10-lan.link").unwrap(),
        "[Match]\nPermanentMACAddress=52:54:00:00:00:01\n[Link]\nName=lan0\n"
    );
}

/// Two descriptions of one card that is gone, and a place that is.
#[test]
fn what_cannot_be_right_is_told() {
    let one = "[connection]\ntype=ethernet\ninterface-name=ens1\n[ethernet]\nmac-address=00:50:56:AA:BB:CC\n";
    let folder = "/etc/NetworkManager/system-connections";
    let files = tree(
        252,
        &[
            (&format!("{folder}/a"), one),
            (&format!("{folder}/b"), &one.replace("ens1", "ens2")),
            (
                &format!("{folder}/c"),
                "[connection]\ntype=ethernet\n[match]\npath=pci-0000:03:00.0\n",
            ),
        ],
    );
    let told = follow(&files, &[card(NEW, "a"), card("52:54:00:00:00:02", "b")]);
    let has = |part: &str| told.warnings.iter().any(|warning| warning.contains(part));
    assert!(has("the path pci-0000:03:00.0 only"), "{told:?}");
    assert!(
        has("Several interfaces are for the card 00:50:56:aa:bb:cc"),
        "{told:?}"
    );
}

/// The kernel's own names.
#[test]
fn names_of_the_kernel() {
    let eni = (
        "/etc/network/interfaces",
        "auto eth0\niface eth0 inet static\n address 192.0.2.10/24\n",
    );
    let kernel = (
        "/etc/default/grub",
        "GRUB_CMDLINE_LINUX=\"net.ifnames=0 biosdevname=0\"\n",
    );
    let one = [card(NEW, "enp1s0")];
    let two = [card(NEW, "enp1s0"), card("52:54:00:00:00:02", "enp2s0")];
    assert_eq!(follow(&tree(252, &[eni, kernel]), &one), Edits::default());
    // Now it would be called enp1s0.
    let told = follow(&tree(252, &[eni]), &one);
    assert_eq!((told.files.len(), told.warnings.len()), (1, 0), "{told:?}");
    let told = follow(&tree(252, &[eni]), &two);
    assert_eq!((told.files.len(), told.warnings.len()), (1, 2), "{told:?}");
}

/// Proxmox, whose installer describes all cards; only one is in use.
#[test]
fn a_bridge_counts_by_its_card() {
    let eni = "auto lo\niface lo inet loopback\n\niface eno1 inet manual\niface eno2 inet manual\n\nauto vmbr0\niface vmbr0 inet static\n\taddress 192.0.2.10/24\n\tbridge-ports eno1\n\tbridge-stp off\n";
    let files = tree(252, &[("/etc/network/interfaces", eni)]);
    let cards = [
        Nic {
            link: Some(false),
            ..card("52:54:00:00:00:08", "enp1s0")
        },
        Nic {
            link: Some(true),
            ..card(NEW, "enp2s0")
        },
    ];
    let told = follow(&files, &cards);
    assert_eq!(told.files.len(), 1);
    assert!(
        told.files[0]
            .text
            .contains("=52:54:00:00:00:01\n\n[Link]\nName=eno1\n")
    );
    assert!(
        told.warnings[0].contains("eno1 is 52:54:00:00:00:01"),
        "{told:?}"
    );
    // Without cards nothing is done, and that is told.
    let told = follow(&files, &[]);
    assert!(told.files.is_empty() && told.warnings[0].contains("no network card"));
}

proptest! {
    /// Whatever the files hold: no panic, and no byte changes that is no address of a card.
    #[test]
    fn any_text_is_survived(
        texts in proptest::collection::vec(
            "(00:50:56:aa:bb:cc|00-50-56-AA-BB-CD|eth0|ens3|\\[Match\\]|\\[Link\\]|\\[connection\\]|\\[ethernet\\]|type=ethernet|interface-name=|\
             mac-address=|MACAddress=|Name=|network:|ethernets:|match:|macaddress:|set-name:|HWADDR=|DEVICE=|auto |iface |mac/|source |NAME=\
             |ATTR\\{address\\}==|SUBSYSTEM==\"net\"|  |\"|'|=|:|,|#|\\{|\\}|\\*| |\t|\n|\r\n|ä){0,40}",
            7)
    ) {
        let paths = [
            "/etc/network/interfaces", "/etc/netplan/a.yaml", "/etc/sysconfig/network-scripts/ifcfg-eth0",
            "/etc/NetworkManager/system-connections/a", "/etc/systemd/network/a.network", "/etc/systemd/network/a.link",
            "/etc/udev/rules.d/70-persistent-net.rules",
        ];
        let pairs: Vec<(&str, &str)> = paths.into_iter().zip(texts.iter().map(String::as_str)).collect();
        let told = follow(&tree(252, &pairs), &[card(NEW, "enp1s0"), card("52:54:00:00:00:02", "enp2s0")]);
        for file in told.files.iter().filter(|file| !file.new) {
            let (_, before) = pairs.iter().find(|(path, _)| *path == file.path).unwrap();
            prop_assert!(*before != file.text);
            prop_assert_eq!(before.len(), file.text.len());
            prop_assert_eq!(before.matches('\n').count(), file.text.matches('\n').count());
        }
    }
}
