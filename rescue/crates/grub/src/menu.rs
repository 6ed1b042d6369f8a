//! What a menu of GRUB has to have to be executed.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// More words than any menu has.
const MANY: usize = 2000;

/// What commands and modules a menu names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Menu {
    /// Words where commands are.
    pub commands: BTreeSet<String>,
    /// What `insmod` loads.
    pub modules: BTreeSet<String>,
}

impl Menu {
    /// Of the text of a `grub.cfg`. Nothing is executed: what stands in a branch that is
    /// never taken counts, too.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut menu = Self::default();
        for statement in statements(text) {
            let mut words = statement.iter().map(String::as_str);
            let words: &mut dyn Iterator<Item = &str> = &mut words;
            let mut command = words.next();
            // Words of the language before one (GRUB's manual, "Shell-like scripting").
            while matches!(
                command,
                Some("if" | "then" | "elif" | "else" | "while" | "until" | "do" | "!")
            ) {
                command = words.next();
            }
            let Some(command) = command else { continue };
            if command == "insmod" {
                let names = words.filter(|name| is_name(name));
                menu.modules.extend(names.take(MANY).map(str::to_owned));
            }
            if is_name(command) || command == "[" {
                menu.commands.insert(command.to_owned());
            }
            if menu.commands.len() > MANY || menu.modules.len() > MANY {
                break;
            }
        }
        menu
    }

    /// The modules that it names, and those of its commands, by the list `commands`
    /// (command.lst).
    pub(crate) fn needs<'a>(&'a self, commands: &'a str) -> BTreeSet<&'a str> {
        let used = providers(commands).filter(|(command, _)| self.commands.contains(*command));
        let named = self.modules.iter().map(String::as_str);
        named.chain(used.map(|(_, module)| module)).collect()
    }

    /// Those of the commands `among` that it uses and no module has that `is_there`.
    pub(crate) fn lacks<'c>(
        &self,
        commands: &str,
        among: &[&'c str],
        is_there: &dyn Fn(&str) -> bool,
    ) -> Vec<&'c str> {
        let has = |wanted: &str| {
            let mut all = providers(commands);
            all.any(|(command, module)| command == wanted && is_there(module))
        };
        let used = among.iter().copied();
        let used = used.filter(|command| self.commands.contains(*command));
        used.filter(|command| !has(command)).collect()
    }
}

/// Commands and their modules: `*acpi: acpi`; the star is of those with options.
fn providers(list: &str) -> impl Iterator<Item = (&str, &str)> {
    let lines = list.lines().filter_map(|line| line.split_once(':'));
    lines.map(|(command, module)| (command.trim().trim_start_matches('*'), module.trim()))
}

fn is_name(word: &str) -> bool {
    let sound = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    !word.is_empty() && word.len() < 60 && word.chars().all(sound)
}

/// The words of each statement. Quotes hold words together; what is in them may be
/// anything.
fn statements(text: &str) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    let mut statement: Vec<String> = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some('"') | None, '\\') => {
                // (A line goes on behind it.)
                if let Some(next) = chars.next().filter(|next| *next != '\n') {
                    word.push(next);
                }
            }
            (Some(_), c) => word.push(c),
            (None, '\'' | '"') => quote = Some(c),
            (None, '#') if word.is_empty() => {
                while chars.peek().is_some_and(|next| *next != '\n') {
                    chars.next();
                }
            }
            (None, ' ' | '\t' | '\r') => end_word(&mut word, &mut statement),
            // (Braces of a variable are no block.)
            (None, '{') if word.ends_with('$') => word.push(c),
            (None, '}') if word.contains("${") => word.push(c),
            (None, '\n' | ';' | '{' | '}' | '&' | '|' | '(' | ')') => {
                end_word(&mut word, &mut statement);
                if !statement.is_empty() {
                    all.push(std::mem::take(&mut statement));
                }
            }
            (None, c) => word.push(c),
        }
    }
    end_word(&mut word, &mut statement);
    all.push(statement);
    all
}

fn end_word(word: &mut String, statement: &mut Vec<String>) {
    if !word.is_empty() {
        statement.push(std::mem::take(word));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MENU: &str = r#"
# insmod comment
if [ -s $prefix/grubenv ]; then
  load_env
fi
function load_video {
  if [ x$feature_all_video_module = xy ]; then insmod all_video; else
    insmod efi_gop
  fi
}
menuentry 'A; acpi "x" {' --class debian $menuentry_id_option 'gnulinux' {
	load_video
	insmod part_gpt
	search --no-floppy --fs-uuid --set=root 1
	echo	'Loading; insmod no ...'
	linux	/vmlinuz root=UUID=1 ${extra} ro
	if ! terminal_output gfxterm; then true; fi
}
"#;

    #[test]
    fn a_menu_tells_what_it_needs() {
        let menu = Menu::parse(MENU);
        let all = |set: &BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>().join(" ");
        assert_eq!(all(&menu.modules), "all_video efi_gop part_gpt");
        assert_eq!(
            all(&menu.commands),
            "[ echo fi function insmod linux load_env load_video menuentry search \
             terminal_output true"
        );
    }

    #[test]
    fn what_a_grub_has_of_it_and_what_it_lacks() {
        let list = "*search: search\n[: test\nlinux: linux\nblscfg: blscfg\nx: x\n";
        let menu = Menu::parse(MENU);
        let needs: Vec<&str> = menu.needs(list).into_iter().collect();
        let expected = [
            "all_video",
            "efi_gop",
            "linux",
            "part_gpt",
            "search",
            "test",
        ];
        assert_eq!(needs, expected);
        let is_there = |module: &str| module != "blscfg";
        let none = menu.lacks(list, &["linux", "blscfg"], &is_there);
        assert!(none.is_empty());
        let menu = Menu::parse("insmod blscfg\nblscfg\nlinuxefi /vmlinuz\n");
        let lacks = menu.lacks(list, &["linux", "blscfg", "linuxefi"], &is_there);
        assert_eq!(lacks, ["blscfg", "linuxefi"]);
    }
}
