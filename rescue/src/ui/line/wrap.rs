//! Text in lines that fit.

/// Columns that text is wrapped to on a terminal of 80.
pub(crate) const WIDTH: usize = 78;

/// `text` in lines of at most [`WIDTH`] columns, each after `indent` spaces;
/// the lines it has stay, and so does their own indentation.
pub(crate) fn wrap(text: &str, indent: usize) -> String {
    wrap_to(text, indent, WIDTH)
}

/// The same for another width.
pub(crate) fn wrap_to(text: &str, indent: usize, columns: usize) -> String {
    let mut out = String::new();
    for line in text.lines() {
        if line.chars().count().saturating_add(indent) <= columns {
            // Short enough to stay as it is, columns included.
            out.push_str(format!("{}{line}", " ".repeat(indent)).trim_end());
            out.push('\n');
            continue;
        }
        let own = line.len() - line.trim_start().len();
        let margin = " ".repeat(indent.saturating_add(own));
        let mut column = 0;
        for word in line.split_whitespace() {
            let width = word.chars().count();
            if column > 0 && column + 1 + width > columns {
                out.push('\n');
                column = 0;
            }
            if column == 0 {
                out.push_str(&margin);
                column = margin.len();
            } else {
                out.push(' ');
                column += 1;
            }
            out.push_str(word);
            column += width;
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn long_lines_are_wrapped_and_indented() {
        let text = format!("{} {}\n  b", "a".repeat(50), "c".repeat(40));
        let wrapped = wrap(&text, 2);
        let expected = format!("  {}\n  {}\n    b\n", "a".repeat(50), "c".repeat(40));
        assert_eq!(wrapped, expected);
    }

    proptest! {
        #[test]
        fn no_word_is_lost(text in "[a-z \n]{0,300}", indent in 0usize..6) {
            let wrapped = wrap(&text, indent);
            prop_assert!(wrapped.lines().all(|l| l.len() <= WIDTH || !l.trim().contains(' ')));
            prop_assert!(wrapped.split_whitespace().eq(text.split_whitespace()));
        }
    }
}
