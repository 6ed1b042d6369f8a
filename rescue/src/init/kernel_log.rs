//! What the kernel logs while it is asked for something: its error numbers say
//! less than it knows.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::fd::{AsFd, BorrowedFd};

/// What reading gives after records were overwritten (asm-generic/errno-base.h).
const EPIPE: i32 = 32;

/// More records than this are not read.
const MANY: usize = 1000;

/// The log from one moment on.
#[derive(Debug)]
pub(crate) struct KernelLog(File);

impl KernelLog {
    /// What is logged from now on; `None` when the log cannot be read.
    pub(crate) fn from_now() -> Option<Self> {
        let mut file = sys::console::kernel_log().ok()?;
        file.seek(SeekFrom::End(0)).ok()?;
        Some(Self(file))
    }

    /// All of it that the kernel still has, and what is logged later.
    pub(crate) fn from_start() -> Option<Self> {
        sys::console::kernel_log().ok().map(Self)
    }

    /// Has something to read when there are more records.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// The next record; `None` when there is no more.
    pub(crate) fn next(&mut self) -> Option<String> {
        /// Longer than any record; and records that were lost count once.
        const LONGEST: usize = 8192;
        let mut record = [0; LONGEST];
        let length = match self.0.read(&mut record) {
            // Records were overwritten before they were read: go on with those there are.
            Err(error) if error.raw_os_error() == Some(EPIPE) => self.0.read(&mut record),
            read => read,
        };
        let bytes = record.get(..length.ok()?).unwrap_or_default();
        Some(String::from_utf8_lossy(bytes).into_owned())
    }

    /// The last word that starts with `prefix` in what was logged.
    pub(crate) fn last_word(&mut self, prefix: &str) -> Option<String> {
        let mut last = None;
        for text in (0..MANY).map_while(|_| self.next()) {
            last = find_last(&text, prefix).or(last);
        }
        last
    }

    /// The last lines about the device `name` ("loop3") of what was logged.
    pub(crate) fn last_about(&mut self, name: &str) -> Vec<String> {
        /// Lines at most.
        const LINES: usize = 4;
        let records = (0..MANY).map_while(|_| self.next());
        let mut lines: Vec<_> = records.filter_map(|text| about(&text, name)).collect();
        lines.split_off(lines.len().saturating_sub(LINES))
    }
}

/// The text of the record "priority,number,time,flags;text" if `name` is a word of it. (Lines
/// with properties of the device follow; Documentation/ABI/testing/dev-kmsg of Linux.)
fn about(record: &str, name: &str) -> Option<String> {
    let text = record.split_once(';')?.1.lines().next()?.trim();
    let mut words = text.split(|c: char| !c.is_ascii_alphanumeric());
    words.any(|word| word == name).then(|| text.to_owned())
}

fn find_last(text: &str, prefix: &str) -> Option<String> {
    let of_word = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    let words = text.split(|c: char| !of_word(c));
    let mut found = words.filter(|word| word.starts_with(prefix) && word.len() > prefix.len());
    found.next_back().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_is_found_in_a_record() {
        let text = "4,612,8123,-;CIFS: Status code returned 0xc000006d STATUS_LOGON_FAILURE\n";
        let found = find_last(text, "STATUS_");
        assert_eq!(found.as_deref(), Some("STATUS_LOGON_FAILURE"));
        assert_eq!(find_last("6,1,1,-;nothing STATUS_ here", "STATUS_"), None);
    }

    #[test]
    fn what_is_about_a_device_is_found() {
        let record = "3,812,514,-;EXT4-fs (loop1): unable to read superblock\n SUBSYSTEM=x\n";
        let text = "EXT4-fs (loop1): unable to read superblock";
        assert_eq!(about(record, "loop1").as_deref(), Some(text));
        assert_eq!(about(record, "loop"), None);
        assert_eq!(about("3,8,5,-;EXT4-fs (loop12): bad", "loop1"), None);
        assert_eq!(about("6,1,2,-", "loop1"), None);
    }
}
