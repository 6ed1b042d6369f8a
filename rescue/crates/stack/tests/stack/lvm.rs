//! LVM: what `lvm` makes, and what it cannot make here.

use std::process::Command;

use stack::{LvProblem, NoKeys, Note, StackError, Through, Volume, volumes};

use crate::made::{group, linear, lv, pv};
use crate::tools::{apply, change, file, have, parts, run, tag, tag_at};

const MIB: usize = 1 << 20;
const EXTENT: u64 = 64 << 10;
const PE_START: u64 = 1 << 20;

/// Physical volumes of 3 MiB, with this text on all of them.
fn images(count: u8, text: &str) -> Vec<Vec<u8>> {
    let image = |number| {
        let mut image = vec![0; 3 * MIB];
        tag(&mut image, number);
        pv(&mut image, number, text, 512 + 1024 * usize::from(number));
        image
    };
    (0..count).map(image).collect()
}

fn volume<'a>(volumes: &'a [Volume], lv: &str) -> &'a Volume {
    let is = |through: &Through| matches!(through, Through::Lvm { lv: name, .. } if name == lv);
    let found = volumes.iter().find(|volume| volume.through.iter().any(is));
    found.unwrap_or_else(|| panic!("no volume {lv}"))
}

fn problem<'a>(notes: &'a [Note], name: &str) -> Option<&'a LvProblem> {
    notes.iter().find_map(|note| match note {
        Note::Lv { lv, why, .. } if lv == name => Some(why),
        _ => None,
    })
}

#[test]
fn a_linear_volume_reads_and_changes_where_it_lies() {
    let segments = "root { id = \"L-1\" status = [\"VISIBLE\"] segment_count = 2 \
        segment1 { start_extent = 0 extent_count = 2 type = \"striped\" stripe_count = 1 stripes = [\"pv1\", 3] } \
        segment2 { start_extent = 2 extent_count = 1 type = \"striped\" stripe_count = 1 stripes = [\"pv0\", 7] } }";
    let parts = parts(images(2, &group(1, 2, segments)));
    let found = volumes(&parts, &NoKeys);
    assert_eq!(found.notes, []);
    let [root] = found.volumes.as_slice() else {
        panic!("{:?}", found.volumes);
    };
    assert_eq!((root.partition, root.device.size()), (2, 3 * EXTENT));
    assert_eq!(
        root.names[..2],
        ["/dev/mapper/vg--1-root", "/dev/vg-1/root"]
    );
    assert_eq!(tag_at(root, 0), (1, PE_START + 3 * EXTENT));
    assert_eq!(
        tag_at(root, 2 * EXTENT - 512),
        (1, PE_START + 5 * EXTENT - 512)
    );
    assert_eq!(tag_at(root, 2 * EXTENT), (0, PE_START + 7 * EXTENT));

    let change = change(root, 2 * EXTENT - 3, b"across");
    let lowered = root.device.lower(std::slice::from_ref(&change)).unwrap();
    let places: Vec<_> = lowered.iter().map(|c| (c.at, c.after.as_slice())).collect();
    let first = parts[0].start + PE_START + 7 * EXTENT;
    let second = parts[1].start + PE_START + 5 * EXTENT - 3;
    assert_eq!(places, [(first, b"oss".as_slice()), (second, b"acr")]);
    let changed = volumes(&apply(&parts, &lowered), &NoKeys);
    let mut now = [0; 8];
    let device = &changed.volumes[0].device;
    device.read_exact_at(&mut now, 2 * EXTENT - 4).unwrap();
    assert_eq!(&now[..7], b"\x01across");
    assert!(device.read_exact_at(&mut now, 3 * EXTENT - 7).is_err());
}

#[test]
fn stripes_go_round_all_of_their_legs() {
    let how =
        "type = \"striped\" stripe_count = 2 stripe_size = 16 stripes = [\"pv0\", 1, \"pv1\", 4]";
    let parts = parts(images(2, &group(1, 2, &lv("fast", true, 4, how))));
    let found = volumes(&parts, &NoKeys);
    let fast = volume(&found.volumes, "fast");
    assert_eq!(fast.device.size(), 4 * EXTENT);
    let (zero, one) = (PE_START + EXTENT, PE_START + 4 * EXTENT);
    let expected = [
        (0, 0, zero),
        (8192, 1, one),
        (16384 + 512, 0, zero + 8192 + 512),
        (4 * EXTENT - 512, 1, one + 2 * EXTENT - 512),
    ];
    for (offset, disk, at) in expected {
        assert_eq!(tag_at(fast, offset), (disk, at), "{offset}");
    }
    let change = change(fast, 8000, &[0xee; 9000]);
    let lowered = fast.device.lower(&[change]).unwrap();
    let again = volumes(&apply(&parts, &lowered), &NoKeys);
    let mut now = vec![0; 9002];
    let device = &volume(&again.volumes, "fast").device;
    device.read_exact_at(&mut now, 7999).unwrap();
    assert!(now[1..9001].iter().all(|byte| *byte == 0xee) && now[9001] != 0xee);
}

/// A mirrored volume on two physical volumes; its metadata says that copy `failed` failed.
fn mirrored(failed: u64) -> Vec<Vec<u8>> {
    let how = "type = \"raid1\" device_count = 2 region_size = 1024 \
               raids = [\"r_rmeta_0\", \"r_rimage_0\", \"r_rmeta_1\", \"r_rimage_1\"]";
    let lvs = lv("r", true, 2, how)
        + &lv("r_rmeta_0", false, 1, &linear("pv0", 0))
        + &lv("r_rimage_0", false, 2, &linear("pv0", 1))
        + &lv("r_rmeta_1", false, 1, &linear("pv1", 0))
        + &lv("r_rimage_1", false, 2, &linear("pv1", 4));
    let mut images = images(2, &group(1, 2, &lvs));
    for image in &mut images {
        let meta = &mut image[PE_START as usize..][..512];
        meta[..4].copy_from_slice(b"DmRd");
        meta[16..24].copy_from_slice(&5_u64.to_le_bytes());
        meta[24..32].copy_from_slice(&failed.to_le_bytes());
        meta[32..40].fill(0xff);
    }
    images
}

#[test]
fn a_mirror_is_changed_on_every_copy() {
    let parts = parts(mirrored(0));
    let found = volumes(&parts, &NoKeys);
    assert_eq!((found.volumes.len(), &found.notes), (1, &vec![]));
    let mirror = volume(&found.volumes, "r");
    assert_eq!(tag_at(mirror, 512), (0, PE_START + EXTENT + 512));
    let lowered = mirror.device.lower(&[change(mirror, 512, b"new")]).unwrap();
    let places: Vec<_> = lowered.iter().map(|change| change.at).collect();
    let first = parts[0].start + PE_START + EXTENT + 512;
    let second = parts[1].start + PE_START + 4 * EXTENT + 512;
    assert_eq!(places, [first, second]);
    apply(&parts, &lowered);
}

#[test]
fn a_copy_that_failed_is_not_read() {
    let found = volumes(&parts(mirrored(1)), &NoKeys);
    let mirror = volume(&found.volumes, "r");
    assert_eq!(tag_at(mirror, 0), (1, PE_START + 4 * EXTENT));
    let lowered = mirror.device.lower(&[change(mirror, 0, b"new")]).unwrap();
    assert_eq!(lowered.len(), 2, "it may come back without a full copy");
}

#[test]
fn a_mirror_with_a_copy_elsewhere_is_only_read() {
    let mut images = mirrored(0);
    images.pop();
    let found = volumes(&parts(images), &NoKeys);
    let mirror = volume(&found.volumes, "r");
    assert_eq!(tag_at(mirror, 0), (0, PE_START + EXTENT));
    let refused = mirror.device.lower(&[change(mirror, 0, b"new")]);
    assert!(matches!(refused, Err(StackError::Elsewhere(absent)) if absent.slots == [1]));
    assert!(matches!(
        problem(&found.notes, "r"),
        Some(LvProblem::Elsewhere(_))
    ));
    assert!(
        found
            .notes
            .iter()
            .any(|note| matches!(note, Note::PvMissing { hint, .. } if hint == "/dev/sd1"))
    );

    let mut images = mirrored(2);
    images.pop();
    let found = volumes(&parts(images), &NoKeys);
    let mirror = volume(&found.volumes, "r");
    assert_eq!(
        mirror
            .device
            .lower(&[change(mirror, 0, b"new")])
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn what_cannot_be_opened_is_said_and_the_rest_is_there() {
    let snapshot = "type = \"snapshot\" chunk_size = 8 origin = \"home\" cow_store = \"snap\"";
    let lvs = lv("root", true, 1, &linear("pv0", 0))
        + &lv("far", true, 1, &linear("pv1", 0))
        + &lv(
            "thin",
            true,
            1,
            "type = \"thin\" thin_pool = \"pool\" device_id = 1",
        )
        + &lv("home", true, 1, &linear("pv0", 2))
        + &lv("snap", true, 1, &linear("pv0", 3))
        + &lv("snapshot0", false, 1, snapshot)
        + &lv("round", true, 1, &linear("round", 0))
        + &lv("long", true, 40, &linear("pv0", 4));
    let mut images = images(2, &group(1, 2, &lvs));
    images.pop();
    let found = volumes(&parts(images), &NoKeys);
    let open: Vec<_> = found
        .volumes
        .iter()
        .map(|volume| volume.names[1].as_str())
        .collect();
    assert_eq!(open, ["/dev/vg-1/home", "/dev/vg-1/root"]);
    let why = |lv| problem(&found.notes, lv);
    assert_eq!(why("far"), Some(&LvProblem::Missing { pv: "pv1".into() }));
    assert_eq!(
        why("thin"),
        Some(&LvProblem::Unsupported {
            kind: "thin".into()
        })
    );
    assert_eq!(
        why("snap"),
        Some(&LvProblem::Unsupported {
            kind: "snapshot".into()
        })
    );
    assert_eq!(
        why("home"),
        Some(&LvProblem::Snapshot {
            snapshot: "snap".into()
        })
    );
    assert!(matches!(why("round"), Some(LvProblem::Damaged { .. })));
    assert!(matches!(why("long"), Some(LvProblem::Damaged { .. })));
    let home = volume(&found.volumes, "home");
    let refused = home.device.lower(&[change(home, 0, b"new")]);
    assert!(matches!(refused, Err(StackError::Snapshot { .. })));
}

#[test]
fn the_newest_text_counts_even_where_it_goes_round() {
    let old = group(3, 2, &lv("old", true, 1, &linear("pv0", 0)));
    let new = group(4, 2, &lv("new", true, 1, &linear("pv0", 0)));
    let mut images = images(2, &old);
    // 100 bytes before the end of its area: most of it is at the beginning.
    pv(&mut images[1], 1, &new, 16384 - 100);
    let found = volumes(&parts(images), &NoKeys);
    assert_eq!(found.notes, []);
    assert_eq!(found.volumes[0].names[1], "/dev/vg-1/new");
}

#[test]
fn the_same_physical_volume_twice_is_not_used() {
    let mut images = images(1, &group(1, 1, &lv("root", true, 1, &linear("pv0", 0))));
    images.push(images[0].clone());
    let found = volumes(&parts(images), &NoKeys);
    assert!(found.volumes.is_empty());
    let twice = |note: &Note| {
        matches!(
            note,
            Note::PvTwice {
                first: 1,
                second: 2,
                ..
            }
        )
    };
    assert!(found.notes.iter().any(twice), "{:?}", found.notes);
}

#[test]
fn lvm_on_lvm_is_opened_too() {
    let inner = group(1, 1, &lv("in", true, 1, &linear("pv0", 3)));
    let inner = inner
        .replace("vg-1", "vg2")
        .replace("GGGGGG", "HHHHHH")
        .replace("00000\"", "00005\"");
    let outer = group(1, 1, &lv("out", true, 30, &linear("pv0", 0)));
    let mut images = images(1, &outer);
    let area = &mut images[0][PE_START as usize..];
    let inner = inner.replace("FFFF-000000", "FFFF-000005");
    pv(&mut area[..30 * EXTENT as usize], 5, &inner, 512);
    let parts = parts(images);
    let found = volumes(&parts, &NoKeys);
    let [volume] = found.volumes.as_slice() else {
        panic!("{found:?}");
    };
    assert_eq!(volume.through.len(), 2);
    assert_eq!(tag_at(volume, 0), (0, 2 * PE_START + 3 * EXTENT));
    let lowered = volume.device.lower(&[change(volume, 5, b"x")]).unwrap();
    assert_eq!(
        lowered[0].at,
        parts[0].start + 2 * PE_START + 3 * EXTENT + 5
    );
}

/// Loop devices of these files, freed at the end.
struct Loops(Vec<String>);

impl Loops {
    /// `None` when this machine gives none, which is said.
    fn of(files: &[std::path::PathBuf]) -> Option<Self> {
        let mut loops = Self(Vec::new());
        for file in files {
            let made = Command::new("losetup")
                .args(["-f", "--show"])
                .arg(file)
                .output();
            match made {
                Ok(made) if made.status.success() => {
                    loops
                        .0
                        .push(String::from_utf8_lossy(&made.stdout).trim().to_owned());
                }
                made => {
                    eprintln!(
                        "skipped: lvm takes no files, and losetup gives no loop device: {made:?}"
                    );
                    return None;
                }
            }
        }
        Some(loops)
    }

    /// `lvm` with these devices only, and without a device mapper.
    fn lvm(&self, args: &[&str]) -> String {
        let accept: Vec<_> = self
            .0
            .iter()
            .map(|device| format!("\"a|^{device}$|\""))
            .collect();
        let config = format!(
            "devices{{filter=[{},\"r|.*|\"] use_devicesfile=0}} global{{activation=0 event_activation=0}} \
             backup{{backup=0 archive=0}}",
            accept.join(",")
        );
        let mut command = Command::new("lvm");
        command
            .arg(args[0])
            .args(["--config", &config])
            .args(&args[1..]);
        run(command.env("LVM_SUPPRESS_FD_WARNINGS", "1"))
    }
}

impl Drop for Loops {
    fn drop(&mut self) {
        let _ = Command::new("losetup").arg("-d").args(&self.0).status();
    }
}

/// What `lvm lvs` says of each segment: name, path, first extent, stripe size, places.
fn check_segments(said: &str, loops: &Loops, volumes: &[Volume], extent: u64) -> usize {
    let mut checked = 0;
    for line in said.lines() {
        let fields: Vec<_> = line.trim().split('|').collect();
        let [name, path, mapped, start, stripe, ranges, pe_start] = fields[..] else {
            panic!("{line}");
        };
        let volume = volume(volumes, name);
        assert!(volume.names.iter().any(|n| n == path) && volume.names.iter().any(|n| n == mapped));
        let (start, stripe): (u64, u64) = (start.parse().unwrap(), stripe.parse().unwrap());
        let pe_start: u64 = pe_start.parse().unwrap();
        for (number, range) in ranges.split(' ').enumerate() {
            let (device, extents) = range.split_once(':').unwrap();
            let first: u64 = extents.split('-').next().unwrap().parse().unwrap();
            let disk = loops.0.iter().position(|is| is == device).unwrap();
            let offset = start * extent + number as u64 * stripe;
            let place = (disk as u8, pe_start + first * extent);
            assert_eq!(tag_at(volume, offset), place, "{line}");
            checked += 1;
        }
    }
    checked
}

#[test]
fn volumes_of_lvm_itself_are_where_it_says() {
    if !have("lvm") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut tagged = vec![vec![0; 16 * MIB]; 3];
    for (number, image) in tagged.iter_mut().enumerate() {
        tag(image, number as u8);
        // `pvcreate` asks about what looks like something: nothing does.
        image[..MIB].fill(0);
    }
    let files: Vec<_> = tagged
        .iter()
        .enumerate()
        .map(|(number, image)| file(dir.path(), &format!("pv{number}"), image))
        .collect();
    drop(tagged);
    let Some(loops) = Loops::of(&files) else {
        return;
    };
    let devices: Vec<_> = loops.0.iter().map(String::as_str).collect();
    loops.lvm(&[&["pvcreate", "-q"], devices.as_slice()].concat());
    // The third one has no metadata of its own: it is known by its UUID only.
    loops.lvm(&["pvchange", "--metadataignore", "y", devices[2]]);
    loops.lvm(&[&["vgcreate", "-s", "1m", "my-vg"], devices.as_slice()].concat());
    let make = ["lvcreate", "-an", "-Zn", "-Wn", "my-vg"];
    loops.lvm(&[make.as_slice(), &["-L", "5M", "-n", "a-root"]].concat());
    loops.lvm(
        &[
            make.as_slice(),
            &["-L", "12M", "-n", "fast", "-i", "3", "-I", "64k"],
        ]
        .concat(),
    );
    loops.lvm(&["lvextend", "-L", "+13M", "my-vg/a-root"]);
    let columns = "lv_name,lv_path,lv_dm_path,seg_start_pe,stripe_size,seg_pe_ranges";
    let ask = [
        "lvs",
        "--segments",
        "--noheadings",
        "--nosuffix",
        "--units",
        "b",
        "--separator",
        "|",
    ];
    let said = loops.lvm(&[ask.as_slice(), &["-o", columns, "my-vg"]].concat());
    let said: String = said
        .lines()
        .map(|line| format!("{line}|1048576\n"))
        .collect();
    let parts = parts(
        files
            .iter()
            .map(|file| std::fs::read(file).unwrap())
            .collect(),
    );
    let found = volumes(&parts, &NoKeys);
    assert_eq!(found.notes, []);
    assert_eq!(found.volumes.len(), 2);
    assert!(
        check_segments(&said, &loops, &found.volumes, 1 << 20) >= 6,
        "{said}"
    );

    let root = volume(&found.volumes, "a-root");
    let lowered = root
        .device
        .lower(&[change(root, 5 * MIB as u64 - 2, b"edited")])
        .unwrap();
    let again = volumes(&apply(&parts, &lowered), &NoKeys);
    let mut now = [0; 6];
    let device = &volume(&again.volumes, "a-root").device;
    device.read_exact_at(&mut now, 5 * MIB as u64 - 2).unwrap();
    assert_eq!(&now, b"edited");
}
