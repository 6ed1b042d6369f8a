//! interfaces(5) of Debian's ifupdown (and ifupdown2).

use std::collections::VecDeque;

use super::found::Found;
use crate::edits::Edits;
use crate::files::{Files, below, text};
use crate::text::Word;

const FOLDER: &str = "/etc/network";
/// No more files are read.
const MANY: usize = 64;

/// What the files say.
pub(super) fn read(files: &dyn Files, found: &mut Found, told: &mut Edits) {
    let mut queue = VecDeque::from([format!("{FOLDER}/interfaces")]);
    let mut done: Vec<String> = Vec::new();
    while let Some(path) = queue.pop_front() {
        if done.contains(&path) || done.len() >= MANY {
            continue;
        }
        done.push(path.clone());
        let Some(text) = text(files, &path, told) else {
            continue;
        };
        for source in stanzas(&path, &text, found) {
            queue.extend(sources(files, source, told));
        }
        found.file(&path, &text);
    }
}

/// What says where more is: the word and its argument.
type Source<'t> = (&'t str, &'t str);

/// What is in one file.
fn stanzas<'t>(path: &str, text: &'t str, found: &mut Found) -> Vec<Source<'t>> {
    let mut sources = Vec::new();
    let mut current = "";
    for line in Word::all(text).lines() {
        let words = line.words();
        let Some((first, rest)) = words.split_first() else {
            continue;
        };
        match first.text {
            comment if comment.starts_with('#') => {}
            "source" | "source-directory" => {
                sources.extend(rest.iter().map(|word| (first.text, word.text)));
            }
            "iface" => {
                current = rest.first().map_or("", |word| word.text);
            }
            word if word == "auto" || word.starts_with("allow-") || word == "rename" => {
                for word in rest {
                    // What is described and never brought up is a template, or not in use.
                    found.interface(word.text);
                    let mac = word.after("mac/").map(|mac| mac.to(17));
                    if let Some(mac) = mac.and_then(|mac| found.place(path, mac)) {
                        found.card(mac);
                    }
                }
            }
            option => members(option, current, rest, found),
        }
    }
    sources
}

/// What an option says about what the interface is made of (bridge-utils-interfaces(5), ifenslave, vlan-interfaces(5)).
fn members(option: &str, current: &str, words: &[Word<'_>], found: &mut Found) {
    const MADE: [&str; 5] = [
        "bridge-ports",
        "bond-slaves",
        "slaves",
        "vlan-raw-device",
        "bond-primary",
    ];
    let option = option.replace('_', "-");
    if MADE.contains(&&*option) {
        found.made(current);
        for word in words
            .iter()
            .filter(|word| word.text != "none" && word.text != "all")
        {
            found.interface(word.text);
        }
    } else if option == "bond-mode" {
        found.made(current);
    }
}

/// The files that `source` means.
fn sources(files: &dyn Files, (word, path): Source<'_>, told: &mut Edits) -> Vec<String> {
    let path = match path.starts_with('/') {
        true => path.to_owned(),
        false => format!("{FOLDER}/{path}"),
    };
    if word == "source-directory" {
        return below(files, path.trim_end_matches('/'), "", told);
    }
    let Some((folder, pattern)) = path.rsplit_once('/') else {
        return Vec::new();
    };
    if !pattern.contains(['*', '?']) {
        return vec![path];
    }
    let all = below(files, folder, "", told);
    let fits = |path: &String| path.rsplit('/').next().is_some_and(|n| fits(pattern, n));
    all.into_iter().filter(fits).collect()
}

/// Whether `name` is one that the pattern means, of which only `*` and `?` are known.
fn fits(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), name.chars().collect());
    // Which lengths of the pattern's beginning fit what was read of the name.
    let mut states = vec![false; pattern.len().saturating_add(1)];
    let skip = |states: &mut Vec<bool>| {
        for (at, c) in pattern.iter().enumerate() {
            if *c == '*'
                && states.get(at) == Some(&true)
                && let Some(next) = states.get_mut(at.saturating_add(1))
            {
                *next = true;
            }
        }
    };
    if let Some(first) = states.first_mut() {
        *first = true;
    }
    skip(&mut states);
    for c in name {
        let mut next = vec![false; states.len()];
        for (at, p) in pattern
            .iter()
            .enumerate()
            .filter(|(at, _)| states.get(*at) == Some(&true))
        {
            let to = match *p {
                '*' => at,
                '?' => at.saturating_add(1),
                p if p == c => at.saturating_add(1),
                _ => continue,
            };
            if let Some(state) = next.get_mut(to) {
                *state = true;
            }
        }
        states = next;
        skip(&mut states);
    }
    states.last() == Some(&true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit() {
        for (pattern, name, is) in [
            ("*", "a", true),
            ("*.cfg", "50-cloud-init.cfg", true),
            ("*.cfg", "x.cfg~", false),
            ("e?h*", "eth", true),
            ("", "", true),
            ("a", "", false),
            ("**a", "ba", true),
        ] {
            assert_eq!(fits(pattern, name), is, "{pattern} {name}");
        }
    }
}
