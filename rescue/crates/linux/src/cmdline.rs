//! The words of a kernel's command line that name volumes.

use crate::names::{Names, Style, Volume};
use crate::text::{Draft, Word};

/// What one of these words holds.
enum Holds {
    /// A name, and nothing else.
    Name(&'static [&'static str]),
    /// Names among other things, which these characters part.
    Parts(&'static [char]),
}

/// The words: kernel-parameters.txt, dracut.cmdline(7), systemd-cryptsetup-generator(8),
/// crypttab(5) and initramfs-tools(7) of Debian, mkinitcpio's hook "encrypt", and, of the FIPS mode of RHEL, `boot=`.
fn holds(key: &str) -> Option<Holds> {
    const SWAP: &[&str] = &["swap", "swsuspend"];
    Some(match key {
        "root" | "real_root" | "realroot" | "mount.usr" | "boot" => Holds::Name(&[]),
        "resume" => Holds::Name(SWAP),
        "cryptdevice" | "cryptkey" | "rd.luks.key" | "luks.key" | "rd.luks.data" | "luks.data" => {
            Holds::Parts(&[':'])
        }
        "rootflags" | "cryptopts" | "rd.luks.options" | "luks.options" => Holds::Parts(&[',', ':']),
        _ => return None,
    })
}

/// The words of `line`; what is in double quotes is one (parse_args of the kernel).
fn words(line: Word<'_>) -> Vec<Word<'_>> {
    let quoted = std::cell::Cell::new(false);
    line.pieces(|c| {
        quoted.set(quoted.get() != (c == '"'));
        c.is_ascii_whitespace() && !quoted.get()
    })
}

/// The key and the value of `word`, without quotation marks.
fn pair(word: Word<'_>) -> Option<(&str, Word<'_>)> {
    let (key, value) = word.split(['='])?;
    Some((key.text.trim_start_matches('"'), value.unquoted()))
}

/// The values of `root=` in `line`.
pub(crate) fn roots(line: Word<'_>) -> Vec<&str> {
    let pairs = words(line).into_iter().filter_map(pair);
    let roots = pairs.filter(|(key, _)| *key == "root");
    roots.map(|(_, value)| value.text).collect()
}

/// Whether `name` is a stable name of `volume`.
pub(crate) fn is(name: &str, volume: &Volume) -> bool {
    let same = |tag: &str, own: &Option<String>| {
        let (tag, link) = (
            format!("{tag}="),
            format!("/dev/disk/by-{}/", tag.to_lowercase()),
        );
        let value = name
            .strip_prefix(&*tag)
            .or_else(|| name.strip_prefix(&*link));
        matches!((value, own), (Some(value), Some(own)) if value.eq_ignore_ascii_case(own))
    };
    same("UUID", &volume.uuid)
        || same("LABEL", &volume.label)
        || same("PARTUUID", &volume.partuuid)
        || volume.names.iter().any(|own| own == name)
}

/// The names in `line` made ones that stay. A kernel that has no `initrd` knows fewer names.
pub(crate) fn rename(draft: &mut Draft<'_>, names: &Names<'_>, line: Word<'_>, initrd: bool) {
    let style = match initrd {
        true => Style::Tag,
        false => Style::Kernel,
    };
    for (key, value) in words(line).into_iter().filter_map(pair) {
        match holds(key) {
            Some(Holds::Name(kinds)) => draft.name(names, value, style, kinds),
            Some(Holds::Parts(marks)) => parts(draft, names, value, marks),
            None => {}
        }
    }
}

/// The names among the pieces of `value`.
fn parts(draft: &mut Draft<'_>, names: &Names<'_>, value: Word<'_>, marks: &[char]) {
    for piece in value.pieces(|c| marks.contains(&c)) {
        let device = piece.text.find("/dev/").map(|at| piece.from(at));
        let device = device.filter(|device| {
            let before = piece.to(device.at.saturating_sub(piece.at)).text;
            before.is_empty() || before.ends_with('=')
        });
        if let Some(device) = device {
            draft.name(names, device, Style::Path, &[]);
        } else if piece.text.starts_with("PARTUUID=") {
            draft.name(names, piece, Style::Path, &[]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edits::Edits;
    use crate::names::Known;

    #[test]
    fn words_that_name_volumes_are_changed_and_no_others() {
        let volume = |number: u32, kind: &str| Volume {
            partition: Some(number),
            kind: kind.to_owned(),
            uuid: Some(format!("u{number}")),
            partuuid: Some(format!("p{number}")),
            partuuid_now: Some(format!("q{number}")),
            ..Volume::default()
        };
        let known = Known {
            volumes: vec![
                volume(1, "ext4"),
                volume(2, "swap"),
                volume(3, "crypto_LUKS"),
            ],
            called: vec![(0, "/dev/sda".into())],
            ..Known::default()
        };
        let names = Names::new(&known);
        for (line, initrd, new) in [
            ("ro root=/dev/sda1  quiet", true, "ro root=UUID=u1  quiet"),
            (
                "root=/dev/sda1 resume=/dev/sda2",
                false,
                "root=PARTUUID=q1 resume=PARTUUID=q2",
            ),
            ("root=PARTUUID=p1", true, "root=PARTUUID=q1"),
            (
                "\"root=/dev/sda1\" x=\"a root=/dev/sda1\"",
                true,
                "\"root=UUID=u1\" x=\"a root=/dev/sda1\"",
            ),
            (
                "cryptdevice=/dev/sda3:root:allow-discards root=/dev/mapper/root",
                true,
                "cryptdevice=/dev/disk/by-uuid/u3:root:allow-discards root=/dev/mapper/root",
            ),
            (
                "rd.luks.key=/k:/dev/sda1 rootflags=subvol=@,device=/dev/sda1 cryptopts=target=r,source=/dev/sda3",
                true,
                "rd.luks.key=/k:/dev/disk/by-uuid/u1 rootflags=subvol=@,device=/dev/disk/by-uuid/u1 \
                 cryptopts=target=r,source=/dev/disk/by-uuid/u3",
            ),
            (
                "boot=live notroot=/dev/sda1 file=/x/dev/sda1 resume=/dev/sda1",
                true,
                "",
            ),
            ("root=LABEL=/ resume=UUID=1 rd.lvm.lv=vg/root", true, ""),
        ] {
            let mut draft = Draft::new("/f", line);
            rename(&mut draft, &names, Word::all(line), initrd);
            let changed = draft.changed();
            assert_eq!(changed.as_deref().unwrap_or_default(), new, "{line}");
        }
    }

    #[test]
    fn a_kernel_that_is_given_no_name_it_knows_is_told() {
        let known = Known {
            volumes: vec![Volume {
                partition: Some(1),
                uuid: Some("1".into()),
                ..Volume::default()
            }],
            called: vec![(0, "/dev/sda".into())],
            ..Known::default()
        };
        let mut draft = Draft::new("/f", "root=/dev/sda1");
        rename(
            &mut draft,
            &Names::new(&known),
            Word::all("root=/dev/sda1"),
            false,
        );
        let mut told = Edits::default();
        draft.finish(&mut told, &[]);
        assert!(told.files.is_empty());
        assert!(told.warnings[0].contains("/dev/sda1"), "{told:?}");
    }
}
