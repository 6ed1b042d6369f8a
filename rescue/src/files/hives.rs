//! A registry hive, with the logs that Windows keeps beside it.

use hive::{Hive, Replayed};

/// The hive `primary`, the file at `path`, with its logs replayed; and why logs of it
/// could not be read. `read` gives what is at a path, `None` when there is nothing.
pub(crate) fn open_hive<E>(
    path: &str,
    primary: Vec<u8>,
    read: impl Fn(&str) -> Result<Option<Vec<u8>>, E>,
) -> (hive::Result<(Hive, Replayed)>, Vec<E>) {
    let (mut logs, mut unread) = (Vec::new(), Vec::new());
    // (".LOG" is that of systems before Vista.)
    for ending in ["LOG1", "LOG2", "LOG"] {
        match read(&format!("{path}.{ending}")) {
            Ok(log) => logs.extend(log.filter(|log| !log.is_empty())),
            Err(why) => unread.push(why),
        }
    }
    let logs: Vec<&[u8]> = logs.iter().map(Vec::as_slice).collect();
    (Hive::open(primary, &logs), unread)
}
