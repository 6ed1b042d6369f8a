//! mdadm.conf(5): which devices are looked at for members of arrays.

use crate::edits::Edits;
use crate::names::{Named, named};
use crate::text::{Draft, Word};

/// Its copies in an initramfs (mdadm's hook of Debian; dracut, module mdraid).
const COPIES: [&str; 2] = ["/etc/mdadm/mdadm.conf", "/etc/mdadm.conf"];

/// The logical lines: the first word, and all others, without comments.
fn logical(text: &str) -> Vec<Vec<Word<'_>>> {
    let mut lines: Vec<Vec<Word<'_>>> = Vec::new();
    for line in Word::all(text).lines() {
        let mut words = line.words();
        if let Some(comment) = words.iter().position(|word| word.text.starts_with('#')) {
            words.truncate(comment);
        }
        match (line.text.starts_with([' ', '\t']), lines.last_mut()) {
            (true, Some(last)) => last.extend(words),
            _ if words.is_empty() => {}
            _ => lines.push(words),
        }
    }
    lines
}

/// Whether `word` is the keyword `long`, which can be cut to three characters.
fn keyword(word: &Word<'_>, long: &str) -> bool {
    let word = word.text.to_ascii_lowercase();
    word.len() >= 3 && long.starts_with(&word)
}

/// Whether `device`, perhaps a pattern, is called otherwise on other hardware.
fn unstable(device: &str) -> bool {
    let whole = device.split(['*', '?', '[']).next().unwrap_or(device);
    let lettered = ["/dev/sd", "/dev/hd", "/dev/vd", "/dev/xvd", "/dev/nvme"];
    matches!(named(whole), Named::Partition(..) | Named::Lost)
        || (whole != device && lettered.contains(&whole))
}

/// `text`, that of the file at `path`, without names that other hardware does not have. What is in arrays is
/// known by the arrays' UUIDs.
pub(crate) fn renamed(path: &str, text: &str, told: &mut Edits) {
    let mut draft = Draft::new(path, text);
    for line in logical(text) {
        let Some((key, words)) = line.split_first() else {
            continue;
        };
        if keyword(key, "device") {
            scanned(text, words, &mut draft);
        } else if keyword(key, "array") {
            array(path, text, words, &mut draft);
        }
    }
    draft.finish(told, &COPIES);
}

/// `words` of a DEVICE line: names that will not be found become "partitions", which is all that there are.
fn scanned(text: &str, words: &[Word<'_>], draft: &mut Draft<'_>) {
    let mut all = words.iter().any(|word| word.text == "partitions");
    for word in words.iter().filter(|word| unstable(word.text)) {
        if all {
            let told = format!("{} is not named any more", word.text);
            draft.replace(spaced(text, word), String::new(), told);
            continue;
        }
        all = true;
        let told = format!("instead of {} all partitions are looked at", word.text);
        draft.replace(word.range(), "partitions".into(), told);
    }
}

/// `words` of an ARRAY line: `devices=` goes when the array is known by more than that.
fn array(path: &str, text: &str, words: &[Word<'_>], draft: &mut Draft<'_>) {
    let tagged = |word: &Word<'_>, tag: &str| {
        let start = word.to(tag.len()).text;
        start.eq_ignore_ascii_case(tag)
    };
    let devices = words.iter().filter(|word| tagged(word, "devices="));
    let known = words.iter().any(|word| tagged(word, "uuid="));
    for word in devices {
        let list = word.text.split_once('=').map_or("", |(_, list)| list);
        if !list.split(',').any(unstable) {
            continue;
        }
        match known {
            true => draft.replace(
                spaced(text, word),
                String::new(),
                format!("{} is gone, since the array has a UUID", word.text),
            ),
            false => draft.warn(format!(
                "{path} knows an array only by {}, which may be called otherwise on this hardware.",
                word.text
            )),
        }
    }
}

/// Where `word` is, with the blanks before it.
fn spaced(text: &str, word: &Word<'_>) -> std::ops::Range<usize> {
    let before = text.get(..word.at).unwrap_or_default();
    let start = before.trim_end_matches([' ', '\t']).len();
    match before.get(..start).is_some_and(|kept| kept.ends_with('\n')) {
        // At the beginning of a line the blanks say that it goes on.
        true => word.range(),
        false => start..word.range().end,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_no_longer_named() {
        let text = "# DEVICE /dev/sda1\nDEVICE /dev/sda1 /dev/sdb1\n  /dev/sdc* containers\n\
                    DEV /dev/disk/by-id/md-* partitions /dev/hd*\nARRAY /dev/md0 devices=/dev/sda1,/dev/sdb1 UUID=1:2 # x\n\
                    array /dev/md1 level=1\n\tdevices=/dev/sda2\nARRAY /dev/md2 UUID=3 name=h:2\nMAILADDR root\n";
        let mut told = Edits::default();
        renamed("/etc/mdadm.conf", text, &mut told);
        assert_eq!(
            told.files[0].text,
            "# DEVICE /dev/sda1\nDEVICE partitions\n   containers\n\
             DEV /dev/disk/by-id/md-* partitions\nARRAY /dev/md0 UUID=1:2 # x\n\
             array /dev/md1 level=1\n\tdevices=/dev/sda2\nARRAY /dev/md2 UUID=3 name=h:2\nMAILADDR root\n"
        );
        assert!(told.warnings[0].contains("devices=/dev/sda2"), "{told:?}");
        let mut told = Edits::default();
        renamed(
            "/f",
            "DEVICE partitions containers\nDEVICE /dev/md*\n",
            &mut told,
        );
        assert_eq!(told, Edits::default());
    }
}
