//! What could not be opened, or not be changed, and why.

use crate::Absent;

/// Something that whoever looks at the volumes should know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Note {
    /// A structure says what it is, but is not sound.
    #[error("partition {partition}: {what} is damaged: {why}")]
    Damaged {
        /// The partition.
        partition: u32,
        /// The structure.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// A device cannot be read.
    #[error("partition {partition}: cannot be read: {why}")]
    Unreadable {
        /// The partition.
        partition: u32,
        /// The device's error.
        why: String,
    },
    /// More layers than anyone stacks: they may go round.
    #[error(
        "partition {partition}: {depth} layers on top of each other; no further ones are opened"
    )]
    TooDeep {
        /// The partition.
        partition: u32,
        /// The layers opened.
        depth: usize,
    },
    /// A physical volume of a group is not on this disk.
    #[error("the volume group {vg} lacks the physical volume {uuid} (it was {hint})")]
    PvMissing {
        /// The volume group.
        vg: String,
        /// The physical volume's UUID.
        uuid: String,
        /// The device that it last was.
        hint: String,
    },
    /// Two partitions say that they are the same physical volume.
    #[error("partitions {first} and {second} are both the physical volume {uuid}; neither is used")]
    PvTwice {
        /// The physical volume's UUID.
        uuid: String,
        /// One partition.
        first: u32,
        /// The other.
        second: u32,
    },
    /// A logical volume cannot be opened, or not be changed.
    #[error("the logical volume {vg}/{lv}: {why}")]
    Lv {
        /// The volume group.
        vg: String,
        /// The logical volume.
        lv: String,
        /// Why.
        why: LvProblem,
    },
    /// An array of md cannot be opened, or not be changed.
    #[error("the md array {name} (partition {partition}): {why}")]
    Md {
        /// The partition of a member.
        partition: u32,
        /// The array's UUID, as mdadm writes it.
        uuid: String,
        /// Its name; its UUID where it has none.
        name: String,
        /// Why.
        why: MdProblem,
    },
    /// A LUKS volume cannot be opened.
    #[error("the LUKS volume {uuid} (partition {partition}): {why}")]
    Luks {
        /// The partition.
        partition: u32,
        /// Its UUID; empty where its header is damaged.
        uuid: String,
        /// Why.
        why: LuksProblem,
    },
}

/// What keeps a LUKS volume closed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LuksProblem {
    /// No passphrase opens it.
    #[error("{}", locked(*.tried))]
    Locked {
        /// How many were tried.
        tried: usize,
    },
    /// Making its key takes more memory than there is.
    #[error(
        "a key slot wants {} MiB of memory and {} MiB are allowed; use a machine with more memory, \
         or give it a key slot that wants less (cryptsetup luksChangeKey --pbkdf-memory) before the image is taken",
        .needed >> 20, .allowed >> 20
    )]
    Memory {
        /// Bytes it wants.
        needed: u64,
        /// Bytes it may have.
        allowed: u64,
    },
    /// Something in it is not known here.
    #[error("it uses {what}, which cannot be opened here")]
    Unsupported {
        /// What.
        what: String,
    },
    /// It is on its way to another key.
    #[error("it is being encrypted anew; let that finish before the image is taken")]
    Reencrypting,
    /// Each sector has a tag beside it.
    #[error("it has integrity tags (dm-integrity), which cannot be changed here")]
    Integrity,
    /// The header is not where the data is.
    #[error("its header belongs to data on another device")]
    DetachedHeader,
    /// No passphrase was ever set, or all were removed.
    #[error("it has no key slot for a passphrase")]
    NoSlots,
    /// Its header is not sound.
    #[error("it is damaged: {why}")]
    Damaged {
        /// What is wrong.
        why: String,
    },
}

fn locked(tried: usize) -> String {
    match tried {
        0 => "it is locked, and no passphrase was given".to_owned(),
        1 => "the passphrase is wrong".to_owned(),
        tried => format!("all {tried} passphrases are wrong"),
    }
}

/// What is wrong with an array of md.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MdProblem {
    /// It is of a level that is not read here.
    #[error("RAID level {level} cannot be opened here")]
    Unsupported {
        /// The level, as md numbers it: 10 is RAID 10, -4 multipath.
        level: i32,
    },
    /// Spares, and members that are behind, are all there is.
    #[error("no member that holds what the array holds is on this disk")]
    NoCopy,
    /// Members are missing that cannot be done without.
    #[error("not all of its {slots} members are on this disk")]
    Incomplete {
        /// How many it has.
        slots: u32,
    },
    /// Its shape is being changed.
    #[error("it is being reshaped; let that finish before the image is taken")]
    Reshaping,
    /// Two devices say that they are the same member.
    #[error("two partitions say that they are the member in slot {slot}")]
    Twice {
        /// The slot, counted from 0.
        slot: u32,
    },
    /// Its members are of different sizes, and it has zones.
    #[error("its members differ in size, which cannot be opened here")]
    Uneven,
    /// A member lies on something that was opened after the array.
    #[error("a member lies on another volume, and was found when the array was open already")]
    TooLate,
    /// Its superblock speaks of more than there is.
    #[error("its data is not inside of its members")]
    Outside,
    /// It can be read, but copies in use are elsewhere.
    #[error("it is only read: {0}")]
    Elsewhere(Absent),
}

/// What is wrong with a logical volume.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LvProblem {
    /// It lies on a physical volume that is not here.
    #[error("a part of it lies on the physical volume {pv}, which is not on this disk")]
    Missing {
        /// The physical volume's name in the group's metadata.
        pv: String,
    },
    /// It has segments of a type that is not read here.
    #[error("segments of the type {kind:?} cannot be opened here")]
    Unsupported {
        /// The type, as LVM names it.
        kind: String,
    },
    /// A snapshot is on its way back into it.
    #[error("a snapshot is being merged into it; let the merge finish before the image is taken")]
    Merging,
    /// Its metadata contradicts itself or the devices.
    #[error("its metadata is damaged: {why}")]
    Damaged {
        /// What is wrong.
        why: String,
    },
    /// It can be read, but copies in use are elsewhere.
    #[error("it is only read: {0}")]
    Elsewhere(Absent),
    /// It can be read, but a snapshot shares its blocks.
    #[error("it is only read: the snapshot {snapshot} shares its blocks")]
    Snapshot {
        /// The snapshot's name.
        snapshot: String,
    },
}
