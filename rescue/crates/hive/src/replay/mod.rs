//! Bringing a hive up to date from its logs, as Windows does when it loads one.
//!
//! A hive whose sequence numbers differ, or whose checksum is wrong, was not
//! written to the end: what is newer is in the logs. On Windows 8.1 and later
//! this is the normal state of a running machine, so a hive that is edited
//! without this step loses data.
//!
//! The rules are those of msuhanov's specification of the format, which a
//! prototype confirmed byte for byte on hives that Windows itself recovered.

mod log;
mod marvin;
mod new_log;
mod old_log;
mod target;

use crate::Result;
use crate::base::{self, Base};
use log::{Log, adopt_base, chain_start, newest, sound_logs};
use new_log::Page;
use target::Target;

pub use marvin::log_hash;

/// The unit of logs.
const SECTOR: usize = 512;

/// What was done with the logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replayed {
    /// Whether the hive said that its logs matter. With no log to use it is
    /// taken as it is: look at its [validity](crate::Hive::validate). Windows
    /// does the same, unless the checksum of the base block is wrong.
    pub was_dirty: bool,
    /// Whether the base block was damaged and a log's copy replaced it.
    pub base_from_log: bool,
    /// One for each log given, in the same order.
    pub logs: Vec<LogUse>,
    /// Bytes of all bins before.
    pub bins_before: u32,
    /// Bytes of all bins after.
    pub bins_after: u32,
}

/// What became of one log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogUse {
    /// The hive is clean: its logs are old.
    NotNeeded,
    /// Its pages are in the hive now.
    Applied {
        /// Entries, each one flush; an old log counts as one.
        entries: u32,
        /// Pages written.
        pages: u32,
        /// Sequence number of the first entry.
        first: u32,
        /// Sequence number of the last entry.
        last: u32,
    },
    /// It did not take part.
    Unused {
        /// The reason.
        why: String,
    },
}

impl Replayed {
    /// Log entries that were applied.
    #[must_use]
    pub fn entries(&self) -> u32 {
        let entries = self.logs.iter().map(|log| match log {
            LogUse::Applied { entries, .. } => *entries,
            _ => 0,
        });
        entries.sum()
    }
}

/// Replays into `data`, a hive file; afterwards its base block says "clean".
pub(crate) fn replay(data: &mut Vec<u8>, logs: &[&[u8]]) -> Result<Replayed> {
    let primary = Base::parse(data);
    let mut replayed = Replayed {
        was_dirty: false,
        base_from_log: false,
        logs: vec![LogUse::NotNeeded; logs.len()],
        bins_before: primary.as_ref().map_or(0, |base| base.bins_size),
        bins_after: 0,
    };
    if let Ok(base) = &primary
        && !base.is_dirty()
    {
        replayed.bins_after = base.bins_size;
        return Ok(replayed);
    }
    replayed.was_dirty = true;
    let logs = sound_logs(logs, &mut replayed.logs);
    let trusted = primary.as_ref().is_ok_and(|base| base.checksum_holds);
    let base = match newest(&logs) {
        Some(log) if !trusted => {
            replayed.base_from_log = true;
            adopt_base(data, log)?
        }
        _ => primary?,
    };
    let mut target = Target {
        bins_size: base.bins_size,
        data,
    };
    let since = match replayed.base_from_log {
        true => chain_start(&logs),
        false => base.sequence_2,
    };
    let last = match logs.iter().any(Log::is_new) {
        true => apply_new(&logs, since, &mut target, &mut replayed.logs),
        false => apply_old(&logs, &base, &mut target, &mut replayed.logs),
    };
    let sequence = last.map_or(base.sequence_1, |last| last.wrapping_add(1));
    replayed.bins_after = target.bins_size;
    base::seal(data, sequence, replayed.bins_after);
    Ok(replayed)
}

/// Applies logs of the new format; the last sequence number, when any.
fn apply_new(
    logs: &[Log<'_>],
    since: u32,
    target: &mut Target<'_>,
    uses: &mut [LogUse],
) -> Option<u32> {
    let mut last = None;
    for log in logs.iter().filter(|log| log.is_new()) {
        let first = log.base.sequence_1;
        let Some(used) = uses.get_mut(log.index) else {
            continue;
        };
        let follows = match last {
            None => first >= since,
            Some(last) => first == u32::wrapping_add(last, 1),
        };
        if !follows {
            let since = last.map_or(since, |last| last.wrapping_add(1));
            let why = format!("it begins with entry {first}; entry {since} is wanted");
            *used = LogUse::Unused { why };
            continue;
        }
        let outcome = new_log::apply(log.bytes, first, target);
        *used = match outcome.entries {
            0 => LogUse::Unused { why: outcome.ended },
            entries => {
                last = Some(outcome.last);
                LogUse::Applied {
                    entries,
                    pages: outcome.pages,
                    first,
                    last: outcome.last,
                }
            }
        };
    }
    last
}

/// Applies the newest log of the old format that belongs to this state of the
/// hive; its sequence number, when there is one.
fn apply_old(
    logs: &[Log<'_>],
    base: &Base,
    target: &mut Target<'_>,
    uses: &mut [LogUse],
) -> Option<u32> {
    for log in logs.iter().rev() {
        let sequence = log.base.sequence_1;
        let applied = old_pages(log, base).and_then(|pages| {
            target.apply(log.base.bins_size, &pages)?;
            Ok(pages.len() as u32)
        });
        let done = applied.is_ok();
        let used = match applied {
            Ok(pages) => LogUse::Applied {
                entries: 1,
                pages,
                first: sequence,
                last: sequence,
            },
            Err(why) => LogUse::Unused { why },
        };
        if let Some(slot) = uses.get_mut(log.index) {
            *slot = used;
        }
        if done {
            return Some(sequence);
        }
    }
    None
}

fn old_pages<'l>(log: &Log<'l>, base: &Base) -> Result<Vec<Page<'l>>, String> {
    if log.base.sequence_1 != log.base.sequence_2 {
        return Err("it was not written to the end".to_owned());
    }
    if log.base.time != base.time {
        let (log, hive) = (log.base.time, base.time);
        return Err(format!("it was written at {log}, the hive at {hive}"));
    }
    old_log::pages(log.bytes, log.base.bins_size)
}
