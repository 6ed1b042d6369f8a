//! The text files of the tree.

use anyhow::{Result, bail};

use crate::kernel_words;

/// How `README.txt` begins.
pub(super) const FIRST_LINE: &str = "The rescue medium, for network boot.";

/// Name in the tree, and content.
pub(super) const FILES: [(&str, &str); 4] = [
    ("README.txt", include_str!("../../data/pxe/README.txt")),
    ("dnsmasq.conf", include_str!("../../data/pxe/dnsmasq.conf")),
    ("nginx.conf", include_str!("../../data/pxe/nginx.conf")),
    ("serve.sh", include_str!("../../data/pxe/serve.sh")),
];

/// The script that iPXE follows. Names in it are relative to its own address.
pub(super) fn ipxe(layers: &[String], cmdline: &str) -> Result<String> {
    for word in cmdline.split_whitespace() {
        if word.contains("${") {
            bail!("--cmdline: {word} has a ${{, which iPXE replaces");
        }
    }
    let mut script = String::from("#!ipxe\necho Loading the rescue medium ...\n");
    script.push_str(&kernel_words::ipxe_line(""));
    let extra = cmdline.split_whitespace().map(|w| format!(" {w}"));
    let extra: String = extra.collect();
    let words = crate::grub::QUIET;
    script.push_str(&format!(
        "kernel boot/vmlinuz {words}{extra} ${{rescue_args}}\n"
    ));
    for layer in layers {
        script.push_str(&format!("initrd {}\n", layer.trim_start_matches('/')));
    }
    script.push_str("boot\n");
    Ok(script)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_loads_every_layer_in_order() {
        let layers = ["/boot/a.cpio".to_owned(), "/boot/b.cpio".to_owned()];
        let script = ipxe(&layers, " rescue.config=http://h/p/  x").unwrap();
        assert!(script.starts_with("#!ipxe\n"), "{script}");
        assert!(
            script.contains(" rescue.config=http://h/p/ x ${rescue_args}\ninitrd boot/a.cpio\n")
        );
        assert!(script.ends_with("initrd boot/b.cpio\nboot\n"), "{script}");
        assert!(ipxe(&layers, "x=${net0/mac}").is_err());
    }

    #[test]
    fn a_tree_is_known_by_its_first_line() {
        assert!(FILES[0].1.starts_with(FIRST_LINE));
    }
}
