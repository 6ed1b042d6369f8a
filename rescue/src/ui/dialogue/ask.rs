//! Asking: menus, lines of text, help, going back.

use super::terminal::{Question, Reply, Terminal, Until, wrap};

/// One line of a menu.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    /// What is chosen.
    pub(super) title: String,
    /// Why it cannot be.
    pub(super) unusable: Option<String>,
}

impl Item {
    pub(super) fn usable(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            unusable: None,
        }
    }
}

/// A menu, and whether something else may be typed instead.
#[derive(Debug, Clone, Copy)]
pub(super) struct Menu<'a> {
    pub(super) id: &'static str,
    pub(super) heading: &'a str,
    pub(super) items: &'a [Item],
    /// Shown for `?`.
    pub(super) help: &'a str,
    pub(super) text: Typed,
    pub(super) until: Until,
}

/// What a line that is no number of the menu means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Typed {
    /// A mistake.
    Refused,
    /// An answer.
    Taken,
}

/// What the operator said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// The item at that position, from 0.
    Item(usize),
    /// A line of text.
    Text(String),
    /// The same question again, with what has changed since.
    Again,
    /// Something happened that may change the question.
    News,
    /// To the question before.
    Back,
    /// Nobody is there any more.
    Gone,
}

/// Shows a menu and asks until the answer makes sense.
pub(super) fn menu(terminal: &mut dyn Terminal, menu: Menu<'_>) -> Answer {
    show(terminal, menu);
    loop {
        let question = Question {
            id: menu.id,
            prompt: "> ",
            until: menu.until,
        };
        let line = match terminal.ask(question) {
            Reply::Line(line) => line,
            Reply::News => return Answer::News,
            Reply::Gone => return Answer::Gone,
        };
        match line.as_str() {
            "" => return Answer::Again,
            "?" => help(terminal, menu.help),
            "b" | "B" => return Answer::Back,
            typed => match pick(menu, typed) {
                Ok(answer) => return answer,
                Err(why) => terminal.show(&wrap(&why, 0)),
            },
        }
    }
}

fn show(terminal: &mut dyn Terminal, menu: Menu<'_>) {
    terminal.show(&format!("\n{}\n", menu.heading));
    for (number, item) in (1usize..).zip(menu.items) {
        let mark = match item.unusable {
            Some(_) => "  -".to_owned(),
            None => format!("{number:3}"),
        };
        let text = wrap(&item.title, 5);
        terminal.show(&format!("{mark}  {}", text.trim_start()));
        if let Some(why) = &item.unusable {
            terminal.show(&wrap(&format!("cannot be chosen: {why}"), 5));
        }
    }
    terminal.show("     (? help, b back, Enter looks again)\n");
}

fn pick(menu: Menu<'_>, typed: &str) -> Result<Answer, String> {
    let number: Option<usize> = typed.parse().ok();
    let position = number.and_then(|n| n.checked_sub(1));
    match position.and_then(|p| Some((p, menu.items.get(p)?))) {
        Some((position, item)) => match &item.unusable {
            None => Ok(Answer::Item(position)),
            Some(why) => Err(format!("That cannot be chosen: {why}")),
        },
        None if menu.text == Typed::Taken && number.is_none() => Ok(Answer::Text(typed.to_owned())),
        None => Err(format!(
            "{typed:?} is not in the list: type a number of it, ? for help, b to go back."
        )),
    }
}

/// Asks for a line; only help and going back are understood here.
pub(super) fn line(
    terminal: &mut dyn Terminal,
    id: &'static str,
    prompt: &str,
    helptext: &str,
) -> Answer {
    loop {
        let question = Question {
            id,
            prompt,
            until: Until::Answered,
        };
        match terminal.ask(question) {
            Reply::Gone => return Answer::Gone,
            Reply::News => {}
            Reply::Line(line) => match line.as_str() {
                "?" => help(terminal, helptext),
                "b" | "B" => return Answer::Back,
                _ => return Answer::Text(line),
            },
        }
    }
}

fn help(terminal: &mut dyn Terminal, text: &str) {
    terminal.show(&format!("\n{}\n", wrap(text, 2)));
}
