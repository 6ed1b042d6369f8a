//! Block devices and what is built on what: partitions, volumes, arrays, loops.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::identity::text;
use super::mounts::{DeviceNumber, Mount, parse_mountinfo, parse_swaps};
use super::types::Use;

/// One block device.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) name: String,
    /// Its folder in sysfs, all links resolved.
    pub(super) dir: PathBuf,
    number: DeviceNumber,
    /// The disk it is a partition of.
    pub(super) parent: Option<String>,
    /// The devices it is built on, as the kernel names them.
    slaves: Vec<String>,
    /// The file or device behind a loop device.
    backing: Option<PathBuf>,
}

impl Node {
    /// A disk has hardware behind it, holds something, and is no optical
    /// drive or floppy.
    pub(super) fn is_disk(&self) -> bool {
        let optical = self.name.starts_with("sr") || self.name.starts_with("fd");
        let empty = text(&self.dir, "size").is_none_or(|size| size == "0");
        self.parent.is_none() && !optical && !empty && self.dir.join("device").exists()
    }

    /// The name people know: a volume's, not "dm-3".
    fn friendly_name(&self) -> String {
        match text(&self.dir, "dm/name") {
            Some(name) => format!("{name} ({})", self.name),
            None => self.name.clone(),
        }
    }
}

/// All block devices with the mounts and swaps on them.
#[derive(Debug)]
pub(super) struct Graph {
    nodes: BTreeMap<String, Node>,
    mounts: Vec<Mount>,
    swaps: Vec<PathBuf>,
}

impl Graph {
    pub(super) fn read(root: &Path) -> anyhow::Result<Self> {
        let class = root.join("sys/class/block");
        let entries = fs::read_dir(&class)
            .with_context(|| format!("cannot list {}: is sysfs mounted?", class.display()))?;
        let nodes = entries
            .filter_map(Result::ok)
            .filter_map(|entry| read_node(&entry.path()))
            .map(|node| (node.name.clone(), node))
            .collect();
        let mountinfo = root.join("proc/self/mountinfo");
        let mounts = fs::read_to_string(&mountinfo)
            .with_context(|| format!("cannot read {}: is proc mounted?", mountinfo.display()))?;
        // A kernel without swap support has no such file.
        let swaps = fs::read_to_string(root.join("proc/swaps")).unwrap_or_default();
        Ok(Self {
            nodes,
            mounts: parse_mountinfo(&mounts),
            swaps: parse_swaps(&swaps),
        })
    }

    pub(super) fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.values()
    }

    pub(super) fn by_number(&self, number: DeviceNumber) -> Option<&Node> {
        self.nodes.values().find(|node| node.number == number)
    }

    /// The device a path like `/dev/sda1` or `/dev/mapper/x` means.
    fn by_path(&self, path: &Path) -> Option<&Node> {
        let resolved = fs::canonicalize(path);
        let path = resolved.as_deref().unwrap_or(path);
        let name = path.strip_prefix("/dev").ok()?.to_str()?.replace('/', "!");
        self.nodes.get(&name)
    }

    /// The device a filesystem is mounted from. Some (btrfs) hide it behind a
    /// number of their own, so the source is asked too.
    fn mounted_device(&self, mount: &Mount) -> Option<&Node> {
        self.by_number(mount.number)
            .or_else(|| self.by_path(&mount.source))
    }

    /// Everything that holds `disk`, its partitions, and what is built on them.
    pub(super) fn uses_of(&self, disk: &Node) -> Vec<Use> {
        let mut uses = Vec::new();
        let mut seen = BTreeSet::new();
        let mut todo = vec![disk.name.clone()];
        while let Some(name) = todo.pop() {
            if !seen.insert(name.clone()) {
                continue;
            }
            self.direct_uses(&name, &mut uses);
            for above in self.nodes.values() {
                if above.parent.as_ref() == Some(&name) {
                    todo.push(above.name.clone());
                } else if self.is_built_on(above, &name) {
                    let by = above.friendly_name();
                    let device = name.clone();
                    uses.push(Use::Held { device, by });
                    todo.push(above.name.clone());
                }
            }
        }
        uses
    }

    fn is_built_on(&self, above: &Node, below: &str) -> bool {
        let looped = || above.backing.as_deref().and_then(|path| self.by_path(path));
        above.slaves.iter().any(|slave| slave == below)
            || looped().is_some_and(|node| node.name == below)
    }

    fn direct_uses(&self, name: &str, uses: &mut Vec<Use>) {
        for mount in &self.mounts {
            if self.mounted_device(mount).is_some_and(|n| n.name == name) {
                let (device, at) = (name.to_owned(), mount.at.clone());
                uses.push(Use::Mounted { device, at });
            }
        }
        for swap in &self.swaps {
            if self.by_path(swap).is_some_and(|n| n.name == name) {
                let device = name.to_owned();
                uses.push(Use::Swap { device });
            }
        }
    }

    /// The loop devices on a raw file, and what holds them.
    pub(super) fn uses_of_file(&self, path: &Path) -> Vec<Use> {
        let mut uses = Vec::new();
        for node in self.nodes.values() {
            let backing = node.backing.as_deref();
            if backing.is_some_and(|backing| same_file(backing, path)) {
                let device = path.display().to_string();
                let by = node.friendly_name();
                uses.push(Use::Held { device, by });
                uses.extend(self.uses_of(node));
            }
        }
        uses
    }

    /// Whole disks under the file at `path`, which `stat` places on `number`.
    pub(super) fn disks_holding(&self, path: &Path, number: DeviceNumber) -> Vec<String> {
        let deepest = || {
            let inside = self.mounts.iter().filter(|m| path.starts_with(&m.at));
            // The last of equally deep mounts covers the others.
            let mount = inside.max_by_key(|m| m.at.components().count())?;
            self.mounted_device(mount)
        };
        let mut disks = BTreeSet::new();
        if let Some(node) = self.by_number(number).or_else(deepest) {
            self.descend(node, &mut BTreeSet::new(), &mut disks);
        }
        disks.into_iter().collect()
    }

    fn descend(&self, node: &Node, seen: &mut BTreeSet<String>, disks: &mut BTreeSet<String>) {
        if !seen.insert(node.name.clone()) {
            return;
        }
        let below = node.parent.iter().chain(&node.slaves);
        let below: Vec<&Node> = below.filter_map(|name| self.nodes.get(name)).collect();
        for lower in &below {
            self.descend(lower, seen, disks);
        }
        match &node.backing {
            Some(backing) => match self.by_path(backing) {
                Some(lower) => self.descend(lower, seen, disks),
                None => self.descend_into_file(backing, seen, disks),
            },
            None if below.is_empty() => {
                disks.insert(node.name.clone());
            }
            None => {}
        }
    }

    /// A loop device on a file: the disks under that file.
    fn descend_into_file(
        &self,
        file: &Path,
        seen: &mut BTreeSet<String>,
        disks: &mut BTreeSet<String>,
    ) {
        let inside = self.mounts.iter().filter(|m| file.starts_with(&m.at));
        let mount = inside.max_by_key(|m| m.at.components().count());
        if let Some(node) = mount.and_then(|m| self.mounted_device(m)) {
            self.descend(node, seen, disks);
        }
    }
}

/// Whether two paths lead to one file: by names, or by inode, as hard links
/// and bind mounts do.
fn same_file(one: &Path, other: &Path) -> bool {
    let node = |path: &Path| fs::metadata(path).ok().map(|m| (m.dev(), m.ino()));
    one == other || node(one).is_some_and(|one| node(other) == Some(one))
}

fn read_node(link: &Path) -> Option<Node> {
    let dir = fs::canonicalize(link).ok()?;
    let name = link.file_name()?.to_str()?.to_owned();
    let number = DeviceNumber::parse(&text(&dir, "dev")?)?;
    let parent = dir.join("partition").exists().then(|| {
        let parent = dir.parent()?.file_name()?.to_str()?;
        Some(parent.to_owned())
    });
    let slaves = fs::read_dir(dir.join("slaves")).map_or_else(
        |_| Vec::new(),
        |entries| {
            entries
                .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
                .collect()
        },
    );
    let backing = text(&dir, "loop/backing_file").map(PathBuf::from);
    Some(Node {
        name,
        dir,
        number,
        parent: parent.flatten(),
        slaves,
        backing,
    })
}
