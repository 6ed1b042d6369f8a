//! What is refused, and that nothing was written then.

use super::*;
use crate::exit::Code;
use crate::inventory::Use;

fn reasons(sample: &Sample, target: &Disk) -> Vec<Reason> {
    let before = fs::read(&target.path).unwrap();
    let error = sample.plan(target, &Options::default()).unwrap_err();
    assert_eq!(fs::read(&target.path).unwrap(), before);
    match error {
        PlanError::Refused(refusal) => refusal.reasons,
        other => panic!("{other}"),
    }
}

#[test]
fn a_smaller_target_is_refused_with_both_sizes() {
    let sample = Sample::of(disks::mbr(), SectorSize::B512);
    let target = sample.target(sample.size() - 512);
    let expected = Reason::TooSmall {
        needed: sample.size(),
        available: sample.size() - 512,
    };
    assert_eq!(reasons(&sample, &target), [expected]);
}

#[test]
fn another_sector_size_is_refused() {
    let sample = Sample::of(disks::mbr(), SectorSize::B512);
    let mut target = sample.target(sample.size());
    target.sector_size = 4096;
    let refusal = Refusal {
        target: String::new(),
        reasons: reasons(&sample, &target),
    };
    assert_eq!(refusal.code(), Code::SectorSize);
    target.sector_size = 520;
    assert_eq!(reasons(&sample, &target).len(), 1);
}

#[test]
fn everything_wrong_is_told_at_once() {
    let sample = Sample::of(disks::mbr(), SectorSize::B512);
    let mut target = sample.target(4096);
    target.read_only = true;
    target.uses = vec![
        Use::Swap {
            device: "sdx2".to_owned(),
        },
        Use::Medium,
    ];
    let all = reasons(&sample, &target);
    assert_eq!(all.len(), 4, "{all:?}");
    let refusal = Refusal {
        target: String::new(),
        reasons: all,
    };
    assert_eq!(refusal.code(), Code::TargetProtected);
}

#[test]
fn a_target_inside_the_repository_is_protected() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("repo");
    let store = Arc::new(store::DirStore::create(&place).unwrap());
    let sample = Sample::stored_in(store, disks::mbr(), SectorSize::B512);
    let inside = place.join("disk.raw");
    fs::write(&inside, vec![1; sample.source.len()]).unwrap();
    let target = sample.disk_at(&inside);
    let expected = Reason::Protected(Use::Repository);
    assert_eq!(reasons(&sample, &target), [expected]);
}

#[test]
fn a_folder_is_known_under_another_name() {
    let folder = tempfile::tempdir().unwrap();
    let (real, other) = (folder.path().join("real"), folder.path().join("other"));
    fs::create_dir(&real).unwrap();
    std::os::unix::fs::symlink(&real, &other).unwrap();
    fs::write(real.join("disk.raw"), b"").unwrap();
    assert!(plan::lies_in(&other.join("disk.raw"), &real));
    assert!(!plan::lies_in(folder.path(), &real));
}

#[test]
fn a_missing_or_short_pack_is_found_before_the_first_write() {
    let store = Arc::new(MemoryStore::default());
    let sample = Sample::stored_in(store.clone(), disks::mbr(), SectorSize::B512);
    let target = sample.target(sample.size());
    let pack = store.list("packs/").unwrap().remove(0);
    let whole = store.get(&pack, u64::MAX).unwrap();
    store.tamper(&pack, |bytes| bytes.truncate(bytes.len() / 2));
    let short = sample.plan(&target, &Options::default()).unwrap_err();
    assert_eq!(crate::exit::classify(&short.into()), Code::Damaged);
    store.delete(&pack).unwrap();
    let missing = sample.plan(&target, &Options::default()).unwrap_err();
    assert_eq!(crate::exit::classify(&missing.into()), Code::Missing);
    store.put(&pack, &whole).unwrap();
    sample.plan(&target, &Options::default()).unwrap();
}

#[test]
fn a_store_that_cannot_read_parts_is_found_before_the_first_write() {
    let store = Arc::new(flaky::Cable {
        inner: Arc::default(),
        left: u64::MAX.into(),
    });
    let sample = Sample::stored_in(store.clone(), disks::mbr(), SectorSize::B512);
    let target = sample.target(sample.size());
    store.left.store(0, std::sync::atomic::Ordering::SeqCst);
    let error = sample.plan(&target, &Options::default()).unwrap_err();
    assert_eq!(crate::exit::classify(&error.into()), Code::Repository);
    assert_eq!(head(&target.path), [0xa5; 1024]);
}

#[test]
fn a_target_that_changed_since_the_plan_is_not_written() {
    let sample = Sample::of(disks::mbr(), SectorSize::B512);
    let target = sample.target(sample.size());
    let plan = sample.plan(&target, &Options::default()).unwrap();
    let file = File::options().write(true).open(&target.path).unwrap();
    file.set_len(sample.size() + 512).unwrap();
    let error = plan.arm(&Silent).unwrap_err();
    assert!(matches!(error, Error::Changed { .. }), "{error}");
    assert_eq!(head(&target.path), [0xa5; 1024]);
}

#[test]
fn another_file_under_the_same_path_is_not_written() {
    let sample = Sample::of(disks::mbr(), SectorSize::B512);
    let target = sample.target(sample.size());
    let plan = sample.plan(&target, &Options::default()).unwrap();
    let other = sample.folder.path().join("other.raw");
    fs::copy(&target.path, &other).unwrap();
    fs::rename(&other, &target.path).unwrap();
    let error = plan.arm(&Silent).unwrap_err();
    assert!(matches!(error, Error::Changed { .. }), "{error}");
    assert_eq!(head(&target.path), [0xa5; 1024]);
}

#[test]
fn a_target_in_use_by_another_restore_is_not_written() {
    let sample = Sample::of(disks::mbr(), SectorSize::B512);
    let target = sample.target(sample.size());
    let (first, second) = (
        sample.plan(&target, &Options::default()).unwrap(),
        sample.plan(&target, &Options::default()).unwrap(),
    );
    let armed = first.arm(&Silent).unwrap();
    let error = second.arm(&Silent).unwrap_err();
    assert!(matches!(error, Error::InUse { .. }), "{error}");
    drop(armed);
}

#[test]
fn a_disk_number_is_needed_only_when_there_are_several() {
    let sample = Sample::of(disks::bare(8192), SectorSize::B512);
    let mut image = sample.image.clone();
    assert_eq!(pick_disk(&image, None).unwrap().index, 0);
    assert!(matches!(
        pick_disk(&image, Some(1)),
        Err(PickError::None { .. })
    ));
    let mut second = image.manifest.disks[0].clone();
    second.index = 1;
    image.manifest.disks.push(second);
    assert!(matches!(
        pick_disk(&image, None),
        Err(PickError::Several { .. })
    ));
    assert_eq!(pick_disk(&image, Some(1)).unwrap().index, 1);
}
