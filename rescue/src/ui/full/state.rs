//! What the operator does with one screen before answering: moves, scrolls,
//! types, reads help.

use super::input::Input;
use super::keys::Key;
use crate::ui::dialogue::{Answer, Asks, Field, FieldKind, Item, Screen};

/// Text shown over the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Overlay {
    Help,
    Log,
}

/// Where the operator is in a screen.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    /// The item or field the operator is at.
    pub(super) at: usize,
    /// First line shown of what is read.
    pub(super) scroll: usize,
    pub(super) fields: Vec<Input>,
    pub(super) overlay: Option<(Overlay, usize)>,
    /// Said about the last key; goes with the next.
    pub(super) hint: Option<String>,
    /// A number being typed.
    pub(super) number: usize,
}

/// What a key led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Effect {
    /// The screen is drawn again.
    Redraw,
    /// Everything is sent to the terminal again.
    Repaint,
    Answer(Answer),
}

impl State {
    /// For a new screen: at its first item that can be chosen.
    pub(super) fn new(screen: &Screen) -> Self {
        match &screen.asks {
            Asks::Menu(items, _) => Self {
                at: items.iter().position(|i| i.unusable.is_none()).unwrap_or(0),
                ..Self::default()
            },
            Asks::Form(fields) => Self {
                fields: fields.iter().map(|f| Input::new(&f.value)).collect(),
                ..Self::default()
            },
        }
    }

    /// The same place on a screen that is shown again with what has changed:
    /// the same item, wherever it is now.
    pub(super) fn again(mut self, before: &Screen, now: &Screen) -> Self {
        if let (Asks::Menu(old, _), Asks::Menu(new, _)) = (&before.asks, &now.asks) {
            let title = old.get(self.at).map(|item| &item.title);
            let same = new.iter().position(|item| Some(&item.title) == title);
            self.at = same.unwrap_or_else(|| Self::new(now).at);
        }
        self.number = 0;
        self
    }

    /// Takes a key.
    pub(super) fn press(&mut self, key: Key, screen: &Screen) -> Effect {
        self.hint = None;
        if let Some(effect) = self.anywhere(key) {
            return effect;
        }
        if self.overlay.is_some() {
            self.read_overlay(key);
            return Effect::Redraw;
        }
        match &screen.asks {
            Asks::Menu(items, _) => self.in_menu(key, items),
            Asks::Form(fields) => self.in_form(key, fields),
        }
    }

    /// Keys that mean the same on every screen.
    fn anywhere(&mut self, key: Key) -> Option<Effect> {
        match key {
            Key::F(1) => self.toggle(Overlay::Help),
            Key::F(3) => self.toggle(Overlay::Log),
            Key::F(2) => {
                self.overlay = None;
                return Some(Effect::Answer(Answer::Shell));
            }
            Key::Ctrl('l') | Key::Unknown => return Some(Effect::Repaint),
            Key::Ctrl('c') => {
                self.hint = Some("Esc goes back; Ctrl-C does nothing here.".to_owned());
            }
            _ => return None,
        }
        Some(Effect::Redraw)
    }

    fn toggle(&mut self, overlay: Overlay) {
        self.overlay = match self.overlay {
            Some((shown, _)) if shown == overlay => None,
            _ if overlay == Overlay::Log => Some((overlay, usize::MAX)),
            _ => Some((overlay, 0)),
        };
    }

    fn read_overlay(&mut self, key: Key) {
        let Some((_, scroll)) = &mut self.overlay else {
            return;
        };
        match key {
            Key::Up => *scroll = scroll.saturating_sub(1),
            Key::Down => *scroll = scroll.saturating_add(1),
            Key::PageUp => *scroll = scroll.saturating_sub(10),
            Key::PageDown | Key::Char(' ') => *scroll = scroll.saturating_add(10),
            Key::Home => *scroll = 0,
            Key::End => *scroll = usize::MAX,
            _ => self.overlay = None,
        }
    }

    fn scrolls(&mut self, key: Key) -> bool {
        match key {
            Key::PageUp => self.scroll = self.scroll.saturating_sub(5),
            Key::PageDown => self.scroll = self.scroll.saturating_add(5),
            _ => return false,
        }
        true
    }

    fn in_menu(&mut self, key: Key, items: &[Item]) -> Effect {
        let number = std::mem::take(&mut self.number);
        let last = items.len().saturating_sub(1);
        match key {
            Key::Up | Key::BackTab | Key::Char('k') => self.at = self.at.saturating_sub(1),
            Key::Down | Key::Tab | Key::Char('j') => self.at = self.at.saturating_add(1).min(last),
            Key::Home => self.at = 0,
            Key::End => self.at = last,
            Key::Enter if items.is_empty() => return Effect::Answer(Answer::Again),
            Key::Enter => return self.choose(self.at, items),
            Key::Char(digit @ '0'..='9') => return self.count(number, digit, items),
            Key::Escape | Key::Char('b' | 'B') => return Effect::Answer(Answer::Back),
            Key::Char('s' | 'S') => return Effect::Answer(Answer::Shell),
            Key::Char('r' | 'R') | Key::F(5) => return Effect::Answer(Answer::Again),
            Key::Char('?' | 'h' | 'H') => self.toggle(Overlay::Help),
            Key::Char('l' | 'L') => self.toggle(Overlay::Log),
            Key::Char(' ') => self.scroll = self.scroll.saturating_add(5),
            key if self.scrolls(key) => {}
            _ => self.hint = Some("No such key here: ? shows which there are.".to_owned()),
        }
        Effect::Redraw
    }

    /// A digit of an item's number: chosen at once where no longer number
    /// begins like that, else marked until Enter.
    fn count(&mut self, number: usize, digit: char, items: &[Item]) -> Effect {
        let digit = usize::try_from(digit.to_digit(10).unwrap_or(0)).unwrap_or(0);
        let number = number.saturating_mul(10).saturating_add(digit);
        let Some(at) = number.checked_sub(1).filter(|at| *at < items.len()) else {
            self.hint = Some(format!("There is no number {number} here."));
            return Effect::Redraw;
        };
        self.at = at;
        if number.saturating_mul(10) <= items.len() {
            self.number = number;
            return Effect::Redraw;
        }
        self.choose(at, items)
    }

    fn choose(&mut self, at: usize, items: &[Item]) -> Effect {
        match items.get(at).map(|item| &item.unusable) {
            Some(None) => return Effect::Answer(Answer::Item(at)),
            Some(Some(why)) => self.hint = Some(format!("That cannot be chosen: {why}")),
            None => {}
        }
        Effect::Redraw
    }

    fn in_form(&mut self, key: Key, fields: &[Field]) -> Effect {
        let last = fields.len().saturating_sub(1);
        match key {
            Key::Escape => return Effect::Answer(Answer::Back),
            Key::Enter if self.at >= last => return Effect::Answer(self.filled(fields)),
            Key::Enter | Key::Tab | Key::Down => self.at = self.at.saturating_add(1).min(last),
            Key::BackTab | Key::Up => self.at = self.at.saturating_sub(1),
            key if self.scrolls(key) => {}
            key => self.edit(key, fields),
        }
        Effect::Redraw
    }

    fn edit(&mut self, key: Key, fields: &[Field]) {
        let (Some(input), Some(field)) = (self.fields.get_mut(self.at), fields.get(self.at)) else {
            return;
        };
        match &field.kind {
            FieldKind::OneOf(all) => input.choose(key, all),
            FieldKind::Text | FieldKind::Secret => input.edit(key),
        }
    }

    fn filled(&self, fields: &[Field]) -> Answer {
        let value = |(input, field): (&Input, &Field)| match field.kind {
            // (A passphrase may begin and end with spaces.)
            FieldKind::Secret => input.text(),
            _ => input.text().trim().to_owned(),
        };
        Answer::Form(self.fields.iter().zip(fields).map(value).collect())
    }
}
