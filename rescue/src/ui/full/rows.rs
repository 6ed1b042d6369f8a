//! Text, menus and forms as rows.

use std::ops::Range;

use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

use super::state::State;
use crate::ui::dialogue::{Field, FieldKind, Item};
use crate::ui::line::wrap::wrap_to;

pub(super) const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);
pub(super) const MARKED: Style = Style::new().add_modifier(Modifier::REVERSED);

/// Text in rows of `width` columns.
pub(super) fn lines(text: &str, width: usize) -> Vec<Line<'static>> {
    let wrapped = wrap_to(text, 0, width);
    wrapped.lines().map(|l| Line::from(l.to_owned())).collect()
}

/// Shows as many lines as there is room for; when there are more, the last row
/// says so.
pub(super) fn draw_scrolled(
    frame: &mut Frame<'_>,
    area: Rect,
    text: Vec<Line<'_>>,
    scroll: &mut usize,
) {
    let (all, room) = (text.len(), usize::from(area.height));
    if all <= room {
        *scroll = 0;
        frame.render_widget(Paragraph::new(text), area);
        return;
    }
    let shown = room.saturating_sub(1);
    *scroll = (*scroll).min(all.saturating_sub(shown));
    let end = scroll.saturating_add(shown).min(all);
    let first = scroll.saturating_add(1);
    let more = match (*scroll, end == all) {
        (0, _) => "more: PgDn",
        (_, true) => "more: PgUp",
        _ => "more: PgUp, PgDn",
    };
    let mut rows: Vec<Line<'_>> = text.into_iter().skip(*scroll).take(shown).collect();
    rows.push(Line::from(format!("--- lines {first} to {end} of {all}; {more} ---")).style(BOLD));
    frame.render_widget(Paragraph::new(rows), area);
}

/// Rows with those in `at` in view, and a word about those that are not.
pub(super) fn draw_rows(frame: &mut Frame<'_>, area: Rect, rows: Vec<Line<'_>>, at: Range<usize>) {
    let (all, room) = (rows.len(), usize::from(area.height));
    if all <= room {
        frame.render_widget(Paragraph::new(rows), area);
        return;
    }
    let shown = room.saturating_sub(1);
    let first = at.end.saturating_sub(shown).min(at.start);
    let below = all.saturating_sub(first.saturating_add(shown));
    let mut visible: Vec<Line<'_>> = rows.into_iter().skip(first).take(shown).collect();
    let more = format!("--- {first} more lines above, {below} below ---");
    visible.push(Line::from(more).style(BOLD));
    frame.render_widget(Paragraph::new(visible), area);
}

/// The items of a menu, and which rows the marked one has.
pub(super) fn menu(items: &[Item], at: usize, width: usize) -> (Vec<Line<'static>>, Range<usize>) {
    let (mut rows, mut marked) = (Vec::new(), 0..0);
    for (index, item) in items.iter().enumerate() {
        let mark = if index == at { '>' } else { ' ' };
        let number = match item.unusable {
            Some(_) => " -".to_owned(),
            None => format!("{:2}", index.saturating_add(1)),
        };
        let first = rows.len();
        let room = width.saturating_sub(6);
        let mut text = wrap_to(&item.title, 0, room);
        item.details
            .iter()
            .for_each(|d| text.push_str(&wrap_to(d, 0, room)));
        if let Some(why) = &item.unusable {
            text.push_str(&wrap_to(&format!("cannot be chosen: {why}"), 0, room));
        }
        for (n, line) in text.lines().enumerate() {
            let head = match n {
                0 => format!("{mark} {number}  "),
                _ => " ".repeat(6),
            };
            let full = format!("{head}{line:room$}");
            let style = if index == at { MARKED } else { Style::new() };
            rows.push(Line::from(full).style(style));
        }
        if index == at {
            marked = first..rows.len();
        }
    }
    (rows, marked)
}

fn label_width(fields: &[Field]) -> usize {
    let widths = fields.iter().map(|field| field.label.chars().count());
    widths.max().unwrap_or(0).min(44)
}

pub(super) fn form(fields: &[Field], state: &State) -> Vec<Line<'static>> {
    let width = label_width(fields);
    let row = |(index, field): (usize, &Field)| {
        let mark = if index == state.at { '>' } else { ' ' };
        let label: String = field.label.chars().take(width).collect();
        let line = Line::from(format!("{mark} {label:width$} "));
        if index == state.at {
            line.style(BOLD)
        } else {
            line
        }
    };
    fields.iter().enumerate().map(row).collect()
}

/// What is typed, behind the labels, and the cursor.
pub(super) fn draw_inputs(frame: &mut Frame<'_>, area: Rect, fields: &[Field], state: &State) {
    let left = u16::try_from(label_width(fields).saturating_add(3)).unwrap_or(0);
    let rows = fields.iter().zip(&state.fields).enumerate();
    for (index, (field, input)) in rows.take(usize::from(area.height)) {
        let y = area.y.saturating_add(u16::try_from(index).unwrap_or(0));
        let x = area.x.saturating_add(left);
        let width = area.width.saturating_sub(left);
        let place = Rect::new(x, y, width, 1);
        let room = usize::from(width);
        let (text, cursor) = match &field.kind {
            FieldKind::OneOf(_) => (format!("< {} >  (Left/Right)", input.text()), 2),
            kind => input.shown(room.saturating_sub(2), *kind == FieldKind::Secret),
        };
        let text = match &field.kind {
            FieldKind::OneOf(_) => text,
            _ => format!("[{text:<fill$}]", fill = room.saturating_sub(2)),
        };
        frame.render_widget(Paragraph::new(text), place);
        if index == state.at {
            let column = match &field.kind {
                FieldKind::OneOf(_) => cursor,
                _ => cursor.saturating_add(1),
            };
            let column = u16::try_from(column).unwrap_or(0);
            frame.set_cursor_position(Position::new(x.saturating_add(column), y));
        }
    }
}
