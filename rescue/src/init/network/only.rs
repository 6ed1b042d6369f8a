//! Which link settings are about that name none.

use std::time::Duration;

/// Other links may get their carrier this long after the drivers are there: some
/// cards take seconds to agree with their switch.
pub(super) const CALM: Duration = Duration::from_secs(5);

/// Which link is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Only {
    /// That is not known yet.
    Undecided,
    /// This one.
    Link(String),
    /// It could be any of these.
    Several(Vec<String>),
}

/// The only one there is, else the only one with a cable in it. `links` are names
/// with carrier or not; `settled`, how long all drivers are there already. What was
/// chosen `before` stays so, until its cable is in another link.
pub(super) fn choose(
    links: &[(&str, bool)],
    settled: Option<Duration>,
    before: Option<&str>,
) -> Only {
    let link = |name: &str| Only::Link(name.to_owned());
    let plugged: Vec<&str> = links.iter().filter(|l| l.1).map(|l| l.0).collect();
    if let Some((name, _)) = links.iter().find(|(name, _)| before == Some(name)) {
        return match plugged.as_slice() {
            [other] => link(other),
            _ => link(name),
        };
    }
    let Some(settled) = settled else {
        return Only::Undecided;
    };
    match (links, plugged.as_slice()) {
        ([(only, _)], _) => link(only),
        _ if settled < CALM => Only::Undecided,
        (_, []) => Only::Undecided,
        (_, [only]) => link(only),
        (_, several) => Only::Several(several.iter().map(|n| (*n).to_owned()).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_only_link_or_the_only_cable() {
        let (early, late) = (Some(Duration::ZERO), Some(CALM));
        let one = [("eth0", false)];
        assert_eq!(choose(&one, None, None), Only::Undecided, "more may come");
        assert_eq!(choose(&one, early, None), Only::Link("eth0".into()));
        let two = [("eth0", false), ("eth1", true)];
        assert_eq!(choose(&two, early, None), Only::Undecided);
        assert_eq!(choose(&two, late, None), Only::Link("eth1".into()));
        let moved = choose(&two, late, Some("eth0"));
        assert_eq!(moved, Only::Link("eth1".into()), "the cable was moved");
        let none = [("eth0", false), ("eth1", false)];
        assert_eq!(choose(&none, late, Some("eth0")), Only::Link("eth0".into()));
        let both = [("eth0", true), ("eth1", true)];
        let several = Only::Several(vec!["eth0".into(), "eth1".into()]);
        assert_eq!(choose(&both, late, None), several);
        assert_eq!(choose(&both, late, Some("eth7")), several, "it is gone");
        assert_eq!(choose(&both, late, Some("eth0")), Only::Link("eth0".into()));
        assert_eq!(
            choose(&[("a", false), ("b", false)], late, None),
            Only::Undecided
        );
        assert_eq!(choose(&[], late, None), Only::Undecided);
    }
}
