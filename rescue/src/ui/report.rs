//! What a restore came to, on one screen of 80 by 24: is it the same machine, will
//! it boot here, what has to be known.

use super::line::wrap::{WIDTH, wrap};
use crate::restore::{Answer, Checked, Report, Verdict};

/// Rows that the report has beside the question what is done next.
const ROWS: usize = 14;
/// Rows of one answer, and of one thing to know.
const ANSWER: usize = 3;
const ITEM: usize = 2;

/// The report in at most [`ROWS`] rows of at most [`WIDTH`] columns; `others` are the
/// image's disks that were not restored. What finds no room is counted.
pub(crate) fn screen(report: &Report, others: &[String]) -> String {
    let mut rows = vec![headline(report)];
    let same = &report.answers.same_machine;
    let verdict = match same.verdict {
        Verdict::Yes => "YES, compared:",
        Verdict::No => "NO:",
        Verdict::Unknown => "NOT KNOWN:",
    };
    rows.extend(answer("IS IT THE SAME MACHINE?", verdict, same));
    let boots = &report.answers.will_boot;
    let verdict = match boots.verdict {
        Verdict::Yes => "YES, as far as can be told:",
        Verdict::No => "NO, as far as can be told:",
        Verdict::Unknown => "NOT KNOWN:",
    };
    rows.extend(answer("WILL IT BOOT HERE?", verdict, boots));
    rows.push("WHAT DO I HAVE TO KNOW?".to_owned());
    let others = others.iter();
    let others = others.map(|disk| format!("Not restored: {disk} of the image."));
    let to_know = &report.answers.to_know;
    let first = to_know.iter().take(1).cloned();
    let rest = to_know.iter().skip(1).cloned();
    let changes = report.changes.iter().cloned();
    let all: Vec<String> = first.chain(others).chain(rest).chain(changes).collect();
    rows.extend(items(&all, ROWS.saturating_sub(rows.len())));
    rows.join("\n") + "\n"
}

fn headline(report: &Report) -> String {
    let serial = report.serial.as_deref();
    let serial = serial.map(|serial| format!(" ({serial})"));
    let checked = match report.checked {
        Checked::BeforeWriting => "not read back",
        Checked::ReadBack => "all read back",
    };
    let text = format!(
        "{} is on {}{}, {checked}.",
        report.image,
        report.target,
        serial.unwrap_or_default()
    );
    cut(rows(&text, 0), 1).concat()
}

fn answer(question: &str, verdict: &str, answer: &Answer) -> Vec<String> {
    let text = format!("{question} {verdict} {}", answer.lines.join(" "));
    cut(rows(text.trim_end(), 0), ANSWER)
}

/// As many as there is room for, and how many there are more.
fn items(all: &[String], room: usize) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for (at, text) in all.iter().enumerate() {
        let mut lines = cut(rows(text, 2), ITEM);
        if let Some(first) = lines.first_mut() {
            first.replace_range(..1, "-");
        }
        let is_last = at.saturating_add(1) == all.len();
        let needed = out.len().saturating_add(lines.len());
        if needed.saturating_add(usize::from(!is_last)) > room {
            let more = all.len().saturating_sub(at);
            out.push(format!("- {more} more, told in the log."));
            return out;
        }
        out.extend(lines);
    }
    out
}

fn rows(text: &str, indent: usize) -> Vec<String> {
    let plain = text.replace(char::is_control, " ");
    let pad = |line: &str| match line.len() < indent {
        true => " ".repeat(indent),
        false => line.to_owned(),
    };
    wrap(&plain, indent).lines().map(pad).collect()
}

/// At most `most` of them; that there were more is told by dots.
fn cut(mut rows: Vec<String>, most: usize) -> Vec<String> {
    if rows.len() > most {
        rows.truncate(most);
        if let Some(last) = rows.last_mut() {
            let kept: String = last.chars().take(WIDTH.saturating_sub(4)).collect();
            *last = format!("{} ...", kept.trim_end());
        }
    }
    // (A word may be longer than a row.)
    let row = |row: String| row.chars().take(WIDTH).collect();
    rows.into_iter().map(row).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::restore::Answers;

    /// The report of a machine with everything that can be told.
    pub(in crate::ui) fn full() -> Report {
        let text = |text: &str| text.to_owned();
        let same = "computer STUDENT-PC8, domain INTERNAL, SID \
                    S-1-5-21-4070822719-3404542230-2541167049, MachineGuid, SAM, SECURITY";
        let boots = [
            "stornvme starts at boot for the disk's controller 144D:A808.",
            "Firmware: UEFI, as before.",
        ];
        let to_know = [
            "Never run the original and this one at once: one name, one identity.",
            "Machine account's password: 12 days old at capture, 3670 now; if the domain refuses \
             it: Test-ComputerSecureChannel -Repair.",
            "Its TPM stayed behind: PINs (Windows Hello) and keys in it do not open here.",
            "Static IP 10.0.0.5 (Ethernet): another network card starts without it.",
            "Activation: other hardware, Windows may ask for it again (Retail:TB:Eval).",
            "It was hibernated: what it had open is lost, and it starts anew.",
        ];
        let yes = |lines: &[&str]| Answer {
            verdict: Verdict::Yes,
            lines: lines.iter().map(|line| text(line)).collect(),
        };
        Report {
            image: text("20251122T042800Z-6f3a9c01d2e4"),
            target: text("/dev/nvme0n1"),
            serial: Some(text("S4EVNX0R")),
            checked: Checked::ReadBack,
            answers: Answers {
                same_machine: yes(&[same]),
                will_boot: yes(&boots),
                to_know: to_know.map(text).to_vec(),
            },
            ..Report::default()
        }
    }

    #[test]
    fn everything_fits() {
        let shown = screen(&full(), &[]);
        let rows: Vec<&str> = shown.lines().collect();
        assert!(rows.len() <= ROWS, "{} rows:\n{shown}", rows.len());
        assert!(
            rows.iter().all(|row| row.chars().count() <= WIDTH),
            "{shown}"
        );
        assert!(!shown.contains("..."), "{shown}");
        assert!(!shown.contains(" more,"), "{shown}");
    }

    #[test]
    fn what_finds_no_room_is_counted() {
        let mut report = full();
        let more = (0..5).map(|n| format!("thing {n} "));
        report.answers.to_know.extend(more);
        report.changes = vec!["x".repeat(300)];
        let shown = screen(&report, &["disk 1".to_owned()]);
        assert!(shown.lines().count() <= ROWS, "{shown}");
        assert!(shown.contains("Not restored: disk 1"), "{shown}");
        let told = shown.lines().filter(|row| row.starts_with("- ")).count() - 1;
        assert!(shown.contains(&format!("- {} more,", 13 - told)), "{shown}");
    }
}
