//! Interrupted restores: the disk never pretends to boot before it is whole,
//! and the same restore finishes it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::flaky::{Cable, LostWriteback, PowerCut};
use super::*;
use crate::exit::Code;
use crate::restore::target::OpenTarget;
use crate::restore::withheld::HEAD;

/// What the message says is left is what there is.
fn told_rightly(sample: &Sample, target: &Disk, error: &Error) {
    let Error::Target { left, .. } = error else {
        panic!("{error}");
    };
    assert!(error.to_string().ends_with(&left.to_string()), "{error}");
    let again = sample.plan(target, &Options::default()).unwrap();
    if *left == Left::Unfinished {
        assert!(again.summary().resumes_at.is_some(), "{error}");
    }
    if head(&target.path)[510..512] == [0x55, 0xaa] {
        assert_eq!(*left, Left::Complete, "{error}");
    }
}

/// Restores up to operation `cut_at` of the target; whether it got there.
fn cut_off(sample: &Sample, target: &Disk, cut_at: u64) -> bool {
    let mut plan = sample.plan(target, &Options::default()).unwrap();
    plan.checkpoint_every = Duration::from_micros(100);
    let open = OpenTarget::open(target, sample.sector.bytes()).unwrap();
    let cut = Arc::new(PowerCut::new(open, cut_at));
    let outcome = plan
        .arm_over(cut.clone(), &Silent)
        .and_then(|armed| armed.write(&Silent))
        .and_then(|written| written.without_verify().adapt(&Silent))
        .and_then(|adapted| adapted.activate(&Silent));
    assert_eq!(outcome.is_err(), cut.is_off(), "{outcome:?}");
    if let Err(error) = outcome {
        assert_eq!(error.code(), Some(Code::TargetWrite), "{error}");
        told_rightly(sample, target, &error);
    }
    cut.is_off()
}

/// Protective MBR and GPT: they name the disk's size.
fn table_head() -> Extent {
    Extent {
        start: 0,
        len: 34 * 512,
    }
}

/// Cuts the power at every operation of a restore, one after the other.
fn cut_everywhere(sample: &Sample, size: u64) {
    // On a larger disk nothing is kept of the source's backup table.
    let tail = Extent {
        start: sample.size() - 33 * 512,
        len: if size == sample.size() { 0 } else { 33 * 512 },
    };
    let mut resumed = 0;
    for cut_at in 1.. {
        let target = sample.target(size);
        if !cut_off(sample, &target, cut_at) {
            // `size` may be larger: then only the table differs.
            assert!(cut_at > 10, "{cut_at} operations are too few to be true");
            break;
        }
        let path = path_of(&target);
        let untouched = head(&path) == [0xa5; 1024];
        if !untouched && pretends_to_boot(&path) {
            let head = Extent {
                start: 0,
                len: HEAD,
            };
            let wrong = sample.first_difference(&path, &[head, tail]);
            assert_eq!(wrong, None, "cut at {cut_at}: a table over missing data");
        }
        let plan = sample.plan(&target, &Options::default()).unwrap();
        resumed += u32::from(plan.summary().resumes_at.is_some_and(|done| done > 0));
        // Without a cut, but spared the syncs of a real target.
        assert!(!cut_off(sample, &target, u64::MAX));
        if size == sample.size() {
            sample.assert_restored(&path, &[]);
        } else {
            sample.assert_restored(&path, &[table_head(), tail]);
            let carried = already_carries(&sample.repository, sample.disk(), &target);
            assert_eq!(carried.unwrap(), Carried::Yes);
        }
    }
    assert!(resumed > 0, "no cut left anything to resume from");
}

#[test]
fn a_power_cut_at_any_moment_is_survived_on_mbr() {
    let sample = Sample::of(disks::mbr(), SectorSize::B512);
    cut_everywhere(&sample, sample.size());
}

#[test]
fn a_power_cut_at_any_moment_is_survived_on_gpt() {
    let sample = Sample::of(disks::gpt(), SectorSize::B512);
    cut_everywhere(&sample, sample.size());
}

#[test]
fn a_power_cut_at_any_moment_is_survived_on_a_larger_disk() {
    let sample = Sample::of(disks::gpt(), SectorSize::B512);
    cut_everywhere(&sample, sample.size() + (4 << 20));
}

#[test]
fn what_a_failed_flush_lost_is_never_claimed() {
    let sample = Sample::of(disks::mbr(), SectorSize::B512);
    let mut failures = 0;
    for fail_at in 1..40 {
        let target = sample.target(sample.size());
        let mut plan = sample.plan(&target, &Options::default()).unwrap();
        plan.checkpoint_every = Duration::from_micros(100);
        let open = OpenTarget::open(&target, sample.sector.bytes()).unwrap();
        let lossy = Arc::new(LostWriteback::new(open, fail_at));
        let outcome = plan
            .arm_over(lossy.clone(), &Silent)
            .and_then(|armed| armed.write(&Silent))
            .and_then(|written| written.without_verify().adapt(&Silent))
            .and_then(|adapted| adapted.activate(&Silent));
        drop(lossy);
        let Err(error) = outcome else { break };
        failures += 1;
        assert_eq!(error.code(), Some(Code::TargetWrite), "{error}");
        sample.restore(&target, &Options::default());
        sample.assert_restored(&target.path, &[]);
    }
    assert!(failures > 6, "{failures}");
}

#[test]
fn cuts_one_after_the_other_end_too() {
    let sample = Sample::of(disks::mbr(), SectorSize::B512);
    let target = sample.target(sample.size());
    let mut cuts = 0;
    for cut_at in [9, 14, 8, 20, 12, 16, 11, 30, 25] {
        cuts += u32::from(cut_off(&sample, &target, cut_at));
    }
    assert!(cuts > 4, "{cuts}");
    sample.restore(&target, &verified());
    sample.assert_restored(&target.path, &[]);
}

#[test]
fn a_repository_that_goes_away_is_told_and_resumed() {
    let store = Arc::new(Cable {
        inner: Arc::default(),
        left: AtomicU64::new(u64::MAX),
    });
    let sample = Sample::stored_in(store.clone(), disks::mbr(), SectorSize::B512);
    let target = sample.target(sample.size());
    let mut failures = 0;
    for allowed in 0..20 {
        let target = sample.target(sample.size());
        let plan = sample.plan(&target, &Options::default()).unwrap();
        store.left.store(allowed, Ordering::SeqCst);
        let outcome = execute(plan, &Silent);
        store.left.store(u64::MAX, Ordering::SeqCst);
        let Err(error) = outcome else { break };
        failures += 1;
        assert!(!pretends_to_boot(&target.path));
        assert_eq!(crate::exit::classify(&error.into()), Code::Repository);
        assert!(sample.restore(&target, &verified()).resumed);
        sample.assert_restored(&target.path, &[]);
    }
    assert!(failures > 0);
    drop(target);
}

#[test]
fn a_damaged_chunk_is_named_and_never_written() {
    let store = Arc::new(MemoryStore::default());
    let sample = Sample::stored_in(store.clone(), disks::mbr(), SectorSize::B512);
    let target = sample.target(sample.size());
    let pack = store.list("packs/").unwrap().remove(0);
    store.tamper(&pack, |bytes| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 4;
    });
    let plan = sample.plan(&target, &Options::default()).unwrap();
    let error = anyhow::Error::from(execute(plan, &Silent).unwrap_err());
    assert_eq!(crate::exit::classify(&error), Code::Damaged);
    let text = crate::ui::chain(&error);
    assert!(
        text.contains("partition") && text.contains("resumes"),
        "{text}"
    );
    assert!(!pretends_to_boot(&target.path));
    store.tamper(&pack, |bytes| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 4;
    });
    sample.restore(&target, &verified());
    sample.assert_restored(&target.path, &[]);
}

#[test]
fn what_reads_back_wrongly_is_found_before_the_table_is_written() {
    let sample = Sample::of(disks::mbr(), SectorSize::B512);
    // Data, a zero run, and a chunk that spans the first MiB's end.
    for place in [2 << 20, 3_400_000, HEAD + 100] {
        let target = sample.target(sample.size());
        let plan = sample.plan(&target, &verified()).unwrap();
        let written = plan.arm(&Silent).unwrap().write(&Silent).unwrap();
        let file = File::options()
            .read(true)
            .write(true)
            .open(&target.path)
            .unwrap();
        let mut byte = [0];
        file.read_exact_at(&mut byte, place).unwrap();
        file.write_all_at(&[byte[0] ^ 1], place).unwrap();
        let error = written.verify(&Silent).unwrap_err();
        assert_eq!(error.code(), Some(Code::VerifyMismatch), "{error}");
        // The journal calls it done: to resume would not help.
        assert!(error.to_string().contains("--start-over"), "{error}");
        assert!(!pretends_to_boot(&target.path));
    }
}

#[test]
fn another_images_journal_is_dropped_and_told() {
    let sample = Sample::of(disks::mbr(), SectorSize::B512);
    let other = Sample::of(disks::bare(14 << 20), SectorSize::B512);
    let target = sample.target(sample.size());
    assert!(cut_off(&other, &target, 12));
    let plan = sample.plan(&target, &Options::default()).unwrap();
    assert_eq!(plan.summary().resumes_at, None);
    let told = plan.summary().warnings.join("\n");
    assert!(told.contains("unfinished restore"), "{told}");
    execute(plan, &Silent).unwrap();
    sample.assert_restored(&target.path, &[]);
}

#[test]
fn a_newer_image_that_cannot_be_read_is_told() {
    let mut sample = Sample::of(disks::mbr(), SectorSize::B512);
    let target = sample.target(sample.size());
    let warnings = |sample: &Sample| {
        let plan = sample.plan(&target, &Options::default()).unwrap();
        plan.summary().warnings.join("\n")
    };
    assert!(!warnings(&sample).contains("is newer"));
    sample.image.passed_over.push(sample.image.id.clone());
    assert!(warnings(&sample).contains("is newer and cannot be read"));
}

#[test]
fn starting_over_ignores_the_journal() {
    let sample = Sample::of(disks::mbr(), SectorSize::B512);
    let target = sample.target(sample.size());
    assert!(cut_off(&sample, &target, 14));
    let over = Options {
        resume: Resume::StartOver,
        ..verified()
    };
    let plan = sample.plan(&target, &over).unwrap();
    assert_eq!(plan.summary().resumes_at, None);
    assert!(!execute(plan, &Silent).unwrap().resumed);
    sample.assert_restored(&target.path, &[]);
}
