//! Text for people: columns, and names that cannot play with the terminal.

use std::fmt;

/// Rows of columns, each as wide as its longest cell.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(headings: &[&str]) -> Self {
        let headings = headings.iter().map(|h| (*h).to_owned()).collect();
        Self {
            rows: vec![headings],
        }
    }

    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// Width of each column. A row's last cell does not widen its column.
    fn widths(&self) -> Vec<usize> {
        let mut widths = Vec::new();
        for row in &self.rows {
            for (column, cell) in row.iter().enumerate().take(row.len().saturating_sub(1)) {
                if widths.len() <= column {
                    widths.push(0);
                }
                if let Some(width) = widths.get_mut(column) {
                    *width = cell.chars().count().max(*width);
                }
            }
        }
        widths
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widths = self.widths();
        for row in &self.rows {
            let mut line = String::new();
            for (column, cell) in row.iter().enumerate() {
                let width = match column + 1 == row.len() {
                    true => 0,
                    false => widths.get(column).copied().unwrap_or(0) + 2,
                };
                line.push_str(&format!("{cell:<width$}"));
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// `text` as it may be shown: what came from a disk or a repository must not
/// move the cursor or change colours.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_a_long_last_cell_does_not_widen() {
        let mut table = Table::new(&["A", "BB", "C"]);
        table.row(vec!["long".into(), "x".into(), "y".into()]);
        table.row(vec!["z".into(), "a sentence".into()]);
        assert_eq!(
            table.to_string(),
            "A     BB  C\nlong  x   y\nz     a sentence\n"
        );
    }

    #[test]
    fn control_characters_are_shown_as_such() {
        assert_eq!(printable("a\u{1b}[31m\nb"), "a\u{fffd}[31m\u{fffd}b");
    }
}
