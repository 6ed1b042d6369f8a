//! Aligned buffers, lent from a fixed stock: what bounds the engine's memory.

use std::ops::Range;
use std::sync::{Condvar, Mutex, PoisonError};

/// What direct I/O asks for at most: a page.
pub(super) const ALIGN: usize = 4096;

/// Bytes that begin at a page boundary.
#[derive(Debug)]
pub(super) struct AlignedBuf {
    memory: Vec<u8>,
    /// The aligned part. `memory` is never reallocated, so it stays aligned.
    part: Range<usize>,
}

impl AlignedBuf {
    /// `len` zero bytes.
    pub(super) fn zeroed(len: usize) -> Self {
        let memory = vec![0; len.saturating_add(ALIGN)];
        // A failure would cost speed (no direct I/O), nothing else.
        let start = memory.as_ptr().align_offset(ALIGN).min(ALIGN);
        let part = start..start.saturating_add(len);
        Self { memory, part }
    }

    /// The bytes.
    pub(super) fn bytes(&self) -> &[u8] {
        self.memory.get(self.part.clone()).unwrap_or_default()
    }

    /// The bytes, to change.
    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        self.memory.get_mut(self.part.clone()).unwrap_or_default()
    }
}

/// A fixed number of things of which each is with one borrower at a time.
#[derive(Debug)]
pub(super) struct Pool<T> {
    state: Mutex<State<T>>,
    returned: Condvar,
}

#[derive(Debug)]
struct State<T> {
    free: Vec<T>,
    closed: bool,
}

impl<T> Pool<T> {
    /// A stock of `count` things.
    pub(super) fn new(count: usize, make: impl FnMut() -> T) -> Self {
        Self {
            state: Mutex::new(State {
                free: std::iter::repeat_with(make).take(count).collect(),
                closed: false,
            }),
            returned: Condvar::new(),
        }
    }

    /// Waits for one; `None` once the pool is closed.
    pub(super) fn take(&self) -> Option<T> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if state.closed {
                return None;
            }
            if let Some(thing) = state.free.pop() {
                return Some(thing);
            }
            state = self
                .returned
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Gives one back.
    pub(super) fn put(&self, thing: T) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.free.push(thing);
        drop(state);
        self.returned.notify_one();
    }

    /// Wakes everybody who waits, empty-handed.
    pub(super) fn close(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.closed = true;
        drop(state);
        self.returned.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_aligned_and_whole() {
        for len in [1, 4096, 100_000] {
            let mut buf = AlignedBuf::zeroed(len);
            assert_eq!(buf.bytes().len(), len);
            assert_eq!(buf.bytes().as_ptr().align_offset(ALIGN), 0);
            buf.bytes_mut().fill(1);
        }
    }

    #[test]
    fn a_closed_pool_gives_nothing() {
        let pool = Pool::new(1, || 7);
        assert_eq!(pool.take(), Some(7));
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| pool.take());
            pool.close();
            assert_eq!(waiting.join().unwrap(), None);
        });
    }
}
