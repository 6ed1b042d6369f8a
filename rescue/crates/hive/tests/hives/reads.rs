//! Reading: what is in the hives, as others read it.

use hive::{Data, FileTime, Hive, Stats, ValueType, What, diff, dword, sz};

use crate::fixtures::{self, Fixture};
use crate::{hivex, made, oracles};

#[test]
fn host_hivex_reads_the_same() {
    for fixture in fixtures::ALL {
        let (hive, _) = fixture.open();
        let oracle = hivex::export_bytes(hive.as_bytes());
        hivex::assert_same(fixture.name, &oracle, &hivex::ours(&hive));
    }
}

/// Windows loses no cell and leaves no two free cells side by side: what we
/// do not count we do not understand.
#[test]
fn genuine_hives_are_sound_to_the_last_cell() {
    for fixture in fixtures::ALL {
        let (hive, _) = fixture.open();
        let stats = sound(&fixture, &hive);
        assert_eq!((stats.lost_cells, stats.unjoined_free_cells), (0, 0));
    }
}

fn sound(fixture: &Fixture, hive: &Hive) -> Stats {
    let stats = hive.validate();
    stats.unwrap_or_else(|problems| panic!("{}: {:#?}", fixture.name, problems))
}

/// Counted by the tools that the fixtures were chosen with.
#[test]
fn nothing_is_left_out() {
    let (software, _) = fixtures::named("joined-8.1/SOFTWARE").open();
    let stats = software.validate().unwrap();
    assert_eq!(stats.keys, 203_485);
    assert_eq!(stats.longest_leaf, 1005);
    let (system, _) = fixtures::named("joined-8.1/SYSTEM").open();
    let stats = system.validate().unwrap();
    assert!((3..=8).contains(&stats.segmented) && (190..=310).contains(&stats.security));
}

#[test]
fn keys_are_found_without_case_and_read_by_type() {
    let (hive, replayed) = fixtures::named("joined-8.1/SYSTEM").open();
    assert!(replayed.was_dirty && replayed.entries() == 0);
    let key = hive
        .key("\\controlset001\\CONTROL\\ComputerName\\ComputerName")
        .unwrap();
    let name = key.value("computername").unwrap().unwrap();
    assert_eq!(name.value_type(), ValueType::SZ);
    assert_eq!(name.decode().unwrap(), Data::Text("STUDENT-PC8".to_owned()));
    let select = hive.key("Select").unwrap();
    assert_eq!(select.dword("CURRENT").unwrap(), Some(1));
    assert_eq!(select.dword("Nothing").unwrap(), None);
    assert_eq!(select.text("Current").unwrap(), None);
    assert_eq!(key.text("ComputerName").unwrap().unwrap(), "STUDENT-PC8");
    let lsa = hive.key("ControlSet001\\Control\\Lsa\\JD").unwrap();
    assert_eq!(lsa.class().unwrap().unwrap().to_string().len(), 8);
    assert_eq!(lsa.path(), "ControlSet001\\Control\\Lsa\\JD");
    assert!(lsa.security().unwrap().len() > 20);
    assert!(
        hive.find("ControlSet001\\Control\\Nothing")
            .unwrap()
            .is_none()
    );
    let error = hive.key("ControlSet001\\Nothing").unwrap_err();
    assert!(error.to_string().contains("ControlSet001\\\\Nothing"));
}

/// What hivex does not tell: times and classes.
#[test]
fn host_regipy_reads_the_same_keys() {
    // Not server-logs/SAM: regipy reads names of one byte a letter as ASCII.
    let small = [
        "bcd/BCDvm",
        "bcd/uefi-gpt-10",
        "joined-8.1/SECURITY",
        "joined-8.1/SAM",
    ];
    for name in small {
        let (hive, _) = fixtures::named(name).open();
        let ours = hive.walk().unwrap().map(|item| {
            let (path, key) = item.unwrap();
            let class = key.class().unwrap().map(|class| class.to_string());
            let path = if path.is_empty() {
                path
            } else {
                format!("\\{path}")
            };
            let (time, values) = (key.last_written().0, key.value_count());
            format!("{path}|{time}|{values}|{}", class.unwrap_or_default())
        });
        let ours: Vec<String> = ours.collect();
        let oracle = oracles::keys(hive.as_bytes());
        hivex::assert_same(name, &oracle.join("\n"), &ours.join("\n"));
    }
}

/// What was not edited is written as it was read.
#[test]
fn a_clean_hive_comes_out_as_it_went_in() {
    for name in ["bcd/BCDvm", "joined-8.1/SAM", "server-logs/SAM"] {
        let fixture = fixtures::named(name);
        let (hive, _) = fixture.open();
        let bytes = hive.edit(hive::FileTime(0)).unwrap().finish().unwrap();
        assert!(bytes == fixture.bytes(), "{name}");
    }
}

/// hivexregedit takes our dumps as it takes regedit's files, and makes the
/// same hive of them.
#[test]
fn host_hivex_merges_what_we_dump() {
    for name in ["bcd/uefi-gpt-10", "server-logs/SECURITY"] {
        let (hive, _) = fixtures::named(name).open();
        let mut text = String::new();
        hive.dump(&mut text).unwrap();
        let merged = hivex::merge(&made::hive(5), &text);
        let oracle = hivex::export_bytes(&merged);
        hivex::assert_same(name, &oracle, &hivex::ours(&hive));
    }
}

#[test]
fn what_is_no_hive_is_named() {
    let error = |bytes: &[u8]| Hive::open(bytes.to_vec(), &[]).unwrap_err().to_string();
    assert!(error(b"").contains("at least 512 bytes"));
    assert!(error(&[0; 8192]).contains("expected \"regf\", found \"\\x00"));
    let mut short = made::hive(5);
    short.truncate(5000);
    assert!(
        error(&short).contains("at byte 4096: expected 4096 bytes"),
        "{}",
        error(&short)
    );
    let log = made::new_log(1, &[]);
    assert!(error(&log).contains("a log?"), "{}", error(&log));
    let mut old = made::hive(5);
    old[24] = 2;
    made::seal(&mut old);
    assert!(error(&old).contains("at byte 24: expected 3 to 6, found 2"));
}

/// The table that mkntfs writes into `$UpCase` is Windows' own.
#[test]
fn host_upcase() {
    let folder = tempfile::tempdir().unwrap();
    let volume = folder.path().join("volume");
    std::fs::File::create(&volume)
        .unwrap()
        .set_len(4 << 20)
        .unwrap();
    let run = |program: &str, arguments: &[&str]| {
        let mut command = std::process::Command::new(program);
        let paths = format!("/usr/sbin:/sbin:{}", std::env::var("PATH").unwrap());
        let command = command.env("PATH", paths).args(arguments).arg(&volume);
        let output = command.output().expect("package ntfs-3g");
        assert!(output.status.success(), "{program}: {output:?}");
        output.stdout
    };
    run("mkntfs", &["-q", "-F", "-f", "-s", "512"]);
    // The file's number is always 10.
    let table = run("ntfscat", &["-f", "-i", "10"]);
    assert_eq!(table.len(), 2 << 16);
    for (unit, capital) in (0..=u16::MAX).zip(table.chunks(2)) {
        let capital = u16::from_le_bytes([capital[0], capital[1]]);
        assert_eq!(hive::upcase(unit), capital, "{unit:#06x}");
    }
}

/// Everything that can differ is told, and reads as people expect.
#[test]
fn differences_are_told() {
    let old = made::furnished(5);
    let mut edit = old.clone().edit(FileTime(9)).unwrap();
    let disk = "System\\Services\\disk";
    edit.set_value(disk, "Start", ValueType::DWORD, &dword(3))
        .unwrap();
    edit.set_value(disk, "New", ValueType::SZ, &sz("text"))
        .unwrap();
    edit.delete_value(disk, "Group").unwrap();
    edit.delete_key("Software").unwrap();
    edit.create_key("System\\new\\below").unwrap();
    let mut bytes = edit.finish().unwrap();
    // The root's security: the only one there is.
    let security = bytes.windows(4).position(|w| w == [1, 0, 0, 0x80]).unwrap();
    bytes[security + 4] = 7;
    let new = made::open(&bytes);
    let changes = diff(&old, &new).unwrap();
    let securities = changes
        .iter()
        .filter(|c| matches!(c.what, What::Security(..)));
    assert_eq!(securities.count() as u64, old.validate().unwrap().keys - 2);
    let told = |what: &str| {
        let texts = changes.iter().map(ToString::to_string);
        let found: Vec<String> = texts.filter(|text| text.contains(what)).collect();
        assert_eq!(found.len(), 1, "{what}: {found:?}");
        found[0].clone()
    };
    let start =
        "  [\\System\\Services\\disk]\n-   \"Start\"=dword:00000000\n+   \"Start\"=dword:00000003";
    assert_eq!(told("\"Start\""), start);
    assert_eq!(
        told("\"New\""),
        "  [\\System\\Services\\disk]\n+   \"New\"=\"text\""
    );
    assert!(told("\"Group\"").contains("\n-   \"Group\"=hex(7):61,00,00,00,62"));
    assert_eq!(told("[\\Software]"), "- [\\Software]");
    assert_eq!(told("[\\System\\new\\below]"), "+ [\\System\\new\\below]");
    assert!(told("hex(221)").starts_with("  [\\Software\\Größe]\n-   \"名\"="));
    assert!(diff(&new, &new).unwrap().is_empty());
}
