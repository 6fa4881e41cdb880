//! What the batcher has begun and not finished, on disk: which blocks are in which channel, where its bytes went, and which L1
//! transactions carry it.
//!
//! ```text
//!  journal.json                   every channel, in order, with its route and its transactions
//!  <keccak of payload>.payload    the channel's frames, as they go to DA
//! ```
//! L1 is the truth and the journal a cache of it: with it a restarted batcher goes on with the very transactions it had begun, so
//! nothing is posted twice; without it (a new machine) the batcher starts after the safe head and posts again what derivation will
//! skip. Every change is on disk before the batcher acts on it: a payload before it is dispersed, a nonce and a hash before the
//! transaction is sent.

mod disk;
mod entries;
mod error;

#[cfg(any(test, feature = "testing"))]
pub use disk::testing;
pub use disk::{Disk, Folder};
pub use entries::{Attempt, JournalChain, JournaledChannel, JournaledTransaction, Route};
pub use error::JournalError;

use alloy::primitives::{B256, Bytes, keccak256};
use serde::{Deserialize, Serialize};
use std::io;

/// Name of the file with the channels.
const DOCUMENT: &str = "journal.json";

/// Ending of the files with payloads.
const PAYLOAD_ENDING: &str = ".payload";

/// Layout of the document; another one is refused, since reading it would mean guessing.
const VERSION: u32 = 1;

/// What is in the file with the channels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    version: u32,
    chain: JournalChain,
    channels: Vec<JournaledChannel>,
    /// Absent in what was written before nonces were kept beyond their channels.
    #[serde(default)]
    next_nonce: u64,
}

impl Document {
    /// What `channels` of `chain` say when every nonce below `next_nonce` has been taken.
    #[must_use]
    pub fn new(chain: JournalChain, channels: Vec<JournaledChannel>, next_nonce: u64) -> Self {
        let after = nonces(&channels).map(|nonce| nonce.saturating_add(1)).max();
        Self {
            version: VERSION,
            chain,
            channels,
            next_nonce: next_nonce.max(after.unwrap_or_default()),
        }
    }

    /// The channels, in the order of their blocks.
    #[must_use]
    pub fn channels(&self) -> &[JournaledChannel] {
        &self.channels
    }

    /// Its bytes.
    ///
    /// # Errors
    /// [`JournalError::Malformed`] if it cannot be written, which does not happen.
    pub fn encode(&self) -> Result<Vec<u8>, JournalError> {
        serde_json::to_vec_pretty(self).map_err(|error| JournalError::Malformed {
            reason: error.to_string(),
        })
    }

    /// Reads what was written for `chain`. A disk lies at times, so nothing is believed that cannot be.
    ///
    /// # Errors
    /// [`JournalError`] saying what is wrong.
    pub fn decode(bytes: &[u8], chain: JournalChain) -> Result<Self, JournalError> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let malformed = |error: serde_json::Error| JournalError::Malformed {
            reason: error.to_string(),
        };
        let Versioned { version } = serde_json::from_slice(bytes).map_err(malformed)?;
        if version != VERSION {
            return Err(JournalError::Version { found: version });
        }
        let document: Self = serde_json::from_slice(bytes).map_err(malformed)?;
        if document.chain != chain {
            return Err(JournalError::OtherChain {
                expected: Box::new(chain),
                found: Box::new(document.chain),
            });
        }
        check_order(&document.channels)?;
        Ok(Self::new(chain, document.channels, document.next_nonce))
    }
}

/// The journal. In memory it is always what is on disk.
#[derive(Debug)]
pub struct Journal {
    disk: Box<dyn Disk>,
    chain: JournalChain,
    channels: Vec<JournaledChannel>,
    next_nonce: u64,
}

impl Journal {
    /// Reads the journal of `chain`, or starts an empty one.
    ///
    /// # Errors
    /// [`JournalError`]; nothing was changed.
    pub fn open(mut disk: Box<dyn Disk>, chain: JournalChain) -> Result<Self, JournalError> {
        // A process that died between renaming the document and syncing the folder left a document that a power cut still takes back;
        // what it says is acted on, so it has to stay.
        disk.sync_folder().map_err(io("sync", "the journal's folder"))?;
        let document = disk.read(DOCUMENT).map_err(io("read", DOCUMENT))?;
        let document = match document {
            None => Document::new(chain, Vec::new(), 0),
            Some(bytes) => Document::decode(&bytes, chain)?,
        };
        let mut journal = Self {
            disk,
            chain,
            channels: document.channels,
            next_nonce: document.next_nonce,
        };
        for channel in &journal.channels {
            journal.payload(channel.payload)?;
        }
        journal.remove_orphans()?;
        Ok(journal)
    }

    /// Every channel, in the order of their blocks.
    #[must_use]
    pub fn channels(&self) -> &[JournaledChannel] {
        &self.channels
    }

    /// The nonce after every one that was ever taken, also by channels that are no longer here; 0 before the first. What L1 says is less
    /// only while a reorg has taken transactions back.
    #[must_use]
    pub const fn next_nonce(&self) -> u64 {
        self.next_nonce
    }

    /// The payload with this hash, which one of the channels names.
    ///
    /// # Errors
    /// [`JournalError::Payload`] when it is not what was written.
    pub fn payload(&self, hash: B256) -> Result<Bytes, JournalError> {
        let name = payload_name(hash);
        match self.disk.read(&name).map_err(io("read", &name))? {
            None => Err(JournalError::Payload {
                hash,
                found: "missing",
            }),
            Some(bytes) if keccak256(&bytes) == hash => Ok(bytes.into()),
            Some(_) => Err(JournalError::Payload {
                hash,
                found: "damaged",
            }),
        }
    }

    /// Adds a channel with its payload.
    ///
    /// # Errors
    /// [`JournalError::Io`]; the journal must then be opened anew.
    pub fn add(&mut self, channel: JournaledChannel, payload: &[u8]) -> Result<(), JournalError> {
        let name = payload_name(channel.payload);
        disk::replace(&mut *self.disk, &name, payload).map_err(io("write", &name))?;
        self.change(|channels| channels.push(channel))
    }

    /// Applies `change` to the channels; when this returns it is on disk.
    ///
    /// # Errors
    /// [`JournalError::Io`]; the journal must then be opened anew.
    pub fn change(&mut self, change: impl FnOnce(&mut Vec<JournaledChannel>)) -> Result<(), JournalError> {
        let mut channels = self.channels.clone();
        change(&mut channels);
        if channels == self.channels {
            return Ok(());
        }
        let document = Document::new(self.chain, channels, self.next_nonce);
        let bytes = document.encode()?;
        disk::replace(&mut *self.disk, DOCUMENT, &bytes).map_err(io("write", DOCUMENT))?;
        let fewer = document.channels.len() < self.channels.len();
        self.channels = document.channels;
        self.next_nonce = document.next_nonce;
        if fewer {
            self.remove_orphans()?;
        }
        Ok(())
    }

    /// Removes payloads that no channel names: of channels that are done, or of one whose entry was never written.
    fn remove_orphans(&mut self) -> Result<(), JournalError> {
        for name in self.disk.list().map_err(io("list", "the journal's folder"))? {
            let is_ours = name.ends_with(PAYLOAD_ENDING) || name.ends_with(".new");
            let is_wanted = self
                .channels
                .iter()
                .any(|channel| payload_name(channel.payload) == name);
            if is_ours && !is_wanted {
                self.disk.remove(&name).map_err(io("remove", &name))?;
            }
        }
        Ok(())
    }
}

/// Blocks continue from channel to channel, and so do nonces; anything else was not written by us.
fn check_order(channels: &[JournaledChannel]) -> Result<(), JournalError> {
    let malformed = |reason: String| Err(JournalError::Malformed { reason });
    for (earlier, later) in channels.iter().zip(channels.iter().skip(1)) {
        if later.first.number != earlier.last.number.next() {
            return malformed(format!(
                "blocks up to {} are followed by block {}",
                earlier.last.number, later.first.number
            ));
        }
        if earlier.transactions.is_empty() && !later.transactions.is_empty() {
            return malformed(format!(
                "the channel from block {} has nonces, the one before it has none",
                later.first.number
            ));
        }
    }
    let mut expected = None;
    for nonce in nonces(channels) {
        if expected.is_some_and(|expected| expected != nonce) {
            return malformed(format!("nonce {nonce} does not follow the one before it"));
        }
        expected = nonce.checked_add(1);
    }
    Ok(())
}

fn nonces(channels: &[JournaledChannel]) -> impl Iterator<Item = u64> {
    let transactions = channels.iter().flat_map(|channel| &channel.transactions);
    transactions.map(|transaction| transaction.nonce)
}

fn payload_name(hash: B256) -> String {
    format!("{}{PAYLOAD_ENDING}", alloy::hex::encode(hash))
}

fn io(verb: &str, name: &str) -> impl FnOnce(io::Error) -> JournalError {
    let what = format!("{verb} {name}");
    move |source| JournalError::Io { what, source }
}

#[cfg(test)]
mod tests;
