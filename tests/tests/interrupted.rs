//! A restore that is killed at random moments: what is left is never a disk that
//! boots half a system, and the same command finishes it.

use anyhow::{Context, Result, bail, ensure};
use image::Repository;
use qemu::{Disk, Firmware, Machine, Vm};
use serde_json::Value;
use std::ffi::OsStr;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tests::rescue::{rescue, start};
use tests::{
    Random, Sample, Unattended, Web, all, blank_disk, fact, left_behind, phase, same_blocks,
    scratch, tool,
};

const MOMENTS: u32 = 20;
const NOTHING: Range<u64> = 0..0;
/// What a restore writes last.
const FIRST_MIB: Range<u64> = 0..1 << 20;

fn restore_words<'a>(sample: &'a Sample, target: &'a Path) -> [&'a OsStr; 7] {
    [
        "restore".as_ref(),
        "sample".as_ref(),
        "--from".as_ref(),
        sample.repository.as_os_str(),
        "--to".as_ref(),
        target.as_os_str(),
        "--yes".as_ref(),
    ]
}

#[test]
fn host_a_restore_killed_at_random_moments_resumes() -> Result<()> {
    let folder = scratch()?;
    let mib = if all() { 1024 } else { 256 };
    let sample = Sample::captured(folder.path(), mib)?;
    let target = folder.path().join("target.raw");
    let mut random = Random::announced();
    let old = old_system(&sample, &mut random)?;

    // However fast the machine is just now, most of the time is spent writing.
    let web = Web::serve(&sample.repository)?;
    let paced = sample.served_by(&web);
    web.set_pace(restored_bytes(&sample)?);
    let whole = time_of_a_whole_restore(&paced, &target, &old)?;
    check(&sample, &target, NOTHING)?;
    let mut killed_while_writing = 0;
    for moment in 0..MOMENTS {
        fs::copy(&old, &target).context("laying out the old system")?;
        let after = whole.mul_f64(random.below(1000) as f64 / 1000.0);
        let finished = kill_after(&paced, &target, after)?;
        let left = left_behind(&old, &target)?;
        println!("moment {moment}: killed after {after:?} of {whole:?}: {left:?}");
        // Past the last data, tables may be there: then the data must be, too.
        let safe = left.is_safe() || check(&sample, &target, FIRST_MIB).is_ok();
        ensure!(safe, "killed after {after:?}: {left:?}");
        ensure!(
            !finished || check(&sample, &target, NOTHING).is_ok(),
            "success was claimed"
        );
        killed_while_writing += u32::from(left.is_unbootable());
        rescue(&restore_words(&sample, &target))?.succeeded()?;
        check(&sample, &target, NOTHING)?;
    }
    ensure!(
        killed_while_writing >= MOMENTS / 4,
        "only {killed_while_writing} of {MOMENTS} kills hit a restore that was writing"
    );
    Ok(())
}

/// What a killed restore had put on record is not fetched again.
#[test]
fn host_a_killed_restore_goes_on_where_it_was() -> Result<()> {
    let folder = scratch()?;
    let sample = Sample::captured(folder.path(), 96)?;
    let target = folder.path().join("target.raw");
    blank_disk(&target, 96 << 20)?;
    let web = Web::serve(&sample.repository)?;
    let whole = restored_bytes(&sample)?;
    // The whole takes fifteen seconds; progress is put on record every five.
    web.set_pace(whole / 15);
    let from = sample.served_by(&web);
    let finished = kill_after(&from, &target, Duration::from_secs(9))?;
    ensure!(!finished, "the restore was faster than its repository");
    ensure!(
        left_behind(&sample.disk, &target)?.is_unbootable(),
        "the disk looks like one that boots"
    );

    web.set_pace(0);
    let before = web.bytes();
    let run = rescue(&restore_words(&from, &target))?.succeeded()?;
    let again = web.bytes() - before;
    let plan = run.lines.iter().find(|event| event["name"] == "plan");
    let resumes_at = &plan.context("the plan")?["value"]["resumes_at"];
    println!("resumed at {resumes_at}, fetched {again} of {whole} bytes");
    ensure!(
        resumes_at.as_u64().is_some_and(|bytes| bytes > 0),
        "it began again: resumes_at is {resumes_at}"
    );
    ensure!(
        again < whole * 9 / 10,
        "{again} of {whole} bytes were fetched again"
    );
    check(&sample, &target, NOTHING)
}

/// What a whole restore of `sample` fetches.
fn restored_bytes(sample: &Sample) -> Result<u64> {
    let web = Web::serve(&sample.repository)?;
    let from = sample.served_by(&web);
    let target = sample.disk.with_file_name("whole.raw");
    blank_disk(&target, fs::metadata(&sample.disk)?.len())?;
    rescue(&restore_words(&from, &target))?.succeeded()?;
    Ok(web.bytes())
}

/// Power cuts of a machine that restores, each later than the one before; then it
/// is left alone and finishes what the others began.
#[test]
fn vm_a_restore_cut_off_by_power_failures_resumes() -> Result<()> {
    let folder = scratch()?;
    let sample = Sample::captured(folder.path(), 192)?;
    let plan = Unattended::new(folder.path(), "label:RESCUE/repo")?;
    fs::rename(&sample.repository, plan.repository())?;
    let sample = Sample {
        repository: plan.repository(),
        ..sample
    };
    let target = folder.path().join("target.raw");
    let mut random = Random::announced();
    let old = old_system(&sample, &mut random)?;
    // Five restores of four cuts, or one of two.
    let (restores, cuts) = if all() { (5, 4) } else { (1, 2) };
    for _ in 0..restores {
        fs::copy(&old, &target).context("laying out the old system")?;
        let mut moments: Vec<u64> = (0..cuts).map(|_| random.below(100)).collect();
        moments.sort_unstable();
        for percent in moments {
            let vm = plan.start(Machine::new(Firmware::Bios), Disk::raw(&target))?;
            let resumed_at = cut_power_at(vm, percent)?;
            let left = left_behind(&old, &target)?;
            println!("cut at {percent} %, had resumed at {resumed_at}: {left:?}");
            let safe = left.is_safe() || check(&sample, &target, FIRST_MIB).is_ok();
            ensure!(safe, "cut at {percent} %: {left:?}");
        }
        let machine = Machine::new(Firmware::Bios);
        plan.run(machine, Disk::raw(&target))?.succeeded()?;
        check(&sample, &target, NOTHING)?;
    }
    Ok(())
}

/// Lets a restore write so many hundredths of its data, then cuts the power; where
/// it had resumed, as the plan says it.
fn cut_power_at(mut vm: Vm, percent: u64) -> Result<Value> {
    let limit = Duration::from_secs(60);
    let plan = vm.wait_event("the plan", limit, fact("plan"))?;
    let writing = vm.wait_event("writing", limit, phase("writing"))?;
    let total = writing["total"]
        .as_u64()
        .context("how much there is to write")?;
    vm.wait_event("progress", limit, |event| {
        let done = event["done"].as_u64().unwrap_or(0);
        event["event"] != "progress" || done * 100 >= total * percent
    })?;
    vm.kill()?;
    Ok(plan["value"]["resumes_at"].clone())
}

/// A disk of the same size that boots something else.
fn old_system(sample: &Sample, random: &mut Random) -> Result<PathBuf> {
    let old = sample.disk.with_file_name("old.raw");
    fs::copy(&sample.disk, &old).context("making an old system")?;
    // Another machine: with the same identifiers it would be taken for restored.
    let randomize = [
        "sgdisk".as_ref(),
        "--randomize-guids".as_ref(),
        old.as_os_str(),
    ];
    tool("gdisk", &randomize)?;
    let file = fs::File::options().write(true).open(&old)?;
    let noise = random.bytes(1 << 20);
    for mib in 2..fs::metadata(&old)?.len() >> 20 {
        std::os::unix::fs::FileExt::write_all_at(&file, &noise, (mib << 20) - 4096)?;
    }
    Ok(old)
}

fn time_of_a_whole_restore(sample: &Sample, target: &Path, old: &Path) -> Result<Duration> {
    fs::copy(old, target).context("laying out the old system")?;
    let begin = Instant::now();
    rescue(&restore_words(sample, target))?.succeeded()?;
    Ok(begin.elapsed())
}

/// Kills (with SIGKILL) a restore after a while; whether it had finished by then.
fn kill_after(sample: &Sample, target: &Path, after: Duration) -> Result<bool> {
    let mut child = start(&restore_words(sample, target))?;
    // The moment is what is tested; there is nothing to wait for.
    std::thread::sleep(after);
    child.kill().context("killing a restore")?;
    let output = child.wait_with_output().context("waiting for a restore")?;
    if output.status.code().is_some_and(|code| code != 0) {
        let said = String::from_utf8_lossy(&output.stdout);
        bail!("the restore failed before it was killed: {said}");
    }
    Ok(output.status.success())
}

/// Compares all of the disk but `except`.
fn check(sample: &Sample, target: &Path, except: Range<u64>) -> Result<()> {
    let store = store::DirStore::open(&sample.repository)?;
    let repository = Repository::open(Arc::new(store))?;
    same_blocks(&repository, "sample", &sample.disk, target, &[except])?;
    Ok(())
}
