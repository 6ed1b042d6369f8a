//! Linux swap: a header page; what follows has no meaning after a reboot.
//!
//! Facts: `union swap_header` in the kernel's `include/linux/swap.h`; the
//! suspend signatures of `kernel/power/swap.c`, TuxOnIce and uswsusp.

use crate::bytes::{Source, be32, has, le32, plus, slice, times};
use crate::error::{Stop, raw};
use crate::free::FreeRuns;
use crate::{Consistency, Mapped};

const PAGE_SIZES: [u64; 5] = [4096, 8192, 16384, 32768, 65536];
const MAGIC: &[u8; 10] = b"SWAPSPACE2";
/// What stands in the magic's place while a suspended system lies in the swap.
const SUSPENDED: [&[u8]; 5] = [
    b"S1SUSPEND\0",
    b"S2SUSPEND\0",
    b"ULSUSPEND\0",
    b"LINHIB0001",
    b"\xed\xc3\x02\xe9\x98\x56\xe5\x0c",
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Found {
    page: u64,
    suspended: bool,
}

fn find(head: &[u8]) -> Option<Found> {
    PAGE_SIZES.into_iter().find_map(|page| {
        let at = usize::try_from(page).ok()?.checked_sub(10)?;
        let suspended = SUSPENDED.iter().any(|magic| has(head, at, magic));
        (suspended || has(head, at, MAGIC)).then_some(Found { page, suspended })
    })
}

/// Whether `head`, the partition's first bytes, is that of a swap.
pub(crate) fn is_swap(head: &[u8]) -> bool {
    find(head).is_some()
}

pub(crate) fn map(source: Source<'_>) -> Result<Mapped, Stop> {
    let len = source.size().min(65536);
    let head = source.read("swap header", 0, len)?;
    let Some(Found { page, suspended }) = find(&head) else {
        return raw("its swap signature is gone");
    };
    let last_page = match (le32(&head, 1024)?, be32(&head, 1024)?) {
        (1, _) => le32(&head, 1028)?,
        (_, 1) => be32(&head, 1028)?,
        (other, _) => return raw(format!("swap version {other}: expected 1")),
    };
    let end = times(plus(u64::from(last_page), 1)?, page)?;
    if end > source.size() {
        return raw(format!(
            "the swap says it has {end} bytes, the partition has {}",
            source.size()
        ));
    }
    if suspended {
        // Its header would be restored: then what it points at must be there,
        // and be of one moment with the filesystems.
        return raw(
            "a suspended (hibernated) system lies in this swap; it resumes only on the hardware \
             it was suspended on, and only once",
        );
    }
    let mut free = FreeRuns::new();
    free.push(page, end.saturating_sub(page));
    Ok(Mapped {
        block_size: page,
        free: free.finish(&[]).0,
        consistency: Consistency::Clean,
        notes: Vec::new(),
    })
}

/// Label and UUID of a swap.
pub(crate) fn name(head: &[u8]) -> (Option<&[u8]>, Option<&[u8]>) {
    (slice(head, 0x41C, 16).ok(), slice(head, 0x40C, 16).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use disk::{Extent, MemDisk};

    fn header(page: usize, last_page: u32, magic: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; page * 8 + 100];
        bytes[1024] = 1;
        bytes[1028..1032].copy_from_slice(&last_page.to_le_bytes());
        bytes[page - 10..page - 10 + magic.len()].copy_from_slice(magic);
        bytes
    }

    fn map_of(bytes: Vec<u8>) -> Result<Mapped, Stop> {
        map(Source::new(&MemDisk::new(bytes)))
    }

    #[test]
    fn only_the_header_page_is_used_and_the_tail_is_kept() {
        for page in [4096_usize, 16384, 65536] {
            let mapped = map_of(header(page, 7, MAGIC)).unwrap();
            let page = page as u64;
            let (start, len) = (page, page * 7);
            assert_eq!(mapped.free, [Extent { start, len }]);
            assert!(mapped.notes.is_empty());
        }
    }

    #[test]
    fn a_suspended_system_is_captured_whole() {
        for magic in SUSPENDED {
            let Err(Stop::Raw(why)) = map_of(header(4096, 7, magic)) else {
                panic!("mapped");
            };
            assert!(why.contains("hibernated"), "{why}");
        }
    }

    #[test]
    fn a_swap_larger_than_its_partition_is_not_mapped() {
        assert!(matches!(map_of(header(4096, 8, MAGIC)), Err(Stop::Raw(_))));
    }
}
