//! Other places that hold a kernel's command line: entries of the Boot Loader
//! Specification (<https://uapi-group.org/specifications/specs/boot_loader_specification/>; RHEL,
//! Fedora and systemd-boot have them), extlinux and syslinux, and files with nothing else in them.

use crate::grub::Line;
use crate::text::Word;

/// Those of an entry.
pub(crate) fn entry(text: &str) -> Vec<Line<'_>> {
    with_key(text, "options")
}

/// Those of a configuration of extlinux or syslinux.
pub(crate) fn syslinux(text: &str) -> Vec<Line<'_>> {
    with_key(text, "append")
}

/// What follows `key` at the beginning of lines.
fn with_key<'t>(text: &'t str, key: &str) -> Vec<Line<'t>> {
    let lines = Word::all(text).lines();
    let keyed = |line: &Word<'t>, key: &str| {
        let line = line.trim();
        let rest = line.from(key.len());
        let fits = line.to(key.len()).text.eq_ignore_ascii_case(key);
        (fits && rest.text.starts_with([' ', '\t'])).then_some(rest)
    };
    let words: Vec<_> = lines.iter().filter_map(|line| keyed(line, key)).collect();
    let initrd = lines.iter().any(|line| keyed(line, "initrd").is_some())
        || words.iter().any(|words| words.text.contains("initrd="));
    words
        .into_iter()
        .map(|words| Line {
            words,
            initrd,
            own: true,
        })
        .collect()
}

/// The lines of a file of kernel words, such as `/etc/kernel/cmdline`; with it, systems make
/// entries and images that have an initramfs.
pub(crate) fn plain(text: &str) -> Vec<Line<'_>> {
    let lines = Word::all(text).lines().into_iter();
    let lines = lines.filter(|line| !line.trim().text.starts_with('#'));
    lines
        .map(|words| Line {
            words,
            initrd: true,
            own: true,
        })
        .collect()
}

/// Those of refind_linux.conf: a title and words in quotation marks on each line.
pub(crate) fn refind(text: &str) -> Vec<Line<'_>> {
    let titled = plain(text).into_iter();
    let words = titled.map(|line| Line {
        words: line
            .words
            .trim()
            .pieces(|c| c == '"')
            .pop()
            .unwrap_or(line.words),
        ..line
    });
    words.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_entries_are_found() {
        let text = "title RHEL\nversion 5\nlinux /vmlinuz-5\ninitrd /initramfs-5.img $tuned_initrd\n\
                    options $kernelopts root=/dev/sda1\noptions quiet\noptionsx no\n";
        let found = entry(text);
        let told: Vec<_> = found.iter().map(|l| (l.words.text, l.initrd)).collect();
        assert_eq!(
            told,
            [(" $kernelopts root=/dev/sda1", true), (" quiet", true)]
        );
        assert!(!entry("linux /x\noptions root=/dev/sda1")[0].initrd);
    }

    #[test]
    fn words_behind_titles_are_found() {
        let found = refind("# x\n\"Boot it\"  \"root=/dev/sda1 ro\"\r\n");
        assert_eq!(found[0].words.text.trim_end(), "root=/dev/sda1 ro");
    }

    #[test]
    fn append_of_syslinux_is_found() {
        let text =
            "DEFAULT l\nLABEL l\n  LINUX ../vmlinuz\n  APPEND root=/dev/sda3 rw\n  INITRD ../i\n";
        let found = syslinux(text);
        assert_eq!(
            (found[0].words.text, found[0].initrd),
            (" root=/dev/sda3 rw", true)
        );
        assert!(syslinux("append initrd=i root=/dev/sda1")[0].initrd);
        assert!(!syslinux("append root=/dev/sda1")[0].initrd);
    }
}
