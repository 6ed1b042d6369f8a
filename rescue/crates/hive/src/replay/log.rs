//! Logs that can be used at all, and which of them comes first.

use super::{LogUse, SECTOR, new_log};
use crate::Result;
use crate::base::{self, Base, TYPE_NEW_LOG, TYPES_OLD_LOG};
use crate::bytes::{put, range};
use crate::units::BASE_SIZE;

const TYPE: usize = 28;

/// A log with a sound base block.
#[derive(Debug)]
pub(super) struct Log<'l> {
    pub(super) index: usize,
    pub(super) base: Base,
    pub(super) bytes: &'l [u8],
}

impl<'l> Log<'l> {
    fn parse(index: usize, bytes: &'l [u8]) -> Result<Self, String> {
        if bytes.is_empty() {
            return Err("it is empty".to_owned());
        }
        let base = Base::parse(bytes).map_err(|error| error.to_string())?;
        if !base.checksum_holds {
            return Err("the checksum of its base block is wrong".to_owned());
        }
        if base.kind != TYPE_NEW_LOG && !TYPES_OLD_LOG.contains(&base.kind) {
            return Err(format!("it is no log but a file of type {}", base.kind));
        }
        Ok(Self { index, base, bytes })
    }

    pub(super) fn is_new(&self) -> bool {
        self.base.kind == TYPE_NEW_LOG
    }
}

pub(super) fn sound_logs<'l>(logs: &[&'l [u8]], uses: &mut [LogUse]) -> Vec<Log<'l>> {
    let mut sound = Vec::new();
    for ((index, bytes), used) in logs.iter().enumerate().zip(uses) {
        let log = Log::parse(index, bytes);
        let why = match log {
            Ok(log) => {
                sound.push(log);
                "another log counts instead".to_owned()
            }
            Err(why) => why,
        };
        *used = LogUse::Unused { why };
    }
    sound.sort_by_key(|log| log.base.sequence_1);
    sound
}

/// The log whose base block counts when the hive's own is damaged.
pub(super) fn newest<'a, 'l>(logs: &'a [Log<'l>]) -> Option<&'a Log<'l>> {
    let new = logs.iter().rev().find(|log| log.is_new());
    new.or(logs.last())
}

/// Where the entries begin that lead up to the newest log without a gap: the
/// hive itself does not say it when its base block is lost.
pub(super) fn chain_start(logs: &[Log<'_>]) -> u32 {
    let mut start = None;
    for log in logs.iter().rev().filter(|log| log.is_new()) {
        let first = log.base.sequence_1;
        match start {
            Some(start) if new_log::last(log.bytes, first).wrapping_add(1) != start => break,
            _ => start = Some(first),
        }
    }
    start.unwrap_or_default()
}

/// Puts a log's base block in the place of the hive's.
pub(super) fn adopt_base(data: &mut Vec<u8>, log: &Log<'_>) -> Result<Base> {
    if data.len() < BASE_SIZE {
        data.resize(BASE_SIZE, 0);
    }
    let copy = range(log.bytes, 0, SECTOR).unwrap_or_default();
    put(data, 0, copy);
    put(data, TYPE, &base::TYPE_HIVE.to_le_bytes());
    base::seal(data, log.base.sequence_1, log.base.bins_size);
    Base::parse(data)
}
