//! A screen in rows and columns.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

use super::rows::{BOLD, MARKED, draw_inputs, draw_rows, draw_scrolled, form, lines, menu};
use super::state::{Overlay, State};
use crate::ui::dialogue::{Asks, Notice, Screen};
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
