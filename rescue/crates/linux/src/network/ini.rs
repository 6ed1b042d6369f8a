//! Files of sections and settings: systemd's and NetworkManager's.

use crate::text::Word;

/// A setting: its section, its name, its value.
pub(super) type Setting<'t> = (&'t str, Word<'t>, Word<'t>);

/// The settings of `text`, in their order.
pub(super) fn settings(text: &str) -> Vec<Setting<'_>> {
    let mut section = "";
    let mut settings = Vec::new();
    for line in Word::all(text).lines() {
        let line = line.trim();
        if line.text.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.text.strip_prefix('[') {
            section = name.split(']').next().unwrap_or(name);
        } else if let Some((key, value)) = line.split(['=']) {
            settings.push((section, key.trim(), value.trim()));
        }
    }
    settings
}

/// The values of `key` in `section`.
pub(super) fn values<'t>(settings: &[Setting<'t>], section: &str, key: &str) -> Vec<Word<'t>> {
    let found = settings
        .iter()
        .filter(|(s, k, _)| *s == section && k.text == key);
    found.map(|(_, _, value)| *value).collect()
}

/// The last of these.
pub(super) fn value<'t>(settings: &[Setting<'t>], section: &str, key: &str) -> Option<Word<'t>> {
    values(settings, section, key).pop()
}
