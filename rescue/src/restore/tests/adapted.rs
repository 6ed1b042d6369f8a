//! What is changed for the hardware gets onto the disk whole, or the disk does not
//! pretend to boot.

use std::time::Duration;

use super::flaky::{Cut, cut_off};
use super::*;
use crate::adapt::{Adaptation, Patch};
use crate::firmware::Becomes;
use crate::restore::plan::digest;

const AT: [u64; 2] = [3 << 20, (5 << 20) + 512];

/// Two changes of 4 KiB each.
fn adaptation(sample: &Sample) -> Adaptation {
    let patch = |at: u64| {
        let at_index = usize::try_from(at).unwrap();
        Patch {
            at,
            before: sample.source[at_index..at_index + 4096].to_vec(),
            after: vec![0x5a; 4096],
        }
    };
    Adaptation {
        lines: vec!["two things are changed".to_owned()],
        patches: AT.map(patch).to_vec(),
        ..Adaptation::default()
    }
}

fn planned(sample: &Sample, target: &Disk) -> Plan {
    let mut plan = sample.plan(target, &verified()).unwrap();
    plan.checkpoint_every = Duration::from_micros(100);
    plan.adaptation = adaptation(sample);
    plan
}

/// The image's disk, changed.
fn expected(sample: &Sample) -> Vec<u8> {
    let mut all = sample.source.clone();
    for patch in adaptation(sample).patches {
        let at = usize::try_from(patch.at).unwrap();
        all[at..at + 4096].copy_from_slice(&patch.after);
    }
    all
}

fn is_adapted(path: &Path, sample: &Sample) -> bool {
    let found = fs::read(path).unwrap();
    let same = |at: u64| {
        let at = usize::try_from(at).unwrap();
        found[at..at + 4096] == expected(sample)[at..at + 4096]
    };
    AT.into_iter().all(same)
}

#[test]
fn changes_are_made_after_everything_was_read_back() {
    let sample = Sample::of(disks::mbr(), SectorSize::B512);
    let target = sample.target(sample.size());
    let report = execute(planned(&sample, &target), &Silent).unwrap();
    assert_eq!(report.adapted, ["two things are changed"]);
    let except = AT.map(|start| Extent { start, len: 4096 });
    sample.assert_restored(&target.path, &except);
    assert!(is_adapted(&target.path, &sample));
}

/// Cuts the power and restores again; whether a change was on the disk already and
/// the journal as well. `None` when the restore ended before the cut.
fn survives(sample: &Sample, when: Cut) -> Option<bool> {
    let target = sample.target(sample.size());
    if !cut_off(planned(sample, &target), when) {
        return None;
    }
    let path = path_of(&target);
    let untouched = head(&path) == [0xa5; 1024];
    if !untouched && pretends_to_boot(&path) {
        assert!(is_adapted(&path, sample), "{when:?}");
    }
    let resumes = planned(sample, &target).summary.resumes_at.is_some();
    let changed = fs::read(&path).unwrap()[AT[0] as usize] == 0x5a;
    assert!(!cut_off(planned(sample, &target), Cut::Never));
    assert!(is_adapted(&path, sample), "{when:?}");
    let except = AT.map(|start| Extent { start, len: 4096 });
    sample.assert_restored(&path, &except);
    Some(resumes && changed)
}

#[test]
fn a_power_cut_at_any_moment_leaves_the_changes_whole_or_a_disk_that_does_not_boot() {
    let sample = Sample::of(disks::mbr(), SectorSize::B512);
    let cuts = (1..).map_while(|at| survives(&sample, Cut::Restore(at)));
    assert!(cuts.count() > 10);
}

/// How many operations there are before depends on the time it takes; from here on it
/// does not.
#[test]
fn a_power_cut_while_the_changes_are_made_is_resumed_from() {
    let sample = Sample::of(disks::mbr(), SectorSize::B512);
    let cuts = (1..).map_while(|at| survives(&sample, Cut::Adapt(at)));
    let changed_and_resumed = cuts.filter(|both| *both).count();
    assert!(changed_and_resumed > 0, "no cut came after a change");
}

#[test]
fn a_restore_with_other_changes_does_not_resume() {
    let sample = Sample::of(disks::mbr(), SectorSize::B512);
    let all = adaptation(&sample);
    let digest = |adaptation: &Adaptation| {
        let disk = sample.disk();
        let repository = &sample.repository;
        digest(
            repository,
            &sample.image,
            disk,
            1 << 30,
            adaptation,
            &Becomes::Same,
        )
    };
    let mut fewer = all.clone();
    fewer.patches.pop();
    let mut later = all.clone();
    later.patches[0].after[0] ^= 1;
    assert_eq!(digest(&all), digest(&later), "times differ from run to run");
    assert_ne!(digest(&all), digest(&fewer));
    assert_ne!(digest(&all), digest(&Adaptation::default()));
}
