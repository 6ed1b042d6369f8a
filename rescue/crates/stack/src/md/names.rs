//! What an array is called.

use super::Superblock;

/// The paths that mdadm and udev (`63-md-raid-arrays.rules`) give the array.
///
/// An array that is named by a number has it in its path; one of version 0.90
/// keeps its number. Others are numbered anew at each start: `/dev/md127` is no name.
pub(crate) fn names(array: &Superblock) -> Vec<String> {
    let mut names = Vec::new();
    if let Some(minor) = array.minor {
        names.push(format!("/dev/md{minor}"));
        names.push(format!("/dev/md/{minor}"));
    }
    if let Some(name) = &array.name {
        // `HOST:NAME`, the host being where it was made.
        let bare = name.split_once(':').map_or(name.as_str(), |(_, bare)| bare);
        if !bare.is_empty() && bare.bytes().all(|byte| byte.is_ascii_digit()) {
            names.push(format!("/dev/md{bare}"));
        }
        if !bare.is_empty() && bare != "." && bare != ".." {
            names.push(format!("/dev/md/{bare}"));
        }
        names.push(format!("/dev/disk/by-id/md-name-{name}"));
    }
    names.push(format!("/dev/disk/by-id/md-uuid-{}", array.uuid));
    names
}
