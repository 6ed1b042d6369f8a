//! Which modules need which.

use std::collections::{BTreeMap, BTreeSet};

use crate::Menu;

/// What a core has whatever the menu says: disks, tables and file systems of Linux, and the
/// commands and modules that the menus of `grub-mkconfig` have. No others are needed where
/// GRUB's folder has no modules, but those that a menu names.
pub const USUAL: [&str; 42] = [
    "all_video",
    "biosdisk",
    "boot",
    "btrfs",
    "cat",
    "chain",
    "configfile",
    "echo",
    "ext2",
    "fat",
    "font",
    "gettext",
    "gfxterm",
    "gfxterm_background",
    "gzio",
    "help",
    "keystatus",
    "linux",
    "linux16",
    "loadenv",
    "ls",
    "lvm",
    "mdraid09",
    "mdraid1x",
    "minicmd",
    "normal",
    "part_gpt",
    "part_msdos",
    "password_pbkdf2",
    "png",
    "probe",
    "raid5rec",
    "raid6rec",
    "reboot",
    "search",
    "search_fs_file",
    "search_fs_uuid",
    "search_label",
    "serial",
    "sleep",
    "test",
    "xfs",
];

/// The modules of `wanted` and all that they need, each behind what it needs, in the
/// order in which GRUB has to load them. `moddep` is GRUB's `moddep.lst`: a module a
/// line, a colon, and what it needs (util/resolve.c). Names that it does not have are
/// among them, too: whoever reads the files misses them.
#[must_use]
pub fn closure<'a>(moddep: &'a str, wanted: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let lines = moddep.lines().filter_map(|line| line.split_once(':'));
    let needs: BTreeMap<&str, &str> = lines.map(|(name, rest)| (name.trim(), rest)).collect();
    let of = |name: &str| {
        needs
            .get(name)
            .copied()
            .unwrap_or_default()
            .split_whitespace()
    };
    let mut seen = BTreeSet::new();
    let mut done = Vec::new();
    for wanted in wanted {
        // Modules on the way, with those of their needs that are still to be looked at.
        let mut open = Vec::new();
        if seen.insert(wanted) {
            open.push((wanted, of(wanted)));
        }
        while let Some((name, rest)) = open.last_mut() {
            match rest.next() {
                Some(next) if seen.insert(next) => open.push((next, of(next))),
                Some(_) => {}
                None => {
                    done.push(*name);
                    open.pop();
                }
            }
        }
    }
    done
}

/// Without these there is nothing to begin with.
const REQUIRED: [&str; 6] = [
    "biosdisk",
    "linux",
    "normal",
    "part_gpt",
    "search_fs_uuid",
    "test",
];

/// Drivers of GRUB's own, which take disks and keyboards away from the BIOS as soon as
/// they are loaded, and what stops for a debugger.
const NEVER: [&str; 11] = [
    "ahci",
    "ata",
    "ehci",
    "gdb",
    "nativedisk",
    "ohci",
    "pata",
    "uhci",
    "usb_keyboard",
    "usbms",
    "usbserial_common",
];

/// Commands that a menu starts systems by: one that is not known makes it useless.
const STARTING: [&str; 7] = [
    "blscfg",
    "initrd",
    "initrd16",
    "initrdefi",
    "linux",
    "linux16",
    "linuxefi",
];

/// What a core is made of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choice {
    /// Its modules, in the order in which they are loaded.
    pub modules: Vec<String>,
    /// Commands that the menu starts systems by, and that no module has.
    pub lacks: Vec<&'static str>,
}

impl Choice {
    /// What `menu` needs of a GRUB with the lists `moddep` (moddep.lst) and `commands`
    /// (command.lst) that has the modules that `has` knows: the [`USUAL`] ones, and what it
    /// names. A module that another is missing for is left out, since GRUB's kernel would
    /// stop at it; what nothing goes without is not, and whoever reads the files misses it.
    #[must_use]
    pub fn new(menu: &Menu, moddep: &str, commands: &str, has: &dyn Fn(&str) -> bool) -> Self {
        let named = menu.needs(commands);
        let wanted = USUAL.into_iter().chain(named);
        let loads = |name: &&str| {
            let all = closure(moddep, [*name]);
            let whole = all.iter().all(|name| has(name) && !NEVER.contains(name));
            whole || REQUIRED.contains(name)
        };
        let wanted: Vec<&str> = wanted.filter(loads).collect();
        let modules = closure(moddep, wanted);
        let is_there = |module: &str| modules.contains(&module);
        let lacks = menu.lacks(commands, &STARTING, &is_there);
        Self {
            modules: modules.into_iter().map(str::to_owned).collect(),
            lacks,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_needed_comes_first_and_once() {
        let list = "a: b c\nb: c d\nc:\nd: e\n e :\nf: a\n";
        assert_eq!(closure(list, ["a"]), ["c", "e", "d", "b", "a"]);
        assert_eq!(closure(list, ["d", "f"]), ["e", "d", "c", "b", "a", "f"]);
        assert_eq!(closure(list, ["x"]), ["x"], "whoever reads it misses it");
        assert_eq!(closure("a: b\nb: a\n", ["a"]), ["b", "a"], "a circle ends");
    }

    #[test]
    fn a_menu_gets_what_it_names_as_far_as_that_can_be_loaded() {
        let moddep = "normal: terminal\nregexp: extcmd\nblscfg: gone\nnativedisk: ahci\nx: ahci\n";
        let commands = "blscfg: blscfg\n*regexp: regexp\nlinux: linux\nnativedisk: nativedisk\n";
        let of = |text: &str| {
            let has = |name: &str| name != "gone" && name != "xfs";
            Choice::new(&Menu::parse(text), moddep, commands, &has)
        };
        let plain = of("linux /vmlinuz\n");
        let has = |choice: &Choice, name: &str| choice.modules.iter().any(|found| found == name);
        assert!(has(&plain, "terminal") && !has(&plain, "xfs") && !has(&plain, "regexp"));
        assert_eq!(plain.lacks, <[&str; 0]>::default());
        let more = of("regexp a b\nblscfg\nlinuxefi /x\ninsmod x\nnativedisk\n");
        assert!(has(&more, "extcmd") && has(&more, "regexp"));
        assert!(!has(&more, "blscfg") && !has(&more, "ahci") && !has(&more, "x"));
        assert_eq!(more.lacks, ["blscfg", "linuxefi"]);
        // What has to be there is not left out silently.
        let none = Choice::new(&Menu::default(), moddep, commands, &|_| false);
        assert!(has(&none, "normal") && !has(&none, "ext2"));
    }
}
