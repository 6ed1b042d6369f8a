//! Swap made with mkswap.

use disk::Extent;
use fsmap::{Consistency, FsKind};

use crate::tools::{Image, run};

#[test]
fn header_used_rest_free_tail_kept() {
    let image = Image::sparse((4 << 20) + 1500);
    let uuid = "01234567-89ab-cdef-0123-456789abcdef";
    run("mkswap", &["-L", "swp", "-U", uuid, &image.arg()]);
    let map = image.map();
    assert_eq!(
        (map.kind, map.consistency),
        (FsKind::Swap, Consistency::Clean)
    );
    assert_eq!(map.label.as_deref(), Some("swp"));
    assert_eq!(map.uuid.as_deref(), Some(uuid));
    let (start, len) = (4096, (4 << 20) - 4096);
    assert_eq!(map.free, [Extent { start, len }]);
}
