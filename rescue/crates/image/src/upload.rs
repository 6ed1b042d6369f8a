//! Storing objects in order, beside the work that makes them.

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use store::Store;

use crate::{Error, Result};

type Job = (String, Vec<u8>);

/// One thread that puts one object after another. Handing over the next one
/// waits for the one before it, so at most two are in memory.
#[derive(Debug)]
pub(crate) struct Uploader {
    sender: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<store::Result<()>>>,
}

impl Uploader {
    pub(crate) fn start(store: Arc<dyn Store>) -> Self {
        let (sender, jobs) = sync_channel::<Job>(0);
        let work = move || {
            jobs.iter()
                .try_for_each(|(name, bytes)| store.put(&name, &bytes))
        };
        Self {
            sender: Some(sender),
            thread: Some(std::thread::spawn(work)),
        }
    }

    /// Hands an object over.
    ///
    /// # Errors
    /// What storing an earlier one said.
    pub(crate) fn put(&mut self, name: String, bytes: Vec<u8>) -> Result<()> {
        let sent = self.sender.as_ref().map(|s| s.send((name, bytes)));
        match sent {
            Some(Ok(())) => Ok(()),
            _ => self.finish().and(Err(Error::Invalid {
                reason: "storing stopped earlier".to_owned(),
            })),
        }
    }

    /// Returns once everything handed over is stored.
    ///
    /// # Errors
    /// What storing said.
    pub(crate) fn finish(&mut self) -> Result<()> {
        self.sender = None;
        match self.thread.take().map(JoinHandle::join) {
            None => Ok(()),
            Some(Ok(result)) => Ok(result?),
            Some(Err(_)) => Err(Error::Invalid {
                reason: "the storing thread panicked".to_owned(),
            }),
        }
    }
}
