//! Alt-DA for kona, which has none: calldata that is a commitment is replaced by the payload behind it.
//!
//! Which transactions count is left to kona's own calldata source. This one only looks at what they say:
//!
//! | calldata                                               | becomes                         |
//! | ------------------------------------------------------ | ------------------------------- |
//! | `00 ‖ frames`                                          | itself                          |
//! | `01 ‖ 01 ‖ 7a ‖ 00 ‖ keccak256(payload) ‖ length u32be` | the payload, `00 ‖ frames`      |
//! | anything else                                          | itself, in which kona finds nothing |
//!
//! On a chain without Alt-DA a commitment is "anything else".

use crate::{coverage::Counters, history::History, providers::RecordedL1};
use alloy_primitives::{Address, Bytes, keccak256};
use async_trait::async_trait;
use kona_derive::{
    CalldataSource, DataAvailabilityProvider, PipelineError, PipelineErrorKind, PipelineResult,
};
use kona_protocol::BlockInfo;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

const COMMITMENT_VERSION: u8 = 0x01;
const COMMITMENT_PREFIX: [u8; 4] = [COMMITMENT_VERSION, 0x01, 0x7a, 0x00];
const COMMITMENT_SIZE: usize = 40;

/// Height of the last L1 block that has been read to its end.
#[derive(Clone, Debug)]
pub struct Drained(Arc<AtomicU64>);

impl Drained {
    /// Nothing has been read.
    pub fn new() -> Self {
        Self(Arc::new(AtomicU64::new(u64::MAX)))
    }

    /// Whether the L1 block at `number` has been read to its end.
    pub fn is(&self, number: u64) -> bool {
        self.0.load(Ordering::Relaxed) == number
    }

    fn set(&self, number: u64) {
        self.0.store(number, Ordering::Relaxed);
    }
}

/// The data source.
#[derive(Debug)]
pub struct AltDaSource {
    calldata: CalldataSource<RecordedL1>,
    history: Arc<History>,
    drained: Drained,
    counters: Arc<Counters>,
}

impl AltDaSource {
    /// Reads `history`, and says through `drained` which L1 block is done.
    pub fn new(history: Arc<History>, drained: Drained, counters: Arc<Counters>) -> Self {
        let inbox = history.rollup.batch_inbox_address;
        Self {
            calldata: CalldataSource::new(RecordedL1(history.clone()), inbox),
            history,
            drained,
            counters,
        }
    }

    #[expect(clippy::result_large_err, reason = "the error is kona's")]
    fn resolve(&self, calldata: Bytes) -> PipelineResult<Bytes> {
        let has_alt_da = self.history.rollup.alt_da_config.is_some();
        let is_commitment = has_alt_da && calldata.len() == COMMITMENT_SIZE && calldata.starts_with(&COMMITMENT_PREFIX);
        if !is_commitment {
            self.counters.calldata.add();
            return Ok(calldata);
        }
        let payload = self.history.payloads.get(&calldata);
        let payload = payload.ok_or_else(|| missing(&calldata, "is not in the record"))?;
        if keccak256(payload)[..] != calldata[4..36]
            || (payload.len() as u64).to_be_bytes()[4..] != calldata[36..]
        {
            return Err(missing(&calldata, "is recorded with other bytes"));
        }
        self.counters.alt_da.add();
        Ok(payload.clone())
    }
}

/// The record is incomplete. Never a reason to go on without the data.
fn missing(commitment: &Bytes, what: &str) -> PipelineErrorKind {
    PipelineError::Provider(format!("payload of {commitment} {what}")).crit()
}

#[async_trait]
impl DataAvailabilityProvider for AltDaSource {
    type Item = Bytes;

    async fn next(&mut self, block: &BlockInfo, batcher: Address) -> PipelineResult<Bytes> {
        match self.calldata.next(block, batcher).await {
            Ok(calldata) => self.resolve(calldata),
            Err(error) => {
                if error == PipelineError::Eof.temp() {
                    self.drained.set(block.number);
                }
                Err(error)
            }
        }
    }

    fn clear(&mut self) {
        self.calldata.clear();
    }
}
