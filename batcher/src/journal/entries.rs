//! What the journal remembers of a channel.

use crate::l1::Fees;
use alloy::primitives::{Address, B256, Bytes};
use serde::{Deserialize, Serialize};
use tributary_protocol::block::{L1BlockId, L1BlockNumber, L2BlockId};

/// What a journal belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JournalChain {
    /// Chain id of L1.
    pub l1_chain_id: u64,
    /// Chain id of L2.
    pub l2_chain_id: u64,
    /// Hash of L2 block 0.
    pub l2_genesis: B256,
    /// Account the transactions come from.
    pub batcher: Address,
}

impl core::fmt::Display for JournalChain {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(
            f,
            "L2 chain {} with genesis {} on L1 chain {}, posted by {}",
            self.l2_chain_id, self.l2_genesis, self.l1_chain_id, self.batcher
        )
    }
}

/// Where a channel's bytes go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Route {
    /// The DA layer has them; L1 gets the commitment.
    Da {
        /// Calldata of the batcher transaction.
        calldata: Bytes,
    },
    /// The DA layer has them in several payloads, since they are too long for one; L1 gets the commitments in this order.
    DaParts {
        /// Calldata of each batcher transaction.
        calldata: Vec<Bytes>,
    },
    /// L1 itself, as calldata.
    Calldata,
    /// L1 itself, as blobs.
    Blobs,
}

impl Route {
    /// Name for logs and metrics.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Da { .. } | Self::DaParts { .. } => "da",
            Self::Calldata => "calldata",
            Self::Blobs => "blobs",
        }
    }
}

/// One signed form of a transaction. Signing is deterministic, so the fees are enough to make the same bytes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attempt {
    /// Hash of the signed transaction.
    pub hash: B256,
    /// What it offers to pay.
    pub fees: Fees,
}

/// An L1 transaction of a channel. It has one nonce for good, whatever it is replaced by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JournaledTransaction {
    /// Nonce of the batcher's account.
    pub nonce: u64,
    /// Every form it was sent in, oldest first.
    pub attempts: Vec<Attempt>,
    /// The L1 block that held it when we last looked.
    pub included: Option<L1BlockId>,
}

/// A channel on its way to L1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JournaledChannel {
    /// First block in it.
    pub first: L2BlockId,
    /// Last block in it.
    pub last: L2BlockId,
    /// L1 block by which all of it must be on L1: the end of its first block's sequencing window.
    pub deadline: L1BlockNumber,
    /// Keccak-256 of its payload.
    pub payload: B256,
    /// Bytes of its payload.
    pub payload_size: u32,
    /// Where it goes, once that is decided.
    pub route: Option<Route>,
    /// Its transactions, in order; empty until the nonces are taken.
    pub transactions: Vec<JournaledTransaction>,
}

impl JournaledChannel {
    /// True once L1 holds every transaction of it.
    #[must_use]
    pub fn is_included(&self) -> bool {
        !self.transactions.is_empty()
            && self
                .transactions
                .iter()
                .all(|transaction| transaction.included.is_some())
    }

    /// The L1 block of its last transaction, once all are included.
    #[must_use]
    pub fn included_in(&self) -> Option<L1BlockNumber> {
        let blocks = self.transactions.iter().map(|transaction| transaction.included);
        let last = blocks
            .collect::<Option<Vec<_>>>()?
            .into_iter()
            .max_by_key(|id| id.number)?;
        Some(last.number)
    }
}
