//! All files of a system in which volumes are named.

use crate::cmdline;
use crate::edits::Edits;
use crate::files::{Files, below, text};
use crate::grub::{self, Line};
use crate::names::{Known, Named, Names, Style, Volume, named};
use crate::text::Draft;
use crate::{crypttab, fstab, loader, lvm, mdadm};

const FSTAB: &str = "/etc/fstab";

/// A text with kernels' command lines in it.
struct Boot {
    path: String,
    text: String,
    form: Form,
}

/// How it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Menu,
    Entry,
    Syslinux,
    Plain,
    Refind,
    Environment,
    /// Assignments of a shell.
    Shell,
}

/// Files that hold command lines.
const BOOT: [(&str, Form); 26] = [
    ("/etc/default/grub", Form::Shell),
    ("/etc/dracut.conf", Form::Shell),
    ("/etc/initramfs-tools/initramfs.conf", Form::Shell),
    ("/etc/initramfs-tools/conf.d/resume", Form::Shell),
    ("/etc/kernel/cmdline", Form::Plain),
    ("/boot/grub/grub.cfg", Form::Menu),
    ("/boot/grub2/grub.cfg", Form::Menu),
    ("/boot/grub/custom.cfg", Form::Menu),
    ("/boot/grub2/custom.cfg", Form::Menu),
    ("/boot/grub/menu.lst", Form::Menu),
    ("/boot/grub/grub.conf", Form::Menu),
    ("/etc/grub.d/40_custom", Form::Menu),
    ("/etc/grub.d/41_custom", Form::Menu),
    ("/boot/grub/grubenv", Form::Environment),
    ("/boot/grub2/grubenv", Form::Environment),
    ("/boot/extlinux/extlinux.conf", Form::Syslinux),
    ("/boot/extlinux.conf", Form::Syslinux),
    ("/extlinux.conf", Form::Syslinux),
    ("/boot/syslinux/syslinux.cfg", Form::Syslinux),
    ("/boot/syslinux.cfg", Form::Syslinux),
    ("/boot/efi/syslinux.cfg", Form::Syslinux),
    ("/boot/efi/EFI/syslinux/syslinux.cfg", Form::Syslinux),
    ("/boot/EFI/syslinux/syslinux.cfg", Form::Syslinux),
    ("/efi/EFI/syslinux/syslinux.cfg", Form::Syslinux),
    ("/boot/refind_linux.conf", Form::Refind),
    ("/usr/lib/kernel/cmdline", Form::Plain),
];

/// Folders of such files, and the ends of their names.
const FOLDERS: [(&str, &str, Form); 8] = [
    ("/etc/default/grub.d", ".cfg", Form::Shell),
    ("/etc/dracut.conf.d", ".conf", Form::Shell),
    ("/etc/cmdline.d", ".conf", Form::Plain),
    ("/etc/kernel/cmdline.d", ".conf", Form::Plain),
    ("/boot/loader/entries", ".conf", Form::Entry),
    ("/boot/efi/loader/entries", ".conf", Form::Entry),
    ("/efi/loader/entries", ".conf", Form::Entry),
    ("/etc/initramfs-tools/conf.d", "", Form::Shell),
];

/// Where distributions have the folders of their boot loaders on the EFI system partition.
const ESPS: [&str; 3] = ["/boot/efi/EFI", "/boot/EFI", "/efi/EFI"];

/// All names of volumes in the system that has `files`, made ones that other hardware has too, as far as
/// it is certain what they meant.
#[must_use]
pub fn renamed(files: &dyn Files, known: &Known) -> Edits {
    let mut told = Edits::default();
    let mut names = Names::new(known);
    let tab = text(files, FSTAB, &mut told);
    let devices = text(files, lvm::DEVICES, &mut told);
    let boots = boots(files, &mut told);
    if let Some(tab) = &tab {
        fstab::learn(tab, &mut names);
    }
    if let Some(devices) = &devices {
        lvm::learn(devices, &mut names);
    }
    learn(&boots, &mut names);

    if let Some(tab) = &tab {
        fstab::renamed(FSTAB, tab, &names, &mut told);
    }
    if let Some(tab) = text(files, "/etc/crypttab", &mut told) {
        crypttab::renamed("/etc/crypttab", &tab, &names, &mut told);
    }
    for boot in &boots {
        boot.renamed(&names, &mut told);
    }
    volumes(files, devices.as_deref(), known, &mut told);
    for path in ["/etc/mdadm/mdadm.conf", "/etc/mdadm.conf"] {
        if let Some(conf) = text(files, path, &mut told) {
            mdadm::renamed(path, &conf, &mut told);
        }
    }
    told
}

/// What LVM is told.
fn volumes(files: &dyn Files, devices: Option<&str>, known: &Known, told: &mut Edits) {
    const CONF: &str = "/etc/lvm/lvm.conf";
    const LOCAL: &str = "/etc/lvm/lvmlocal.conf";
    let conf = text(files, CONF, told).unwrap_or_default();
    let local = text(files, LOCAL, told).unwrap_or_default();
    if let Some(devices) = devices {
        let both = format!("{conf}\n{local}");
        lvm::devices(devices, &both, known, told);
    }
    lvm::filtered(CONF, &conf, known, told);
    lvm::filtered(LOCAL, &local, known, told);
}

/// All of these texts.
fn boots(files: &dyn Files, told: &mut Edits) -> Vec<Boot> {
    let mut paths: Vec<(String, Form)> = Vec::new();
    paths.extend(BOOT.iter().map(|(path, form)| ((*path).to_owned(), *form)));
    for (folder, end, form) in FOLDERS {
        let below = below(files, folder, end, told);
        paths.extend(below.into_iter().map(|path| (path, form)));
    }
    for esp in ESPS {
        for folder in below(files, esp, "", told) {
            paths.push((format!("{folder}/grub.cfg"), Form::Menu));
            paths.push((format!("{folder}/grubenv"), Form::Environment));
        }
    }
    let mut boots: Vec<Boot> = Vec::new();
    for (path, form) in paths {
        if boots.iter().any(|boot| boot.path == path) {
            continue;
        }
        if let Some(text) = text(files, &path, told) {
            boots.push(Boot { path, text, form });
        }
    }
    boots
}

/// The words of all kernels' command lines.
pub(crate) fn kernel_words(files: &dyn Files, told: &mut Edits) -> Vec<String> {
    let boots = boots(files, told);
    let lines = boots.iter().flat_map(Boot::lines);
    let words = lines.flat_map(|line| line.words.words());
    words.map(|word| word.text.to_owned()).collect()
}

/// What `root=` tells about what the disk was called: something only when no entry names the root file
/// system in another way, for then the others may be those of other systems.
fn learn(boots: &[Boot], names: &mut Names<'_>) {
    let Some(own) = fstab::own(names) else {
        return;
    };
    let lines = boots.iter().flat_map(Boot::lines).filter(|line| line.own);
    let roots: Vec<&str> = lines.flat_map(|line| cmdline::roots(line.words)).collect();
    let mut disks: Vec<&str> = roots.iter().filter_map(|root| disk(root, own)).collect();
    disks.sort_unstable();
    disks.dedup();
    if disks.len() == 1 && !roots.iter().any(|root| cmdline::is(root, own)) {
        roots.iter().for_each(|root| names.learn(root, own));
    }
}

/// The disk of `root`, when it can be the partition `own`.
fn disk<'r>(root: &'r str, own: &Volume) -> Option<&'r str> {
    match named(root) {
        Named::Partition(disk, number) if Some(number) == own.partition => Some(disk),
        _ => None,
    }
}

impl Boot {
    fn lines(&self) -> Vec<Line<'_>> {
        match self.form {
            Form::Menu => grub::menu(&self.text),
            Form::Entry => loader::entry(&self.text),
            Form::Syslinux => loader::syslinux(&self.text),
            Form::Plain => loader::plain(&self.text),
            Form::Refind => loader::refind(&self.text),
            Form::Environment => grub::environment(&self.text),
            Form::Shell => {
                let pairs = grub::assignments(&self.text).into_iter();
                let kernels =
                    |key: &str| key.starts_with("GRUB_CMDLINE_LINUX") || key == "kernel_cmdline";
                pairs
                    .filter(|(key, _)| kernels(key))
                    .map(|(_, words)| Line {
                        words,
                        initrd: true,
                        own: true,
                    })
                    .collect()
            }
        }
    }

    fn renamed(&self, names: &Names<'_>, told: &mut Edits) {
        let mut draft = Draft::new(&self.path, &self.text);
        for line in self.lines() {
            cmdline::rename(&mut draft, names, line.words, line.initrd);
        }
        if self.form == Form::Environment {
            let text = grub::resized(&mut draft, &self.path, &self.text);
            return draft.finish_as(text, told, &[]);
        }
        if self.form != Form::Shell {
            return draft.finish(told, &[]);
        }
        for (key, value) in grub::assignments(&self.text) {
            match key {
                "GRUB_DEVICE" | "GRUB_DEVICE_BOOT" => {
                    draft.name(names, value, Style::Path, &[]);
                }
                "RESUME" => draft.name(names, value, Style::Tag, &["swap", "swsuspend"]),
                _ => {}
            }
        }
        // initramfs-tools(7): conf/conf.d of the initramfs.
        let name = self.path.strip_prefix("/etc/initramfs-tools/conf.d/");
        let copy = name.map(|name| format!("/conf/conf.d/{name}"));
        let copies: Vec<&str> = copy.iter().map(String::as_str).collect();
        draft.finish(told, &copies);
    }
}
