//! A line being typed.

use super::keys::Key;

/// Nothing that is asked for is longer than this many characters.
const LONGEST: usize = 1024;

/// Characters, and the place where the next goes.
#[derive(Debug, Clone, Default)]
pub(super) struct Input {
    text: Vec<char>,
    at: usize,
}

impl Input {
    pub(super) fn new(value: &str) -> Self {
        let text: Vec<char> = value.chars().take(LONGEST).collect();
        Self {
            at: text.len(),
            text,
        }
    }

    pub(super) fn text(&self) -> String {
        self.text.iter().collect()
    }

    /// What fits into `width` columns around the cursor, and the cursor's
    /// column in it. Secrets are dots.
    pub(super) fn shown(&self, width: usize, secret: bool) -> (String, usize) {
        let first = self.at.saturating_sub(width.saturating_sub(1));
        let shown = self.text.iter().skip(first).take(width);
        let shown = shown.map(|c| if secret { '*' } else { *c }).collect();
        (shown, self.at.saturating_sub(first))
    }

    pub(super) fn edit(&mut self, key: Key) {
        match key {
            Key::Char(c) if self.text.len() < LONGEST => {
                self.text.insert(self.at.min(self.text.len()), c);
                self.at = self.at.saturating_add(1);
            }
            Key::Backspace if self.at > 0 => {
                self.at = self.at.saturating_sub(1);
                self.text.remove(self.at);
            }
            Key::Delete if self.at < self.text.len() => {
                self.text.remove(self.at);
            }
            Key::Left => self.at = self.at.saturating_sub(1),
            Key::Right => self.at = self.at.saturating_add(1).min(self.text.len()),
            Key::Home | Key::Ctrl('a') => self.at = 0,
            Key::End | Key::Ctrl('e') => self.at = self.text.len(),
            Key::Ctrl('u') => *self = Self::default(),
            _ => {}
        }
    }

    /// The next or the last one of `all`.
    pub(super) fn choose(&mut self, key: Key, all: &[String]) {
        let now = self.text();
        let at = all.iter().position(|one| *one == now).unwrap_or(0);
        let last = all.len().saturating_sub(1);
        let next = match key {
            Key::Right | Key::Char(' ') if at >= last => 0,
            Key::Right | Key::Char(' ') => at.saturating_add(1),
            Key::Left => at.checked_sub(1).unwrap_or(last),
            _ => return,
        };
        if let Some(one) = all.get(next) {
            *self = Self::new(one);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(keys: &[Key]) -> Input {
        let mut input = Input::new("ab");
        keys.iter().for_each(|key| input.edit(*key));
        input
    }

    #[test]
    fn a_line_is_edited_anywhere() {
        let c = Key::Char;
        let keys = [Key::Left, c('x'), Key::Home, c('y'), Key::Delete, Key::End];
        assert_eq!(typed(&keys).text(), "yxb");
        let keys = [Key::Backspace, Key::Backspace, Key::Backspace, c('ü')];
        assert_eq!(typed(&keys).text(), "ü");
        assert_eq!(typed(&[Key::Ctrl('u'), Key::Delete]).text(), "");
    }

    #[test]
    fn the_cursor_stays_in_view_and_secrets_hidden() {
        let input = Input::new("0123456789");
        assert_eq!(input.shown(4, false), ("789".to_owned(), 3));
        assert_eq!(input.shown(4, true), ("***".to_owned(), 3));
        assert_eq!(input.shown(0, false), (String::new(), 0));
    }

    #[test]
    fn one_of_several_is_chosen_round_and_round() {
        let all = ["a", "b"].map(str::to_owned);
        let mut input = Input::new("b");
        input.choose(Key::Right, &all);
        assert_eq!(input.text(), "a");
        input.choose(Key::Left, &all);
        assert_eq!(input.text(), "b");
        input.choose(Key::Char('z'), &all);
        assert_eq!(input.text(), "b");
    }
}
