//! Which card becomes which interface.

use super::Nic;
use super::found::Interface;
use crate::edits::Edits;

/// The cards of interfaces, as numbers of both.
pub(super) type Assigned = Vec<(usize, usize)>;

/// Which of `cards`, in the order of the bus, is for which of `interfaces`.
pub(super) fn assign(interfaces: &[Interface], cards: &[Nic], told: &mut Edits) -> Assigned {
    let mut assigned: Assigned = Vec::new();
    // Cards that came along.
    for (at, interface) in interfaces.iter().enumerate() {
        let card = cards
            .iter()
            .position(|card| interface.macs.contains(&card.mac));
        assigned.extend(card.map(|card| (at, card)));
    }
    let taken = |card: &usize, assigned: &Assigned| assigned.iter().any(|(_, c)| c == card);
    let open: Vec<usize> = (0..interfaces.len())
        .filter(|at| !assigned.iter().any(|(i, _)| i == at))
        .collect();
    let mut free: Vec<usize> = (0..cards.len()).filter(|c| !taken(c, &assigned)).collect();
    if open.is_empty() {
        return assigned;
    }
    // By its name, or by where it is where nothing else is known.
    let is_called = |at: &usize, card: &usize| {
        let (Some(interface), Some(card)) = (interfaces.get(*at), cards.get(*card)) else {
            return false;
        };
        let same = |a: &Option<String>, b: &Option<String>| a.is_some() && a == b;
        same(&interface.name, &card.name) || same(&interface.bus, &card.bus)
    };
    let same = |at: &usize, free: &[usize]| {
        let mut free = free.iter();
        free.find(|card| is_called(at, card)).copied()
    };
    let by_name: Vec<_> = open
        .iter()
        .filter_map(|at| Some((*at, same(at, &free)?)))
        .collect();
    if by_name.len() == open.len() {
        assigned.extend(by_name);
        return assigned;
    }
    if free.len() < open.len() {
        told.warn(format!(
            "The system configures {}, and this machine has {} for them: nobody knows which is meant. Their configuration stays as it is.",
            list(open.iter().map(|at| label(interfaces, *at))),
            count(free.len()),
        ));
        return assigned;
    }
    let mut pairs = Vec::new();
    if free.len() > open.len() {
        // Cards that are called so anyway, then those with a cable, then the others.
        pairs = by_name;
        free.retain(|card| !pairs.iter().any(|(_, c)| c == card));
        let unplugged = |card: &usize| cards.get(*card).and_then(|card| card.link) != Some(true);
        free.sort_by_key(unplugged);
        free.truncate(open.len().saturating_sub(pairs.len()));
        free.sort_unstable();
    }
    let rest = open
        .iter()
        .filter(|at| !pairs.iter().any(|(i, _)| i == *at));
    let rest: Vec<(usize, usize)> = rest.copied().zip(free).collect();
    pairs.extend(rest);
    pairs.sort_unstable();
    if cards.len() > 1 {
        let told_pairs = pairs.iter().map(|(at, card)| {
            let mac = cards.get(*card).map(|card| card.mac.to_string());
            format!("{} is {}", label(interfaces, *at), mac.unwrap_or_default())
        });
        told.warn(format!(
            "This machine has {}, and the system configures {}: {}. Check the cables.",
            count(cards.len()),
            interfaces.len(),
            list(told_pairs)
        ));
    }
    assigned.extend(pairs);
    assigned
}

fn label(interfaces: &[Interface], at: usize) -> String {
    let interface = interfaces.get(at);
    let mac = || {
        interface
            .and_then(|i| i.macs.first())
            .map(|mac| format!("the card {mac}"))
    };
    let bus = || Some(format!("the card at {}", interface?.bus.as_ref()?));
    interface
        .and_then(|i| i.name.clone())
        .or_else(mac)
        .or_else(bus)
        .unwrap_or_default()
}

fn count(cards: usize) -> String {
    match cards {
        0 => "no network card".to_owned(),
        1 => "one network card".to_owned(),
        n => format!("{n} network cards"),
    }
}

fn list(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::mac::Mac;
    use super::*;

    fn interface(name: &str, mac: u8) -> Interface {
        Interface {
            name: Some(name.to_owned()),
            macs: (mac > 0).then_some(Mac([mac; 6])).into_iter().collect(),
            bus: None,
        }
    }

    fn card(mac: u8, name: &str, link: bool) -> Nic {
        Nic {
            mac: Mac([mac; 6]),
            name: Some(name.to_owned()),
            bus: None,
            link: Some(link),
        }
    }

    #[test]
    fn cards_are_assigned() {
        let two = [interface("ens1", 1), interface("ens2", 2)];
        let bare = [interface("ens1", 0), interface("ens2", 0)];
        for (case, interfaces, cards, expected, warnings) in [
            (
                "came along",
                &two,
                vec![card(2, "a", true), card(1, "b", true)],
                vec![(0, 1), (1, 0)],
                0,
            ),
            (
                "one is new",
                &two,
                vec![card(9, "a", true), card(1, "b", true)],
                vec![(0, 1), (1, 0)],
                1,
            ),
            (
                "both are",
                &two,
                vec![card(8, "a", true), card(9, "b", true)],
                vec![(0, 0), (1, 1)],
                1,
            ),
            (
                "names fit",
                &bare,
                vec![card(8, "ens2", true), card(9, "ens1", true)],
                vec![(0, 1), (1, 0)],
                0,
            ),
            ("too few", &bare, vec![card(8, "a", true)], vec![], 1),
            (
                "more, with cables",
                &bare,
                vec![
                    card(7, "a", false),
                    card(8, "b", true),
                    card(9, "ens1", false),
                ],
                vec![(0, 2), (1, 1)],
                1,
            ),
        ] {
            let mut told = Edits::default();
            let mut assigned = assign(interfaces, &cards, &mut told);
            assigned.sort_unstable();
            assert_eq!(assigned, expected, "{case}");
            assert_eq!(told.warnings.len(), warnings, "{case}: {told:?}");
        }
    }
}
