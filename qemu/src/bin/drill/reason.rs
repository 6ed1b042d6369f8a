//! Why a machine does not come up: what firmware, boot loaders, initramfs and
//! operating systems say when they stop, found in what they print.
//!
//! The texts are those of SeaBIOS, EDK II (OVMF), GRUB 2, shim, Linux,
//! initramfs-tools, dracut, systemd and Windows' boot code, as users quote them.

/// GRUB's prompt.
const GRUB: &str = "grub>";

/// What stops a start for good, as it is printed and what it means. The order is
/// that of a start: a later one says more about how far it came.
const FATAL: [(&str, &str); 34] = [
    (
        "No bootable device",
        "the firmware found nothing on the disk to start",
    ),
    (
        "No bootable option or device was found",
        "the firmware found nothing on the disk to start",
    ),
    (
        "UEFI Interactive Shell",
        "the firmware found nothing to start and opened its own shell",
    ),
    (
        "Missing operating system",
        "the boot code found no partition to start from",
    ),
    (
        "Error loading operating system",
        "the boot code could not read the boot sector",
    ),
    (
        "Invalid partition table",
        "the boot code found no valid partition table",
    ),
    (
        "Operating System not found",
        "the firmware found no operating system",
    ),
    (
        "An operating system wasn't found",
        "Windows' boot code found no operating system",
    ),
    ("BOOTMGR is missing", "Windows' boot manager is missing"),
    (
        "BOOTMGR image is corrupt",
        "Windows' boot manager is damaged",
    ),
    (
        "NTLDR is missing",
        "Windows' boot loader (NTLDR) is missing",
    ),
    ("Windows failed to start", "Windows failed to start"),
    (
        "Your PC needs to be repaired",
        "Windows' boot manager wants the machine repaired",
    ),
    (
        "Security Violation",
        "Secure Boot refused what was to be started",
    ),
    ("bad shim signature", "Secure Boot refused the kernel"),
    ("grub rescue>", "GRUB did not find its own files"),
    (
        GRUB,
        "GRUB stopped at its prompt, because its configuration is missing or starts nothing",
    ),
    (
        "you need to load the kernel first",
        "GRUB could not load the kernel",
    ),
    ("Kernel panic - not syncing", "the kernel panicked"),
    (
        "Gave up waiting for root",
        "the initramfs did not find the root file system",
    ),
    (
        "No root device specified",
        "the initramfs was not told which root file system",
    ),
    (
        "Target filesystem doesn't have requested",
        "the root file system has no init program",
    ),
    ("No init found", "the root file system has no init program"),
    (
        "requires a manual fsck",
        "a file system is damaged and wants a manual fsck",
    ),
    (
        "UNEXPECTED INCONSISTENCY; RUN fsck MANUALLY",
        "a file system is damaged and wants a manual fsck",
    ),
    ("(initramfs)", "the initramfs stopped at its shell"),
    ("dracut:/#", "the initramfs (dracut) stopped at its shell"),
    (
        "Entering emergency mode. Exit the shell",
        "the initramfs (dracut) stopped in its emergency shell",
    ),
    (
        "Press Enter for maintenance",
        "it started into emergency mode",
    ),
    ("You are in rescue mode", "it started into rescue mode"),
    (
        "You are in emergency mode",
        "it started into emergency mode",
    ),
    (
        "Give root password for maintenance",
        "it started into emergency mode",
    ),
    (
        "Cannot open access to console, the root account is locked",
        "it started into emergency mode",
    ),
    ("Freezing execution", "systemd gave up"),
];

/// What may be the cause when it does not come up, but need not be.
const HINTS: [&str; 29] = [
    "Boot failed",
    "failed to load Boot",
    "failed to start Boot",
    "Start PXE over",
    "error: file ",
    "error: no such device",
    "error: no such partition",
    "error: unknown filesystem",
    "error: disk ",
    "error: symbol ",
    "error: attempt to read or write outside",
    "error: bad shim signature",
    "error: invalid magic number",
    "Verification failed",
    "VFS: Cannot open root device",
    "VFS: Unable to mount root",
    "ALERT!",
    "Gave up waiting for suspend",
    "dracut-initqueue timeout",
    "Failed to mount",
    "mount: mounting",
    "can't find UUID",
    "Timed out waiting for device",
    "Dependency failed for",
    "Failed to start File System Check",
    "EXT4-fs error",
    "Metadata corruption detected",
    "Status: 0xc",
    "I/O error",
];

/// What a kernel says when the emulated machine was not given the time it needs: it
/// counts timer interrupts that must come in a few milliseconds of its own counting.
const HOSTS_FAULT: [&str; 1] = ["IO-APIC + timer doesn't work"];

/// More would not be read.
const MOST_HINTS: usize = 12;
const LONGEST: usize = 240;
/// A line without an end longer than this is no line.
const LONGEST_OPEN: usize = 4096;

/// Why it stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reason {
    /// In a sentence.
    pub(crate) sentence: String,
    /// The lines it was read from.
    pub(crate) evidence: Vec<String>,
}

/// Reads what a machine prints and finds what stops it.
#[derive(Debug, Default)]
pub(crate) struct Finder {
    open: String,
    fatal: Option<(usize, String)>,
    hints: Vec<String>,
}

impl Finder {
    /// More of a serial console.
    pub(crate) fn hear(&mut self, text: &str) {
        self.open.push_str(text);
        while let Some(end) = self.open.find('\n') {
            let line: String = self.open.drain(..=end).collect();
            self.line(line.trim());
        }
        // A prompt has no end of line. (A hint may still grow.)
        let open = self.open.trim().to_owned();
        self.look_for_fatal(&open);
        if self.open.len() > LONGEST_OPEN {
            self.open.clear();
        }
    }

    /// All lines of a text screen; again and again the same is no harm.
    pub(crate) fn see<'a>(&mut self, lines: impl Iterator<Item = &'a str>) {
        for line in lines {
            self.line(line.trim());
        }
    }

    fn line(&mut self, line: &str) {
        self.look_for_fatal(line);
        let short = shortened(line);
        // A line of a screen that was seen half grows.
        let half = |hint: &&mut String| short.starts_with(hint.as_str());
        if let Some(hint) = self.hints.iter_mut().find(half) {
            *hint = short;
            return;
        }
        if self.hints.len() < MOST_HINTS && HINTS.iter().any(|hint| line.contains(hint)) {
            self.hints.push(short);
        }
    }

    fn look_for_fatal(&mut self, line: &str) {
        let found = FATAL.iter().rposition(|(text, _)| line.contains(text));
        let Some(rank) = found else {
            return;
        };
        // A line that was seen half grows.
        let says_more = self.fatal.as_ref().is_none_or(|(before, known)| {
            rank > *before || rank == *before && line.starts_with(known.as_str())
        });
        if says_more {
            self.fatal = Some((rank, shortened(line)));
        }
    }

    /// True when what was said means that it will not come up.
    pub(crate) fn is_fatal(&self) -> bool {
        self.fatal.is_some()
    }

    /// True when it stopped because the host did not give it the time it needs.
    pub(crate) fn is_hosts_fault(&self) -> bool {
        let fatal = self.fatal.as_ref();
        fatal.is_some_and(|(_, line)| HOSTS_FAULT.iter().any(|text| line.contains(text)))
    }

    /// The reason, so far as one was said.
    pub(crate) fn reason(&self) -> Option<Reason> {
        let mut evidence = self.hints.clone();
        let Some((rank, line)) = &self.fatal else {
            let first = self.hints.first()?;
            return Some(Reason {
                sentence: format!("it said: {first}"),
                evidence,
            });
        };
        let &(text, mut meaning) = FATAL.get(*rank)?;
        // It says why before its prompt, but not for long: that is not always seen.
        if text == GRUB && self.hints.iter().any(|hint| hint.contains("error: file ")) {
            meaning = "GRUB could not load what it was to start";
        }
        // What comes after the telling words is often the cause itself.
        let rest = line.split_once(text).map_or("", |(_, rest)| rest);
        let rest = rest.trim_start_matches([':', '.', '!', '>', ' ']).trim();
        let detail = self.cause().unwrap_or(rest);
        if !evidence.contains(line) {
            evidence.push(line.clone());
        }
        let sentence = match detail {
            "" => meaning.to_owned(),
            detail => format!("{meaning}: {detail}"),
        };
        Some(Reason { sentence, evidence })
    }

    /// The hint that says most: what names a thing that is missing.
    fn cause(&self) -> Option<&str> {
        const TELLING: [&str; 9] = [
            "error: file ",
            "error: no such device",
            "error: ",
            "VFS: Cannot open root device",
            "ALERT!",
            "Timed out waiting for device",
            "can't find UUID",
            "Failed to mount",
            "Failed to start File System Check",
        ];
        TELLING.iter().find_map(|telling| {
            let line = self.hints.iter().find(|hint| hint.contains(telling))?;
            // Without what stands before: a time, "[ TIME ]".
            line.find(telling).and_then(|at| line.get(at..))
        })
    }
}

fn shortened(line: &str) -> String {
    match line.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", line.get(..at).unwrap_or_default()),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(text: &str) -> String {
        let mut finder = Finder::default();
        // Byte by byte, as a serial port gives it.
        for part in text.chars() {
            finder.hear(&part.to_string());
        }
        assert!(finder.is_fatal(), "{text}");
        finder.reason().unwrap().sentence
    }

    #[test]
    fn a_kernel_that_is_missing_is_named() {
        let text = "  Booting\n\nerror: file `/boot/vmlinuz-6.1.0-1-amd64' not found.\n\
                    error: you need to load the kernel first.\n\nPress any key to continue...";
        let found = reason(text);
        assert_eq!(
            found,
            "GRUB could not load the kernel: error: file `/boot/vmlinuz-6.1.0-1-amd64' not found."
        );
    }

    #[test]
    fn a_kernel_that_is_missing_is_named_by_a_screen_that_was_seen_half() {
        let mut finder = Finder::default();
        finder.see(["error: file `/boot/vmlin"].into_iter());
        finder.see(["grub>"].into_iter());
        let told = |finder: &Finder| finder.reason().unwrap().sentence;
        let begin = "GRUB could not load what it was to start: error: file `/boot/vmlin";
        assert_eq!(told(&finder), begin);
        finder.see(["error: file `/boot/vmlinuz-6' not found."].into_iter());
        assert_eq!(told(&finder), format!("{begin}uz-6' not found."));
        assert_eq!(finder.reason().unwrap().evidence.len(), 2);
        let mut alone = Finder::default();
        alone.see(["grub>"].into_iter());
        assert!(told(&alone).contains("configuration is missing"));
    }

    #[test]
    fn a_root_that_is_missing_is_named() {
        let text = "Gave up waiting for root file system device.  Common problems:\n - Boot args\n\
                    ALERT!  UUID=1234-abcd does not exist.  Dropping to a shell!\n(initramfs) ";
        assert_eq!(
            reason(text),
            "the initramfs stopped at its shell: ALERT!  UUID=1234-abcd does not exist.  \
             Dropping to a shell!"
        );
    }

    #[test]
    fn a_wrong_fstab_is_named() {
        let text = "[ TIME ] Timed out waiting for device dev-disk-by\\x2duuid-DEAD\\x2dBEEF.device\n\
                    [DEPEND] Dependency failed for boot-efi.mount - /boot/efi.\n\
                    You are in emergency mode. After logging in, type \"journalctl -xb\"\n\
                    Give root password for maintenance\n";
        let mut finder = Finder::default();
        finder.hear(text);
        let found = finder.reason().unwrap();
        assert!(
            found
                .sentence
                .starts_with("it started into emergency mode: Timed out waiting")
        );
        assert!(found.sentence.contains("DEAD"), "{found:?}");
        assert_eq!(found.evidence.len(), 3, "{found:?}");
    }

    #[test]
    fn prompts_panics_and_firmware() {
        let cases = [
            (
                "[    1.2] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)\n",
                "the kernel panicked: VFS: Unable to mount root fs on unknown-block(0,0)",
            ),
            (
                "No bootable device.\n",
                "the firmware found nothing on the disk to start",
            ),
            (
                "error: you need to load the kernel first.\n\ngrub> ",
                "GRUB could not load the kernel",
            ),
            ("\ngrub rescue> ", "GRUB did not find its own files"),
            (
                "\ndracut:/# ",
                "the initramfs (dracut) stopped at its shell",
            ),
            (
                "BdsDxe: No bootable option or device was found.\n",
                "the firmware found nothing on the disk to start",
            ),
            (
                "BOOTMGR is missing\r\nPress Ctrl+Alt+Del to restart",
                "Windows' boot manager is missing",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(reason(text), expected);
        }
    }

    #[test]
    fn hints_alone_are_not_the_end_of_a_start() {
        let mut finder = Finder::default();
        finder.hear("error: no suitable video mode found.\nBooting in blind mode\n");
        assert_eq!(finder.reason(), None);
        finder.hear("error: file `/boot/grub/unicode.pf2' not found.\nweb1 login: ");
        assert!(!finder.is_fatal());
        assert!(finder.reason().unwrap().sentence.contains("unicode.pf2"));
        // Debian's initramfs goes on without the disk it would have woken up from.
        finder.hear("Gave up waiting for suspend/resume device\n");
        assert!(!finder.is_fatal());
    }

    #[test]
    fn a_screen_is_read_again_and_again() {
        let mut finder = Finder::default();
        for _ in 0..3 {
            finder.see(
                [
                    "SeaBIOS",
                    "Boot failed: not a bootable disk",
                    "No bootable device.",
                ]
                .into_iter(),
            );
        }
        let found = finder.reason().unwrap();
        assert_eq!(
            found.evidence,
            ["Boot failed: not a bootable disk", "No bootable device."]
        );
    }

    #[test]
    fn a_host_that_is_too_busy_is_told_from_an_image_that_is_broken() {
        let mut finder = Finder::default();
        finder.hear("Kernel panic - not syncing: ");
        assert!(finder.is_fatal() && !finder.is_hosts_fault());
        finder.hear("IO-APIC + timer doesn't work!  Boot with apic=debug\n");
        assert!(finder.is_hosts_fault());
    }

    #[test]
    fn a_flood_is_kept_small() {
        let mut finder = Finder::default();
        for n in 0..1000 {
            finder.hear(&format!("I/O error {n} {}\n", "ä".repeat(500)));
        }
        finder.hear(&"x".repeat(1 << 20));
        let found = finder.reason().unwrap();
        assert_eq!(found.evidence.len(), MOST_HINTS);
        assert!(
            found
                .evidence
                .iter()
                .all(|line| line.chars().count() <= LONGEST + 1)
        );
    }
}
