//! What a step shows and asks, as data: the line mode and the full-screen
//! interface draw the same.

/// What is being asked, and all that helps to answer it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Screen {
    /// Its name for automation; stable.
    pub id: &'static str,
    /// Two or three words for the top of the screen.
    pub title: &'static str,
    /// Whole lines that are read first: the machine, the plan, the report.
    pub body: String,
    /// The question.
    pub heading: String,
    /// What may be answered.
    pub asks: Asks,
    /// Shown when help is wanted.
    pub help: String,
    /// What ends the waiting.
    pub until: Until,
}

/// What may be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asks {
    /// One of these; at the line mode's prompt perhaps something else.
    Menu(Vec<Item>, Typed),
    /// A value for each of these.
    Form(Vec<Field>),
}

/// One line of a menu.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Item {
    /// What is chosen.
    pub title: String,
    /// What helps to choose it, a line each.
    pub details: Vec<String>,
    /// Why it cannot be.
    pub unusable: Option<String>,
}

impl Item {
    /// One that can be chosen.
    pub fn usable(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            ..Self::default()
        }
    }

    /// The same with one more line below it.
    #[must_use]
    pub fn detail(mut self, text: impl Into<String>) -> Self {
        self.details.push(text.into());
        self
    }
}

/// Something to fill in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Its name for the program.
    pub name: &'static str,
    /// Its name for the operator; what a value looks like, too.
    pub label: String,
    /// What it holds before anything is typed.
    pub value: String,
    /// What may be filled in.
    pub kind: FieldKind,
}

/// What may be filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldKind {
    /// Any line.
    Text,
    /// A line that is not shown.
    Secret,
    /// One of these.
    OneOf(Vec<String>),
}

impl Field {
    /// A line of text.
    pub fn text(name: &'static str, label: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            name,
            label: label.into(),
            value: value.into(),
            kind: FieldKind::Text,
        }
    }

    /// A password.
    pub fn secret(name: &'static str, label: impl Into<String>) -> Self {
        Self {
            kind: FieldKind::Secret,
            ..Self::text(name, label, "")
        }
    }

    /// One of `all`; the first is chosen.
    pub fn one_of(name: &'static str, label: impl Into<String>, all: &[&str]) -> Self {
        let kind = FieldKind::OneOf(all.iter().map(|word| (*word).to_owned()).collect());
        let first = all.first().copied().unwrap_or_default();
        Self {
            kind,
            ..Self::text(name, label, first)
        }
    }

    /// The same, already filled in.
    #[must_use]
    pub fn filled(mut self, value: impl Into<String>) -> Self {
        self.value = value.into();
        self
    }
}

/// What a line that is no number of the menu means, where lines are typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Typed {
    /// A mistake.
    Refused,
    /// An answer.
    Taken,
}

/// What ends the waiting for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// The operator only.
    Answered,
    /// Also a [`super::Bell`], where that cannot change what a number that is
    /// being typed stands for.
    Redrawn,
    /// Also a [`super::Bell`].
    News,
}

/// What came of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The item at that position, from 0.
    Item(usize),
    /// A line of text instead.
    Text(String),
    /// A value for each field.
    Form(Vec<String>),
    /// The same question again, with what has changed since.
    Again,
    /// To the question before.
    Back,
    /// The rescue shell, and then the same question again.
    Shell,
    /// Nobody is there any more.
    Gone,
}

/// Something told beside a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// What was done, or what is no reason to worry.
    Note(String),
    /// What did not work: a chain of causes as [`crate::ui::chain`] makes it.
    Error(String),
}

impl Notice {
    /// As a person reads it, in whole lines.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Note(text) => format!("{}\n", text.trim_end()),
            Self::Error(chain) => crate::ui::failure(chain),
        }
    }
}
