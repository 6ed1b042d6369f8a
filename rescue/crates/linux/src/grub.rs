//! GRUB's files: what its menus start (grub.cfg, menu.lst), what these are made of
//! (/etc/default/grub and other shell assignments), and what it keeps (grubenv).
//!
//! How GRUB finds its own partition needs no change: `search --fs-uuid` does not look at its hints
//! first when they do not fit, and `set root='hd0,msdos1'` before it is what it falls back to (GRUB manual, "search").

use crate::text::{Draft, Word};

/// A kernel's command line in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Line<'t> {
    /// The words.
    pub(crate) words: Word<'t>,
    /// Whether the kernel is given an initramfs, as far as can be told.
    pub(crate) initrd: bool,
    /// Whether it is of this system, and not perhaps of another one that is in the menu too.
    pub(crate) own: bool,
}

/// Those of a menu of GRUB, of either generation.
pub(crate) fn menu(text: &str) -> Vec<Line<'_>> {
    let mut found: Vec<Line<'_>> = Vec::new();
    let (mut own, mut waiting) = (true, None);
    for line in Word::all(text).lines() {
        let line = line.trim();
        let (command, rest) = line.split([' ', '\t']).unwrap_or((line, line.to(0)));
        match command.text {
            "###" if rest.text.contains("/30_os-prober ") => own = rest.text.starts_with("END"),
            "linux" | "linux16" | "linuxefi" | "kernel" => {
                waiting = Some(found.len());
                found.push(Line {
                    words: rest,
                    initrd: false,
                    own,
                });
            }
            "multiboot" | "multiboot2" | "module" | "module2" => found.push(Line {
                words: rest,
                initrd: true,
                own,
            }),
            "set" => found.extend(variable(rest).map(|words| Line {
                words,
                initrd: true,
                own,
            })),
            "initrd" | "initrd16" | "initrdefi" => {
                if let Some(line) = waiting.take().and_then(|at| found.get_mut(at)) {
                    line.initrd = true;
                }
            }
            "menuentry" | "title" => waiting = None,
            _ => {}
        }
    }
    found
}

/// The value of `set kernelopts="…"`, as RHEL has it for entries that say `options $kernelopts`.
fn variable(rest: Word<'_>) -> Option<Word<'_>> {
    let (name, value) = rest.trim().split(['='])?;
    let known = ["kernelopts", "default_kernelopts"].contains(&name.text);
    known.then(|| value.unquoted())
}

/// Assignments of a shell, as far as they are on one line: names, and values without quotation marks.
pub(crate) fn assignments(text: &str) -> Vec<(&str, Word<'_>)> {
    let lines = Word::all(text).lines();
    lines.into_iter().filter_map(assignment).collect()
}

fn assignment(line: Word<'_>) -> Option<(&str, Word<'_>)> {
    let line = line.trim();
    let (name, value) = line.after("export ").unwrap_or(line).split(['='])?;
    let name = name.text.trim_end_matches('+');
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return None;
    }
    let Some(quote) = value.text.chars().next().filter(|c| "\"'".contains(*c)) else {
        let end = value.text.find(|c: char| c.is_ascii_whitespace());
        return Some((name, value.to(end.unwrap_or(value.text.len()))));
    };
    let inner = value.from(1);
    let mut escaped = false;
    let end = inner.text.find(|c| {
        let ends = c == quote && !escaped;
        escaped = c == '\\' && !escaped && quote == '"';
        ends
    });
    Some((name, inner.to(end.unwrap_or(inner.text.len()))))
}

/// The first line of the file (grub-core/lib/envblk.c, include/grub/lib/envblk.h).
const SIGNATURE: &str = "# GRUB Environment Block";

/// The kernel's words in grubenv, GRUB's environment block.
pub(crate) fn environment(text: &str) -> Vec<Line<'_>> {
    let lines = Word::all(text).lines().into_iter();
    let words = lines.filter_map(|line| line.after("kernelopts="));
    words
        .map(|words| Line {
            words,
            initrd: true,
            own: true,
        })
        .collect()
}

/// The new text of `draft`, an environment block that was `text`: it must keep its size to the byte, since GRUB
/// itself writes into its blocks and cannot make it larger.
pub(crate) fn resized(draft: &mut Draft<'_>, path: &str, text: &str) -> Option<String> {
    let changed = draft.changed()?;
    let body = changed.trim_end_matches('#');
    let room = text.len().checked_sub(body.len());
    let sound = text.starts_with(SIGNATURE) && (body.is_empty() || body.ends_with('\n'));
    match (room, sound) {
        (Some(room), true) => Some(format!("{body}{}", "#".repeat(room))),
        _ => {
            draft.warn(format!(
                "{path} has no room for names that other hardware has too, and stays as it is."
            ));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_menus_are_found() {
        let text = "set default=\"0\"\nset default_kernelopts=\"root=/dev/sda1 ro\"\n\
            ### BEGIN /etc/grub.d/10_linux ###\nmenuentry 'Debian' --class debian {\n\tinsmod part_msdos\n\
            \tset root='hd0,msdos1'\n\tlinux\t/vmlinuz root=/dev/sda1 ro\n\techo x\n\tinitrd\t/initrd.img\n}\n\
            menuentry 'bare' {\n\tlinux /vmlinuz root=/dev/sda1\n}\n### END /etc/grub.d/10_linux ###\n\
            ### BEGIN /etc/grub.d/30_os-prober ###\nlinux /boot/vmlinuz root=/dev/sdb1\ninitrd /x\n\
            ### END /etc/grub.d/30_os-prober ###\nmodule2\t/vmlinuz placeholder root=/dev/sda1\n";
        let found = menu(text);
        let told: Vec<_> = found
            .iter()
            .map(|l| (l.words.text, l.initrd, l.own))
            .collect();
        assert_eq!(
            told,
            [
                ("root=/dev/sda1 ro", true, true),
                ("/vmlinuz root=/dev/sda1 ro", true, true),
                ("/vmlinuz root=/dev/sda1", false, true),
                ("/boot/vmlinuz root=/dev/sdb1", true, false),
                ("/vmlinuz placeholder root=/dev/sda1", true, true),
            ]
        );
    }

    #[test]
    fn assignments_are_read_as_a_shell_does() {
        let text = "# A=\"x\"\nGRUB_CMDLINE_LINUX=\"a \\\"b\\\" c\" # d\nexport B='e \\'\nC=f # g\nif [ x = y ]\n\
                    kernel_cmdline+=\" h \"\r\nD=\nE=\"open\n";
        let read: Vec<_> = assignments(text)
            .into_iter()
            .map(|(k, v)| (k, v.text))
            .collect();
        assert_eq!(
            read,
            [
                ("GRUB_CMDLINE_LINUX", "a \\\"b\\\" c"),
                ("B", "e \\"),
                ("C", "f"),
                ("kernel_cmdline", " h "),
                ("D", ""),
                ("E", "open"),
            ]
        );
    }

    fn block(lines: &str) -> String {
        let text = format!("{SIGNATURE}\n{lines}");
        let rest = 1024 - text.len();
        format!("{text}{}", "#".repeat(rest))
    }

    #[test]
    fn the_environment_block_keeps_its_size() {
        let text = block("saved_entry=a\nkernelopts=root=/dev/sda1 ro \nx=1\n");
        let line = environment(&text)[0];
        assert_eq!(line.words.text, "root=/dev/sda1 ro ");
        let mut draft = Draft::new("/e", &text);
        draft.replace(
            line.words.range(),
            "root=UUID=1-2-3-4-5 ro ".into(),
            String::new(),
        );
        let new = resized(&mut draft, "/e", &text).unwrap();
        assert_eq!(new.len(), 1024);
        assert_eq!(
            new,
            block("saved_entry=a\nkernelopts=root=UUID=1-2-3-4-5 ro \nx=1\n")
        );
        let full = block(&format!("kernelopts={}\n", "x".repeat(985)));
        let mut draft = Draft::new("/e", &full);
        draft.replace(
            environment(&full)[0].words.range(),
            "y".repeat(1000),
            String::new(),
        );
        assert_eq!(resized(&mut draft, "/e", &full), None);
    }
}
