//! A volume group, as the text of its metadata describes it.

use std::collections::BTreeMap;

use super::names::is_name;
use super::text::{Section, Value, parse};

/// LVM's unit: extents, offsets and stripes are counted in sectors of 512 bytes.
const SECTOR: u64 = 512;
/// More legs or stripes than LVM makes.
const LEGS_CAP: usize = 256;

/// A physical volume, as its group knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PvEntry {
    /// Its UUID, without hyphens.
    pub(crate) uuid: String,
    /// Where its extents begin, in bytes.
    pub(crate) start: u64,
    /// How many it has.
    pub(crate) extents: u64,
    /// The group went on without it: what is on it is old.
    pub(crate) missing: bool,
    /// The device that it last was.
    pub(crate) hint: String,
}

/// What a segment lies on: names of physical or logical volumes, with the first extent.
pub(crate) type Areas = Vec<(String, u64)>;

/// How a segment is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// In stripes of so many bytes; with one area that is linear.
    Striped { stripe: u64, areas: Areas },
    /// The same on each.
    Mirror(Areas),
    /// The same on each image, and what dm-raid knows about each.
    Raid1 {
        meta: Vec<String>,
        images: Vec<String>,
    },
    /// A snapshot of `origin`, which keeps what has changed in `cow`.
    Snapshot {
        origin: String,
        cow: String,
        merging: bool,
    },
    /// What cannot be opened here.
    Other(String),
}

/// A piece of a logical volume: extents `start..start + count`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) start: u64,
    pub(crate) count: u64,
    pub(crate) kind: Kind,
}

/// A logical volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lv {
    /// Its UUID, with hyphens.
    pub(crate) id: String,
    /// People see it; others are parts of such ones.
    pub(crate) visible: bool,
    pub(crate) segments: Vec<Segment>,
}

/// A volume group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) name: String,
    /// Its UUID, with hyphens.
    pub(crate) id: String,
    /// Counts its changes.
    pub(crate) seqno: u64,
    /// The size of an extent, in bytes.
    pub(crate) extent: u64,
    /// By the names that segments use.
    pub(crate) pvs: BTreeMap<String, PvEntry>,
    pub(crate) lvs: BTreeMap<String, Lv>,
}

impl Group {
    /// The group in a metadata area's text; the error says what is wrong.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, String> {
        let tree = parse(text)?;
        let [(name, vg)] = tree.sections.as_slice() else {
            return Err("its text does not describe one volume group".to_owned());
        };
        let lacks = |what: &str| format!("the volume group has no usable {what}");
        if !is_name(name) {
            return Err(lacks("name"));
        }
        let extent = vg.number("extent_size").and_then(|n| n.checked_mul(SECTOR));
        Ok(Self {
            name: name.clone(),
            id: id(vg).ok_or_else(|| lacks("id"))?,
            seqno: vg.number("seqno").ok_or_else(|| lacks("seqno"))?,
            extent: extent
                .filter(|extent| *extent > 0)
                .ok_or_else(|| lacks("extent_size"))?,
            pvs: entries(vg, "physical_volumes", pv_entry)?,
            lvs: entries(vg, "logical_volumes", lv)?,
        })
    }
}

fn id(section: &Section) -> Option<String> {
    let id = section.text("id")?;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-!#".contains(&byte);
    (id.len() <= 40 && id.bytes().all(allowed)).then(|| id.to_owned())
}

/// The sections of `section`, each read by `one`.
fn entries<T>(
    vg: &Section,
    section: &str,
    one: fn(&Section) -> Option<T>,
) -> Result<BTreeMap<String, T>, String> {
    let Some(found) = vg.section(section) else {
        return Ok(BTreeMap::new());
    };
    let read = found.sections.iter().map(|(name, inner)| {
        let value = one(inner).filter(|_| is_name(name));
        let value =
            value.ok_or_else(|| format!("{section} has an entry that is damaged: {name:?}"))?;
        Ok((name.clone(), value))
    });
    read.collect()
}

fn pv_entry(section: &Section) -> Option<PvEntry> {
    Some(PvEntry {
        uuid: id(section)?.replace('-', ""),
        start: section.number("pe_start")?.checked_mul(SECTOR)?,
        extents: section.number("pe_count")?,
        missing: section.has("flags", "MISSING") || section.has("status", "MISSING"),
        hint: section.text("device").unwrap_or("unknown").to_owned(),
    })
}

fn lv(section: &Section) -> Option<Lv> {
    let segments = section.sections.iter();
    let segments = segments.filter(|(name, _)| name.starts_with("segment"));
    let mut segments: Vec<_> = segments
        .map(|(_, inner)| segment(inner))
        .collect::<Option<_>>()?;
    segments.sort_by_key(|segment| segment.start);
    Some(Lv {
        id: id(section)?,
        visible: section.has("status", "VISIBLE"),
        segments,
    })
}

fn segment(section: &Section) -> Option<Segment> {
    Some(Segment {
        start: section.number("start_extent")?,
        count: section.number("extent_count")?,
        kind: kind(section)?,
    })
}

fn kind(section: &Section) -> Option<Kind> {
    Some(match section.text("type")? {
        "striped" | "linear" => {
            let areas = areas(section.list("stripes"))?;
            let stripe = match areas.len() {
                1 => 0,
                _ => section.number("stripe_size")?.checked_mul(SECTOR)?,
            };
            Kind::Striped { stripe, areas }
        }
        "mirror" => Kind::Mirror(areas(section.list("mirrors"))?),
        "raid1" => raid1(section.list("raids"))?,
        "snapshot" => Kind::Snapshot {
            origin: section.text("origin")?.to_owned(),
            cow: section
                .text("cow_store")
                .or_else(|| section.text("merging_store"))?
                .to_owned(),
            merging: section.text("merging_store").is_some(),
        },
        other => Kind::Other(other.chars().take(40).collect()),
    })
}

/// Pairs of a name and an extent.
fn areas(list: &[Value]) -> Option<Areas> {
    let pairs = list.chunks(2).map(|pair| match pair {
        [Value::Text(name), Value::Number(extent)] => Some((name.clone(), *extent)),
        _ => None,
    });
    let pairs: Areas = pairs.collect::<Option<_>>()?;
    (1..=LEGS_CAP).contains(&pairs.len()).then_some(pairs)
}

/// Pairs of names: metadata and image of each copy.
fn raid1(list: &[Value]) -> Option<Kind> {
    let (mut meta, mut images) = (Vec::new(), Vec::new());
    for pair in list.chunks(2) {
        let [Value::Text(rmeta), Value::Text(rimage)] = pair else {
            return None;
        };
        meta.push(rmeta.clone());
        images.push(rimage.clone());
    }
    let sound = (1..=LEGS_CAP).contains(&images.len());
    sound.then_some(Kind::Raid1 { meta, images })
}
