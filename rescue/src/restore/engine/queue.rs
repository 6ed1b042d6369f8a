//! A bounded queue between threads that ends when its producers have, and
//! that a failure can break off.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Many producers, many consumers, at most `capacity` things waiting.
#[derive(Debug)]
pub(in crate::restore) struct Queue<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
    capacity: usize,
}

#[derive(Debug)]
struct State<T> {
    waiting: VecDeque<T>,
    producers: usize,
    aborted: bool,
}

/// Somebody who may still push: the queue ends when the last one is dropped,
/// so that a thread that dies cannot leave the others waiting.
#[derive(Debug)]
pub(in crate::restore) struct Producer<'a, T>(&'a Queue<T>);

impl<T> Drop for Producer<'_, T> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.producers = state.producers.saturating_sub(1);
        drop(state);
        self.0.changed.notify_all();
    }
}

impl<T> Producer<'_, T> {
    /// Waits for room; `false` once the queue is broken off.
    #[must_use]
    pub(in crate::restore) fn push(&self, thing: T) -> bool {
        let mut state = self.0.lock();
        while state.waiting.len() >= self.0.capacity && !state.aborted {
            state = self.0.wait(state);
        }
        if state.aborted {
            return false;
        }
        state.waiting.push_back(thing);
        drop(state);
        self.0.changed.notify_all();
        true
    }
}

impl<T> Queue<T> {
    pub(in crate::restore) fn new(capacity: usize) -> Self {
        Self {
            state: Mutex::new(State {
                waiting: VecDeque::new(),
                producers: 0,
                aborted: false,
            }),
            changed: Condvar::new(),
            capacity: capacity.max(1),
        }
    }

    /// Registers a producer. All must be registered before any consumer runs.
    pub(in crate::restore) fn producer(&self) -> Producer<'_, T> {
        self.lock().producers += 1;
        Producer(self)
    }

    /// The next thing; `None` at the end.
    pub(in crate::restore) fn pop(&self) -> Option<T> {
        let mut state = self.lock();
        loop {
            if state.aborted {
                return None;
            }
            if let Some(thing) = state.waiting.pop_front() {
                drop(state);
                self.changed.notify_all();
                return Some(thing);
            }
            if state.producers == 0 {
                return None;
            }
            state = self.wait(state);
        }
    }

    /// Ends it at once; what waits is dropped.
    pub(in crate::restore) fn abort(&self) {
        let mut state = self.lock();
        state.aborted = true;
        state.waiting.clear();
        drop(state);
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, guard: MutexGuard<'a, State<T>>) -> MutexGuard<'a, State<T>> {
        self.changed
            .wait(guard)
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_arrives_once_and_the_end_is_seen() {
        let queue = Queue::new(3);
        let producers: Vec<_> = (0..4).map(|_| queue.producer()).collect();
        let sum: u64 = std::thread::scope(|scope| {
            for producer in producers {
                scope.spawn(move || (1..=100u64).all(|n| producer.push(n)));
            }
            let consumers: Vec<_> = (0..3)
                .map(|_| scope.spawn(|| std::iter::from_fn(|| queue.pop()).sum::<u64>()))
                .collect();
            consumers.into_iter().map(|c| c.join().unwrap()).sum()
        });
        assert_eq!(sum, 4 * 5050);
    }

    #[test]
    fn breaking_off_frees_a_blocked_producer() {
        let queue = Queue::new(1);
        let producer = queue.producer();
        assert!(producer.push(1));
        std::thread::scope(|scope| {
            let blocked = scope.spawn(move || producer.push(2));
            queue.abort();
            assert!(!blocked.join().unwrap());
        });
        assert_eq!(queue.pop(), None);
    }
}
