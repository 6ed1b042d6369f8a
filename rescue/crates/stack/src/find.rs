//! The search: what is in a device, and in that again.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use crate::layer::Partition;
use crate::luks::{self, FoundLuks};
use crate::lvm::{self, Group, Placed, Pv};
use crate::md::{self, MdMember};
use crate::{Found, Keys, Layer, MdProblem, Note, Part, Through, Volume};

/// Layers on top of each other: md, LUKS and LVM make three.
const DEPTH_CAP: usize = 8;

/// A device that is yet to be looked into.
struct Node {
    partition: u32,
    names: Vec<String>,
    through: Vec<Through>,
    device: Arc<dyn Layer>,
}

/// A physical volume that was found.
struct FoundPv {
    pv: Pv,
    node: Node,
}

/// What is on these partitions beneath file systems, layer by layer. Plain
/// partitions are not among the volumes.
#[must_use]
pub fn volumes(parts: &[Part], keys: &dyn Keys) -> Found {
    let mut search = Search::default();
    let mut nodes: VecDeque<_> = parts.iter().map(node).collect();
    while !nodes.is_empty() {
        while let Some(node) = nodes.pop_front() {
            nodes.extend(search.look_into(node, keys));
        }
        nodes.extend(search.arrays());
        if nodes.is_empty() {
            nodes.extend(search.groups());
        }
    }
    search.found
}

fn node(part: &Part) -> Node {
    Node {
        partition: part.number,
        names: Vec::new(),
        through: Vec::new(),
        device: Arc::new(Partition {
            start: part.start,
            device: Arc::clone(&part.device),
        }),
    }
}

fn array_node(member: &MdMember, device: Arc<dyn Layer>, mut through: Vec<Through>) -> Node {
    let superblock = &member.superblock;
    through.push(Through::Md {
        uuid: superblock.uuid.clone(),
        level: superblock.level,
        name: superblock.name.clone(),
    });
    Node {
        partition: member.partition,
        names: md::names(superblock),
        through,
        device,
    }
}

#[derive(Default)]
struct Search {
    found: Found,
    pvs: Vec<FoundPv>,
    /// Members of arrays that are not assembled yet, with the layers below.
    members: Vec<(MdMember, Vec<Through>)>,
    /// UUIDs of the arrays that were assembled.
    assembled: BTreeSet<String>,
    /// UUIDs of the groups that were opened.
    opened: BTreeSet<String>,
}

impl Search {
    fn note(&mut self, note: Note) {
        self.found.notes.push(note);
    }

    /// Sorts the device in: a part of something larger, or a volume. Gives what it
    /// holds alone, which is to be looked into.
    fn look_into(&mut self, node: Node, keys: &dyn Keys) -> Option<Node> {
        let partition = node.partition;
        if node.through.len() >= DEPTH_CAP {
            let depth = DEPTH_CAP;
            self.note(Note::TooDeep { partition, depth });
            return None;
        }
        let looked = self.parts_of_more(node, keys);
        looked.unwrap_or_else(|error| {
            let why = error.to_string();
            self.note(Note::Unreadable { partition, why });
            None
        })
    }

    fn parts_of_more(&mut self, node: Node, keys: &dyn Keys) -> std::io::Result<Option<Node>> {
        let partition = node.partition;
        let Some(node) = self.take_member(node)? else {
            return Ok(None);
        };
        if let Some(luks) = luks::open(&node.device, keys)? {
            self.found.parts.insert(partition);
            return Ok(self.decrypted(luks, node));
        }
        match lvm::read_pv(&node.device)? {
            Ok(Some(pv)) => {
                self.found.parts.insert(partition);
                self.pvs.push(FoundPv { pv, node });
            }
            Ok(None) if !node.through.is_empty() => self.found.volumes.push(Volume {
                partition,
                names: node.names,
                through: node.through,
                device: node.device,
            }),
            Ok(None) => {}
            Err(why) => {
                let what = "the label of an LVM physical volume";
                self.note(Note::Damaged {
                    partition,
                    what,
                    why,
                });
            }
        }
        Ok(None)
    }

    /// The device inside of a LUKS volume, if it could be opened.
    fn decrypted(&mut self, luks: FoundLuks, node: Node) -> Option<Node> {
        let FoundLuks {
            version,
            uuid,
            opened,
        } = luks;
        let partition = node.partition;
        match opened {
            Ok(device) => {
                let mut through = node.through;
                let names = luks::names(&uuid);
                through.push(Through::Luks { uuid, version });
                Some(Node {
                    partition,
                    names,
                    through,
                    device,
                })
            }
            Err(why) => {
                self.note(Note::Luks {
                    partition,
                    uuid,
                    why,
                });
                None
            }
        }
    }

    /// Keeps a member of an array of md; gives back what is none.
    fn take_member(&mut self, node: Node) -> std::io::Result<Option<Node>> {
        let partition = node.partition;
        let (found, damage) = md::read_superblock(&node.device)?;
        let what = "the superblock of an md array";
        for why in damage {
            self.note(Note::Damaged {
                partition,
                what,
                why,
            });
        }
        let Some(superblock) = found else {
            return Ok(Some(node));
        };
        self.found.parts.insert(partition);
        let device = Arc::clone(&node.device);
        let member = MdMember {
            superblock,
            partition,
            device,
        };
        self.members.push((member, node.through));
        Ok(None)
    }

    /// Opens the arrays of md that are not open yet.
    fn arrays(&mut self) -> Vec<Node> {
        let mut arrays: BTreeMap<String, Vec<_>> = BTreeMap::new();
        for (member, through) in self.members.drain(..) {
            let uuid = member.superblock.uuid.clone();
            arrays.entry(uuid).or_default().push((member, through));
        }
        let mut nodes = Vec::new();
        for (uuid, members) in arrays {
            let (members, through): (Vec<_>, Vec<_>) = members.into_iter().unzip();
            let Some((partition, name)) = members.first().map(|member| {
                let name = member.superblock.name.as_ref().unwrap_or(&uuid);
                (member.partition, name.clone())
            }) else {
                continue;
            };
            let problem = |why| Note::Md {
                partition,
                uuid: uuid.clone(),
                name: name.clone(),
                why,
            };
            if !self.assembled.insert(uuid.clone()) {
                self.note(problem(MdProblem::TooLate));
                continue;
            }
            match md::assemble(&members) {
                Ok(array) => {
                    if let Some(absent) = array.elsewhere {
                        self.note(problem(MdProblem::Elsewhere(absent)));
                    }
                    let through = through.into_iter().next().unwrap_or_default();
                    nodes.push(array_node(&array.first, array.device, through));
                }
                Err(why) => self.note(problem(why)),
            }
        }
        nodes
    }

    /// Opens the volume groups that are not open yet; their volumes are to be looked into.
    fn groups(&mut self) -> Vec<Node> {
        let mut nodes = Vec::new();
        for group in self.descriptions() {
            let pvs = self.members(&group);
            let opened = lvm::open(&group, &pvs);
            for (lv, why) in opened.problems {
                let vg = group.name.clone();
                self.note(Note::Lv { vg, lv, why });
            }
            for (name, placed) in opened.lvs {
                nodes.push(self.logical(&group, &name, placed));
            }
        }
        nodes
    }

    /// The newest description of each group that is not open yet.
    fn descriptions(&mut self) -> Vec<Group> {
        let mut newest: BTreeMap<String, Group> = BTreeMap::new();
        let mut notes = Vec::new();
        let what = "the metadata of an LVM physical volume";
        for FoundPv { pv, node } in &mut self.pvs {
            let partition = node.partition;
            let texts = std::mem::take(&mut pv.texts);
            let mut damage = std::mem::take(&mut pv.damage);
            for text in texts {
                match Group::parse(&text) {
                    Ok(group) if self.opened.contains(&group.id) => {}
                    Ok(group) => {
                        let known = newest.get(&group.id).map(|known| known.seqno);
                        if known.is_none_or(|seqno| seqno < group.seqno) {
                            newest.insert(group.id.clone(), group);
                        }
                    }
                    Err(why) => damage.push(why),
                }
            }
            let damage = damage.into_iter();
            notes.extend(damage.map(|why| Note::Damaged {
                partition,
                what,
                why,
            }));
        }
        self.found.notes.extend(notes);
        self.opened.extend(newest.keys().cloned());
        newest.into_values().collect()
    }

    /// The physical volumes of the group that are here, by UUID.
    fn members(&mut self, group: &Group) -> BTreeMap<String, Placed> {
        let mut members = BTreeMap::new();
        let mut notes = Vec::new();
        for entry in group.pvs.values() {
            let mut here = self.pvs.iter().filter(|found| found.pv.uuid == entry.uuid);
            match (here.next(), here.next()) {
                (Some(one), None) => {
                    let placed = Placed {
                        partition: one.node.partition,
                        device: Arc::clone(&one.node.device),
                    };
                    members.insert(entry.uuid.clone(), placed);
                }
                (Some(one), Some(other)) => notes.push(Note::PvTwice {
                    uuid: entry.uuid.clone(),
                    first: one.node.partition,
                    second: other.node.partition,
                }),
                (None, _) => notes.push(Note::PvMissing {
                    vg: group.name.clone(),
                    uuid: entry.uuid.clone(),
                    hint: entry.hint.clone(),
                }),
            }
        }
        self.found.notes.extend(notes);
        members
    }

    /// A logical volume, with what is below its beginning.
    fn logical(&self, group: &Group, lv: &str, placed: Placed) -> Node {
        let below = self.pvs.iter().find(|found| {
            found.node.partition == placed.partition
                && group.pvs.values().any(|entry| entry.uuid == found.pv.uuid)
        });
        let mut through = below.map_or_else(Vec::new, |found| found.node.through.clone());
        through.push(Through::Lvm {
            vg: group.name.clone(),
            lv: lv.to_owned(),
        });
        let id = group.lvs.get(lv).map_or("", |lv| &lv.id);
        Node {
            partition: placed.partition,
            names: lvm::names(&group.name, lv, &group.id, id),
            through,
            device: placed.device,
        }
    }
}
