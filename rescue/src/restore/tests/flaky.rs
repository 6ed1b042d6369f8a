//! Things that fail when told to: a target with a power switch, a store with
//! a cable.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use disk::{Extent, ReadAt, WriteAt};
use store::{MemoryStore, Store};

use crate::event::Silent;
use crate::restore::Plan;
use crate::restore::target::{OpenTarget, Target};

/// A target whose cache is lost at operation `cut_at`: of what was written
/// since the last flush, some arrives, some does not, one write is torn.
pub(super) struct PowerCut {
    inner: OpenTarget,
    state: Mutex<State>,
}

/// When the power goes: at which operation of the target, from the beginning, from
/// when systems are adapted, or from when the disk becomes bootable.
#[derive(Debug, Clone, Copy)]
pub(super) enum Cut {
    Restore(u64),
    Adapt(u64),
    Activate(u64),
    Never,
}

/// Does what `plan` says until the power goes; whether it did.
pub(super) fn cut_off(plan: Plan, when: Cut) -> bool {
    let sector = plan.disk.sector_size.bytes();
    let open = OpenTarget::open(&plan.target, sector).unwrap();
    let cut_at = match when {
        Cut::Restore(cut_at) => cut_at,
        _ => u64::MAX,
    };
    let cut = Arc::new(PowerCut::new(open, cut_at));
    let outcome = plan
        .arm_over(cut.clone(), &Silent)
        .and_then(|armed| armed.write(&Silent))
        .and_then(|written| written.verify(&Silent))
        .and_then(|verified| {
            if let Cut::Adapt(more) = when {
                cut.cut_after(more);
            }
            verified.adapt(&Silent)
        })
        .and_then(|adapted| {
            if let Cut::Activate(more) = when {
                cut.cut_after(more);
            }
            adapted.activate(&Silent)
        });
    assert_eq!(outcome.is_err(), cut.is_off(), "{when:?}: {outcome:?}");
    cut.is_off()
}

struct State {
    cached: Vec<(u64, Vec<u8>)>,
    operations: u64,
    cut_at: u64,
    chance: u64,
}

impl PowerCut {
    pub(super) fn new(inner: OpenTarget, cut_at: u64) -> Self {
        Self {
            inner,
            state: Mutex::new(State {
                cached: Vec::new(),
                operations: 0,
                cut_at,
                chance: cut_at.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            }),
        }
    }

    /// Cuts the power at the `more`th operation from now.
    pub(super) fn cut_after(&self, more: u64) {
        let mut state = self.state.lock().unwrap();
        state.cut_at = state.operations + more;
        state.chance = more.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    }

    /// Whether the power went.
    pub(super) fn is_off(&self) -> bool {
        let state = self.state.lock().unwrap();
        state.operations >= state.cut_at
    }

    /// One more operation; an error from the cut on.
    fn operate(&self) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.state.lock().unwrap();
        state.operations += 1;
        if state.operations < state.cut_at {
            return Ok(state);
        }
        if state.operations == state.cut_at {
            self.lose_cache(&mut state);
        }
        Err(io::Error::other("the power is off"))
    }

    fn lose_cache(&self, state: &mut State) {
        let mut torn = false;
        for (offset, bytes) in std::mem::take(&mut state.cached) {
            state.chance ^= state.chance << 13;
            state.chance ^= state.chance >> 7;
            state.chance ^= state.chance << 17;
            match state.chance % 3 {
                0 => {}
                1 if !torn => {
                    torn = true;
                    let half = bytes.len() / 1024 * 512;
                    self.inner.write_all_at(&bytes[..half], offset).unwrap();
                }
                _ => self.inner.write_all_at(&bytes, offset).unwrap(),
            }
        }
        self.inner.flush().unwrap();
    }
}

impl ReadAt for PowerCut {
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.inner.read_exact_at(buf, offset)
    }
    fn size(&self) -> u64 {
        self.inner.size()
    }
}

impl WriteAt for PowerCut {
    fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        self.operate()?.cached.push((offset, buf.to_vec()));
        Ok(())
    }
    fn flush(&self) -> io::Result<()> {
        let mut state = self.operate()?;
        for (offset, bytes) in std::mem::take(&mut state.cached) {
            self.inner.write_all_at(&bytes, offset)?;
        }
        Ok(())
    }
}

impl Target for PowerCut {
    fn zero(&self, extent: Extent) -> io::Result<()> {
        let zeros = vec![0; usize::try_from(extent.len).unwrap()];
        self.write_all_at(&zeros, extent.start)
    }
    fn discard(&self, _extent: Extent) -> io::Result<()> {
        Ok(())
    }
    fn drop_cache(&self) -> io::Result<()> {
        Ok(())
    }
    fn reread_table(&self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes since the last flush, and how many flushes there were.
type Unflushed = (Vec<(u64, Vec<u8>)>, u64);

/// A target that loses its cache at flush `fail_at`, says so once, as kernels
/// do, and works as if nothing had been from then on.
pub(super) struct LostWriteback {
    inner: OpenTarget,
    fail_at: u64,
    state: Mutex<Unflushed>,
}

impl LostWriteback {
    pub(super) fn new(inner: OpenTarget, fail_at: u64) -> Self {
        let state = Mutex::default();
        Self {
            inner,
            fail_at,
            state,
        }
    }
}

impl ReadAt for LostWriteback {
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.inner.read_exact_at(buf, offset)
    }
    fn size(&self) -> u64 {
        self.inner.size()
    }
}

impl WriteAt for LostWriteback {
    fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        // Slow enough for checkpoints to come in between.
        std::thread::sleep(std::time::Duration::from_millis(1));
        let mut state = self.state.lock().unwrap();
        state.0.push((offset, buf.to_vec()));
        Ok(())
    }
    fn flush(&self) -> io::Result<()> {
        let mut state = self.state.lock().unwrap();
        state.1 += 1;
        let cached = std::mem::take(&mut state.0);
        if state.1 == self.fail_at {
            return Err(io::Error::other("writeback failed"));
        }
        for (offset, bytes) in cached {
            self.inner.write_all_at(&bytes, offset)?;
        }
        Ok(())
    }
}

impl Target for LostWriteback {
    fn zero(&self, extent: Extent) -> io::Result<()> {
        let zeros = vec![0; usize::try_from(extent.len).unwrap()];
        self.write_all_at(&zeros, extent.start)
    }
    fn discard(&self, _extent: Extent) -> io::Result<()> {
        Ok(())
    }
    fn drop_cache(&self) -> io::Result<()> {
        Ok(())
    }
    fn reread_table(&self) -> io::Result<()> {
        Ok(())
    }
}

/// A store that cannot be reached after so many range reads of packs.
#[derive(Debug)]
pub(super) struct Cable {
    pub(super) inner: Arc<MemoryStore>,
    pub(super) left: AtomicU64,
}

impl Store for Cable {
    fn location(&self) -> String {
        self.inner.location()
    }
    fn get(&self, name: &str, cap: u64) -> store::Result<Vec<u8>> {
        self.inner.get(name, cap)
    }
    fn read_range(&self, name: &str, offset: u64, buf: &mut [u8]) -> store::Result<()> {
        let less = |left: u64| left.checked_sub(1);
        let data = name.starts_with("packs/");
        let (set, fetch) = (Ordering::SeqCst, Ordering::SeqCst);
        if data && self.left.fetch_update(set, fetch, less).is_err() {
            return Err(store::Error::Unreachable {
                location: self.location(),
                reason: "the cable was pulled".to_owned(),
            });
        }
        self.inner.read_range(name, offset, buf)
    }
    fn size(&self, name: &str) -> store::Result<u64> {
        self.inner.size(name)
    }
    fn put(&self, name: &str, bytes: &[u8]) -> store::Result<()> {
        self.inner.put(name, bytes)
    }
    fn list(&self, prefix: &str) -> store::Result<Vec<String>> {
        self.inner.list(prefix)
    }
    fn delete(&self, name: &str) -> store::Result<()> {
        self.inner.delete(name)
    }
}
