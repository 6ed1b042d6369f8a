//! Logs replayed: genuine ones, and made ones for what no genuine one shows.

use hive::{FileTime, Hive, LogUse, Replayed, ValueType, diff, dword};

use crate::{fixtures, hivex, made, oracles};

fn open(primary: &[u8], logs: &[&[u8]]) -> (Hive, Replayed) {
    Hive::open(primary.to_vec(), logs).unwrap()
}

fn why(used: &LogUse) -> &str {
    match used {
        LogUse::Unused { why } => why,
        other => panic!("not left out: {other:?}"),
    }
}

/// 24 flushes that are only in the logs of a Windows 10.
#[test]
fn a_dirty_windows_10_comes_up_to_date() {
    let fixture = fixtures::named("dirty-10/SYSTEM");
    let (hive, replayed) = fixture.open();
    assert!(replayed.was_dirty && !replayed.base_from_log);
    assert_eq!(
        (replayed.bins_before, replayed.bins_after),
        (12_398_592, 12_591_104)
    );
    assert_eq!(hive.bins_size(), 12_591_104);
    let applied = |entries, pages, first, last| LogUse::Applied {
        entries,
        pages,
        first,
        last,
    };
    let logs = [applied(4, 10, 2107, 2110), applied(20, 305, 2111, 2130)];
    assert_eq!(replayed.logs, logs);
    assert_eq!(hive.sequence(), 2131);
    hive.validate().unwrap();
    let stale = Hive::open(fixture.bytes(), &[]).unwrap().0;
    assert!(
        diff(&stale, &hive).unwrap().len() > 100,
        "the logs bring news"
    );
}

/// The order in which logs are given does not matter, and what is replayed is clean.
#[test]
fn replaying_is_done_once() {
    for name in ["dirty-10/SYSTEM", "server-logs/SECURITY"] {
        let fixture = fixtures::named(name);
        let logs = fixture.log_bytes();
        let (hive, _) = open(&fixture.bytes(), &[&logs[0], &logs[1]]);
        let (other, _) = open(&fixture.bytes(), &[&logs[1], &logs[0]]);
        assert!(hive.as_bytes() == other.as_bytes(), "{name}");
        let (again, replayed) = open(hive.as_bytes(), &[&logs[0], &logs[1]]);
        assert_eq!(replayed.logs, [LogUse::NotNeeded, LogUse::NotNeeded]);
        assert!(again.as_bytes() == hive.as_bytes(), "{name}");
    }
}

#[test]
fn a_server_whose_logs_take_turns() {
    let (hive, replayed) = fixtures::named("server-logs/SECURITY").open();
    assert_eq!(replayed.entries(), 2);
    assert_eq!(hive.sequence(), 141);
    hive.validate().unwrap();
    let (_, replayed) = fixtures::named("server-logs/SAM").open();
    assert!(!replayed.was_dirty && replayed.entries() == 0);
}

/// regipy replays by code of its own: every byte of the bins is the same. (Its
/// sequence numbers are one more than the primary's, whatever the logs say.)
#[test]
fn host_regipy_recovers_the_same_bins() {
    for name in ["dirty-10/SYSTEM", "server-logs/SECURITY"] {
        let fixture = fixtures::named(name);
        let (hive, _) = fixture.open();
        let recovered = oracles::recover(&fixture);
        let end = 4096 + hive.bins_size() as usize;
        assert!(hive.as_bytes()[4096..end] == recovered[4096..end], "{name}");
    }
}

/// A log that lost one entry counts up to there, and the next log not at all.
#[test]
fn a_broken_entry_ends_the_replay() {
    let fixture = fixtures::named("dirty-10/SYSTEM");
    let mut logs = fixture.log_bytes();
    let second = 512 + u32::from_le_bytes(logs[0][516..520].try_into().unwrap()) as usize;
    logs[0][second + 100] ^= 1;
    let (hive, replayed) = open(&fixture.bytes(), &[&logs[0], &logs[1]]);
    assert!(matches!(
        replayed.logs[0],
        LogUse::Applied {
            entries: 1,
            last: 2107,
            ..
        }
    ));
    assert_eq!(
        why(&replayed.logs[1]),
        "it begins with entry 2111; entry 2108 is wanted"
    );
    assert_eq!(hive.sequence(), 2108);
}

/// With the older log lost the newer one still counts, as Windows does it.
#[test]
fn the_second_log_alone() {
    let fixture = fixtures::named("dirty-10/SYSTEM");
    let logs = fixture.log_bytes();
    let (hive, replayed) = open(&fixture.bytes(), &[&[], &logs[1]]);
    assert_eq!(why(&replayed.logs[0]), "it is empty");
    assert_eq!((replayed.entries(), hive.sequence()), (20, 2131));
}

/// A base block that was torn comes from the newest log.
#[test]
fn a_torn_base_block_comes_from_a_log() {
    let fixture = fixtures::named("dirty-10/SYSTEM");
    let (whole, _) = fixture.open();
    for tear in [0..4, 40..44, 508..512] {
        let mut primary = fixture.bytes();
        primary[tear.clone()].fill(0xFF);
        let logs = fixture.log_bytes();
        let (hive, replayed) = open(&primary, &[&logs[0], &logs[1]]);
        assert!(replayed.base_from_log, "{tear:?}");
        assert_eq!(replayed.entries(), 24);
        assert!(hive.as_bytes()[4096..] == whole.as_bytes()[4096..]);
        hive.validate().unwrap();
    }
    let mut primary = fixture.bytes();
    primary[0] = 0;
    assert!(Hive::open(primary, &[]).is_err());
}

/// Without a log that fits a dirty hive is taken as it is; that it is whole
/// the tree has to show.
#[test]
fn a_dirty_hive_without_logs_is_taken_as_it_is() {
    let fixture = fixtures::named("joined-8.1/SYSTEM");
    let (hive, replayed) = fixture.open();
    assert!(replayed.was_dirty && replayed.entries() == 0);
    assert_eq!(hive.sequence(), 3785);
    assert!(hive.as_bytes()[4096..] == fixture.bytes()[4096..]);
    let (again, replayed) = open(hive.as_bytes(), &[]);
    assert!(!replayed.was_dirty);
    again.validate().unwrap();
}

/// Logs of another time do no harm.
#[test]
fn stale_logs_are_left_out() {
    let mut primary = made::hive(5);
    primary[8..12].copy_from_slice(&50_u32.to_le_bytes());
    made::soil(&mut primary);
    let stale = made::new_log(40, &[(4096, vec![(0, vec![0xEE; 512])])]);
    let (hive, replayed) = open(&primary, &[&stale]);
    assert_eq!(
        why(&replayed.logs[0]),
        "it begins with entry 40; entry 50 is wanted"
    );
    assert!(hive.as_bytes()[4096..] == primary[4096..]);
}

/// An entry that makes the hive larger has the new bins; one that has not
/// would leave a hole.
#[test]
fn no_hole_is_made() {
    let mut primary = made::hive(5);
    made::soil(&mut primary);
    let page = vec![(0, primary[4096..4608].to_vec())];
    let log = made::new_log(1, &[(4096, page.clone()), (12_288, page)]);
    let (hive, replayed) = open(&primary, &[&log]);
    assert_eq!((replayed.entries(), replayed.bins_after), (1, 4096));
    assert_eq!(hive.sequence(), 2);
    hive.validate().unwrap();
    // A base block out of a log may promise 2 GiB that are nowhere.
    primary[508] ^= 1;
    let page = vec![(0, primary[4096..4608].to_vec())];
    let huge = made::new_log(1, &[(0x7FFF_F000, page)]);
    let error = Hive::open(primary.clone(), &[&huge])
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("found the file's end at byte 8192"),
        "{error}"
    );
    let far = made::new_log(1, &[(4096, vec![(4000, vec![0xEE; 512])])]);
    let (_, replayed) = open(&primary, &[&far]);
    assert!(why(&replayed.logs[0]).contains("pages outside of the hive"));
}

/// A change in each of two flushes, the second of which adds bins.
fn two_flushes(minor: u32) -> [Hive; 3] {
    let first = made::furnished(minor);
    let mut edit = first.clone().edit(FileTime(2)).unwrap();
    edit.set_value(
        "System\\Services\\disk",
        "Start",
        ValueType::DWORD,
        &dword(3),
    )
    .unwrap();
    let second = made::open(&edit.finish().unwrap());
    let mut edit = second.clone().edit(FileTime(3)).unwrap();
    edit.set_value("System", "large", ValueType::BINARY, &[1; 40_000])
        .unwrap();
    let third = made::open(&edit.finish().unwrap());
    assert!(third.bins_size() > second.bins_size());
    [first, second, third]
}

#[test]
fn new_logs_made_here() {
    let [first, second, third] = two_flushes(5);
    let mut primary = first.as_bytes().to_vec();
    made::soil(&mut primary);
    let pages = |old, new| made::pages(old, new, 512);
    let entries = [
        (second.bins_size(), pages(&first, &second)),
        (third.bins_size(), pages(&second, &third)),
    ];
    let one = made::new_log(first.sequence(), &entries);
    let (hive, _) = open(&primary, &[&one]);
    assert_eq!(diff(&third, &hive).unwrap(), []);
    assert_eq!(hive.sequence(), first.sequence() + 2);
    let logs = [
        made::new_log(first.sequence(), &entries[..1]),
        made::new_log(first.sequence() + 1, &entries[1..]),
    ];
    let (hive, replayed) = open(&primary, &[&logs[1], &logs[0]]);
    // What began with the second log would leave the first one out.
    assert_eq!(replayed.entries(), 2);
    assert_eq!(diff(&third, &hive).unwrap(), []);
}

/// With the base block lost, an old log that the newest one does not continue
/// must not be taken for the beginning.
#[test]
fn a_stale_log_is_no_beginning() {
    let [first, second, _] = two_flushes(5);
    let mut primary = first.as_bytes().to_vec();
    primary[508] ^= 1;
    let pages = made::pages(&first, &second, 512);
    let newest = made::new_log(50, &[(second.bins_size(), pages)]);
    let stale = made::new_log(40, &[(first.bins_size(), vec![(0, vec![0xEE; 512])])]);
    let (hive, replayed) = open(&primary, &[&stale, &newest]);
    assert!(replayed.base_from_log && replayed.entries() == 1);
    assert_eq!(
        why(&replayed.logs[0]),
        "it begins with entry 40; entry 50 is wanted"
    );
    assert_eq!(diff(&second, &hive).unwrap(), []);
    assert_eq!(hive.sequence(), 51);
}

/// Synthetic: there is no genuine log of the old format at hand.
#[test]
fn old_logs_made_here() {
    let [first, _, third] = two_flushes(3);
    let mut primary = first.as_bytes().to_vec();
    made::soil(&mut primary);
    let pages = made::pages(&first, &third, 512);
    let log = made::old_log(first.sequence() + 1, 0, third.bins_size(), &pages);
    let (hive, replayed) = open(&primary, &[&log]);
    assert_eq!(replayed.entries(), 1);
    assert_eq!(diff(&third, &hive).unwrap(), []);
    hive.validate().unwrap();
    let other_time = made::old_log(first.sequence() + 1, 9, third.bins_size(), &pages);
    let (hive, replayed) = open(&primary, &[&other_time]);
    assert!(why(&replayed.logs[0]).starts_with("it was written at"));
    assert_eq!(diff(&first, &hive).unwrap(), []);
    let (hive, replayed) = open(&primary, &[&log[..log.len() - 1]]);
    assert!(why(&replayed.logs[0]).contains("within its pages"));
    assert_eq!(diff(&first, &hive).unwrap(), []);
}

#[test]
fn host_hivex_reads_what_was_replayed() {
    let [first, second, _] = two_flushes(5);
    let mut primary = first.as_bytes().to_vec();
    made::soil(&mut primary);
    let pages = made::pages(&first, &second, 512);
    let log = made::new_log(first.sequence(), &[(second.bins_size(), pages)]);
    let (hive, _) = open(&primary, &[&log]);
    let oracle = hivex::export_bytes(hive.as_bytes());
    hivex::assert_same("made", &oracle, &hivex::ours(&second));
    assert!(oracle.contains("\"Start\"=dword:00000003"));
}
