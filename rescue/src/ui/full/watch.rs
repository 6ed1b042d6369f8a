//! The screen of long work: what it does now, how far each part is, how fast.

use disk::human_bytes;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::symbols::bar::THREE_LEVELS;
use ratatui::text::Line;
use ratatui::widgets::{Paragraph, Sparkline};

use super::progress::{Progress, Running, permille};
use super::view::{frame_around, too_small};
use crate::event::Part;
use crate::ui::line::wrap::wrap_to;
use crate::ui::text::name;

const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);

/// Rows of the graph.
const GRAPH: u16 = 4;

/// Columns of a part's bar.
const BAR: usize = 20;

/// Draws `progress`; `hint` is shown instead of the keys.
pub(super) fn draw(frame: &mut Frame<'_>, title: &str, progress: &Progress, hint: Option<&str>) {
    let percent = progress.running.as_ref().map_or(0, |r| r.permille() / 10);
    if too_small(frame, &format!(" The work goes on: {percent}% done.")) {
        return;
    }
    let keys = "Ctrl-C stops it (it can be continued)  l log  Ctrl-L draws again";
    let area = frame_around(frame, "Restore", hint.unwrap_or(keys));
    let width = usize::from(area.width);
    let messages = messages(progress, width);
    let head = head(title, progress, width);
    let rows = |n: usize| Constraint::Length(u16::try_from(n).unwrap_or(u16::MAX));
    let (graph, parts) = match &progress.running {
        Some(running) => (GRAPH + 1, running.parts.len().min(6)),
        None => (0, 0),
    };
    let all = Layout::vertical([
        rows(head.len()),
        rows(parts.saturating_add(usize::from(parts > 0))),
        Constraint::Length(graph),
        Constraint::Length(1),
        Constraint::Min(0),
    ]);
    let [top, middle, drawn, _, bottom] = all.areas(area);
    frame.render_widget(Paragraph::new(head), top);
    if let Some(running) = &progress.running {
        frame.render_widget(Paragraph::new(part_lines(running, parts)), middle);
        draw_graph(frame, drawn, running);
    }
    let skipped = messages.len().saturating_sub(usize::from(bottom.height));
    let shown: Vec<Line<'_>> = messages.into_iter().skip(skipped).collect();
    frame.render_widget(Paragraph::new(shown), bottom);
}

/// What is over, what is being done, how far.
fn head(title: &str, progress: &Progress, width: usize) -> Vec<Line<'static>> {
    let title = wrap_to(title, 0, width);
    let mut head: Vec<Line<'static>> = title
        .lines()
        .map(|line| Line::from(line.to_owned()).style(BOLD))
        .collect();
    head.push(Line::default());
    for (phase, did) in &progress.ended {
        head.push(Line::from(format!("{phase}: {did}")));
    }
    if let Some(running) = &progress.running {
        let what = name(running.phase);
        let line = match (running.total, running.pace.done()) {
            (None, 0) => format!("{what} ..."),
            _ => format!("{what}: {}", running.pace.line()),
        };
        head.push(Line::from(line).style(BOLD));
        if running.total.is_some() {
            head.push(Line::from(bar(running.permille(), width)));
        }
    }
    head.push(Line::default());
    head
}

/// "[███░░░]", `width` columns in all.
fn bar(permille: u64, width: usize) -> String {
    let room = width.saturating_sub(2);
    let full = usize::try_from(permille).unwrap_or(0).saturating_mul(room) / 1000;
    let full = full.min(room);
    format!("[{}{}]", "█".repeat(full), "░".repeat(room - full))
}

/// At most `room` parts: those being written, and their neighbours.
fn part_lines(running: &Running, room: usize) -> Vec<Line<'static>> {
    let is_begun = |(part, done): &(Part, u64)| *done > 0 && *done < part.total;
    let begun = running.parts.iter().position(is_begun);
    let waiting = || running.parts.iter().position(|(p, done)| *done < p.total);
    let at = begun.or_else(waiting).unwrap_or(running.parts.len());
    let first = at.saturating_sub(room / 2);
    let first = first.min(running.parts.len().saturating_sub(room));
    let shown = running.parts.iter().skip(first).take(room);
    shown.map(|(part, done)| part_line(part, *done)).collect()
}

fn part_line(part: &Part, done: u64) -> Line<'static> {
    let title: String = part.title.chars().take(30).collect();
    let bar = bar(permille(done, part.total), BAR);
    let (done, total) = (human_bytes(done.min(part.total)), human_bytes(part.total));
    Line::from(format!("{title:<30} {bar} {done:>10} of {total:>10}"))
}

fn draw_graph(frame: &mut Frame<'_>, area: Rect, running: &Running) {
    let most = running.rates.iter().max().copied().unwrap_or(0);
    if most == 0 || area.height == 0 {
        return;
    }
    let label = format!("Bytes a second, up to {}:", human_bytes(most));
    let [top, rest] = Layout::vertical([Constraint::Length(1), Constraint::Min(0)]).areas(area);
    frame.render_widget(Paragraph::new(label), top);
    let skipped = running.rates.len().saturating_sub(usize::from(rest.width));
    let rates: Vec<u64> = running.rates.iter().skip(skipped).copied().collect();
    let graph = Sparkline::default()
        .data(rates)
        .max(most)
        .bar_set(THREE_LEVELS);
    frame.render_widget(graph, rest);
}

fn messages(progress: &Progress, width: usize) -> Vec<Line<'static>> {
    let mut out = Vec::new();
    for message in &progress.messages {
        out.extend(
            wrap_to(message, 0, width)
                .lines()
                .map(|l| Line::from(l.to_owned())),
        );
    }
    out
}
