//! The report as one page that needs nothing beside itself.

use crate::report::{Compared, Drill, Report, Step, Verdict};
use data_encoding::BASE64;

const STYLE: &str = include_str!("report.css");
/// How many of a console's last lines the page shows; all are in a file beside it.
const CONSOLE_LINES: usize = 60;

/// Text of anybody's as HTML: in it and in attributes.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(c),
            // Also what turns the direction of writing around.
            c if c.is_control()
                || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') =>
            {
                out.push('\u{fffd}');
            }
            c => out.push(c),
        }
    }
    out
}

/// The page.
pub(crate) fn page(report: &Report) -> String {
    let image = &report.image;
    let title = format!("Drill of {} ({})", escape(&image.name), escape(&image.id));
    let drills: String = report.drills.iter().map(drill).collect();
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
         img-src data:; style-src 'unsafe-inline'\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         {}{}{drills}{}</body>\n</html>\n",
        head(report),
        overview(report),
        foot(report),
    )
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Passed => "passed",
        Verdict::Failed => "failed",
        Verdict::NotRun => "could not be run",
    }
}

fn badge(verdict: Verdict) -> String {
    let mark = match verdict {
        Verdict::Passed => "✓",
        Verdict::Failed => "✗",
        Verdict::NotRun => "–",
    };
    format!(
        "<span class=\"badge {}\">{mark} {}</span>",
        verdict.name(),
        word(verdict)
    )
}

fn head(report: &Report) -> String {
    let image = &report.image;
    let sentence = match report.verdict {
        Verdict::Passed => "This image comes back: it was restored and has proven itself.",
        Verdict::Failed if report.drills.len() == 1 => "This image did not come back.",
        Verdict::Failed => "This image did not come back on every machine it was restored to.",
        Verdict::NotRun => "Not every drill could be run; what was run passed.",
    };
    let sentence = match report.drills.iter().any(|d| d.verdict == Verdict::Passed) {
        false if report.verdict == Verdict::NotRun => "No drill could be run: nothing is proven.",
        _ => sentence,
    };
    let systems: Vec<String> = image
        .systems
        .iter()
        .map(|system| match &system.hostname {
            Some(host) => format!("{} ({host})", system.name),
            None => system.name.clone(),
        })
        .collect();
    let rows = [
        ("image", image.id.clone()),
        (
            "captured",
            format!("{}, by {}", image.created, image.captured_by),
        ),
        ("systems", systems.join(", ")),
        (
            "disks",
            image
                .disks
                .iter()
                .map(|d| size(*d))
                .collect::<Vec<_>>()
                .join(", "),
        ),
        ("repository", image.repository.clone()),
        ("signature", image.signature.clone()),
        (
            "drilled",
            format!("{}, {}", report.begun, duration(report.seconds)),
        ),
        ("accelerated", accelerated(report)),
        (
            "waited for",
            format!(
                "{}, at most {}",
                report.wait_for.join(", "),
                duration(report.limit as f64)
            ),
        ),
    ];
    format!(
        "<header class=\"{}\">\n<h1>{}{}</h1>\n<p class=\"lead\">{sentence}</p>\n{}{}</header>\n",
        report.verdict.name(),
        escape(&image.name),
        badge(report.verdict),
        table(&rows),
        list("warn", &image.doubts),
    )
}

fn accelerated(report: &Report) -> String {
    match report.accelerator {
        "kvm" => "by the processor (KVM)".to_owned(),
        _ => "not: every instruction was translated (TCG), so times are many times longer than \
              on real hardware"
            .to_owned(),
    }
}

fn table(rows: &[(&str, String)]) -> String {
    let rows: String = rows
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| {
            format!(
                "<tr><th scope=\"row\">{name}</th><td>{}</td></tr>\n",
                escape(value)
            )
        })
        .collect();
    format!("<table class=\"facts\">\n{rows}</table>\n")
}

fn list(class: &str, lines: &[impl AsRef<str>]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let items: String = lines
        .iter()
        .map(|line| format!("<li>{}</li>\n", escape(line.as_ref())))
        .collect();
    format!("<ul class=\"{class}\">\n{items}</ul>\n")
}

fn overview(report: &Report) -> String {
    if report.drills.len() < 2 {
        return String::new();
    }
    let rows: String = report
        .drills
        .iter()
        .map(|d| {
            format!(
                "<tr><td><a href=\"#{0}\">{0}</a></td><td>{1}</td><td>{2}</td><td>{3}</td>\
                 <td>{4}</td></tr>\n",
                escape(&d.hardware),
                escape(&d.title),
                escape(&d.firmware),
                badge(d.verdict),
                duration(d.seconds),
            )
        })
        .collect();
    format!(
        "<section>\n<h2>Machines</h2>\n<table class=\"list\">\n<tr><th>hardware</th><th>like</th>\
         <th>firmware</th><th>verdict</th><th>time</th></tr>\n{rows}</table>\n</section>\n"
    )
}

fn drill(drill: &Drill) -> String {
    let mut out = format!(
        "<section id=\"{0}\">\n<h2>{0} {1}</h2>\n<p class=\"about\">{2}</p>\n",
        escape(&drill.hardware),
        badge(drill.verdict),
        escape(&about(drill)),
    );
    if let Some(reason) = &drill.reason {
        out.push_str(&format!("<p class=\"reason\">{}</p>\n", escape(reason)));
    }
    if !drill.evidence.is_empty() {
        let lines = drill.evidence.join("\n");
        out.push_str(&format!(
            "<pre class=\"evidence\">{}</pre>\n",
            escape(&lines)
        ));
    }
    let proofs: Vec<String> = drill
        .proofs
        .iter()
        .map(|proven| format!("{} (after {})", proven.told, duration(proven.at)))
        .collect();
    out.push_str(&titled("It has proven itself", &list("good", &proofs)));
    out.push_str(&titled("Is it itself?", &compared(&drill.compared)));
    out.push_str(&titled("Time", &timeline(drill)));
    out.push_str(&titled("Pictures", &pictures(drill)));
    out.push_str(&restore(drill));
    out.push_str(&console(drill));
    out.push_str("</section>\n");
    out
}

fn about(drill: &Drill) -> String {
    let mut about = drill.title.clone();
    if !drill.firmware.is_empty() {
        about.push_str(&format!("; started by {}", drill.firmware));
    }
    let (memory, processors) = (drill.memory_mib, drill.processors);
    about.push_str(&format!("; {memory} MiB, {processors} processors"));
    if let Some(qemu) = &drill.qemu {
        about.push_str(&format!("; QEMU {qemu}"));
    }
    about
}

fn titled(title: &str, content: &str) -> String {
    match content {
        "" => String::new(),
        content => format!("<h3>{title}</h3>\n{content}"),
    }
}

fn compared(all: &[Compared]) -> String {
    if all.is_empty() {
        return String::new();
    }
    let rows: String = all
        .iter()
        .map(|c| {
            let (class, mark) = match c.same {
                Some(true) => ("same", "✓ same"),
                Some(false) => ("other", "✗ different"),
                None => ("", "not known"),
            };
            format!(
                "<tr><td>{}</td><td>{}</td><td>{}</td><td class=\"{class}\">{mark}</td><td>{}</td></tr>\n",
                escape(&c.what),
                escape(&c.expected),
                escape(&c.found),
                escape(&c.by),
            )
        })
        .collect();
    format!(
        "<table class=\"list\">\n<tr><th>what</th><th>expected</th><th>found</th><th></th>\
         <th>told by</th></tr>\n{rows}</table>\n"
    )
}

fn timeline(drill: &Drill) -> String {
    let whole = drill.seconds.max(0.1);
    let row = |step: &Step| {
        let (left, width) = (100.0 * step.at / whole, 100.0 * step.seconds / whole);
        format!(
            "<tr><td>{}</td><td class=\"bar\"><i style=\"margin-left:{left:.1}%;width:{:.1}%\"></i></td>\
             <td>{}</td><td>{}</td></tr>\n",
            escape(&step.name),
            width.max(0.5).min(100.0 - left.min(99.5)),
            duration(step.seconds),
            escape(&step.text),
        )
    };
    if drill.steps.is_empty() {
        return String::new();
    }
    let rows: String = drill.steps.iter().map(row).collect();
    format!("<table class=\"list time\">\n{rows}</table>\n")
}

fn pictures(drill: &Drill) -> String {
    if drill.pictures.is_empty() {
        return String::new();
    }
    let figures: String = drill
        .pictures
        .iter()
        .map(|picture| {
            let caption = escape(&format!("{}: {}", duration(picture.at), picture.caption));
            format!(
                "<figure><img alt=\"{caption}\" src=\"data:image/png;base64,{}\"><figcaption>\
                 {caption}</figcaption></figure>\n",
                BASE64.encode(&picture.png)
            )
        })
        .collect();
    format!("<div class=\"pictures\">\n{figures}</div>\n")
}

fn restore(drill: &Drill) -> String {
    let mut out = String::new();
    let mut answers = Vec::new();
    for report in &drill.restores {
        for question in ["same_machine", "will_boot"] {
            let answer = &report["answers"][question];
            let verdict = answer["verdict"].as_str().unwrap_or("unknown");
            let asked = match question {
                "same_machine" => "Is it the same machine?",
                _ => "Will it boot here?",
            };
            answers.push(format!("{asked} {verdict}"));
            let lines = answer["lines"].as_array().into_iter().flatten();
            answers.extend(lines.filter_map(|line| line.as_str().map(str::to_owned)));
        }
        let know = report["answers"]["to_know"]
            .as_array()
            .into_iter()
            .flatten();
        answers.extend(know.filter_map(|line| line.as_str().map(str::to_owned)));
    }
    out.push_str(&titled("What the medium said of it", &list("", &answers)));
    out.push_str(&titled(
        "Changed for this hardware",
        &list("", &drill.restore_lines("adapted")),
    ));
    out.push_str(&titled(
        "Warnings of the restore",
        &list("warn", &drill.warnings),
    ));
    out.push_str(&list("", &drill.notes));
    out
}

fn console(drill: &Drill) -> String {
    let (name, text) = match drill.console.trim() {
        "" => ("medium", drill.console_of_restore.as_str()),
        text => ("console", text),
    };
    let lines: Vec<&str> = text.lines().collect();
    if lines.is_empty() {
        return String::new();
    }
    let last = lines.len().saturating_sub(CONSOLE_LINES);
    let shown = lines.get(last..).unwrap_or_default().join("\n");
    format!(
        "<details><summary>The serial console's last lines (all of it: {}-{name}.txt)</summary>\n\
         <pre>{}</pre></details>\n",
        escape(&drill.hardware),
        escape(&shown)
    )
}

fn foot(report: &Report) -> String {
    let image = &report.image;
    let hashes: String = image
        .hashes
        .iter()
        .map(|hash| {
            format!(
                "<tr><td>{}</td><td>{}</td><td>{}</td><td><code>{}</code></td></tr>\n",
                hash.disk,
                hash.start,
                size(hash.len),
                escape(&hash.blake3)
            )
        })
        .collect();
    format!(
        "<section>\n<h2>What was drilled, exactly</h2>\n<p>The image's parts, by the BLAKE3 hash of \
         each one's map, which has the hashes of all its data:</p>\n<table class=\"list\">\n\
         <tr><th>disk</th><th>from byte</th><th>size</th><th>BLAKE3</th></tr>\n{hashes}</table>\n\
         <p>The medium: {}, {}, BLAKE3 <code>{}</code></p>\n</section>\n\
         <footer>drill {}, report version {}</footer>\n",
        escape(&report.medium.file),
        size(report.medium.bytes),
        escape(&report.medium.blake3),
        escape(report.drill),
        report.v,
    )
}

fn size(bytes: u64) -> String {
    let units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    let unit = units.get(unit).unwrap_or(&"");
    match bytes {
        0..1024 => format!("{bytes} {unit}"),
        _ => format!("{value:.1} {unit}"),
    }
}

fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{seconds:.1} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::tests::SHOWN;
    use crate::picture::Picture;
    use crate::profile::Profile;
    use crate::report::{ImageFacts, MediumFacts, Proven, VERSION};

    const HOSTILE: &str = "</title><script>alert(1)</script>\" onload='x' \u{202e}&\u{1b}[2J";

    fn report() -> Report {
        let value: serde_json::Value = serde_json::from_str(SHOWN.lines().last().unwrap()).unwrap();
        let image: crate::image::Image = serde_json::from_value(value["image"].clone()).unwrap();
        let mut facts = ImageFacts::new(&image, HOSTILE);
        facts.name = HOSTILE.to_owned();
        facts.doubts = vec![HOSTILE.to_owned()];
        let mut drill = Drill::of(&Profile::named("nvme").unwrap());
        drill.hardware = HOSTILE.to_owned();
        drill.reason = Some(HOSTILE.to_owned());
        drill.evidence = vec![HOSTILE.to_owned()];
        drill.console = HOSTILE.to_owned();
        drill.take_restore(serde_json::json!({
            "same": [HOSTILE], "adapted": [HOSTILE],
            "answers": {"will_boot": {"verdict": HOSTILE, "lines": [HOSTILE]}, "to_know": [HOSTILE]},
        }));
        drill.proofs.push(Proven {
            proof: HOSTILE.to_owned(),
            at: 61.0,
            told: HOSTILE.to_owned(),
            machine_id: None,
        });
        drill.pictures.push(Picture {
            at: 1.0,
            caption: HOSTILE.to_owned(),
            file: String::new(),
            png: b"\x89PNG".to_vec(),
            stays: false,
        });
        Report {
            v: VERSION,
            drill: "0.1.0",
            begun: HOSTILE.to_owned(),
            seconds: 1.0,
            verdict: Verdict::Failed,
            code: 1,
            image: facts,
            medium: MediumFacts {
                file: HOSTILE.to_owned(),
                bytes: 43_321_344,
                blake3: "00".to_owned(),
            },
            accelerator: "tcg",
            wait_for: vec![HOSTILE.to_owned()],
            limit: 2400,
            drills: vec![drill.clone(), drill],
        }
    }

    #[test]
    fn names_of_anybody_are_text_and_nothing_else() {
        let page = page(&report());
        assert!(!page.contains("<script"), "a script got in");
        assert!(!page.contains("' onload"), "an attribute got in");
        assert!(!page.contains("\" onload"), "an attribute got in");
        assert!(!page.contains('\u{1b}') && !page.contains('\u{202e}'));
        assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;&quot; onload=&#39;x&#39;"));
    }

    #[test]
    fn the_page_needs_nothing_beside_itself() {
        let page = page(&report());
        assert!(page.contains("src=\"data:image/png;base64,iVBORw==\""));
        for outside in ["src=\"http", "href=\"http", "@import", "url("] {
            assert!(!page.contains(outside), "{outside}");
        }
        assert!(page.contains("default-src 'none'"));
        assert!(page.contains("prefers-color-scheme: dark"));
        assert!(page.contains("failed") && page.contains("1 min 1 s"));
    }

    #[test]
    fn sizes_and_times() {
        assert_eq!(size(512), "512 bytes");
        assert_eq!(size(1_677_721_600), "1.6 GiB");
        assert_eq!(duration(3.25), "3.2 s");
        assert_eq!(duration(3_725.0), "1 h 2 min");
    }
}
