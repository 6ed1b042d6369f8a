//! Files are put on ext4 by Linux itself, and what came out is read by programs
//! of e2fsprogs.
#![allow(clippy::unwrap_used)] // helpers of tests are tests

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use rescue::adapt::volume::{Editor, NewFile};

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|e| panic!("{program}: {e}; see scripts/packages"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn cat(image: &Path, path: &str) -> Vec<u8> {
    let arguments = ["-R", &format!("cat {path}"), image.to_str().unwrap()];
    Command::new("debugfs")
        .args(arguments)
        .output()
        .unwrap()
        .stdout
}

#[test]
fn files_on_ext4_are_appended_to_changed_and_made() {
    let folder = tempfile::tempdir().unwrap();
    let tree = folder.path().join("tree");
    fs::create_dir_all(tree.join("boot")).unwrap();
    fs::create_dir_all(tree.join("etc")).unwrap();
    let initrd = vec![0x5a; 3 << 20];
    fs::write(tree.join("boot/initrd.img"), &initrd).unwrap();
    fs::write(tree.join("etc/fstab"), "/dev/sda1 / ext4\n").unwrap();
    fs::write(tree.join("etc/other"), "stays").unwrap();
    std::os::unix::fs::symlink("/etc/fstab", tree.join("etc/link")).unwrap();
    let image = folder.path().join("ext4.img");
    let shown = image.to_str().unwrap();
    run(
        "mke2fs",
        &[
            "-q",
            "-t",
            "ext4",
            "-d",
            tree.to_str().unwrap(),
            shown,
            "64M",
        ],
    );
    let before = fs::read(&image).unwrap();
    let inode = run("debugfs", &["-R", "ncheck 12 13 14 15", shown]);

    let mut longer = initrd.clone();
    longer.extend([7; 100_000]);
    let file = |path: &str, bytes: &[u8]| NewFile::changed(path, bytes.to_vec());
    let files = [
        NewFile {
            after: initrd.len() as u64,
            ..file("/boot/initrd.img", &[7; 100_000])
        },
        file("/etc/link", b"UUID=1 / ext4\n"),
        file("/etc/new", b"made"),
    ];
    let editor = Editor {
        rescue: env!("CARGO_BIN_EXE_rescue").into(),
        ..Editor::default()
    };
    let volume: Arc<dyn disk::ReadAt> = Arc::new(File::open(&image).unwrap());
    let patches = editor.edit(&volume, &files).unwrap();
    assert_eq!(fs::read(&image).unwrap(), before, "the volume itself stays");
    let changed: usize = patches.iter().map(|p| p.after.len()).sum();
    assert!(changed < 2 << 20, "{changed} bytes change");

    let target = File::options().write(true).open(&image).unwrap();
    for patch in &patches {
        let at = patch.at as usize;
        assert_eq!(&before[at..][..patch.before.len()], &patch.before[..]);
        target.write_all_at(&patch.after, patch.at).unwrap();
    }
    run("e2fsck", &["-fn", shown]);
    assert_eq!(cat(&image, "/boot/initrd.img"), longer);
    assert_eq!(cat(&image, "/etc/fstab"), b"UUID=1 / ext4\n");
    assert_eq!(cat(&image, "/etc/new"), b"made");
    assert_eq!(cat(&image, "/etc/other"), b"stays");
    assert_eq!(run("debugfs", &["-R", "ncheck 12 13 14 15", shown]), inode);
}
