//! The technician's walk through the interface, on whatever terminal: each step is
//! a screen that is waited for, what is done there, and a sentence for the docs.

use crate::terminal::Terminal;
use anyhow::{Context, Result, ensure};
use qemu::Vm;
use std::path::Path;
use std::time::Duration;

/// One screen of the walk as it was seen.
#[derive(Debug, Clone)]
pub struct Seen {
    /// What is said about it in the docs.
    pub text: &'static str,
    /// What was on the screen.
    pub screen: String,
}

/// One step: wait, look, act.
#[derive(Debug, Clone, Copy)]
pub struct Step<'a> {
    /// What is said about the screen; nothing when it is not for the docs.
    pub text: &'static str,
    /// The question that is being asked, or an empty word.
    pub question: &'a str,
    /// What the screen must show.
    pub shows: &'a [&'a str],
    /// What is typed then, as text.
    pub types: &'a str,
    /// The key that is pressed after it, by tmux's name; or an empty word.
    pub key: &'a str,
}

/// Walks. Questions are known by the events of `vm`.
///
/// # Errors
/// When a screen does not come within `patience`, with what is there instead.
pub fn walk(
    vm: &mut Vm,
    terminal: &Terminal,
    steps: &[Step<'_>],
    patience: Duration,
) -> Result<Vec<Seen>> {
    let mut seen = Vec::new();
    for step in steps {
        if !step.question.is_empty() {
            vm.wait_event(step.question, patience, |event| {
                event["value"]["question"] == *step.question
            })?;
        }
        let limit = vm.stretched(patience);
        let screen = terminal
            .wait_until_still(step.shows, limit)
            .with_context(|| format!("at the step {step:?}"))?;
        if !step.text.is_empty() {
            seen.push(Seen {
                text: step.text,
                screen,
            });
        }
        if !step.types.is_empty() {
            terminal.type_text(step.types)?;
        }
        if !step.key.is_empty() {
            terminal.press(step.key)?;
        }
    }
    Ok(seen)
}

/// Where the screens begin in the document.
const MARK: &str = "<!-- screens: written by the test `walk` -->\n";

/// Compares the screens with those of `document`, but for what differs from run to
/// run; `RESCUE_UPDATE=1` writes them anew, to be read by a person.
///
/// # Errors
/// When the document shows something else.
pub fn same_as_documented(document: &Path, seen: &[Seen]) -> Result<()> {
    let text = std::fs::read_to_string(document).context("reading the document")?;
    let (before, after) = text.split_once(MARK).context("the document has no mark")?;
    let mut now = String::new();
    for Seen { text, screen } in seen {
        now.push_str(&format!(
            "\n{text}\n\n```text\n{}\n```\n",
            screen.trim_end()
        ));
    }
    if std::env::var_os("RESCUE_UPDATE").is_some() {
        let all = format!("{before}{MARK}{now}");
        return std::fs::write(document, all).context("writing the document");
    }
    let (documented, here) = (masked(after), masked(&now));
    ensure!(
        documented == here,
        "{} shows other screens (RESCUE_UPDATE=1 writes them anew). The first difference:\n{}",
        document.display(),
        difference(&documented, &here)
    );
    Ok(())
}

/// The words of a text, those with digits in them and bars left out: sizes, times,
/// addresses and ids differ from run to run, and with them where lines end.
fn masked(text: &str) -> Vec<&str> {
    let volatile = |word: &&str| {
        word.chars().any(|c| c.is_ascii_digit())
            || word.chars().any(|c| "█▄░".contains(c))
            || word.chars().all(|c| c == '_')
            || [
                "B", "KiB", "MiB", "GiB", "s", "MiB/s", "KiB/s", "GiB/s", "left",
            ]
            .contains(&word.trim_end_matches([',', ':', ';', '.']))
    };
    text.split_whitespace()
        .filter(|word| !volatile(word))
        .collect()
}

fn difference(one: &[&str], other: &[&str]) -> String {
    let at = one.iter().zip(other).position(|(a, b)| a != b);
    let at = at.unwrap_or(one.len().min(other.len()));
    let around = |words: &[&str]| {
        let from = at.saturating_sub(12).min(words.len());
        let words: Vec<&str> = words.iter().skip(from).take(24).copied().collect();
        words.join(" ")
    };
    format!(
        "documented: ... {}\nseen:       ... {}",
        around(one),
        around(other)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_from_run_to_run_is_left_out_and_nothing_else() {
        let one = masked("Writing: 5.0 GiB of 96 MiB (50%), 3 s left\n[██░] now: ext4 web");
        let other = masked("Writing: 91.0 MiB of 96 MiB (9%)\n[█] now:\next4 web");
        assert_eq!(one, other);
        assert_ne!(one, masked("Reading: 1 of 2 now: web"));
    }
}
