//! How far each partition is: for people, who think in partitions.

use std::sync::atomic::{AtomicU64, Ordering};

use image::Region;

use crate::event::{Event, Part, Sink};

/// The regions that have anything to write, and bytes done in each.
#[derive(Debug)]
pub(super) struct Parts {
    /// First byte of each.
    starts: Vec<u64>,
    parts: Vec<Part>,
    done: Vec<AtomicU64>,
}

impl Parts {
    pub(super) fn new(regions: &[Region]) -> Self {
        let work = |r: &Region| r.data_bytes.saturating_add(r.zero_bytes);
        let regions: Vec<&Region> = regions.iter().filter(|r| work(r) > 0).collect();
        let part = |region: &&Region| Part {
            title: title(region),
            total: work(region),
        };
        Self {
            starts: regions.iter().map(|r| r.start).collect(),
            parts: regions.iter().map(part).collect(),
            done: regions.iter().map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// Counts bytes as done that begin at byte `at` of the disk. (A write that
    /// reaches into the next region counts for the one it begins in.)
    pub(super) fn count(&self, at: u64, bytes: u64) {
        let region = self.starts.partition_point(|start| *start <= at);
        let done = region.checked_sub(1).and_then(|r| self.done.get(r));
        if let Some(done) = done {
            done.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    /// Tells which parts there are.
    pub(super) fn announce(&self, sink: &dyn Sink) {
        let parts = self.parts.clone();
        sink.emit(Event::Parts { parts });
    }

    /// Tells what has changed since `told`.
    pub(super) fn tell(&self, told: &mut Vec<u64>, sink: &dyn Sink) {
        told.resize(self.done.len(), 0);
        for (index, (done, told)) in self.done.iter().zip(told).enumerate() {
            let done = done.load(Ordering::Relaxed);
            if done != *told {
                *told = done;
                sink.emit(Event::Part { index, done });
            }
        }
    }
}

/// "partition 2, ext4".
fn title(region: &Region) -> String {
    let title = region.title();
    match &region.fs {
        Some(fs) => format!("{title}, {}", fs.kind),
        None => title,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::restore::units::tests::region;
    use std::sync::Mutex;

    #[derive(Default)]
    struct Heard(Mutex<Vec<(usize, u64)>>);

    impl Sink for Heard {
        fn emit(&self, event: Event) {
            if let Event::Part { index, done } = event {
                self.0.lock().unwrap().push((index, done));
            }
        }
    }

    #[test]
    fn bytes_count_for_the_part_they_are_in_and_changes_are_told_once() {
        let mut regions = [
            region(0, 1 << 20),
            region(1 << 20, 1 << 20),
            region(2 << 20, 9),
        ];
        regions[0].data_bytes = 10;
        regions[1].data_bytes = 0;
        regions[2].zero_bytes = 9;
        let parts = Parts::new(&regions);
        assert_eq!(parts.parts.len(), 2, "the middle one has nothing to write");
        parts.count(5, 3);
        parts.count((2 << 20) + 8, 1);
        let (heard, mut told) = (Heard::default(), Vec::new());
        parts.tell(&mut told, &heard);
        parts.count(0, 7);
        parts.tell(&mut told, &heard);
        parts.tell(&mut told, &heard);
        assert_eq!(*heard.0.lock().unwrap(), [(0, 3), (1, 1), (0, 10)]);
    }
}
