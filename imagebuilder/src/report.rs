//! Tables for people.

use disk::human_bytes;

/// Rows of cells, printed in columns; the last column is flush left.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Adds a row.
    pub(crate) fn row<const N: usize>(&mut self, cells: [&str; N]) {
        self.rows.push(cells.map(str::to_owned).to_vec());
    }

    /// Adds "name  size  note".
    pub(crate) fn sized(&mut self, name: &str, bytes: u64, note: &str) {
        self.row([name, &human_bytes(bytes), note]);
    }

    /// The text, one line a row, indented by two.
    pub(crate) fn render(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let cell = |row: &[String], at: usize| row.get(at).map_or(0, |c| c.chars().count());
        let width = |at| self.rows.iter().map(|row| cell(row, at)).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut out = String::new();
        for row in &self.rows {
            let mut line = String::from(" ");
            for (at, (text, width)) in row.iter().zip(&widths).enumerate() {
                line.push(' ');
                // Sizes read best when their units line up.
                match at {
                    1 => line.push_str(&format!("{text:>width$} ")),
                    _ => line.push_str(&format!("{text:<width$} ")),
                }
            }
            out.push_str(line.trim_end());
            out.push('\n');
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let mut table = Table::default();
        table.sized("kernel", 8 << 20, "6.1");
        table.sized("a longer name", 512, "");
        assert_eq!(
            table.render(),
            "  kernel         8.0 MiB  6.1\n  a longer name    512 B\n"
        );
    }
}
