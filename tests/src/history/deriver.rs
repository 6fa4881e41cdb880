//! Derives with our pipeline, answering its questions from the simulated L1, and writes down all that comes out.

use super::{
    chain::Chain,
    l1::SimulatedL1,
    record::{RecordedAttributes, RecordedBlock},
};
use alloy_primitives::Bytes;
use std::{collections::BTreeMap, sync::Arc};
use tributary_derivation::{
    discard::DiscardReason,
    pipeline::{Pipeline, Step},
    reset::ResetPoint,
    stages::{
        attributes_queue::DerivedAttributes,
        batch_stage::SafeBlock,
        l1_retrieval::{DataAnswer, DataRequest},
    },
};
use tributary_protocol::{
    batcher_tx::BatcherTx,
    config::{L1ChainConfig, RollupConfig},
    execute::ExecuteError,
};

/// The deriver, and the safe chain it has derived.
#[derive(Debug)]
pub struct Deriver {
    pipeline: Pipeline,
    chain: Chain,
    recorded: Vec<RecordedBlock>,
    /// The attributes first derived for the next block, once they were refused.
    refused: Option<RecordedAttributes>,
    discarded: BTreeMap<DiscardReason, u64>,
}

impl Deriver {
    /// Starts at the genesis that `chain` consists of.
    pub fn new(config: Arc<RollupConfig>, l1_config: Arc<L1ChainConfig>, chain: Chain) -> Self {
        let genesis = config.genesis.clone();
        let start = ResetPoint {
            safe_head: chain.head().reference,
            system_config: genesis.system_config,
            resume_at: genesis.l1.number,
            l1_start: genesis.l1,
            l1_system_config: genesis.system_config,
        };
        Self {
            pipeline: Pipeline::new(config, l1_config, &start),
            chain,
            recorded: Vec::new(),
            refused: None,
            discarded: BTreeMap::new(),
        }
    }

    /// The safe chain.
    pub const fn chain(&self) -> &Chain {
        &self.chain
    }

    /// What was thrown away, by reason.
    pub const fn discarded(&self) -> &BTreeMap<DiscardReason, u64> {
        &self.discarded
    }

    /// Every block derived so far.
    pub fn into_recorded(self) -> Vec<RecordedBlock> {
        self.recorded
    }

    /// Derives up to the head of L1. Payloads are found by the calldata that commits to them.
    ///
    /// # Panics
    /// If derivation halts, or asks for what a history cannot contain: both are defects to look into.
    pub fn derive(&mut self, l1: &SimulatedL1, payloads: &BTreeMap<Bytes, Bytes>) {
        loop {
            match self.pipeline.step() {
                Step::Progress => {}
                Step::Discarded(discarded) => *self.discarded.entry(discarded.reason).or_default() += 1,
                Step::NeedL1Block(number) => {
                    let Some(block) = l1.at(number) else { return };
                    self.pipeline
                        .provide_l1_block(block)
                        .expect("this L1 never reorganises");
                }
                Step::NeedData(DataRequest::Payload { commitment, .. }) => {
                    let payload = &payloads[&BatcherTx::Commitment(commitment).encode()];
                    self.pipeline.provide_data(DataAnswer::Payload(payload.clone()));
                }
                Step::NeedData(DataRequest::Blobs { .. }) => panic!("histories have no blobs"),
                Step::NeedSafeBlock(number) => {
                    let block = self.chain.at(number.0).expect("safe blocks are in the chain");
                    self.pipeline.provide_safe_block(SafeBlock {
                        reference: block.reference,
                        transactions: block.transactions(),
                    });
                }
                Step::NeedEpoch(id) => {
                    let block = l1.by_hash(id.hash).expect("epochs are on L1");
                    self.pipeline.provide_epoch(block).expect("deposits decode");
                }
                Step::Attributes(attributes) => self.execute(&attributes),
            }
        }
    }

    fn execute(&mut self, derived: &DerivedAttributes) {
        match self.chain.build(&derived.attributes) {
            Ok(block) => {
                let first = self.refused.take();
                self.recorded.push(RecordedBlock {
                    rejected: first.is_some(),
                    attributes: first.unwrap_or_else(|| record(derived)),
                    block: alloy::rlp::encode(&block.block).into(),
                    preimages: block.preimages.clone(),
                });
                self.pipeline.confirm(block.reference, block.system_config);
            }
            Err(ExecuteError::Fatal(error)) => panic!("memory cannot fail: {error}"),
            Err(_) => {
                self.refused = Some(record(derived));
                self.pipeline.reject().expect("deposits alone make a block");
            }
        }
    }
}

fn record(derived: &DerivedAttributes) -> RecordedAttributes {
    let attributes = &derived.attributes;
    RecordedAttributes {
        number: derived.parent.number.0 + 1,
        parent_hash: derived.parent.hash,
        timestamp: attributes.timestamp,
        prev_randao: attributes.prev_randao,
        fee_recipient: attributes.fee_recipient,
        parent_beacon_block_root: attributes.parent_beacon_block_root,
        gas_limit: attributes.gas_limit,
        eip1559_params: attributes.eip1559_params,
        transactions: attributes.transactions.clone(),
        no_tx_pool: attributes.no_tx_pool,
        derived_from_number: derived.derived_from.number.0,
        derived_from_hash: derived.derived_from.hash,
        concludes_span: derived.concluding,
    }
}
