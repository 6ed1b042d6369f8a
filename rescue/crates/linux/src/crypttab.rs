//! crypttab(5), of Debian's cryptsetup and of systemd.

use crate::edits::Edits;
use crate::names::{Names, Style};
use crate::text::{Draft, Word};

/// Copies in an initramfs: dracut's, and Debian's, whose third field is a path of its own.
const COPIES: [&str; 2] = ["/etc/crypttab", "/cryptroot/crypttab"];

/// `text`, that of the file at `path`, with names that other hardware has too.
pub(crate) fn renamed(path: &str, text: &str, names: &Names<'_>, told: &mut Edits) {
    let mut draft = Draft::new(path, text);
    for line in Word::all(text).lines() {
        let words = line.words();
        let [target, source, rest @ ..] = &*words else {
            continue;
        };
        if target.text.starts_with('#') {
            continue;
        }
        let (style, kinds) = source_of(rest);
        draft.name(names, *source, style, kinds);
        for (at, word) in rest.iter().enumerate().take(2) {
            devices_in(at, *word, names, &mut draft);
        }
    }
    draft.finish(told, &COPIES);
}

/// How the source of an entry with these other fields is to be named, and what it can be.
fn source_of(rest: &[Word<'_>]) -> (Style, &'static [&'static str]) {
    let options = rest.get(1).map_or("", |word| word.text);
    let key = rest.first().map_or("", |word| word.text);
    let has = |option: &str| options.split(',').any(|o| o == option);
    let random = ["/dev/random", "/dev/urandom", "/dev/hwrng"].contains(&key);
    if has("bitlk") {
        return (Style::Tag, &["BitLocker"]);
    }
    // Without a header nothing but the place tells what it is; what is found there today must
    // look like nothing, or be the swap of the last start.
    if random || has("plain") || has("swap") || has("tmp") || has("tcrypt") {
        return (Style::Place, &["", "swap"]);
    }
    if options.contains("header=") {
        return (Style::Place, &[""]);
    }
    (Style::Tag, &["crypto_LUKS"])
}

/// Devices in the key (field 0: "/key:/dev/sdb1" of systemd, "/dev/sdb1:/key" of Debian's passdev)
/// and in the options (field 1: "header=/dev/sda3").
fn devices_in(field: usize, word: Word<'_>, names: &Names<'_>, draft: &mut Draft<'_>) {
    if field == 1 {
        for option in word.pieces(|c| c == ',') {
            if let Some(value) = option.after("header=") {
                devices_in(0, value, names, draft);
            }
        }
        return;
    }
    // Names by path have colons of their own.
    if word.text.starts_with("/dev/") && !word.text.contains(":/") {
        return draft.name(names, word, Style::Path, &[]);
    }
    for piece in word.pieces(|c| c == ':') {
        if piece.text.starts_with("/dev/") || piece.text.starts_with("PARTUUID=") {
            draft.name(names, piece, Style::Path, &[]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::{Known, Volume};

    #[test]
    fn sources_keys_and_headers_get_names_that_stay() {
        let volume = |number: u32, kind: &str, uuid: bool| Volume {
            partition: Some(number),
            kind: kind.to_owned(),
            uuid: uuid.then(|| format!("u{number}")),
            partuuid: Some(format!("p{number}")),
            ..Volume::default()
        };
        let known = Known {
            volumes: vec![
                volume(1, "ext4", true),
                volume(2, "crypto_LUKS", true),
                volume(3, "swap", true),
                volume(4, "", false),
            ],
            called: vec![(0, "/dev/sda".into())],
            ..Known::default()
        };
        let text = "# target\tsource\nroot\t/dev/sda2  none luks,discard\n\
                    keyed UUID=u2 /k:/dev/sda1 luks\nswap /dev/sda3 /dev/urandom swap,cipher=aes\n\
                    old /dev/sda2 /dev/sda1:/k luks,header=/dev/sda4\nwrong /dev/sda1 none luks\r\n\
                    data /dev/sdb1 none luks\nplain /dev/sda1 none plain\nrandom /dev/sda3 /dev/random cipher=aes\n";
        let mut told = Edits::default();
        renamed("/etc/crypttab", text, &Names::new(&known), &mut told);
        assert_eq!(
            told.files[0].text,
            "# target\tsource\nroot\tUUID=u2  none luks,discard\n\
             keyed UUID=u2 /k:/dev/disk/by-uuid/u1 luks\nswap /dev/disk/by-partuuid/p3 /dev/urandom swap,cipher=aes\n\
             old /dev/sda2 /dev/disk/by-uuid/u1:/k luks,header=/dev/disk/by-partuuid/p4\nwrong /dev/sda1 none luks\r\n\
             data /dev/sdb1 none luks\nplain /dev/sda1 none plain\nrandom /dev/disk/by-partuuid/p3 /dev/random cipher=aes\n"
        );
        let named: Vec<&str> = told.warnings.iter().map(|w| &w[20..29]).collect();
        assert_eq!(named, ["/dev/sda2", "/dev/sda1", "/dev/sdb1"], "{told:?}");
    }
}
