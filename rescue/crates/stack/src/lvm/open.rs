//! The logical volumes of a group, made of the physical volumes that are here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::group::{Areas, Group, Kind, Segment};
use super::raid::{RaidMeta, State, copies};
use crate::map::{Mapped, Place, Refusal, Spot};
use crate::{Absent, Layer, LvProblem};

/// Volumes within volumes: LVM goes three deep.
const DEPTH_CAP: usize = 8;

/// A device, and the partition that it begins on.
#[derive(Clone)]
pub(crate) struct Placed {
    pub(crate) partition: u32,
    pub(crate) device: Arc<dyn Layer>,
}

/// The visible volumes of a group, by name.
#[derive(Default)]
pub(crate) struct Opened {
    pub(crate) lvs: Vec<(String, Placed)>,
    /// What is wrong with volumes; one that is among `lvs` too is only read.
    pub(crate) problems: Vec<(String, LvProblem)>,
}

/// Opens what can be opened. `pvs` are the physical volumes that are here, by
/// UUID without hyphens.
pub(crate) fn open(group: &Group, pvs: &BTreeMap<String, Placed>) -> Opened {
    let mut opener = Opener {
        group,
        pvs,
        origins: BTreeMap::new(),
        stores: BTreeSet::new(),
        done: BTreeMap::new(),
        refused: BTreeMap::new(),
    };
    for segment in group.lvs.values().flat_map(|lv| &lv.segments) {
        if let Kind::Snapshot {
            origin,
            cow,
            merging,
        } = &segment.kind
        {
            let entry = opener.origins.entry(origin).or_insert((cow, false));
            entry.1 |= merging;
            opener.stores.insert(cow);
        }
    }
    let mut opened = Opened::default();
    for (name, lv) in &group.lvs {
        if !lv.visible {
            continue;
        }
        match opener.volume(name, 0) {
            Ok(placed) => {
                if let Some(why) = opener.refused.remove(name) {
                    opened.problems.push((name.clone(), why));
                }
                opened.lvs.push((name.clone(), placed));
            }
            Err(why) => opened.problems.push((name.clone(), why)),
        }
    }
    opened
}

struct Opener<'a> {
    group: &'a Group,
    pvs: &'a BTreeMap<String, Placed>,
    /// The volumes that have snapshots, with one of them, and whether one is being merged.
    origins: BTreeMap<&'a str, (&'a str, bool)>,
    /// The volumes that hold what snapshots keep.
    stores: BTreeSet<&'a str>,
    done: BTreeMap<String, Result<Placed, LvProblem>>,
    /// Volumes that are only read, and why.
    refused: BTreeMap<String, LvProblem>,
}

fn damaged<T>(why: impl Into<String>) -> Result<T, LvProblem> {
    Err(LvProblem::Damaged { why: why.into() })
}

impl Opener<'_> {
    fn volume(&mut self, name: &str, depth: usize) -> Result<Placed, LvProblem> {
        if let Some(done) = self.done.get(name) {
            return done.clone();
        }
        if depth > DEPTH_CAP {
            return damaged("its parts go round in a circle");
        }
        let made = self.make(name, depth);
        self.done.insert(name.to_owned(), made.clone());
        made
    }

    fn make(&mut self, name: &str, depth: usize) -> Result<Placed, LvProblem> {
        let group = self.group;
        let Some(lv) = group.lvs.get(name) else {
            return damaged(format!("it refers to {name:?}, which is not there"));
        };
        let mut mapped = Mapped::new();
        let mut partition = None;
        self.snapshots(name, &mut mapped)?;
        let mut next = 0;
        for segment in &lv.segments {
            if segment.start != next {
                return damaged(format!("its extent {next} is in no segment"));
            }
            let (place, from) = self.place(name, segment, &mut mapped, depth)?;
            partition.get_or_insert(from);
            let len = segment.count.checked_mul(group.extent);
            if len.and_then(|len| mapped.push(place, len)).is_none() {
                return damaged(format!(
                    "the segment at extent {next} is not inside of its devices"
                ));
            }
            next = next.saturating_add(segment.count);
        }
        match partition {
            Some(partition) => {
                self.remember(name, &mapped);
                let device = Arc::new(mapped);
                Ok(Placed { partition, device })
            }
            None => damaged("it has no segments"),
        }
    }

    fn remember(&mut self, name: &str, mapped: &Mapped) {
        let why = match mapped.refusal() {
            Some(Refusal::Elsewhere(absent)) => LvProblem::Elsewhere(absent.clone()),
            Some(Refusal::Snapshot { snapshot, .. }) => LvProblem::Snapshot {
                snapshot: snapshot.clone(),
            },
            None => return,
        };
        self.refused.insert(name.to_owned(), why);
    }

    /// What snapshots mean for the volume `name`.
    fn snapshots(&self, name: &str, mapped: &mut Mapped) -> Result<(), LvProblem> {
        if self.stores.contains(name) {
            let kind = "snapshot".to_owned();
            return Err(LvProblem::Unsupported { kind });
        }
        match self.origins.get(name) {
            Some((_, true)) => return Err(LvProblem::Merging),
            Some((snapshot, false)) => mapped.refuse(Refusal::Snapshot {
                lv: format!("{}/{name}", self.group.name),
                snapshot: (*snapshot).to_owned(),
            }),
            None => {}
        }
        Ok(())
    }

    fn place(
        &mut self,
        name: &str,
        segment: &Segment,
        mapped: &mut Mapped,
        depth: usize,
    ) -> Result<(Place, u32), LvProblem> {
        match &segment.kind {
            Kind::Striped { stripe, areas } => {
                let (spots, from) = self.spots(areas, mapped, depth)?;
                let place = match spots.len() {
                    1 => Place::Copies(spots),
                    _ => Place::Stripes {
                        chunk: *stripe,
                        spots,
                    },
                };
                Ok((place, from))
            }
            Kind::Mirror(areas) => {
                let (spots, from) = self.spots(areas, mapped, depth)?;
                Ok((Place::Copies(spots), from))
            }
            Kind::Raid1 { meta, images } => self.raid1(name, meta, images, mapped, depth),
            Kind::Snapshot { .. } => Err(LvProblem::Unsupported {
                kind: "snapshot".to_owned(),
            }),
            Kind::Other(kind) => Err(LvProblem::Unsupported { kind: kind.clone() }),
        }
    }

    /// The place of extent `extent` of a physical or logical volume.
    fn spot(
        &mut self,
        name: &str,
        extent: u64,
        mapped: &mut Mapped,
        depth: usize,
    ) -> Result<(Spot, u32), LvProblem> {
        let (placed, start) = match self.group.pvs.get(name) {
            Some(entry) => {
                let here = self.pvs.get(&entry.uuid).filter(|_| !entry.missing);
                let missing = || LvProblem::Missing {
                    pv: name.to_owned(),
                };
                (here.cloned().ok_or_else(missing)?, entry.start)
            }
            None => (self.volume(name, depth + 1)?, 0),
        };
        let at = extent.checked_mul(self.group.extent);
        let Some(at) = at.and_then(|at| at.checked_add(start)) else {
            return damaged(format!("it refers to extent {extent} of {name}"));
        };
        let leg = mapped.leg(&placed.device);
        let stale = false;
        Ok((Spot { leg, at, stale }, placed.partition))
    }

    fn spots(
        &mut self,
        areas: &Areas,
        mapped: &mut Mapped,
        depth: usize,
    ) -> Result<(Vec<Spot>, u32), LvProblem> {
        let spots = areas
            .iter()
            .map(|(name, extent)| self.spot(name, *extent, mapped, depth));
        let spots = spots.collect::<Result<Vec<_>, _>>()?;
        let from = spots.first().map_or(0, |(_, partition)| *partition);
        Ok((spots.into_iter().map(|(spot, _)| spot).collect(), from))
    }

    fn raid1(
        &mut self,
        name: &str,
        meta: &[String],
        images: &[String],
        mapped: &mut Mapped,
        depth: usize,
    ) -> Result<(Place, u32), LvProblem> {
        let metas = meta.iter().map(|meta| {
            let meta = self.volume(meta, depth + 1).ok()?;
            RaidMeta::read(&meta.device)
        });
        let states = copies(&metas.collect::<Vec<_>>());
        let (mut spots, mut from, mut absent, mut missing) = (Vec::new(), None, Vec::new(), None);
        for ((slot, image), state) in (0..).zip(images).zip(states) {
            match self.spot(image, 0, mapped, depth) {
                Ok((mut spot, partition)) => {
                    spot.stale = state == State::Stale;
                    from.get_or_insert(partition);
                    spots.push(spot);
                }
                Err(why @ LvProblem::Missing { .. }) => {
                    if state == State::Fresh {
                        absent.push(slot);
                    }
                    missing.get_or_insert(why);
                }
                Err(why) => return Err(why),
            }
        }
        if let (true, Some(why)) = (spots.iter().all(|spot| spot.stale), missing) {
            return Err(why);
        }
        if !absent.is_empty() {
            mapped.refuse(Refusal::Elsewhere(Absent {
                what: format!("the logical volume {}/{name}", self.group.name),
                slots: absent,
            }));
        }
        spots.sort_by_key(|spot| spot.stale);
        match from {
            Some(from) => Ok((Place::Copies(spots), from)),
            None => damaged("none of its copies is there"),
        }
    }
}
