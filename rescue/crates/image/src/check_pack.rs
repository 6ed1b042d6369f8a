//! Reading one pack from end to end and checking every byte of it.

use std::ops::Range;

use store::Store;

use crate::objects::{PackKind, pack_name};
use crate::pack::{PACK_HEADER_LEN, TableEntry, header_bytes, read_table};
use crate::record::{MAX_META, RECORD_HEADER_LEN, RecordHeader, decode_record};
use crate::{ChunkId, Decoder, Error, PackId, RepoId, Result};

/// Records are read together up to this many bytes.
const BATCH: u64 = 4 << 20;

/// Damage in a pack: the bytes that cannot be relied on, and what was seen.
#[derive(Debug)]
pub(crate) struct PackFault {
    pub(crate) range: Range<u64>,
    pub(crate) error: Error,
}

/// Checks header, records, trailer and the name. Returns the damage found;
/// one record's does not keep the others from being checked.
///
/// # Errors
/// Only when the store cannot be reached.
pub(crate) fn check_pack(
    store: &dyn Store,
    kind: PackKind,
    id: &PackId,
    repo: &RepoId,
    decoder: &mut Decoder,
) -> Result<Vec<PackFault>> {
    let name = pack_name(kind, id);
    let mut check = Check {
        store,
        name,
        id: *id,
        hasher: blake3::Hasher::new(),
        faults: Vec::new(),
    };
    let size = match store.size(&check.name) {
        Ok(size) => size,
        Err(error) => {
            check.fault(0..u64::MAX, Error::required(error))?;
            return Ok(check.faults);
        }
    };
    check.header(&header_bytes(kind, repo))?;
    match read_table(store, kind, id) {
        Ok(table) => {
            let end = check.records(&table, decoder)?;
            check.rest(end, size)?;
            check.name_matches();
        }
        Err(error) => {
            let table = check.scan(size)?;
            let end = check.records(&table, decoder)?;
            // Readers do not need the trailer, so no chunk is lost with it.
            check.fault(end..size.max(end), error)?;
        }
    }
    Ok(check.faults)
}

struct Check<'a> {
    store: &'a dyn Store,
    name: String,
    id: PackId,
    hasher: blake3::Hasher,
    faults: Vec<PackFault>,
}

impl Check<'_> {
    /// Notes damage; passes on that the store cannot be reached.
    fn fault(&mut self, range: Range<u64>, error: Error) -> Result<()> {
        if matches!(error, Error::Store(store::Error::Unreachable { .. })) {
            return Err(error);
        }
        self.faults.push(PackFault { range, error });
        Ok(())
    }

    /// The bytes of `range`; `None` when they cannot be read, which is noted.
    fn read(&mut self, range: Range<u64>) -> Result<Option<Vec<u8>>> {
        let len = range.end.saturating_sub(range.start);
        let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
        match self.store.read_range(&self.name, range.start, &mut bytes) {
            Ok(()) => {
                self.hasher.update(&bytes);
                Ok(Some(bytes))
            }
            Err(error) => {
                self.fault(range, Error::required(error))?;
                Ok(None)
            }
        }
    }

    fn header(&mut self, expected: &[u8; PACK_HEADER_LEN]) -> Result<()> {
        let range = 0..PACK_HEADER_LEN as u64;
        let Some(found) = self.read(range.clone())? else {
            return Ok(());
        };
        if let Some(at) = found.iter().zip(expected).position(|(a, b)| a != b) {
            let error = Error::damaged(
                &self.name,
                at as u64,
                "the header of a pack of this repository",
                "another",
            );
            self.fault(range, error)?;
        }
        Ok(())
    }

    /// Checks the records; returns where the last one ends.
    fn records(&mut self, table: &[TableEntry], decoder: &mut Decoder) -> Result<u64> {
        let mut plain = Vec::new();
        let mut rest = table;
        let mut at = PACK_HEADER_LEN as u64;
        while let Some(first) = rest.first() {
            let start = u64::from(first.offset);
            let fits = rest
                .iter()
                .take_while(|e| e.locator(self.id).end() - start <= BATCH)
                .count();
            let (batch, later) = rest.split_at(fits.max(1));
            rest = later;
            at = batch.last().map_or(at, |e| e.locator(self.id).end());
            let Some(bytes) = self.read(start..at)? else {
                continue;
            };
            for entry in batch {
                self.record(entry, start, &bytes, &mut plain, decoder)?;
            }
        }
        Ok(at)
    }

    fn record(
        &mut self,
        entry: &TableEntry,
        start: u64,
        bytes: &[u8],
        plain: &mut Vec<u8>,
        decoder: &mut Decoder,
    ) -> Result<()> {
        let locator = entry.locator(self.id);
        let from = (u64::from(entry.offset) - start) as usize;
        let record = bytes.get(from..from + locator.record_len());
        plain.resize(entry.raw_len as usize, 0);
        match decode_record(&locator, record.unwrap_or_default(), decoder, plain) {
            Ok(()) => Ok(()),
            Err(error) => self.fault(u64::from(entry.offset)..locator.end(), error),
        }
    }

    /// Reads what follows the records, for the hash.
    fn rest(&mut self, mut at: u64, size: u64) -> Result<()> {
        while at < size {
            let end = size.min(at + BATCH);
            self.read(at..end)?;
            at = end;
        }
        Ok(())
    }

    fn name_matches(&mut self) {
        let found = PackId::from_bytes(*self.hasher.finalize().as_bytes());
        if found != self.id && self.faults.is_empty() {
            // Every record was checked by itself: no chunk is affected.
            let error = Error::damaged(
                &self.name,
                0,
                format!("bytes with BLAKE3 {}", self.id),
                format!("BLAKE3 {found}"),
            );
            self.faults.push(PackFault { range: 0..0, error });
        }
    }

    /// The records that a forward scan finds, when the table is lost. Only
    /// the beginning of their ids is known, so plain bytes vouch for them.
    fn scan(&mut self, size: u64) -> Result<Vec<TableEntry>> {
        let mut out = Vec::new();
        let mut at = PACK_HEADER_LEN as u64;
        let mut decoder = Decoder::new()?;
        while at + (RECORD_HEADER_LEN as u64) < size {
            let mut header = [0; RECORD_HEADER_LEN];
            let read = self.store.read_range(&self.name, at, &mut header);
            let parsed = read
                .map_err(Error::required)
                .and_then(|()| RecordHeader::parse(&self.name, at, &header));
            let Ok(found) = parsed else { break };
            let Some(entry) = self.identify(&found, at, size, &mut decoder)? else {
                break;
            };
            at = entry.locator(self.id).end();
            out.push(entry);
        }
        Ok(out)
    }

    fn identify(
        &mut self,
        header: &RecordHeader,
        at: u64,
        size: u64,
        decoder: &mut Decoder,
    ) -> Result<Option<TableEntry>> {
        let Ok(offset) = u32::try_from(at) else {
            return Ok(None);
        };
        let mut entry = TableEntry {
            chunk: ChunkId::from_bytes([0; 32]),
            offset,
            stored_len: header.stored_len,
            raw_len: header.raw_len,
        };
        let locator = entry.locator(self.id);
        if locator.check(MAX_META).is_err() || locator.end() > size {
            return Ok(None);
        }
        let mut record = vec![0; locator.record_len()];
        if self.store.read_range(&self.name, at, &mut record).is_err() {
            return Ok(None);
        }
        match header.plain_id(&record, decoder) {
            Some(chunk) => {
                entry.chunk = chunk;
                Ok(Some(entry))
            }
            None => {
                // A placeholder: `records` will report it.
                let mut bytes = [0; 32];
                bytes[..header.id_prefix.len()].copy_from_slice(&header.id_prefix);
                entry.chunk = ChunkId::from_bytes(bytes);
                Ok(Some(entry))
            }
        }
    }
}
