//! What the fetching, decoding and writing threads do.

use disk::Extent;
use image::{Decoder, decode_record};

use super::batch::{Item, Place, Read};
use super::queue::Producer;
use super::{Shared, WRITE_BUF};
use crate::restore::error::{Error, Left};
use crate::restore::pool::AlignedBuf;

/// A read with its bytes, in the first `read.len` bytes of `buf`.
#[derive(Debug)]
pub(super) struct Fetched {
    read: Read,
    buf: Vec<u8>,
}

/// One write.
#[derive(Debug)]
pub(super) struct WriteJob {
    extent: Extent,
    /// `None`: zeros.
    buf: Option<AlignedBuf>,
    /// What it finishes.
    finishes: Vec<Extent>,
    /// Bytes of data and zeros, for the progress.
    counts: u64,
}

impl WriteJob {
    /// A run of zeros.
    pub(super) fn zeros(extent: Extent) -> Self {
        Self {
            extent,
            buf: None,
            finishes: vec![extent],
            counts: extent.len,
        }
    }

    fn starting_at(start: u64, buf: AlignedBuf) -> Self {
        Self {
            extent: Extent { start, len: 0 },
            buf: Some(buf),
            finishes: Vec::new(),
            counts: 0,
        }
    }

    /// Extends the job by `len` bytes and gives them to write into; `None`
    /// when they do not follow or do not fit.
    fn extend(&mut self, start: u64, len: u64) -> Option<&mut [u8]> {
        let from = usize::try_from(self.extent.len).ok()?;
        let to = from.checked_add(usize::try_from(len).ok()?)?;
        if self.extent.end() != start || to > WRITE_BUF {
            return None;
        }
        self.extent.len = self.extent.len.saturating_add(len);
        self.buf.as_mut()?.bytes_mut().get_mut(from..to)
    }
}

/// A fetching thread.
pub(super) fn fetch(shared: &Shared<'_>, out: &Producer<'_, Fetched>) -> Result<(), Error> {
    let store = shared.plan.repository.store();
    while let Some(read) = shared.reads.pop() {
        let Some(mut buf) = shared.read_bufs.take() else {
            return Ok(());
        };
        let name = shared.pack_name(&read.pack);
        let part = buf.get_mut(..read.len).unwrap_or_default();
        store
            .read_range(&name, read.offset, part)
            .map_err(|e| image_error(shared, &read, image::Error::required(e)))?;
        shared.counted(|counts| counts.fetched += read.len as u64);
        if !out.push(Fetched { read, buf }) {
            return Ok(());
        }
    }
    Ok(())
}

fn image_error(shared: &Shared<'_>, read: &Read, source: image::Error) -> Error {
    let first = read.items.first().map_or(0, |item| item.place.start);
    Error::Image {
        place: shared.place(first),
        source,
    }
}

/// A decoding thread.
pub(super) fn decode(shared: &Shared<'_>, out: &Producer<'_, WriteJob>) -> Result<(), Error> {
    let mut decoder = Decoder::new().map_err(|source| Error::Image {
        place: "decoding".to_owned(),
        source,
    })?;
    let mut filling = Filling {
        shared,
        out,
        job: None,
    };
    while let Some(Fetched { read, buf }) = shared.fetched.pop() {
        for item in &read.items {
            let record = record_of(&read, item, &buf);
            if filling.add(item, record, &mut decoder)?.is_none() {
                return Ok(());
            }
        }
        shared.read_bufs.put(buf);
        // What was begun must not wait for the next fetch.
        if filling.flush().is_none() {
            return Ok(());
        }
    }
    Ok(())
}

fn record_of<'b>(read: &Read, item: &Item, buf: &'b [u8]) -> &'b [u8] {
    let from = u64::from(item.locator.offset).saturating_sub(read.offset);
    usize::try_from(from)
        .ok()
        .and_then(|from| buf.get(from..)?.get(..item.locator.record_len()))
        .unwrap_or_default()
}

/// Puts chunks that follow each other on the disk into one write. `None`
/// from any of its functions means: broken off elsewhere.
struct Filling<'a, 'b> {
    shared: &'a Shared<'b>,
    out: &'a Producer<'a, WriteJob>,
    job: Option<WriteJob>,
}

impl Filling<'_, '_> {
    fn add(
        &mut self,
        item: &Item,
        record: &[u8],
        decoder: &mut Decoder,
    ) -> Result<Option<()>, Error> {
        let extent = item.extent(item.place);
        if !self.shared.filter.is_free(extent) {
            return self.add_in_parts(item, record, decoder);
        }
        let Some(room) = self.room(extent) else {
            return Ok(None);
        };
        let raw_len = item.locator.raw_len as usize;
        let (chunk, fill) = room.split_at_mut(raw_len.min(room.len()));
        fill.fill(0);
        let decoded = decode_record(&item.locator, record, decoder, chunk);
        decoded.map_err(|source| self.failed(item, source))?;
        self.finish(extent, item.counts(item.place));
        Ok(self.repeat(item))
    }

    fn failed(&self, item: &Item, source: image::Error) -> Error {
        Error::Image {
            place: self.shared.place(item.place.start),
            source,
        }
    }

    /// Room for `extent` in the current job, or in a new one.
    fn room(&mut self, extent: Extent) -> Option<&mut [u8]> {
        let follows = self.job.as_ref().is_some_and(|job| {
            let len = job.extent.len.saturating_add(extent.len);
            job.extent.end() == extent.start && len <= WRITE_BUF as u64
        });
        if !follows {
            self.flush()?;
            let buf = self.shared.write_bufs.take()?;
            self.job = Some(WriteJob::starting_at(extent.start, buf));
        }
        self.job.as_mut()?.extend(extent.start, extent.len)
    }

    /// Notes that the current job finishes `extent`, `counts` bytes of it.
    fn finish(&mut self, extent: Extent, counts: u64) {
        if let Some(job) = &mut self.job {
            job.finishes.push(extent);
            job.counts = job.counts.saturating_add(counts);
        }
    }

    /// Writes the chunk decoded last to its other places too.
    fn repeat(&mut self, item: &Item) -> Option<()> {
        if item.more.is_empty() {
            return Some(());
        }
        let mut copy = self.shared.write_bufs.take()?;
        let raw_len = item.locator.raw_len as usize;
        if let Some(job) = &self.job
            && let Some(buf) = &job.buf
        {
            let fill = item.place.fill as usize;
            let end = usize::try_from(job.extent.len).ok()?.checked_sub(fill)?;
            let chunk = buf.bytes().get(end.checked_sub(raw_len)?..end)?;
            copy.bytes_mut().get_mut(..raw_len)?.copy_from_slice(chunk);
        }
        self.flush()?;
        let chunk = copy;
        for place in &item.more {
            self.write_copy(item, *place, chunk.bytes().get(..raw_len)?)?;
        }
        self.shared.write_bufs.put(chunk);
        Some(())
    }

    /// Writes `chunk` (decoded, of `item`) to `place`, sparing what is
    /// withheld.
    fn write_copy(&mut self, item: &Item, place: Place, chunk: &[u8]) -> Option<()> {
        let whole = item.extent(place);
        let parts = self.shared.filter.writable(whole);
        // Each part is a write of its own, and finishes one hold of the whole.
        for _ in 1..parts.len() {
            self.shared.ledger.hold_extent(whole);
        }
        let mut counts = item.counts(place);
        for part in parts {
            let room = self.room(part)?;
            let from = usize::try_from(part.start.checked_sub(whole.start)?).ok()?;
            let data = chunk.get(from..).unwrap_or_default();
            let data = data.get(..room.len()).unwrap_or(data);
            let (head, tail) = room.split_at_mut(data.len());
            head.copy_from_slice(data);
            tail.fill(0);
            self.finish(whole, std::mem::take(&mut counts));
            self.flush()?;
        }
        Some(())
    }

    /// A chunk of which parts are withheld.
    fn add_in_parts(
        &mut self,
        item: &Item,
        record: &[u8],
        decoder: &mut Decoder,
    ) -> Result<Option<()>, Error> {
        if self.flush().is_none() {
            return Ok(None);
        }
        let Some(mut scratch) = self.shared.write_bufs.take() else {
            return Ok(None);
        };
        let raw_len = item.locator.raw_len as usize;
        let chunk = scratch.bytes_mut().get_mut(..raw_len).unwrap_or_default();
        let decoded = decode_record(&item.locator, record, decoder, chunk);
        decoded.map_err(|source| self.failed(item, source))?;
        let places = std::iter::once(&item.place).chain(&item.more);
        for place in places {
            let chunk = scratch.bytes().get(..raw_len).unwrap_or_default();
            if self.write_copy(item, *place, chunk).is_none() {
                return Ok(None);
            }
        }
        self.shared.write_bufs.put(scratch);
        Ok(Some(()))
    }

    fn flush(&mut self) -> Option<()> {
        match self.job.take() {
            Some(job) => self.out.push(job).then_some(()),
            None => Some(()),
        }
    }
}

/// A writing thread.
pub(super) fn write(shared: &Shared<'_>) -> Result<(), Error> {
    while let Some(job) = shared.writes.pop() {
        let extent = job.extent;
        let done = match &job.buf {
            None => shared.target.zero(extent).map_err(|e| ("zeroing", e)),
            Some(buf) => {
                let len = usize::try_from(extent.len).unwrap_or(0);
                let bytes = buf.bytes().get(..len).unwrap_or_default();
                let written = shared.target.write_all_at(bytes, extent.start);
                written.map_err(|e| ("writing", e))
            }
        };
        done.map_err(|(action, source)| Error::Target {
            target: shared.plan.target.path.clone(),
            action,
            offset: extent.start,
            len: extent.len,
            left: Left::Unfinished,
            source,
        })?;
        if let Some(buf) = job.buf {
            shared.write_bufs.put(buf);
        }
        for finished in job.finishes {
            shared.ledger.release_extent(finished);
        }
        shared.ledger.count(job.counts);
        shared.parts.count(extent.start, job.counts);
    }
    Ok(())
}
