//! Matching device aliases, as `modprobe` does.

/// Whether `name` matches `pattern`, in which `*` stands for anything, `?` for
/// one byte, `[a-c]` and `[!a-c]` for one of a set. `-` and `_` are the same,
/// except in sets.
#[must_use]
pub(crate) fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    // Where to go on when what follows the last star does not match here.
    let mut retry: Option<(usize, usize)> = None;
    loop {
        let step = match (pattern.get(p), name.get(n)) {
            (None, None) => return true,
            (Some(b'*'), _) => {
                retry = Some((p + 1, n));
                Some((p + 1, n))
            }
            (Some(_), Some(byte)) => one(pattern, p, *byte).map(|next| (next, n + 1)),
            _ => None,
        };
        match (step, retry) {
            (Some(next), _) => (p, n) = next,
            (None, Some((star, at))) if at < name.len() => {
                (p, n) = (star, at + 1);
                retry = Some((star, at + 1));
            }
            _ => return false,
        }
    }
}

/// Where the pattern goes on after matching `byte` at `p`.
fn one(pattern: &[u8], p: usize, byte: u8) -> Option<usize> {
    match *pattern.get(p)? {
        b'?' => Some(p + 1),
        b'[' => set(pattern, p + 1, byte),
        b'\\' => (*pattern.get(p + 1)? == byte).then_some(p + 2),
        literal => (normal(literal) == normal(byte)).then_some(p + 1),
    }
}

fn set(pattern: &[u8], mut p: usize, byte: u8) -> Option<usize> {
    let inverted = matches!(pattern.get(p), Some(b'!' | b'^'));
    if inverted {
        p += 1;
    }
    let first = p;
    let mut found = false;
    loop {
        let low = *pattern.get(p)?;
        if low == b']' && p > first {
            return (found != inverted).then_some(p + 1);
        }
        let range = (pattern.get(p + 1), pattern.get(p + 2));
        let (high, next) = match range {
            (Some(b'-'), Some(high)) if *high != b']' => (*high, p + 3),
            _ => (low, p + 1),
        };
        found |= (low..=high).contains(&byte);
        p = next;
    }
}

fn normal(byte: u8) -> u8 {
    if byte == b'-' { b'_' } else { byte }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn m(pattern: &str, name: &str) -> bool {
        matches(pattern.as_bytes(), name.as_bytes())
    }

    #[test]
    fn aliases_of_real_drivers() {
        let e1000 = "pci:v00008086d0000100Esv00001AF4sd00001100bc02sc00i00";
        assert!(m("pci:v00008086d0000100Esv*sd*bc*sc*i*", e1000));
        assert!(!m("pci:v00008086d0000100Fsv*sd*bc*sc*i*", e1000));
        assert!(m("pci:v*d*sv*sd*bc02sc00i*", e1000));
        assert!(m("fs-ext4", "fs_ext4"));
        assert!(m("usb:v0421p0019d059[2-9]dc*", "usb:v0421p0019d0594dc00"));
        assert!(!m("usb:v0421p0019d059[2-9]dc*", "usb:v0421p0019d0591dc00"));
        assert!(m("acpi*:PNP0C09:*", "acpi:PNP0C09:"));
        assert!(m("x[!0-9]", "xa") && !m("x[!0-9]", "x5"));
        assert!(m("*", "") && m("**a", "a") && !m("?", ""));
    }

    #[test]
    fn broken_patterns_match_nothing() {
        for pattern in ["[", "[a", "[!", "[a-", "\\"] {
            assert!(!m(pattern, "a"), "{pattern}");
        }
    }

    proptest! {
        #[test]
        fn the_same_as_trying_everything(pattern in "[ab*?]{0,8}", name in "[ab]{0,8}") {
            prop_assert_eq!(m(&pattern, &name), slow(pattern.as_bytes(), name.as_bytes()));
        }

        #[test]
        fn nothing_makes_it_panic(pattern in any::<Vec<u8>>(), name in any::<Vec<u8>>()) {
            let _ = matches(&pattern, &name);
        }
    }

    fn slow(p: &[u8], n: &[u8]) -> bool {
        match (p.split_first(), n.split_first()) {
            (None, None) => true,
            (Some((b'*', rest)), _) => {
                slow(rest, n) || n.split_first().is_some_and(|(_, n)| slow(p, n))
            }
            (Some((b'?', p)), Some((_, n))) => slow(p, n),
            (Some((a, p)), Some((b, n))) => a == b && slow(p, n),
            _ => false,
        }
    }
}
