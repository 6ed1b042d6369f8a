//! Which object names are possible.

/// Whether `name` is relative, has no empty or hidden part, and only
/// characters that mean nothing to a file system, a shell or an address. So
/// no name can lead out of the store.
#[must_use]
pub fn is_valid(name: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
    };
    name.len() <= 255 && name.split('/').all(part)
}

/// Whether `prefix` is "" or a folder with its slash.
pub(crate) fn is_valid_prefix(prefix: &str) -> bool {
    prefix.is_empty() || prefix.strip_suffix('/').is_some_and(is_valid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_lead_out() {
        for good in [
            "config",
            "packs/ab/abcd.pack",
            "snap/20251122T042800Z-1f2e3d4c.man",
        ] {
            assert!(is_valid(good), "{good}");
        }
        let bad = [
            "",
            "/etc/passwd",
            "../x",
            "a/../b",
            "a//b",
            "a/",
            ".x",
            "a b",
            "a\0",
            "a%2e",
            "ä",
        ];
        for bad in bad {
            assert!(!is_valid(bad), "{bad}");
        }
        assert!(is_valid_prefix("") && is_valid_prefix("snap/"));
        assert!(!is_valid_prefix("../") && !is_valid_prefix("snap"));
    }
}
