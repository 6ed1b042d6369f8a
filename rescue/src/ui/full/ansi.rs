//! Drawing with the control sequences that every terminal since the VT100
//! knows: no terminfo, no colours, nothing to ask the terminal for.

use std::fmt::Write as _;
use std::io;

use ratatui::backend::{Backend, ClearType, WindowSize};
use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::{Position, Rect, Size};
use ratatui::style::Modifier;

use super::device::Device;

/// Which characters the terminal can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charset {
    /// Any; lines and blocks are drawn.
    Unicode,
    /// ASCII only.
    Ascii,
}

/// A [`Device`] that can be drawn on.
#[derive(Debug)]
pub(crate) struct Ansi<D> {
    pub(crate) device: D,
    charset: Charset,
    out: String,
    /// What the terminal shows, to be sent again to one that came later.
    shown: Buffer,
    cursor: Position,
}

impl<D: Device> Ansi<D> {
    pub(crate) fn new(device: D, charset: Charset) -> Self {
        Self {
            device,
            charset,
            out: String::new(),
            shown: Buffer::empty(Rect::default()),
            cursor: Position::ORIGIN,
        }
    }

    /// Takes the terminal: no wrapping at the last column, an empty screen.
    pub(crate) fn enter(&mut self) {
        self.device.set_raw(true);
        self.out.push_str("\x1b[0m\x1b[?7l\x1b[2J\x1b[H");
        let _ = self.flush();
    }

    /// Leaves it as a program that prints lines wants it.
    pub(crate) fn leave(&mut self) {
        self.out.push_str("\x1b[0m\x1b[?7h\x1b[?25h\x1b[2J\x1b[H");
        let _ = self.flush();
        self.device.set_raw(false);
    }

    /// Sends everything again, over what the terminal shows.
    pub(crate) fn repaint(&mut self) {
        let shown = self.shown.clone();
        let width = usize::from(shown.area.width).max(1);
        self.out.push_str("\x1b[0m\x1b[?7l");
        let cells = shown.content.iter().enumerate().map(|(at, cell)| {
            let place = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
            (place(at % width), place(at / width), cell)
        });
        self.put(cells);
        let at = self.cursor;
        self.go(at);
        let _ = self.flush();
    }

    fn go(&mut self, to: Position) {
        let (row, column) = (u32::from(to.y) + 1, u32::from(to.x) + 1);
        let _ = write!(self.out, "\x1b[{row};{column}H");
    }

    fn put<'a>(&mut self, cells: impl Iterator<Item = (u16, u16, &'a Cell)>) {
        let mut next = None;
        let mut style = Modifier::empty();
        self.out.push_str("\x1b[0m");
        for (x, y, cell) in cells {
            if next != Some((x, y)) {
                self.go(Position { x, y });
            }
            if cell.modifier != style {
                style = cell.modifier;
                self.out.push_str(attributes(style));
            }
            match self.charset {
                Charset::Unicode => self.out.push_str(cell.symbol()),
                Charset::Ascii => self.out.extend(cell.symbol().chars().take(1).map(ascii)),
            }
            next = Some((x.saturating_add(1), y));
        }
        self.out.push_str("\x1b[0m");
    }
}

/// Bold and reverse only: what a monochrome terminal shows.
fn attributes(style: Modifier) -> &'static str {
    let (bold, reversed) = (
        style.contains(Modifier::BOLD),
        style.contains(Modifier::REVERSED),
    );
    match (bold, reversed) {
        (false, false) => "\x1b[0m",
        (true, false) => "\x1b[0;1m",
        (false, true) => "\x1b[0;7m",
        (true, true) => "\x1b[0;1;7m",
    }
}

/// The nearest character of ASCII.
fn ascii(c: char) -> char {
    match c {
        ' '..='~' => c,
        '─' | '━' => '-',
        '│' => '|',
        '┌' | '┐' | '└' | '┘' | '├' | '┤' | '┴' | '┬' | '┼' => '+',
        '█' => '#',
        '▄' => ':',
        '░' => '.',
        _ => '?',
    }
}

impl<D: Device> Backend for Ansi<D> {
    type Error = io::Error;

    fn draw<'a, I>(&mut self, content: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        let cells: Vec<(u16, u16, &Cell)> = content.collect();
        for (x, y, cell) in &cells {
            if let Some(shown) = self.shown.cell_mut((*x, *y)) {
                shown.clone_from(cell);
            }
        }
        self.put(cells.into_iter());
        Ok(())
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        self.out.push_str("\x1b[?25l");
        Ok(())
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        self.out.push_str("\x1b[?25h");
        Ok(())
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        Ok(self.cursor)
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        self.cursor = position.into();
        self.go(self.cursor);
        Ok(())
    }

    fn clear(&mut self) -> io::Result<()> {
        let size = self.size()?;
        self.shown = Buffer::empty(Rect::from((Position::ORIGIN, size)));
        self.out.push_str("\x1b[0m\x1b[2J\x1b[H");
        Ok(())
    }

    fn clear_region(&mut self, _: ClearType) -> io::Result<()> {
        // Only the whole screen is ever cleared.
        self.clear()
    }

    fn size(&self) -> io::Result<Size> {
        let (width, height) = self.device.size();
        Ok(Size { width, height })
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        let (columns_rows, pixels) = (self.size()?, Size::ZERO);
        Ok(WindowSize {
            columns_rows,
            pixels,
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        // A terminal that went away is noticed when it is read.
        let _ = self.device.write_all(self.out.as_bytes());
        let _ = self.device.flush();
        self.out.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_drawn_has_a_letter() {
        let drawn = "─│┌┐└┘█▄░ a~";
        let letters: String = drawn.chars().map(ascii).collect();
        assert_eq!(letters, "-|++++#:. a~");
        assert_eq!(ascii('\x1b'), '?');
        assert_eq!(ascii('ü'), '?');
    }
}
