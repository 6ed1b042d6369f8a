//! SBAT: generations of boot programs, and which of them are revoked.
//!
//! Source: SBAT.md of shim. A program's `.sbat` section has a line for each
//! component: "grub,5,Free Software Foundation,...". A revocation list has the
//! same form; its first line, "sbat,1,2025051000", has its date.

use serde::Serialize;

/// A component and its generation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Component {
    pub(crate) name: String,
    pub(crate) generation: u32,
}

/// A list of revocations: lower generations than these do not start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Level {
    /// "2025051000".
    pub(crate) date: String,
    pub(crate) components: Vec<Component>,
}

/// The lines of a section; what is no component is left out.
pub(crate) fn components(section: &[u8]) -> Vec<Component> {
    let text = String::from_utf8_lossy(section);
    let text = text.trim_end_matches('\0');
    text.lines().filter_map(component).collect()
}

fn component(line: &str) -> Option<Component> {
    let mut words = line.split(',');
    let name = words.next().filter(|name| !name.is_empty())?;
    let generation = words.next()?.trim().parse().ok()?;
    let name = name.to_owned();
    Some(Component { name, generation })
}

/// The newest of the lists in shim's `.sbatlevel` section: a header, then texts
/// that each end with a zero byte.
pub(crate) fn newest_level(section: &[u8]) -> Option<Level> {
    let texts = section.split(|byte| *byte == 0);
    let levels = texts.filter_map(|text| {
        let start = text.windows(7).position(|w| w == b"sbat,1,")?;
        let text = String::from_utf8_lossy(text.get(start..)?).into_owned();
        let date = text.lines().next()?.split(',').nth(2)?.to_owned();
        let mut components = components(text.as_bytes());
        components.retain(|c| c.name != "sbat");
        Some(Level { date, components })
    });
    levels.max_by(|a, b| a.date.cmp(&b.date))
}

/// Which of `components` are revoked by `level`, each with the generation it
/// would need.
pub(crate) fn revoked(components: &[Component], level: &Level) -> Vec<(Component, u32)> {
    let too_old = |own: &Component| {
        let rule = level.components.iter().find(|rule| rule.name == own.name)?;
        (own.generation < rule.generation).then(|| (own.clone(), rule.generation))
    };
    components.iter().filter_map(too_old).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// As in shim 16.1, but for the length of the lists.
    const LEVELS: &[u8] = b"\0\0\0\0\x08\0\0\0\x29\0\0\0sbat,1,2025021800\nshim,4\ngrub,5\n\0\
        sbat,1,2025051000\nshim,4\ngrub,5\ngrub.proxmox,2\n\0";

    #[test]
    fn the_newest_list_is_found_and_old_generations_are_named() {
        let level = newest_level(LEVELS).unwrap();
        assert_eq!((&level.date[..], level.components.len()), ("2025051000", 3));
        let own =
            components(b"sbat,1,SBAT Version,x\ngrub,4,FSF,grub,2.06,u\ngrub.debian,1,D\n\0\0");
        assert_eq!(own.len(), 3);
        let old = revoked(&own, &level);
        assert_eq!((old.len(), &old[0].0.name[..], old[0].1), (1, "grub", 5));
        assert_eq!(revoked(&components(b"grub,5,x\n"), &level), []);
        assert_eq!(newest_level(b"nothing"), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes: Vec<u8>) {
            let _ = (components(&bytes), newest_level(&bytes));
        }
    }
}
