//! The programs of the medium that are not ours: a shell, an SSH server.

use std::fs;
use std::path::Path;

use crate::{Error, Result, Tree, elf};

/// The list that the default medium is built from.
pub const DEFAULT_TOOLS: &str = include_str!("../data/tools.list");

/// Where the applets' links lead.
const BUSYBOX: &str = "usr/bin/busybox";

/// Applets that would do here what they cannot: PID 1 is not theirs.
const FOREIGN: &[&str] = &["halt", "init", "linuxrc", "poweroff", "reboot"];

/// The programs of `list` with their libraries, out of the unpacked packages in
/// the folder `root`, and a link for each of busybox's `applets`. Licences and
/// the names of packages come along in `usr/share`.
///
/// # Errors
/// [`Error::BadLine`] for a line without a program; what reading them gives.
pub fn tools_layer(list: &str, root: &Path, applets: &[&str]) -> Result<Tree> {
    let mut tree = Tree::new();
    for program in programs(list)? {
        elf::add_program(&mut tree, root, program)?;
    }
    if tree.get(BUSYBOX).is_some() {
        for applet in applets.iter().filter(|name| !FOREIGN.contains(name)) {
            let path = format!("usr/bin/{applet}");
            if tree.get(&path).is_none() {
                tree.symlink(&path, "busybox")?;
            }
        }
    }
    licences(&mut tree, root)?;
    Ok(tree)
}

/// The second word of each line.
fn programs(list: &str) -> Result<Vec<&str>> {
    let lines = list.lines().enumerate();
    let lines = lines.filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
    lines
        .map(|(at, line)| {
            let mut words = line.split_whitespace().skip(1);
            words.next().ok_or_else(|| Error::BadLine {
                file: "tools.list".to_owned(),
                line: at.saturating_add(1),
                expected: "a package and the path of a program",
                found: line.to_owned(),
            })
        })
        .collect()
}

/// The programs are under licences of their own, whose texts go with them.
fn licences(tree: &mut Tree, root: &Path) -> Result<()> {
    let folder = root.join("usr/share/doc");
    let Ok(packages) = fs::read_dir(&folder) else {
        return Ok(());
    };
    for package in packages.flatten() {
        let file = package.path().join("copyright");
        let Ok(text) = fs::read(&file) else { continue };
        let name = package.file_name();
        let path = format!("usr/share/doc/{}/copyright", name.to_string_lossy());
        tree.file(&path, 0o644, text)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_list_names_a_shell_and_an_ssh_server() {
        let all = programs(DEFAULT_TOOLS).unwrap();
        assert!(all.contains(&BUSYBOX) && all.contains(&"usr/sbin/dropbear"));
        assert!(programs("# c\n\nbusybox\n").is_err());
    }
}
