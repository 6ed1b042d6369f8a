//! md RAID. `mdadm --examine` says that the superblocks made here are genuine.

use std::process::Command;

use stack::{MdProblem, NoKeys, Note, StackError, Through, Volume, volumes};

use crate::made::{group, linear, lv, pv};
use crate::superblocks::{DATA, Member, USED, UUID_TEXT, v0, v1};
use crate::tools::{apply, change, file, have, parts, run, tag, tag_at};

const LEN: usize = 4 << 20;

fn member(minor: u32, member: &Member) -> Vec<u8> {
    let mut image = vec![0; LEN];
    tag(&mut image, member.number as u8);
    v1(&mut image, minor, member);
    image
}

fn mirror(minor: u32, edit: impl Fn(&mut Member)) -> Vec<Vec<u8>> {
    let one = |number| {
        let mut described = Member::mirror(number);
        edit(&mut described);
        member(minor, &described)
    };
    vec![one(0), one(1)]
}

fn problems(notes: &[Note]) -> Vec<MdProblem> {
    let problem = |note: &Note| match note {
        Note::Md { why, .. } => Some(why.clone()),
        _ => None,
    };
    notes.iter().filter_map(problem).collect()
}

fn places(volume: &Volume, at: u64) -> Vec<u64> {
    let lowered = volume.device.lower(&[change(volume, at, b"edit")]).unwrap();
    lowered.iter().map(|change| change.at).collect()
}

#[test]
fn a_mirror_of_every_version_is_changed_on_both_members() {
    for (minor, data) in [(0, 0), (1, DATA * 512), (2, DATA * 512)] {
        let parts = parts(mirror(minor, |_| {}));
        let found = volumes(&parts, &NoKeys);
        assert_eq!(found.notes, [], "1.{minor}");
        assert_eq!(found.parts.iter().copied().collect::<Vec<_>>(), [1, 2]);
        let [array] = found.volumes.as_slice() else {
            panic!("1.{minor}: {found:?}");
        };
        let through = Through::Md {
            uuid: UUID_TEXT.into(),
            level: 1,
            name: Some("old:root".into()),
        };
        assert_eq!((&array.through, array.partition), (&vec![through], 1));
        let uuid = format!("/dev/disk/by-id/md-uuid-{UUID_TEXT}");
        assert_eq!(
            array.names,
            ["/dev/md/root", "/dev/disk/by-id/md-name-old:root", &uuid]
        );
        assert_eq!(array.device.size(), USED * 512);
        assert_eq!(tag_at(array, 1024), (0, data + 1024));
        let expected = [parts[0].start + data + 1024, parts[1].start + data + 1024];
        assert_eq!(places(array, 1024), expected);
        let lowered = array.device.lower(&[change(array, 7, b"edit")]).unwrap();
        apply(&parts, &lowered);
    }
}

#[test]
fn a_mirror_of_version_0_90_has_its_number() {
    let images = [0, 1].map(|number| {
        let mut image = vec![0; LEN + 5 * 512];
        tag(&mut image, number as u8);
        v0(&mut image, number, 1);
        image
    });
    let parts = parts(images.to_vec());
    let found = volumes(&parts, &NoKeys);
    assert_eq!(found.notes, []);
    let array = &found.volumes[0];
    assert_eq!(array.names[0], "/dev/md3");
    assert_eq!(array.device.size(), USED * 512);
    assert_eq!(tag_at(array, 512), (0, 512));
    assert_eq!(places(array, 0), [parts[0].start, parts[1].start]);
}

#[test]
fn a_member_elsewhere_forbids_changes_unless_it_had_failed() {
    let mut images = mirror(2, |_| {});
    images.remove(0);
    let found = volumes(&parts(images), &NoKeys);
    let array = &found.volumes[0];
    assert_eq!(tag_at(array, 0), (1, DATA * 512));
    let refused = array.device.lower(&[change(array, 0, b"edit")]);
    assert!(matches!(refused, Err(StackError::Elsewhere(absent)) if absent.slots == [0]));
    assert!(matches!(
        problems(&found.notes)[..],
        [MdProblem::Elsewhere(_)]
    ));

    for gone in [0xffff, 0xfffe] {
        let mut images = mirror(2, |member| member.roles[0] = gone);
        images.remove(0);
        let found = volumes(&parts(images), &NoKeys);
        assert_eq!(found.notes, []);
        assert_eq!(places(&found.volumes[0], 0).len(), 1);
    }
}

#[test]
fn a_member_that_is_behind_is_not_read() {
    let behind = |features| {
        let mut fresh = Member::mirror(1);
        fresh.events = 40;
        fresh.roles[0] = 0xfffe;
        fresh.features = features;
        vec![member(2, &Member::mirror(0)), member(2, &fresh)]
    };
    let found = volumes(&parts(behind(0)), &NoKeys);
    assert_eq!(found.notes, []);
    assert_eq!(tag_at(&found.volumes[0], 0), (1, DATA * 512));
    assert_eq!(places(&found.volumes[0], 0).len(), 1);
    // With a bitmap it may come back without a full copy.
    let found = volumes(&parts(behind(1)), &NoKeys);
    assert_eq!(tag_at(&found.volumes[0], 0), (1, DATA * 512));
    assert_eq!(places(&found.volumes[0], 0).len(), 2);
}

#[test]
fn a_member_that_is_being_recovered_is_written_and_not_read() {
    let mut images = mirror(2, |_| {});
    let mut recovering = Member::mirror(0);
    recovering.features = 2;
    recovering.recovered = 8;
    images[0] = member(2, &recovering);
    let found = volumes(&parts(images.clone()), &NoKeys);
    assert_eq!(tag_at(&found.volumes[0], 0), (1, DATA * 512));
    assert_eq!(places(&found.volumes[0], 0).len(), 2);
    images.pop();
    let found = volumes(&parts(images), &NoKeys);
    assert!(found.volumes.is_empty());
    assert_eq!(problems(&found.notes), [MdProblem::NoCopy]);
}

#[test]
fn members_joined_in_stripes_and_in_a_row() {
    let joined = |level| {
        let edit = move |member: &mut Member| member.level = level;
        mirror(2, edit)
    };
    let (begin, room) = (DATA * 512, LEN as u64 - DATA * 512);
    let found = volumes(&parts(joined(0)), &NoKeys);
    let array = &found.volumes[0];
    assert_eq!(array.device.size(), 2 * room);
    for (at, place) in [
        (0, (0, begin)),
        (65536, (1, begin)),
        (3 * 65536 + 512, (1, begin + 65536 + 512)),
    ] {
        assert_eq!(tag_at(array, at), place);
    }
    let found = volumes(&parts(joined(-1)), &NoKeys);
    let array = &found.volumes[0];
    assert_eq!(tag_at(array, room - 512), (0, LEN as u64 - 512));
    assert_eq!(tag_at(array, room), (1, begin));
    let mut images = joined(0);
    images.pop();
    let found = volumes(&parts(images), &NoKeys);
    assert_eq!(problems(&found.notes), [MdProblem::Incomplete { slots: 2 }]);
}

#[test]
fn what_cannot_be_opened_is_said() {
    let why = |images: Vec<Vec<u8>>| {
        let found = volumes(&parts(images), &NoKeys);
        assert!(found.volumes.is_empty());
        problems(&found.notes).into_iter().next()
    };
    let raid5 = mirror(2, |member| member.level = 5);
    assert_eq!(why(raid5), Some(MdProblem::Unsupported { level: 5 }));
    let reshaping = mirror(2, |member| member.features = 4);
    assert_eq!(why(reshaping), Some(MdProblem::Reshaping));
    let mut twice = mirror(2, |_| {});
    twice[1] = twice[0].clone();
    assert_eq!(why(twice), Some(MdProblem::Twice { slot: 0 }));
    let mut damaged = mirror(2, |_| {});
    damaged.pop();
    damaged[0][4096 + 80] ^= 1;
    let found = volumes(&parts(damaged), &NoKeys);
    assert!(matches!(
        found.notes[..],
        [Note::Damaged { partition: 1, .. }]
    ));
}

#[test]
fn a_volume_group_on_a_mirror_is_changed_on_both_members() {
    let mut images = mirror(2, |_| {});
    // Physical volumes of 3 MiB do not fit: one extent of a small one does.
    let text = group(1, 1, &lv("root", true, 1, &linear("pv0", 0)))
        .replace("pe_start = 2048", "pe_start = 1024");
    for image in &mut images {
        let data = (DATA * 512) as usize;
        pv(
            &mut image[data..data + (USED * 512) as usize],
            0,
            &text,
            512,
        );
    }
    let parts = parts(images);
    let found = volumes(&parts, &NoKeys);
    let [root] = found.volumes.as_slice() else {
        panic!("{found:?}");
    };
    assert_eq!(
        (root.through.len(), root.names[0].as_str()),
        (2, "/dev/mapper/vg--1-root")
    );
    let at = DATA * 512 + 1024 * 512 + 3;
    assert_eq!(places(root, 3), [parts[0].start + at, parts[1].start + at]);
}

#[test]
fn mdadm_takes_these_superblocks_for_genuine() {
    if !have("mdadm") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let examine = |image: &[u8], version: &str| {
        let path = file(dir.path(), version, image);
        run(Command::new("mdadm")
            .args(["--examine", "-e", version])
            .arg(path))
    };
    for minor in 0..3 {
        let version = format!("1.{minor}");
        let said = examine(&mirror(minor, |_| {})[1], &version);
        let wanted = [
            "Raid Level : raid1",
            "Device Role : Active device 1",
            "Array State : AA",
            UUID_TEXT,
        ];
        for wanted in wanted {
            assert!(said.contains(wanted), "{wanted}: {said}");
        }
        let sum = said.lines().find(|line| line.contains("Checksum")).unwrap();
        assert!(sum.contains("- correct"), "{sum}");
    }
    let mut image = vec![0; LEN];
    v0(&mut image, 1, 1);
    let said = examine(&image, "0.90");
    assert!(
        said.contains("- correct") && said.contains("Raid Devices : 2"),
        "{said}"
    );
    let uuid = said.lines().find(|line| line.contains("UUID")).unwrap();
    let found = volumes(&parts(vec![image]), &NoKeys);
    let Some(Note::Md { uuid: ours, .. }) = found.notes.first() else {
        panic!("{found:?}");
    };
    assert!(uuid.contains(ours.as_str()), "{uuid}");
}
