//! The firmware layer, and what a medium knows of drivers that it leaves out.
#![allow(clippy::unwrap_used, clippy::expect_used)] // helpers of tests

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{boot_parts, build_as, imagebuilder, program, refused, stdout};
use initramfs::{AbsentIndex, EntryKind, ModuleIndex, ModuleName, read_archives};
use serde_json::Value;
use tempfile::TempDir;

/// Modules of which one asks for firmware.
fn list(dir: &Path) -> String {
    let list = dir.join("e100.list");
    fs::write(
        &list,
        "[storage]\nsd_mod\nloop\nsquashfs\n[network]\ne100\n",
    )
    .unwrap();
    list.to_str().unwrap().to_owned()
}

/// A folder as /lib/firmware, with a link, and a file that nobody asks for.
fn folder(dir: &Path) -> PathBuf {
    let root = dir.join("firmware");
    fs::create_dir_all(root.join("e100")).unwrap();
    fs::write(root.join("e100/real.bin"), "microcode").unwrap();
    std::os::unix::fs::symlink("real.bin", root.join("e100/d101m_ucode.bin")).unwrap();
    fs::write(root.join("unasked.bin"), "x").unwrap();
    root
}

/// The files of a layer in a folder for network boot.
fn layer(tree: &Path, name: &str) -> BTreeMap<String, Vec<u8>> {
    let bytes = fs::read(tree.join("boot").join(name)).unwrap();
    let entries = read_archives(&bytes).unwrap().into_iter();
    let files = entries.filter(|e| e.kind == EntryKind::File);
    files.map(|e| (e.path, e.data)).collect()
}

#[test]
fn firmware_that_modules_ask_for_becomes_a_layer_and_nothing_else_does() {
    let dir = TempDir::new().unwrap();
    let (list, root) = (list(dir.path()), folder(dir.path()));
    let more = ["--module-list", &list, "--firmware", root.to_str().unwrap()];
    let (tree, summary) = build_as("pxe", dir.path(), "tree", &more);
    assert_eq!(
        summary["firmware"],
        serde_json::json!(["e100/d101m_ucode.bin"])
    );
    let missing = serde_json::json!(["e100/d101s_ucode.bin", "e100/d102e_ucode.bin"]);
    assert_eq!(summary["missing_firmware"], missing);

    let files = layer(&tree, "firmware.cpio");
    let packed = dir.path().join("firmware.squashfs");
    fs::write(&packed, &files["layers/firmware.squashfs"]).unwrap();
    let out = dir.path().join("out");
    let output = Command::new("unsquashfs")
        .args(["-quiet", "-no-progress", "-dest"])
        .args([&out, &packed])
        .output();
    stdout(&output.expect("unsquashfs is missing: apt-get install squashfs-tools"));
    let file = out.join("lib/firmware/e100/d101m_ucode.bin");
    assert_eq!(fs::read(file).unwrap(), b"microcode");
    assert_eq!(fs::read_dir(out.join("lib/firmware")).unwrap().count(), 1);

    // Loaders are told of it, before the drivers' modules are looked for.
    let menu = fs::read_to_string(tree.join("grub/grub.cfg")).unwrap();
    assert!(
        menu.contains("/boot/drivers.cpio /boot/firmware.cpio "),
        "{menu}"
    );
    let found = stdout(&imagebuilder(&["inspect", tree.to_str().unwrap()]));
    assert!(found.contains("boot/firmware.cpio: "), "{found}");

    // Other firmware makes another medium; none makes one without the layer.
    fs::write(root.join("e100/real.bin"), "other").unwrap();
    let (_, other) = build_as("pxe", dir.path(), "tree", &more);
    assert_ne!(other["volume"], summary["volume"]);
    let (tree, none) = build_as("pxe", dir.path(), "tree", &more[..2]);
    assert_eq!(none["firmware"], Value::Array(Vec::new()));
    assert!(!tree.join("boot/firmware.cpio").exists());
}

#[test]
fn a_folder_without_any_of_it_is_refused() {
    let dir = TempDir::new().unwrap();
    let (list, rescue) = (list(dir.path()), program(dir.path(), &["-static"]));
    let root = dir.path().join("firmware");
    fs::create_dir_all(root.join("lib/firmware/e100")).unwrap();
    let args = [
        "iso",
        "--rescue",
        rescue.to_str().unwrap(),
        "--boot-parts",
        boot_parts().to_str().unwrap(),
        "--module-list",
        &list,
        "--firmware",
        root.to_str().unwrap(),
    ];
    let message = refused(&args);
    assert!(message.contains("none of the 3 files"), "{message}");
    assert!(message.contains("laid out as /lib/firmware"), "{message}");
}

#[test]
fn drivers_that_are_left_out_are_known_and_take_little_room() {
    let dir = TempDir::new().unwrap();
    let (tree, _) = build_as("pxe", dir.path(), "tree", &[]);
    let base = layer(&tree, "base.cpio.zst");
    let index: ModuleIndex = serde_json::from_slice(&base["etc/rescue/modules.json"]).unwrap();
    let json = &base["etc/rescue/absent.json"];
    let absent: AbsentIndex = serde_json::from_slice(json).unwrap();
    assert_eq!(absent.kernel, index.kernel);
    assert!(!absent.modules.is_empty());
    for (name, module) in &absent.modules {
        assert!(!index.modules.contains_key(name), "{name} is on the medium");
        let needed = module
            .needs
            .iter()
            .map(|path| ModuleName::of_path(path).unwrap());
        for needed in needed.chain([name.clone()]) {
            assert!(
                !index.modules.contains_key(&needed),
                "{needed} is on the medium"
            );
        }
        let file = boot_parts().join("modules").join(&module.path);
        assert!(file.exists(), "{}", file.display());
    }
    // A card that modules.list leaves out by name.
    let card = &absent.modules[&ModuleName::new("nfp")];
    assert!(card.aliases.iter().any(|a| a.starts_with("pci:v00001DA8d")));
    let packed = initramfs::compress(json, initramfs::Level::new(12).unwrap()).unwrap();
    assert!(packed.len() < 60 << 10, "{} bytes", packed.len());
}
