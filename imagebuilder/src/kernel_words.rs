//! More words for the kernel command line, where a finished medium keeps them:
//! in GRUB's environment block, and in a line of the iPXE script.
//!
//! The block is GRUB's own form (`grub-editenv`): 1024 bytes, a first line, one
//! line for each variable, `#` to the end. The menu takes this one variable from
//! it and no other.

use anyhow::{Context, Result, bail, ensure};

/// Bytes of the block: GRUB refuses to guess, and a file keeps its size.
const SIZE: usize = 1024;
const SIGNATURE: &str = "# GRUB Environment Block\n";
/// The variable.
const NAME: &str = "rescue_args";
/// What the line of the iPXE script begins with.
const IPXE: &str = "set rescue_args";

/// Signs that GRUB's shell and iPXE's hand on unchanged.
const SIGNS: &str = "=.,:/_-+@%[]";

/// Words that would make the kernel start another program than ours, or other
/// files than those of the medium.
const NOT_OURS: [&str; 3] = ["init", "rdinit", "initrd"];

/// Checks `words` and joins them with single blanks.
pub(crate) fn checked(words: &str) -> Result<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || SIGNS.contains(c);
    for word in words.split_whitespace() {
        if let Some(bad) = word.chars().find(|c| !plain(*c)) {
            bail!(
                "--kernel-args: {word:?} has {bad:?}, which the boot loaders cannot pass on: \
letters, digits and {SIGNS} can be used"
            );
        }
        let key = word.split('=').next().unwrap_or(word);
        if NOT_OURS.contains(&key) {
            bail!("--kernel-args: {word:?} would start something else than the rescue system");
        }
    }
    let words: Vec<&str> = words.split_whitespace().collect();
    Ok(words.join(" "))
}

/// GRUB's environment block with `words`.
pub(crate) fn block(words: &str) -> Result<Vec<u8>> {
    let words = checked(words)?;
    let mut text = format!("{SIGNATURE}{NAME}={words}\n").into_bytes();
    let most = SIZE.saturating_sub(text.len().saturating_sub(words.len()));
    ensure!(
        text.len() <= SIZE,
        "--kernel-args: {} characters do not fit in GRUB's environment block, at most {most} do",
        words.len()
    );
    text.resize(SIZE, b'#');
    Ok(text)
}

/// The words in GRUB's environment block.
pub(crate) fn of_block(block: &[u8]) -> Result<String> {
    let rest = block.strip_prefix(SIGNATURE.as_bytes());
    let rest = rest.context("it is no environment block of GRUB")?;
    let lines = rest.split(|byte| *byte == b'\n');
    let line = lines
        .filter_map(|line| line.strip_prefix(NAME.as_bytes())?.strip_prefix(b"="))
        .next();
    Ok(String::from_utf8_lossy(line.unwrap_or_default()).into_owned())
}

/// The line of the iPXE script with `words`, which were checked.
pub(crate) fn ipxe_line(words: &str) -> String {
    format!("{} {words}", IPXE).trim_end().to_owned() + "\n"
}

/// The iPXE script with `words` in the place of those before.
pub(crate) fn in_ipxe(script: &str, words: &str) -> Result<String> {
    let words = checked(words)?;
    let is_ours = |line: &str| line == IPXE || line.starts_with("set rescue_args ");
    let found = script.lines().filter(|line| is_ours(line)).count();
    ensure!(
        found == 1,
        "{found} lines begin with \"{IPXE}\", expected one"
    );
    let lines = script.lines().map(|line| match is_ours(line) {
        true => ipxe_line(&words),
        false => format!("{line}\n"),
    });
    Ok(lines.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_kept_in_a_block_of_grub() {
        let made = block("  ip=dhcp   rescue.config=http://h/p/ ").unwrap();
        assert_eq!(made.len(), 1024);
        assert_eq!(
            of_block(&made).unwrap(),
            "ip=dhcp rescue.config=http://h/p/"
        );
        assert_eq!(of_block(&block("").unwrap()).unwrap(), "");
        assert!(of_block(b"x").is_err());
        // The judge is GRUB's own tool.
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &made).unwrap();
        let mut list = std::process::Command::new("grub-editenv");
        let output = list.arg(file.path()).arg("list").output();
        let output = output.expect("grub-editenv is missing: apt-get install grub-common");
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(text, "rescue_args=ip=dhcp rescue.config=http://h/p/\n");
    }

    #[test]
    fn what_boot_loaders_cannot_pass_on_is_refused() {
        for bad in [
            "a=\"b c\"",
            "a='b'",
            "a\\b",
            "x=${net0}",
            "`id`",
            "a=\u{e4}",
            "x && y",
            "a;b",
            "a=*",
            "rdinit=/bin/sh",
            "init=/x",
            "initrd=other.img",
        ] {
            assert!(block(bad).is_err(), "{bad}");
        }
        assert!(block("rescue.init=1 ip=[fd00::1]::[fd00::2]:64:h:eth0:off a@b%20+c").is_ok());
        let error = block(&"x".repeat(987)).unwrap_err().to_string();
        assert!(
            error.contains("987 characters") && error.contains("at most 986"),
            "{error}"
        );
        assert!(block(&"x".repeat(986)).is_ok());
    }

    #[test]
    fn the_ipxe_script_gets_the_same_words() {
        let script = format!("#!ipxe\n{}kernel a ${{rescue_args}}\n", ipxe_line(""));
        let new = in_ipxe(&script, "x=1  y").unwrap();
        assert_eq!(
            new,
            "#!ipxe\nset rescue_args x=1 y\nkernel a ${rescue_args}\n"
        );
        assert_eq!(in_ipxe(&new, "").unwrap(), script);
        assert!(in_ipxe("#!ipxe\n", "x").is_err());
    }
}
