//! What a logical volume is called.

/// The paths of the logical volume: those that device mapper and udev give it.
///
/// `vg_id` and `lv_id` are UUIDs as the metadata has them, with hyphens.
/// Source: `dm_build_dm_name` of libdm doubles hyphens in each name; udev's
/// `13-dm-disk.rules` makes the links by name and by UUID.
pub(crate) fn names(vg: &str, lv: &str, vg_id: &str, lv_id: &str) -> Vec<String> {
    let doubled = |name: &str| name.replace('-', "--");
    let mapped = format!("{}-{}", doubled(vg), doubled(lv));
    let bare = |id: &str| id.replace('-', "");
    vec![
        format!("/dev/mapper/{mapped}"),
        format!("/dev/{vg}/{lv}"),
        format!("/dev/disk/by-id/dm-name-{mapped}"),
        format!("/dev/disk/by-id/dm-uuid-LVM-{}{}", bare(vg_id), bare(lv_id)),
    ]
}

/// A name that LVM allows (`lvm(8)`): it becomes part of a path.
pub(crate) fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"+_.-".contains(&byte);
    (1..=127).contains(&name.len())
        && name.bytes().all(allowed)
        && !name.starts_with('-')
        && name != "."
        && name != ".."
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hyphens_are_doubled_as_device_mapper_does() {
        let names = names("my-vg", "root", "ab-cd", "ef-12");
        assert_eq!(names[0], "/dev/mapper/my--vg-root");
        assert_eq!(names[1], "/dev/my-vg/root");
        assert_eq!(names[3], "/dev/disk/by-id/dm-uuid-LVM-abcdef12");
    }

    #[test]
    fn names_that_would_leave_dev_are_none() {
        assert!(is_name("ubuntu-vg") && is_name("a.b_c+d"));
        for name in ["", ".", "..", "a/b", "-a", "a b", &"x".repeat(128)] {
            assert!(!is_name(name), "{name}");
        }
    }
}
