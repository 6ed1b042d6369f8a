//! A screen in rows and columns.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Position, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

use super::state::{Overlay, State};
use crate::ui::dialogue::{Asks, Field, FieldKind, Item, Notice, Screen};
use crate::ui::line::wrap::wrap_to;

/// The interface is drawn from this size on.
pub(super) const SMALLEST: (u16, u16) = (80, 24);

/// The steps in their order, by their titles.
const STEPS: [&str; 8] = [
    "This machine",
    "Repository",
    "Image",
    "Target disk",
    "Plan",
    "Confirm",
    "Restore",
    "Report",
];

const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);
const MARKED: Style = Style::new().add_modifier(Modifier::REVERSED);

/// Everything that is on the screen.
pub(super) struct View<'a> {
    pub(super) screen: &'a Screen,
    pub(super) state: &'a mut State,
    pub(super) notices: &'a [Notice],
    pub(super) log: &'a [String],
}

/// What is too small for the interface says so.
pub(super) fn too_small(frame: &mut Frame<'_>, more: &str) -> bool {
    let area = frame.area();
    let (columns, rows) = SMALLEST;
    if area.width >= columns && area.height >= rows {
        return false;
    }
    let text = format!(
        "This window has {} columns and {} rows. Please make it at least {columns} by {rows}: \
         everything is still here.{more}",
        area.width, area.height
    );
    let text = wrap_to(&text, 0, usize::from(area.width).max(1));
    frame.render_widget(Paragraph::new(text), area);
    true
}

/// The frame around every screen: where one is above, the keys below. What is
/// left in between.
pub(super) fn frame_around(frame: &mut Frame<'_>, title: &str, keys: &str) -> Rect {
    let area = frame.area();
    let parts = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Min(0),
        Constraint::Length(1),
        Constraint::Length(1),
    ]);
    let [top, _, middle, _, bottom] = parts.areas(area);
    let step = STEPS.iter().position(|step| *step == title);
    let step = step.map(|n| format!("step {} of {}: ", n.saturating_add(1), STEPS.len()));
    let right = format!("{}{title} ", step.unwrap_or_default());
    let bar = Paragraph::new(Line::from(" rescue").style(MARKED)).style(MARKED);
    frame.render_widget(bar, top);
    let width = u16::try_from(right.chars().count()).unwrap_or(top.width);
    let [_, place] = Layout::horizontal([Constraint::Min(0), Constraint::Length(width)]).areas(top);
    frame.render_widget(Paragraph::new(right).style(MARKED), place);
    frame.render_widget(Paragraph::new(format!(" {keys}")).style(MARKED), bottom);
    let sides = [
        Constraint::Length(1),
        Constraint::Min(0),
        Constraint::Length(1),
    ];
    let [_, middle, _] = Layout::horizontal(sides).areas(middle);
    middle
}

fn lines(text: &str, width: usize) -> Vec<Line<'static>> {
    let wrapped = wrap_to(text, 0, width);
    wrapped.lines().map(|l| Line::from(l.to_owned())).collect()
}

impl View<'_> {
    pub(super) fn draw(self, frame: &mut Frame<'_>) {
        if too_small(frame, "") {
            return;
        }
        if let Some((overlay, _)) = self.state.overlay {
            return self.draw_overlay(frame, overlay);
        }
        let keys = self.keys();
        let area = frame_around(frame, self.screen.title, &keys);
        let width = usize::from(area.width);
        let read = self.read(width);
        let mut asked = lines(&self.screen.heading, width);
        asked.iter_mut().for_each(|l| *l = l.clone().style(BOLD));
        let height = usize::from(area.height);
        let (rows, at) = match &self.screen.asks {
            Asks::Menu(items, _) => menu(items, self.state.at, width),
            Asks::Form(fields) => (form(fields, self.state), self.state.at..self.state.at),
        };
        let wanted = asked.len().saturating_add(rows.len());
        let most = height.saturating_sub(read.len()).max(height / 2);
        let below = wanted.min(most);
        let above = height.saturating_sub(below).min(read.len());
        let constraints = [above, below].map(|n| Constraint::Length(n.try_into().unwrap_or(0)));
        let [top, bottom] = Layout::vertical(constraints).areas(area);
        draw_scrolled(frame, top, read, &mut self.state.scroll);
        let head = asked.len();
        let mut room = bottom;
        room.y = room.y.saturating_add(head.try_into().unwrap_or(0));
        room.height = room.height.saturating_sub(head.try_into().unwrap_or(0));
        frame.render_widget(Paragraph::new(asked), bottom);
        draw_rows(frame, room, rows, at);
        if let Asks::Form(fields) = &self.screen.asks {
            draw_inputs(frame, room, fields, self.state);
        }
    }

    /// What is read before the question: notices first.
    fn read(&self, width: usize) -> Vec<Line<'static>> {
        let mut read = Vec::new();
        for notice in self.notices {
            let text = lines(&notice.text(), width);
            read.extend(text.into_iter().map(|line| line.style(BOLD)));
            read.push(Line::default());
        }
        read.extend(lines(&self.screen.body, width));
        if !self.screen.body.is_empty() {
            read.push(Line::default());
        }
        read
    }

    fn keys(&self) -> String {
        if let Some(hint) = &self.state.hint {
            return hint.clone();
        }
        match &self.screen.asks {
            Asks::Menu(..) => {
                "Up/Down Enter or number choose  b back  r look again  s shell  l log  ? help"
            }
            Asks::Form(fields) if fields.len() > 1 => {
                "Enter next, last: done  Up/Down fields  Esc back  F2 shell  F3 log  F1 help"
            }
            Asks::Form(_) => "Enter done  Esc back  F2 shell  F3 log  F1 help",
        }
        .to_owned()
    }

    fn draw_overlay(self, frame: &mut Frame<'_>, overlay: Overlay) {
        let Some((_, scroll)) = &mut self.state.overlay else {
            return;
        };
        match overlay {
            Overlay::Help => {
                let text = format!("{}\n\n{KEYS}", self.screen.help);
                draw_text(frame, "Help", &text, scroll);
            }
            Overlay::Log => draw_log(frame, self.log, scroll),
        }
    }
}

/// All that was told, the newest last.
pub(super) fn draw_log(frame: &mut Frame<'_>, log: &[String], scroll: &mut usize) {
    if too_small(frame, "") {
        return;
    }
    let text = match log {
        [] => "Nothing was told yet.".to_owned(),
        log => log.concat(),
    };
    draw_text(frame, "Log", &text, scroll);
}

fn draw_text(frame: &mut Frame<'_>, title: &str, text: &str, scroll: &mut usize) {
    let keys = "Up/Down/PgUp/PgDn scroll  any other key closes";
    let area = frame_around(frame, title, keys);
    let text = lines(text, usize::from(area.width));
    draw_scrolled(frame, area, text, scroll);
}

/// Shown below the help of every screen.
const KEYS: &str = "\
Keys:
  Up, Down, Tab        move           Enter       choose, done
  1, 2, 3 ...          choose         Esc or b    back
  PgUp, PgDn           read on        r or F5     look again
  ? or F1              this help      l or F3     log: all that was told
  s or F2              rescue shell; `exit` leads back to where you were
  Ctrl-L               draws the screen again

Where text is typed, letters are text: use F1, F2, F3 and Esc there.
Nothing is written to a disk before its serial number was typed.";

/// Shows as many lines as there is room for; when there are more, the last row
/// says so.
fn draw_scrolled(frame: &mut Frame<'_>, area: Rect, text: Vec<Line<'_>>, scroll: &mut usize) {
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
fn draw_rows(frame: &mut Frame<'_>, area: Rect, rows: Vec<Line<'_>>, at: std::ops::Range<usize>) {
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
fn menu(items: &[Item], at: usize, width: usize) -> (Vec<Line<'static>>, std::ops::Range<usize>) {
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

fn form(fields: &[Field], state: &State) -> Vec<Line<'static>> {
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
fn draw_inputs(frame: &mut Frame<'_>, area: Rect, fields: &[Field], state: &State) {
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
