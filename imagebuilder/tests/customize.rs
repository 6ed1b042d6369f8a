//! `imagebuilder customize` from outside, on media of every form.
#![allow(clippy::unwrap_used, clippy::expect_used)] // helpers of tests

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use serde_json::Value;
use tempfile::TempDir;

mod common;
use common::{boot_parts, build_as, few_modules, imagebuilder, refused, stdout};

const SITE: &str = "name = \"ACME Berlin\"\nhostname = \"rescue-acme\"\n";
const PLAN: &str = "[restore]\nfrom = \"http://me:geheim@backup/r\"\n[target]\nserial = \"S1\"\n";

/// A medium of few modules, and a folder for what it is given.
struct Bench {
    dir: TempDir,
    medium: PathBuf,
}

impl Bench {
    fn new(form: &str) -> Self {
        let dir = TempDir::new().unwrap();
        let list = few_modules(dir.path());
        let mut more = vec!["--module-list", list.as_str()];
        if form == "usb" {
            more.extend(["--data-size", "32MiB"]);
        }
        let (medium, _) = build_as(form, dir.path(), "medium", &more);
        Self { dir, medium }
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.dir.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }

    fn medium(&self) -> &str {
        self.medium.to_str().unwrap()
    }

    /// `customize MEDIUM words…`, as JSON.
    fn customize(&self, words: &[&str]) -> Value {
        customize(self.medium(), words)
    }

    fn refused(&self, words: &[&str]) -> String {
        refused(&[&["customize", self.medium()], words].concat())
    }

    fn bytes(&self) -> Vec<u8> {
        fs::read(&self.medium).unwrap()
    }
}

fn customize(medium: &str, words: &[&str]) -> Value {
    let all = [&["customize", medium, "--json"], words].concat();
    serde_json::from_str(&stdout(&imagebuilder(&all))).unwrap()
}

fn names(shown: &Value) -> Vec<&str> {
    let files = shown["files"].as_array().unwrap();
    files
        .iter()
        .map(|file| file["name"].as_str().unwrap())
        .collect()
}

fn ssh_key(bench: &Bench) -> String {
    let key = bench.path("key");
    let words = ["-q", "-t", "ed25519", "-N", "", "-C", "me", "-f", &key];
    let made = Command::new("ssh-keygen").args(words).status();
    assert!(
        made.expect("ssh-keygen is missing: apt-get install openssh-client")
            .success()
    );
    format!("{key}.pub")
}

/// Where two media differ: runs of bytes.
fn differences(one: &[u8], two: &[u8]) -> Vec<(usize, usize)> {
    assert_eq!(one.len(), two.len());
    let mut out: Vec<(usize, usize)> = Vec::new();
    for (at, (a, b)) in one.iter().zip(two).enumerate() {
        if a == b {
            continue;
        }
        match out.last_mut() {
            Some((_, end)) if at < *end + 4096 => *end = at + 1,
            _ => out.push((at, at + 1)),
        }
    }
    out
}

#[test]
fn an_iso_and_a_stick_are_given_everything_and_only_reserved_bytes_change() {
    for form in ["iso", "usb"] {
        let bench = Bench::new(form);
        let before = bench.bytes();
        let (site, plan) = (bench.file("site.toml", SITE), bench.file("p.toml", PLAN));
        let key = ssh_key(&bench);
        let words = ["--config", &site, "--plan", &plan, "--ssh-key", &key];
        let words = [&words[..], &["--kernel-args", "ip=dhcp  loglevel=6"]].concat();
        let started = Instant::now();
        let shown = bench.customize(&words);
        let took = started.elapsed().as_secs_f64();
        assert!(took < 5.0, "{form}: {took} s");
        let expected = ["plan.toml", "site.toml", "ssh/authorized_keys"];
        assert_eq!(names(&shown), expected, "{form}");
        assert_eq!(shown["kernel_args"], "ip=dhcp loglevel=6");
        let after = bench.bytes();
        // The area and GRUB's block, nothing else: not even a time of a file.
        let changed = differences(&before, &after);
        let total: usize = changed.iter().map(|(from, to)| to - from).sum();
        assert!(changed.len() <= 2 && total < 8192, "{form}: {changed:?}");
        assert_eq!(bench.customize(&["--show"]), shown, "{form}");
        // Again the same: not a byte changes. And --reset leads back.
        bench.customize(&words);
        assert!(bench.bytes() == after, "{form}: not the same twice");
        let empty = bench.customize(&["--reset"]);
        assert_eq!(
            (names(&empty), &empty["kernel_args"]),
            (vec![], &Value::from(""))
        );
        assert!(
            bench.bytes() == before,
            "{form}: --reset does not lead back"
        );
    }
}

#[test]
fn a_copy_is_written_beside_an_untouched_medium_and_both_ways_are_one() {
    let bench = Bench::new("iso");
    let before = bench.bytes();
    let (site, copy) = (bench.file("site.toml", SITE), bench.path("copy.iso"));
    bench.customize(&["--config", &site, "--out", &copy]);
    assert!(bench.bytes() == before, "the original has changed");
    bench.customize(&["--config", &site]);
    assert!(
        bench.bytes() == fs::read(&copy).unwrap(),
        "in place and as a copy differ"
    );
    // What is there stays when something else is added.
    let plan = bench.file("p.toml", PLAN);
    let shown = customize(&copy, &["--plan", &plan]);
    assert_eq!(names(&shown), ["plan.toml", "site.toml"]);
    let shown = customize(&copy, &["--reset", "--plan", &plan]);
    assert_eq!(names(&shown), ["plan.toml"]);
    // An ISO written to a larger stick is still found.
    let mut stick = bench.bytes();
    stick.resize(stick.len() + (8 << 20), 0);
    fs::write(&copy, stick).unwrap();
    assert_eq!(names(&customize(&copy, &["--show"])), ["site.toml"]);
    // The partition table of the ISO is none the worse (sgdisk is the judge).
    let output = Command::new("sgdisk")
        .arg("--verify")
        .arg(&bench.medium)
        .output();
    let output = output.expect("sgdisk is missing: apt-get install gdisk");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("No problems found"), "{text}");
}

#[test]
fn a_folder_for_network_boot_and_its_iso_are_given_the_same() {
    let bench = Bench::new("pxe");
    let iso = bench.path("a.iso");
    let list = few_modules(bench.dir.path());
    build_as("iso", bench.dir.path(), "a.iso", &["--module-list", &list]);
    let inner = bench.medium.join("rescue.iso");
    fs::copy(&iso, &inner).unwrap();
    let mut mode = fs::metadata(&inner).unwrap().permissions();
    mode.set_readonly(true);
    fs::set_permissions(&inner, mode).unwrap();
    let site = bench.file("site.toml", SITE);
    let shown = bench.customize(&["--config", &site, "--kernel-args", "x=1"]);
    assert_eq!(names(&shown), ["site.toml"]);
    let script = fs::read_to_string(bench.medium.join("boot.ipxe")).unwrap();
    assert!(script.contains("set rescue_args x=1\n"), "{script}");
    let block = fs::read(bench.medium.join("grub/grubenv")).unwrap();
    assert!(block.len() == 1024 && block.windows(16).any(|w| w == b"rescue_args=x=1\n"));
    let held = customize(inner.to_str().unwrap(), &["--show"]);
    assert_eq!(
        (names(&held), &held["kernel_args"]),
        (vec!["site.toml"], &Value::from("x=1"))
    );
    // A copy of the folder, and inspect.
    let copy = bench.path("copy");
    bench.customize(&["--reset", "--out", &copy]);
    assert_eq!(names(&customize(&copy, &["--show"])), Vec::<&str>::new());
    let text = stdout(&imagebuilder(&["inspect", bench.medium()]));
    assert!(
        text.contains("Site area:") && text.contains("name = \"ACME Berlin\""),
        "{text}"
    );
}

#[test]
fn secrets_are_not_shown_and_can_be_had() {
    let bench = Bench::new("iso");
    let plan = bench.file("p.toml", PLAN);
    let key = ssh_key(&bench);
    let private = key.trim_end_matches(".pub");
    bench.customize(&["--plan", &plan, "--ssh-host-key", private]);
    for command in ["inspect", "customize"] {
        let mut words = vec![command, bench.medium()];
        words.extend((command == "customize").then_some("--show"));
        for json in [true, false] {
            let mut words = words.clone();
            words.extend(json.then_some("--json"));
            let text = stdout(&imagebuilder(&words));
            assert!(text.contains("me:***@backup"), "{text}");
            assert!(
                !text.contains("geheim") && !text.contains("OPENSSH"),
                "{text}"
            );
        }
    }
    let folder = bench.path("extracted");
    stdout(&imagebuilder(&[
        "customize",
        bench.medium(),
        "--extract",
        &folder,
    ]));
    let folder = Path::new(&folder);
    assert_eq!(fs::read_to_string(folder.join("plan.toml")).unwrap(), PLAN);
    let there = fs::read(folder.join("ssh/host_ed25519_key")).unwrap();
    assert_eq!(there, fs::read(private).unwrap());
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::metadata(folder.join("ssh/host_ed25519_key")).unwrap();
    assert_eq!(mode.permissions().mode() & 0o777, 0o600);
}

#[test]
fn mistakes_are_refused_before_the_first_byte_is_written() {
    let bench = Bench::new("iso");
    let before = bench.bytes();
    let unknown = bench.file("site.toml", "name = \"x\"\nnmae = \"y\"\n");
    let text = bench.refused(&["--config", &unknown]);
    assert!(
        text.contains("site.toml, line 2: unknown field `nmae`"),
        "{text}"
    );
    let plan = bench.file("p.toml", &PLAN.replace("serial", "seriel"));
    let text = bench.refused(&["--plan", &plan]);
    assert!(
        text.contains("p.toml, line 4: unknown field `seriel`"),
        "{text}"
    );
    let text = bench.refused(&["--ssh-key", &plan]);
    assert!(text.contains("p.toml, line 1: expected a key"), "{text}");
    let text = bench.refused(&["--ca", &plan]);
    assert!(text.contains("no certificate in PEM form"), "{text}");
    let text = bench.refused(&["--kernel-args", "rdinit=/bin/sh"]);
    assert!(
        text.contains("something else than the rescue system"),
        "{text}"
    );
    let text = bench.refused(&["--client-cert", &plan]);
    assert!(text.contains("--client-key"), "{text}");
    let text = bench.refused(&[]);
    assert!(text.contains("nothing is to be changed"), "{text}");
    // Bytes that cannot be packed, more than there is room for.
    let firmware = bench.dir.path().join("firmware");
    fs::create_dir(&firmware).unwrap();
    let mut noise = 1_u64;
    let blob: Vec<u8> = std::iter::repeat_with(|| {
        noise = noise
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (noise >> 56) as u8
    })
    .take(600 << 10)
    .collect();
    fs::write(firmware.join("blob.bin"), blob).unwrap();
    let text = bench.refused(&["--firmware", firmware.to_str().unwrap()]);
    assert!(
        text.contains("--site-area") && text.contains("the area has room for"),
        "{text}"
    );
    let text = refused(&["customize", &unknown, "--reset"]);
    assert!(
        text.contains("no ISO 9660") || text.contains("bytes at"),
        "{text}"
    );
    assert!(bench.bytes() == before, "something was written");
}

#[test]
fn a_damaged_area_is_told_and_can_be_written_anew() {
    let bench = Bench::new("iso");
    let site = bench.file("site.toml", SITE);
    bench.customize(&["--config", &site]);
    let good = bench.bytes();
    let magic = b"RESCUE SITE AREA";
    let at = good.windows(16).position(|w| w == magic).unwrap();
    let mut bytes = good.clone();
    bytes[at + 130] ^= 1;
    fs::write(&bench.medium, &bytes).unwrap();
    let shown = bench.customize(&["--show"]);
    assert_eq!(shown["damaged"], "its contents do not fit their checksum");
    let text = bench.refused(&["--kernel-args", "x"]);
    assert!(
        text.contains("damaged") && text.contains("--reset"),
        "{text}"
    );
    bench.customize(&["--reset", "--config", &site]);
    assert!(bench.bytes() == good);
}

#[test]
fn drivers_must_be_for_the_kernel_of_the_medium() {
    let bench = Bench::new("iso");
    let modules = boot_parts().join("modules/kernel");
    let one = find(&modules, "dummy.ko").expect("Debian's kernel has dummy.ko");
    let needy = find(&modules, "f2fs.ko").expect("Debian's kernel has f2fs.ko");
    let shown = bench.customize(&["--driver", one.to_str().unwrap()]);
    assert_eq!(names(&shown), ["modules/dummy.ko", "modules/index.json"]);
    let folder = bench.path("extracted");
    stdout(&imagebuilder(&[
        "customize",
        bench.medium(),
        "--extract",
        &folder,
    ]));
    let index = fs::read(Path::new(&folder).join("modules/index.json")).unwrap();
    let index: Value = serde_json::from_slice(&index).unwrap();
    assert_eq!(
        index["modules"]["dummy"]["path"],
        "/run/rescue/site/modules/dummy.ko"
    );
    assert_eq!(
        index["aliases"][0],
        serde_json::json!(["rtnl-link-dummy", "dummy"])
    );
    // What needs a module that the medium has not is refused by name.
    let text = bench.refused(&["--driver", needy.to_str().unwrap()]);
    assert!(
        text.contains("f2fs.ko needs the module") && text.contains("add it, too"),
        "{text}"
    );
    // A module that was made for another kernel.
    let bytes = fs::read(&one).unwrap();
    let at = bytes.windows(9).position(|w| w == b"vermagic=").unwrap();
    let mut other = bytes.clone();
    other[at + 9] = b'9';
    let path = bench.dir.path().join("other.ko");
    fs::write(&path, other).unwrap();
    let text = bench.refused(&["--driver", path.to_str().unwrap()]);
    assert!(text.contains("other.ko") && text.contains("9."), "{text}");
}

fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    for entry in fs::read_dir(folder).ok()?.flatten() {
        let path = entry.path();
        if path.is_dir() {
            if let Some(found) = find(&path, name) {
                return Some(found);
            }
        } else if path
            .file_name()
            .is_some_and(|n| n.to_string_lossy().starts_with(name))
        {
            return Some(path);
        }
    }
    None
}
