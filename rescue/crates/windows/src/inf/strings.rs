//! `%strings%`: what is told apart by language, put in where it is referred to.

use std::collections::HashMap;

use super::error::{Error, Result};
use super::lex::{FIELD_LIMIT, Lexed};

/// Bytes that strings may grow a file to: some of them repeat themselves.
const BUDGET: usize = 32 << 20;

/// The strings of one language.
#[derive(Debug, Default)]
pub(crate) struct Strings {
    texts: HashMap<String, String>,
    spent: usize,
}

impl Strings {
    /// `[Strings]`, then what the language says (`[Strings.0407]`), which counts
    /// before it; the language's main dialect counts between them.
    pub(crate) fn gather(lexed: &Lexed, language: u16) -> Self {
        let mut strings = Self::default();
        let neutral = language & 0x3FF;
        let names = [
            "strings".to_owned(),
            format!("strings.{neutral:04x}"),
            format!("strings.{language:04x}"),
        ];
        for name in names {
            let section = lexed.places.get(&name);
            let section = section.and_then(|at| lexed.sections.get(*at));
            for line in section.into_iter().flat_map(|section| &section.lines) {
                if let (Some(key), Some(text)) = (&line.key, line.values.first()) {
                    strings.texts.insert(key.to_lowercase(), text.clone());
                }
            }
        }
        strings
    }

    /// The strings by their lower-case names.
    pub(crate) fn texts(&self) -> &HashMap<String, String> {
        &self.texts
    }

    /// A field with its strings put in. `%%` is a percent sign; what there is no
    /// string for (`%12%` is a folder) stays. Strings within strings do not count.
    pub(crate) fn put_in(&mut self, file: &str, line: u32, field: &str) -> Result<String> {
        let mut out = String::new();
        let mut rest = field;
        while let Some((before, after)) = rest.split_once('%') {
            out.push_str(before);
            let name = after.split_once('%');
            let text = name.and_then(|(name, _)| self.texts.get(&name.to_lowercase()));
            match (name, text) {
                (Some(("", behind)), _) => {
                    out.push('%');
                    rest = behind;
                }
                (Some((_, behind)), Some(text)) => {
                    out.push_str(text);
                    rest = behind;
                }
                _ => {
                    out.push('%');
                    // The second sign may begin another name.
                    rest = after;
                }
            }
            if out.len() > FIELD_LIMIT * 4 {
                break;
            }
        }
        out.push_str(rest);
        self.spent = self.spent.saturating_add(out.len());
        let limit = |what: &str, found| Error {
            file: file.to_owned(),
            line,
            what: "field with its %strings% put in".to_owned(),
            expected: what.to_owned(),
            found,
        };
        if out.chars().count() > FIELD_LIMIT {
            let expected = format!("at most {FIELD_LIMIT} characters");
            return Err(limit(&expected, "more".to_owned()));
        }
        if self.spent > BUDGET {
            let expected = format!("at most {BUDGET} bytes in the whole file");
            return Err(limit(&expected, "more".to_owned()));
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::super::lex::lex;
    use super::*;

    const TEXT: &str =
        "[Strings]\nA = \"eins\"\nB = zwei\n[strings.0409]\na = one\n[Strings.0009]\nb=two\nA=uno";

    fn put_in(language: u16, field: &str) -> String {
        let lexed = lex("a.inf", TEXT).unwrap();
        let mut strings = Strings::gather(&lexed, language);
        strings.put_in("a.inf", 1, field).unwrap()
    }

    #[test]
    fn strings_are_put_in_by_language() {
        assert_eq!(put_in(0x407, "%a%-%B%"), "eins-zwei");
        assert_eq!(put_in(0x409, "%a%-%B%"), "one-two");
        assert_eq!(put_in(0x809, "%a%"), "uno");
        assert_eq!(
            put_in(0x407, r"%12%\%A%.sys 100%% %x"),
            r"%12%\eins.sys 100% %x"
        );
        assert_eq!(put_in(0x407, "%no%A%"), "%noeins");
    }

    #[test]
    fn strings_cannot_grow_without_end() {
        let long = "x".repeat(4000);
        let lexed = lex("a.inf", &format!("[Strings]\na={long}")).unwrap();
        let mut strings = Strings::gather(&lexed, 0x409);
        assert!(strings.put_in("a.inf", 1, "%a%%a%").is_err());
        let mut put_in = || strings.put_in("a.inf", 1, "%a%");
        assert!((0..9000).any(|_| put_in().is_err()));
    }
}
