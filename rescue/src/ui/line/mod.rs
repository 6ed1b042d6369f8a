//! The line mode: the dialogue's screens as text, its answers as typed lines.
//! For dumb terminals, for pipes, and for whoever prefers it.

mod console;
#[cfg(test)]
mod tests;
pub(crate) mod wrap;

pub use console::{Console, Question, Reply, Standard};

use super::dialogue::{
    Answer, Asks, Field, FieldKind, Item, Notice, Screen, Terminal, Typed, Until,
};
use crate::event::Sink;
use wrap::wrap;

/// The dialogue in lines.
#[derive(Debug)]
pub struct LineMode<C>(pub C);

impl<C: Console> Terminal for LineMode<C> {
    fn ask(&mut self, screen: &Screen) -> Answer {
        if !screen.body.is_empty() {
            let body = wrap(&screen.body, 0);
            self.0.show(&format!("\n{}\n", body.trim_end()));
        }
        match &screen.asks {
            Asks::Menu(items, typed) => self.menu(screen, items, *typed),
            Asks::Form(fields) => self.form(screen, fields),
        }
    }

    fn busy(&mut self, what: &str) {
        self.0.show(&format!("\n{what}\n"));
    }

    fn tell(&mut self, notice: Notice) {
        self.0.show(&format!("\n{}", wrap(&notice.text(), 0)));
    }

    fn watch(&mut self, title: &str, work: &mut dyn FnMut(&dyn Sink)) {
        self.0.show(&format!("\n{}", wrap(title, 0)));
        work(&crate::ui::lines());
    }

    fn lend(&mut self, program: &mut dyn FnMut()) {
        program();
    }
}

/// What one line means, whatever is asked.
enum Line {
    Help,
    Answer(Answer),
    Other(String),
}

impl<C: Console> LineMode<C> {
    fn menu(&mut self, screen: &Screen, items: &[Item], typed: Typed) -> Answer {
        self.show_menu(screen, items);
        let question = Question {
            id: screen.id,
            prompt: "> ",
            news: screen.until == Until::News,
            secret: false,
        };
        loop {
            let line = match self.0.ask(question) {
                Reply::Line(line) => read(line),
                Reply::News => {
                    self.0.show("Something came or went: looking again.\n");
                    return Answer::Again;
                }
                Reply::Gone => return Answer::Gone,
            };
            match line {
                Line::Help => self.help(&screen.help),
                Line::Answer(answer) => return answer,
                Line::Other(line) => match pick(items, typed, &line) {
                    Ok(answer) => return answer,
                    Err(why) => self.0.show(&wrap(&why, 0)),
                },
            }
        }
    }

    fn show_menu(&mut self, screen: &Screen, items: &[Item]) {
        self.0.show(&format!("\n{}", wrap(&screen.heading, 0)));
        for (number, item) in (1usize..).zip(items) {
            let mark = match item.unusable {
                Some(_) => "  -".to_owned(),
                None => format!("{number:3}"),
            };
            let text = wrap(&item.title, 5);
            self.0.show(&format!("{mark}  {}", text.trim_start()));
            for detail in &item.details {
                self.0.show(&wrap(detail, 5));
            }
            if let Some(why) = &item.unusable {
                self.0.show(&wrap(&format!("cannot be chosen: {why}"), 5));
            }
        }
        self.0
            .show("     (? help, b back, s shell, Enter looks again)\n");
    }

    fn form(&mut self, screen: &Screen, fields: &[Field]) -> Answer {
        self.0.show(&wrap(&screen.heading, 0));
        let mut values = Vec::new();
        for field in fields {
            match self.field(screen, field) {
                Ok(value) => values.push(value),
                Err(answer) => return answer,
            }
        }
        Answer::Form(values)
    }

    /// A value for one field; an answer when the form was left.
    fn field(&mut self, screen: &Screen, field: &Field) -> Result<String, Answer> {
        let prompt = prompt(field);
        let question = Question {
            id: screen.id,
            prompt: &prompt,
            news: false,
            secret: field.kind == FieldKind::Secret,
        };
        loop {
            let line = match self.0.ask(question) {
                Reply::Line(line) => line,
                Reply::News => continue,
                Reply::Gone => return Err(Answer::Gone),
            };
            match line.as_str() {
                "?" => self.help(&screen.help),
                "b" | "B" => return Err(Answer::Back),
                "" => return Ok(field.value.clone()),
                "-" if !field.value.is_empty() => return Ok(String::new()),
                _ => match choose(field, line) {
                    Ok(value) => return Ok(value),
                    Err(why) => self.0.show(&wrap(&why, 0)),
                },
            }
        }
    }

    fn help(&mut self, text: &str) {
        self.0.show(&format!("\n{}\n", wrap(text, 2)));
    }
}

fn read(line: String) -> Line {
    match line.as_str() {
        "" => Line::Answer(Answer::Again),
        "?" => Line::Help,
        "b" | "B" => Line::Answer(Answer::Back),
        "s" | "S" => Line::Answer(Answer::Shell),
        _ => Line::Other(line),
    }
}

fn pick(items: &[Item], typed: Typed, line: &str) -> Result<Answer, String> {
    let number: Option<usize> = line.parse().ok();
    let position = number.and_then(|n| n.checked_sub(1));
    match position.and_then(|p| Some((p, items.get(p)?))) {
        Some((position, item)) => match &item.unusable {
            None => Ok(Answer::Item(position)),
            Some(why) => Err(format!("That cannot be chosen: {why}")),
        },
        None if typed == Typed::Taken && number.is_none() => Ok(Answer::Text(line.to_owned())),
        None => Err(format!(
            "{line:?} is not in the list: type a number of it, ? for help, b to go back."
        )),
    }
}

/// "Gateway [10.0.0.1] > ": a value that is there already is kept by Enter.
fn prompt(field: &Field) -> String {
    let Field { label, value, .. } = field;
    let all = match &field.kind {
        FieldKind::OneOf(all) => format!(" ({})", all.join(", ")),
        FieldKind::Text | FieldKind::Secret => String::new(),
    };
    match (label.is_empty(), value.is_empty()) {
        (true, true) => "> ".to_owned(),
        (_, true) => format!("{label}{all} > "),
        (_, false) => format!("{label}{all} [{value}; - for nothing] > "),
    }
}

fn choose(field: &Field, line: String) -> Result<String, String> {
    match &field.kind {
        FieldKind::OneOf(all) if !all.contains(&line) => {
            Err(format!("{line:?} is none of: {}", all.join(", ")))
        }
        _ => Ok(line),
    }
}
