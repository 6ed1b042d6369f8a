//! Passphrases of encrypted volumes: the restored system asks for them while it starts,
//! and the drill types them, as somebody at the machine would.

use crate::drill::CannotRun;
use anyhow::{Context, Result, ensure};
use qemu::Vm;
use std::fmt;
use std::path::{Path, PathBuf};

/// How programs ask on a console that tells what it shows: initramfs-tools with
/// cryptsetup, systemd (dracut, and units of crypttab), cryptsetup itself and GRUB.
const PROMPTS: [&str; 3] = [
    "Please unlock disk ",
    "Please enter passphrase for disk ",
    "Enter passphrase for ",
];
/// Whoever refused all of them more often than this will not take them.
const ROUNDS: usize = 3;
/// Bytes of a passphrase at most.
const LONGEST: usize = 512;

/// What opens encrypted volumes.
#[derive(Clone, Default)]
pub(crate) struct Passphrases(Vec<String>);

/// Says how many there are, and not which.
impl fmt::Debug for Passphrases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passphrases", self.0.len())
    }
}

impl Passphrases {
    /// One from each file, without the newline at its end.
    pub(crate) fn read(files: &[PathBuf]) -> Result<Self> {
        let all = files.iter().map(|file| passphrase(file));
        Ok(Self(all.collect::<Result<_>>()?))
    }

    pub(crate) fn all(&self) -> &[String] {
        &self.0
    }

    /// `text` without them: what is typed where nobody asks any more is shown.
    pub(crate) fn struck_from(&self, mut text: String) -> String {
        for passphrase in &self.0 {
            if text.contains(passphrase.as_str()) {
                text = text.replace(passphrase.as_str(), "(passphrase)");
            }
        }
        text
    }
}

fn passphrase(file: &Path) -> Result<String> {
    let shown = file.display();
    let text = std::fs::read_to_string(file).with_context(|| {
        format!("reading the passphrase in {shown} (it has to be text, to be typed)")
    })?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    ensure!(!line.is_empty(), "{shown} has no passphrase in it");
    ensure!(
        line.len() <= LONGEST && !line.chars().any(char::is_control),
        "{shown} has more than a passphrase of one line in it"
    );
    Ok(line.to_owned())
}

/// Who types them.
#[derive(Debug, Default)]
pub(crate) struct Typist {
    passphrases: Passphrases,
    /// Bytes of the console that were searched.
    searched: usize,
    typed: usize,
}

impl Typist {
    pub(crate) fn new(passphrases: &Passphrases) -> Self {
        Self {
            passphrases: passphrases.clone(),
            ..Self::default()
        }
    }

    /// Types the next one when the `console` (all that it said) asks.
    ///
    /// # Errors
    /// [`CannotRun`] when there is none: nobody else is there who could.
    pub(crate) fn answer(&mut self, vm: &mut Vm, console: &str) -> Result<()> {
        if !self.is_asked(console) {
            return Ok(());
        }
        if self.passphrases.all().is_empty() {
            let text = "it asks for the passphrase of an encrypted volume: give --passphrase-file";
            return Err(CannotRun(text.to_owned()).into());
        }
        if let Some(passphrase) = self.next() {
            vm.send(&format!("{passphrase}\n"))?;
        }
        Ok(())
    }

    /// True once for each prompt.
    fn is_asked(&mut self, console: &str) -> bool {
        let new = console.get(self.searched..).unwrap_or_default();
        let ends = PROMPTS.iter().filter_map(|prompt| {
            let at = new.find(prompt)?;
            Some(at + prompt.len())
        });
        let first = ends.min();
        self.searched += first.unwrap_or_default();
        first.is_some()
    }

    /// What is to be typed: one after the other, and from the first again.
    fn next(&mut self) -> Option<String> {
        let all = self.passphrases.all();
        if self.typed >= all.len() * ROUNDS {
            return None;
        }
        let next = all.get(self.typed % all.len());
        self.typed += 1;
        next.cloned()
    }

    /// To be told when it does not come up: how often it was asked for one.
    pub(crate) fn told(&self) -> Option<String> {
        (self.typed > 0).then(|| {
            let times = self.typed;
            format!("; passphrases of encrypted volumes were typed {times} time(s) before")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typist(all: &[&str]) -> Typist {
        Typist::new(&Passphrases(all.iter().map(|&p| p.to_owned()).collect()))
    }

    /// What is typed when that is on the console.
    fn typed(typist: &mut Typist, console: &str) -> Option<String> {
        typist.is_asked(console).then(|| typist.next()).flatten()
    }

    #[test]
    fn each_prompt_is_answered_once() {
        let mut typist = typist(&["one", "two"]);
        let mut console = "Please unlock di".to_owned();
        assert_eq!(typed(&mut typist, &console), None);
        assert_eq!(typist.told(), None);
        console.push_str("sk sda4_crypt: ");
        assert_eq!(typed(&mut typist, &console).as_deref(), Some("one"));
        assert_eq!(typed(&mut typist, &console), None);
        console.push_str("cryptsetup: bad password\nPlease unlock disk sda4_crypt: ");
        assert_eq!(typed(&mut typist, &console).as_deref(), Some("two"));
        console.push_str("\nPlease enter passphrase for disk data (b): ");
        assert_eq!(typed(&mut typist, &console).as_deref(), Some("one"));
        assert!(typist.told().unwrap().contains("typed 3 time(s)"));
    }

    #[test]
    fn several_prompts_at_once_are_answered_one_by_one() {
        let mut typist = typist(&["one"]);
        let console = "Enter passphrase for hd0,gpt2 (x): \nPlease unlock disk b: ";
        assert!(typed(&mut typist, console).is_some());
        assert!(typed(&mut typist, console).is_some());
        assert!(typed(&mut typist, console).is_none());
    }

    #[test]
    fn what_is_refused_again_and_again_is_not_typed_for_ever() {
        let mut typist = typist(&["one"]);
        let prompts = "Please unlock disk a: ".repeat(10);
        let all = (0..10).filter(|_| typed(&mut typist, &prompts).is_some());
        assert_eq!(all.count(), ROUNDS);
    }

    #[test]
    fn without_a_passphrase_nothing_is_typed() {
        let mut typist = typist(&[]);
        assert!(typist.is_asked("Please unlock disk a: "));
        assert_eq!(typist.next(), None);
        assert_eq!(typist.told(), None);
    }

    #[test]
    fn what_is_kept_of_a_console_has_no_passphrase() {
        let all = Passphrases(vec!["correct horse".to_owned(), "x1".to_owned()]);
        let text = "web1 login: correct horse\nPassword: \nx1 x2".to_owned();
        let kept = all.struck_from(text);
        assert_eq!(
            kept,
            "web1 login: (passphrase)\nPassword: \n(passphrase) x2"
        );
    }

    #[test]
    fn a_file_has_one_passphrase_of_one_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("passphrase");
        let read = |text: &[u8]| {
            std::fs::write(&file, text).unwrap();
            Passphrases::read(std::slice::from_ref(&file))
        };
        assert_eq!(read(b"correct horse\n").unwrap().all(), ["correct horse"]);
        assert_eq!(format!("{:?}", read(b"x").unwrap()), "1 passphrases");
        for wrong in [&b""[..], b"\n", b"a\nb", b"\xff\xfe", &[b'x'; 600]] {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
    }
}
