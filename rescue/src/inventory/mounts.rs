//! `/proc/self/mountinfo` and `/proc/swaps`, parsed.

use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// Major and minor number of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct DeviceNumber {
    pub(super) major: u32,
    pub(super) minor: u32,
}

impl DeviceNumber {
    /// From a `dev_t` as `stat` gives it (glibc's and the kernel's layout).
    pub(super) fn from_raw(raw: u64) -> Self {
        let major = ((raw >> 32) & 0xffff_f000) | ((raw >> 8) & 0xfff);
        let minor = ((raw >> 12) & 0xffff_ff00) | (raw & 0xff);
        Self {
            major: u32::try_from(major).unwrap_or(u32::MAX),
            minor: u32::try_from(minor).unwrap_or(u32::MAX),
        }
    }

    /// From "8:16".
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.trim().split_once(':')?;
        Some(Self {
            major: major.parse().ok()?,
            minor: minor.parse().ok()?,
        })
    }
}

impl fmt::Display for DeviceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.major, self.minor)
    }
}

/// One line of mountinfo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mount {
    pub(super) number: DeviceNumber,
    pub(super) at: PathBuf,
    /// What was mounted: a path for most, anything for virtual filesystems.
    pub(super) source: PathBuf,
}

/// The mounts of `/proc/self/mountinfo` (proc(5)); lines that are none are
/// skipped.
pub(super) fn parse_mountinfo(text: &str) -> Vec<Mount> {
    text.lines().filter_map(parse_mount).collect()
}

fn parse_mount(line: &str) -> Option<Mount> {
    let (left, right) = line.split_once(" - ")?;
    let mut left = left.split(' ').skip(2);
    let number = DeviceNumber::parse(left.next()?)?;
    let at = unescape(left.nth(1)?);
    let source = unescape(right.split(' ').nth(1)?);
    Some(Mount { number, at, source })
}

/// The block devices and files `/proc/swaps` names.
pub(super) fn parse_swaps(text: &str) -> Vec<PathBuf> {
    text.lines()
        .skip(1)
        .filter_map(|line| line.split_whitespace().next())
        .map(unescape)
        .collect()
}

/// Undoes the kernel's `\040` for a space.
fn unescape(text: &str) -> PathBuf {
    PathBuf::from(OsString::from_vec(linux::fstab::unescaped(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_point_with_a_space_is_read() {
        let text = "36 35 8:18 / /mnt/my\\040disk rw shared:1 - ext4 /dev/sdb2 rw\nnonsense\n";
        let mounts = parse_mountinfo(text);
        assert_eq!(mounts.len(), 1);
        assert_eq!(mounts[0].at, PathBuf::from("/mnt/my disk"));
        assert_eq!(mounts[0].source, PathBuf::from("/dev/sdb2"));
        assert_eq!(mounts[0].number.to_string(), "8:18");
    }

    #[test]
    fn device_numbers_split_as_in_the_kernel() {
        assert_eq!(DeviceNumber::from_raw(0x0812).to_string(), "8:18");
        // 259:300: minor above 255 has its high bits above the major's.
        assert_eq!(DeviceNumber::from_raw(0x0011_032c).to_string(), "259:300");
    }

    #[test]
    fn a_broken_escape_stays_as_it_is() {
        assert_eq!(unescape("a\\9zz\\0"), PathBuf::from("a\\9zz\\0"));
        assert_eq!(unescape("\\777"), PathBuf::from("\\777"));
    }
}
