//! Media that carry a repository, as other people's tools see them.
#![allow(clippy::unwrap_used, clippy::expect_used)] // helpers of tests

mod common;

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use common::{boot_parts, build_as, few_modules, imagebuilder, program, refused, stdout};
use serde_json::Value;
use tempfile::TempDir;

/// A folder with the names of a repository; names as long as the real ones.
fn repository(dir: &Path, name: &str) -> PathBuf {
    let root = dir.join(name);
    for folder in ["packs/ab", "packs/cd", "index", "snap"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    let id = "ab12".repeat(16);
    fs::write(root.join("config"), "{}\n").unwrap();
    fs::write(root.join(format!("packs/ab/{id}.pack")), vec![1; 300_000]).unwrap();
    fs::write(root.join(format!("packs/cd/{id}.pack")), vec![2; 5000]).unwrap();
    fs::write(root.join(format!("index/{id}.idx")), vec![3; 4096]).unwrap();
    fs::write(root.join("snap/0123456789abcdef.man"), "manifest").unwrap();
    fs::write(root.join("snap/index.json"), "[]").unwrap();
    fs::write(root.join("snap/.tmp-1-2-3"), "half").unwrap();
    root
}

fn same_tree(repository: &Path, copy: &Path) {
    let output = Command::new("diff")
        .args(["-r", "--exclude=.tmp-*"])
        .args([repository, copy])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(!copy.join("snap/.tmp-1-2-3").exists());
}

#[test]
fn an_iso_carries_a_repository_and_depends_on_nothing_but_its_content() {
    let dir = TempDir::new().unwrap();
    // A name that xorriso must not take apart.
    let one = repository(dir.path(), "one=a,b c");
    let two = repository(dir.path(), "two");
    let old = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    File::open(two.join("config"))
        .unwrap()
        .set_modified(old)
        .unwrap();
    fs::set_permissions(two.join("config"), Permissions::from_mode(0o600)).unwrap();
    let list = few_modules(dir.path());
    let build = |name: &str, root: &Path| {
        let more = [
            "--module-list",
            &list,
            "--repository",
            root.to_str().unwrap(),
        ];
        build_as("iso", dir.path(), name, &more)
    };
    let (iso, summary) = build("a.iso", &one);
    let (again, _) = build("b.iso", &two);
    assert!(
        fs::read(&iso).unwrap() == fs::read(again).unwrap(),
        "two builds differ"
    );
    assert_eq!(summary["images"]["images"], 1);
    assert_eq!(summary["images"]["objects"], 6);

    let out = dir.path().join("out");
    let output = Command::new("xorriso")
        .args(["-osirrox", "on", "-indev"])
        .arg(&iso)
        .args(["-extract", "/images"])
        .arg(&out)
        .output()
        .expect("xorriso is missing: apt-get install xorriso");
    assert!(output.status.success(), "{output:?}");
    same_tree(&two, &out);
    let mode = fs::metadata(out.join("config")).unwrap().permissions();
    assert_eq!(mode.mode() & 0o777, 0o444);

    let output = Command::new("sgdisk").arg("--verify").arg(&iso).output();
    let output = output.expect("sgdisk is missing: apt-get install gdisk");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("No problems found"), "{text}");
    let found = stdout(&imagebuilder(&["inspect", iso.to_str().unwrap()]));
    assert!(
        found.contains("images/") && found.contains("6 objects"),
        "{found}"
    );
    assert!(!found.contains(".pack"), "{found}");

    // Another image makes another medium.
    fs::write(two.join("snap/ffff.man"), "another").unwrap();
    let (_, other) = build("c.iso", &two);
    assert_ne!(other["volume"], summary["volume"]);
}

/// Where each file of the ISO begins, in sectors, by xorriso's account.
fn places(iso: &Path) -> Vec<(String, u64)> {
    let output = Command::new("xorriso")
        .arg("-indev")
        .arg(iso)
        .args(["-find", "/", "-type", "f", "-exec", "report_lba", "--"])
        .output()
        .unwrap();
    let text = stdout(&output);
    let lines = text
        .lines()
        .filter_map(|l| l.strip_prefix("File data lba:"));
    let place = |line: &str| {
        let words: Vec<&str> = line.split(',').map(str::trim).collect();
        let name = words[4].trim_matches('\'').to_owned();
        (name, words[1].parse().unwrap())
    };
    lines.map(place).collect()
}

/// So that a BIOS reaches the kernel however many images there are.
#[test]
fn what_boots_comes_before_the_images() {
    let dir = TempDir::new().unwrap();
    let root = repository(dir.path(), "r");
    let list = few_modules(dir.path());
    let more = [
        "--module-list",
        &list,
        "--repository",
        root.to_str().unwrap(),
    ];
    let (iso, _) = build_as("iso", dir.path(), "a.iso", &more);
    let (images, rest): (Vec<_>, Vec<_>) = places(&iso)
        .into_iter()
        .partition(|(name, _)| name.starts_with("/images/"));
    let first = images.iter().map(|(_, at)| at).min().unwrap();
    let last = rest.iter().map(|(_, at)| at).max().unwrap();
    assert!(images.len() == 6 && rest.len() > 6);
    assert!(last < first, "{rest:?} {images:?}");
}

#[test]
fn what_is_no_repository_is_refused_before_anything_is_built() {
    let dir = TempDir::new().unwrap();
    let rescue = program(dir.path(), &["-static"]);
    let empty = dir.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let none = dir.path().join("none");
    for form in ["iso", "usb"] {
        let out = dir.path().join("x");
        for (folder, words) in [
            (&empty, "this is no repository"),
            (&none, "cannot be found"),
        ] {
            let args = [
                form,
                "--rescue",
                rescue.to_str().unwrap(),
                "--boot-parts",
                boot_parts().to_str().unwrap(),
                "--repository",
                folder.to_str().unwrap(),
                "--out",
                out.to_str().unwrap(),
            ];
            let message = refused(&args);
            assert!(
                message.contains(words) && message.contains("--repository"),
                "{message}"
            );
            assert!(!message.contains("choosing kernel modules"), "{message}");
            assert!(!out.exists());
        }
    }
}

#[test]
fn a_stick_carries_a_repository_on_its_data_partition() {
    let dir = TempDir::new().unwrap();
    let root = repository(dir.path(), "one two");
    let list = few_modules(dir.path());
    let root_text = root.to_str().unwrap();
    let more = [
        "--module-list",
        &list,
        "--data-size",
        "24MiB",
        "--repository",
        root_text,
    ];
    let (image, summary) = build_as("usb", dir.path(), "a.img", &more);
    assert_eq!(summary["images"]["objects"], Value::from(6));
    let table = Command::new("sgdisk")
        .args(["-i", "3"])
        .arg(&image)
        .output();
    let table = stdout(&table.expect("sgdisk is missing: apt-get install gdisk"));
    let first = table.lines().find_map(|l| l.strip_prefix("First sector: "));
    let first: u64 = first.unwrap().split(' ').next().unwrap().parse().unwrap();
    let out = dir.path().join("out");
    fs::create_dir(&out).unwrap();
    let output = Command::new("debugfs")
        .env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin")
        .arg("-R")
        .arg(format!("rdump /images {}", out.display()))
        .arg(format!("{}?offset={}", image.display(), first * 512))
        .output();
    stdout(&output.expect("debugfs is missing: apt-get install e2fsprogs"));
    same_tree(&root, &out.join("images"));
}
