//! LVM: the devices file, and filters in lvm.conf.
//!
//! Where there is a devices file, LVM uses no physical volume that is not in it, by an id of the
//! hardware: a system that comes to another disk waits for its root file system in vain.
//! lvmdevices(8): "If the file does not exist, or if lvm.conf includes use_devicesfile=0, then lvm will not use a
//! devices file." Entries with `IDTYPE=devname` are looked for by PVID on other
//! devices too, but not on those that have an id of their own, which is nearly all of them
//! (search_for_devnames, lvm.conf(5); lib/device/device_id.c). So an entry gets the id that
//! LVM itself would write here, and when that is not known the file gets another name. The PVID stays in either case.

use crate::edits::{Edits, Moved};
use crate::names::{Known, Named, Names, Volume, named};
use crate::text::{Draft, Word};

/// The devices file.
pub(crate) const DEVICES: &str = "/etc/lvm/devices/system.devices";
/// What it is called when it cannot be used.
const ASIDE: &str = "/etc/lvm/devices/system.devices.before-rescue";

/// A line of the devices file: words "NAME=value".
struct Entry<'t>(Vec<Word<'t>>);

impl<'t> Entry<'t> {
    fn get(&self, name: &str) -> Option<Word<'t>> {
        let value = |word: &Word<'t>| word.after(name)?.after("=");
        self.0.iter().find_map(value)
    }

    fn text(&self, name: &str) -> &'t str {
        self.get(name).map_or("", |word| word.text)
    }
}

fn entries(text: &str) -> Vec<Entry<'_>> {
    let lines = Word::all(text).lines().into_iter();
    let lines = lines.filter(|line| !line.text.starts_with('#'));
    let entries = lines.map(|line| Entry(line.words()));
    entries
        .filter(|entry| entry.get("IDTYPE").is_some())
        .collect()
}

/// The physical volume that has `pvid`, which is its UUID without hyphens.
fn physical<'k>(known: &'k Known, pvid: &str) -> Option<&'k Volume> {
    known.volumes.iter().find(|volume| {
        let uuid = volume.uuid.as_deref().unwrap_or_default();
        volume.kind == "LVM2_member" && uuid.replace('-', "") == pvid
    })
}

/// What the devices file in `text` tells about what disks were called.
pub(crate) fn learn(text: &str, names: &mut Names<'_>) {
    for entry in entries(text) {
        if let Some(volume) = physical(names.known(), entry.text("PVID")) {
            names.learn(entry.text("DEVNAME"), volume);
        }
    }
}

/// Ids that are of what is on the disk, and not of the disk (lvmdevices(8), "Device ID types").
const OWN: [&str; 4] = ["crypt_uuid", "md_uuid", "lvmlv_uuid", "loop_file"];

/// What becomes of the devices file `text`, when `conf` is lvm.conf.
pub(crate) fn devices(text: &str, conf: &str, known: &Known, told: &mut Edits) {
    if setting(conf, "use_devicesfile") == Some("0") {
        return;
    }
    let mut draft = Draft::new(DEVICES, text);
    let mut aside = false;
    for entry in entries(text) {
        let (kind, id) = (entry.text("IDTYPE"), entry.text("IDNAME"));
        let Some(volume) = physical(known, entry.text("PVID")) else {
            continue;
        };
        // "/dev/md0" is found again.
        let stable = kind == "devname" && named(id) == Named::Stable;
        if OWN.contains(&kind) || stable {
            continue;
        }
        let here = wwid(known, volume);
        if kind == "sys_wwid" && here == Some(id) {
            continue;
        }
        match (here, entry.get("IDTYPE"), entry.get("IDNAME")) {
            (Some(here), Some(kind), Some(id)) => {
                let told = format!("{}={} is sys_wwid={here} now", kind.text, id.text);
                draft.replace(kind.range(), "sys_wwid".into(), told.clone());
                draft.replace(id.range(), here.to_owned(), told);
            }
            _ => aside = true,
        }
    }
    if aside {
        return move_aside(told);
    }
    draft.finish(told, &[DEVICES]);
}

/// The id of the disk that `volume` is on, when every version of LVM writes it as the kernel says it.
fn wwid<'k>(known: &'k Known, volume: &Volume) -> Option<&'k str> {
    let mut wwids = known.wwids.iter();
    let (_, wwid) = wwids.find(|(disk, _)| *disk == volume.disk)?;
    let plain = wwid.starts_with("naa.") || wwid.starts_with("eui.");
    let simple = wwid.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.');
    (plain && simple).then_some(wwid)
}

fn move_aside(told: &mut Edits) {
    let why = format!(
        "{DEVICES} lists the disk by an id of the old hardware, and without that entry LVM would not find this system: \
         it is {ASIDE} now, and LVM looks at all disks."
    );
    told.lines.push(why.clone());
    told.warn(format!(
        "LVM looks at all disks, since {DEVICES} cannot be used here. When the system runs, \
         `vgimportdevices VG` for each of its volume groups makes it anew."
    ));
    told.moved.push(Moved {
        from: DEVICES.to_owned(),
        to: ASIDE.to_owned(),
        why,
        copies: vec![DEVICES.to_owned()],
    });
}

/// The value of the setting `key` in `conf`, lvm.conf, where it is not commented out.
fn setting<'t>(conf: &'t str, key: &str) -> Option<&'t str> {
    let lines = conf
        .lines()
        .map(|line| line.split('#').next().unwrap_or(""));
    let mut values =
        lines.filter_map(|line| line.trim().strip_prefix(key)?.trim().strip_prefix('='));
    values.next_back().map(str::trim)
}

/// Names in patterns that other hardware does not have.
const UNSTABLE: [&str; 13] = [
    "/sd",
    "/hd",
    "/vd",
    "/xvd",
    "/[hs]d",
    "/nvme",
    "/mmcblk",
    "/cciss",
    "/mpath",
    "by-path/",
    "by-id/wwn-",
    "by-id/ata-",
    "by-id/scsi-",
];

/// A filter of lvm.conf(5), and the strings in it.
fn filters(text: &str) -> Vec<Vec<Word<'_>>> {
    let mut filters = Vec::new();
    let mut open: Option<Vec<Word<'_>>> = None;
    for line in Word::all(text).lines() {
        let line = line
            .to(line.text.find('#').unwrap_or(line.text.len()))
            .trim();
        let start = ["filter", "global_filter"].iter().find_map(|key| {
            let (name, value) = line.split(['='])?;
            (name.trim().text == *key).then_some(value)
        });
        if start.is_some() {
            open = Some(Vec::new());
        }
        let Some(strings) = &mut open else { continue };
        let line = start.unwrap_or(line);
        // Strings are every second piece between quotation marks.
        let mut rest = line;
        while let Some((_, after)) = rest.split(['"']) {
            let Some((string, after)) = after.split(['"']) else {
                break;
            };
            strings.push(string);
            rest = after;
        }
        if rest.text.contains(']') || !line.text.contains('[') && strings.len() == 1 {
            filters.extend(open.take());
        }
    }
    filters
}

/// lvm.conf `text` at `path`: a filter that lets disks through by names that this hardware does not have lets the system's own
/// physical volumes through by their UUIDs too. "If any path name matches an 'a' pattern before an
/// 'r' pattern, then the device is accepted" (lvm.conf(5)).
pub(crate) fn filtered(path: &str, text: &str, known: &Known, told: &mut Edits) {
    let mut draft = Draft::new(path, text);
    for strings in filters(text) {
        let accepts = |string: &&Word<'_>| {
            string.text.starts_with('a') && UNSTABLE.iter().any(|name| string.text.contains(name))
        };
        let rejects = strings.iter().any(|string| string.text.starts_with('r'));
        let (Some(named), Some(first), true) =
            (strings.iter().find(accepts), strings.first(), rejects)
        else {
            continue;
        };
        let volumes = known.volumes.iter();
        let uuids = volumes.filter(|v| v.kind == "LVM2_member" && v.partition.is_some());
        let uuids: Vec<&str> = uuids.filter_map(|v| v.uuid.as_deref()).collect();
        if uuids.is_empty() {
            draft.warn(format!(
                "{path} lets LVM use {} only, which may be called otherwise on this hardware.",
                named.text
            ));
            continue;
        }
        let mut new = String::new();
        for uuid in &uuids {
            new.push_str(&format!("a|^/dev/disk/by-id/lvm-pv-uuid-{uuid}$|\", \""));
        }
        let told = format!(
            "LVM may use the physical volume {} whatever its disk is called",
            uuids.join(" and ")
        );
        draft.replace(first.at..first.at, new, told);
    }
    draft.finish(told, &[path]);
}

#[cfg(test)]
mod tests {
    use super::*;

    const PVID: &str = "3NFhwAW1RAQzJz8uOsZqkcqasKhlZt9b";
    const UUID: &str = "3NFhwA-W1RA-QzJz-8uOs-Zqkc-qasK-hlZt9b";

    fn known(wwid: &str) -> Known {
        Known {
            volumes: vec![Volume {
                partition: Some(3),
                kind: "LVM2_member".into(),
                uuid: Some(UUID.into()),
                ..Volume::default()
            }],
            wwids: vec![(0, wwid.to_owned())],
            ..Known::default()
        }
    }

    fn file(kind: &str) -> String {
        format!(
            "# LVM uses devices listed in this file.\nVERSION=1.1.4\n\
             IDTYPE={kind} DEVNAME=/dev/sda3 PVID={PVID} PART=3\n\
             IDTYPE=sys_wwid IDNAME=naa.9 DEVNAME=/dev/sdb PVID=other\n"
        )
    }

    fn told(text: &str, conf: &str, wwid: &str) -> Edits {
        let mut told = Edits::default();
        devices(text, conf, &known(wwid), &mut told);
        told
    }

    #[test]
    fn an_entry_gets_the_id_of_the_new_disk() {
        for old in [
            "sys_serial IDNAME=00fa.10",
            "devname IDNAME=/dev/sda3",
            "sys_wwid IDNAME=naa.1",
        ] {
            let told = told(&file(old), "", "naa.5000c500a1b2c3d4");
            let expected = file("sys_wwid IDNAME=naa.5000c500a1b2c3d4");
            assert_eq!(told.files[0].text, expected);
            assert!(told.moved.is_empty());
        }
    }

    #[test]
    fn a_file_that_cannot_be_right_is_not_used() {
        for wwid in ["t10.ATA     QEMU HARDDISK", ""] {
            let told = told(&file("sys_serial IDNAME=1"), "", wwid);
            assert_eq!((told.moved.len(), told.files.len()), (1, 0));
            assert_eq!(told.moved[0].from, DEVICES);
        }
    }

    #[test]
    fn what_does_not_break_stays() {
        let serial = file("sys_serial IDNAME=1");
        let off = "devices {\n\tuse_devicesfile = 0 # no\n}\n";
        assert_eq!(told(&serial, off, ""), Edits::default());
        let on = "\t# use_devicesfile = 0\n";
        assert_eq!(told(&serial, on, "").moved.len(), 1);
        for (kind, wwid) in [
            ("md_uuid IDNAME=1:2", ""),
            ("devname IDNAME=/dev/md0", "naa.1"),
            ("sys_wwid IDNAME=naa.1", "naa.1"),
        ] {
            assert_eq!(told(&file(kind), "", wwid), Edits::default(), "{kind}");
        }
        assert_eq!(told(&serial.replace(PVID, "x"), "", ""), Edits::default());
    }

    #[test]
    fn the_devices_file_tells_what_the_disk_was_called() {
        let known = known("");
        let mut names = Names::new(&known);
        learn(&file("sys_serial IDNAME=1"), &mut names);
        let settled = names.settle("/dev/sda3", crate::names::Style::Tag, &[]);
        assert_eq!(settled, crate::names::Settled::New(format!("UUID={UUID}")));
    }

    #[test]
    fn filters_let_own_volumes_through() {
        let text = "devices {\n\t# filter = [ \"a|/dev/sda|\", \"r|.*|\" ]\n\tfilter = [ \"a|^/dev/sda3$|\",\n\t\t\"r|.*|\" ] # x\n\
                    global_filter=\"r|/dev/drbd.*|\"\n}\n";
        let mut told = Edits::default();
        filtered("/etc/lvm/lvm.conf", text, &known(""), &mut told);
        let pattern = format!("a|^/dev/disk/by-id/lvm-pv-uuid-{UUID}$|");
        let expected = text.replace(
            "filter = [ \"a|^/dev/sda3$|\",\n",
            &format!("filter = [ \"{pattern}\", \"a|^/dev/sda3$|\",\n"),
        );
        assert_eq!(told.files[0].text, expected);
        let mut told = Edits::default();
        filtered("/f", text, &Known::default(), &mut told);
        assert!(told.warnings[0].contains("a|^/dev/sda3$|"), "{told:?}");
        let mut told = Edits::default();
        filtered(
            "/f",
            "filter = [ \"a|.*|\" ]\nfilter = [ \"r|/dev/sdb|\" ]",
            &known(""),
            &mut told,
        );
        assert_eq!(told, Edits::default());
    }
}
