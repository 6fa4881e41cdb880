//! Blocks of both chains: their numbers, ids and references.
//!
//! L1 and L2 numbers are different types, because mixing them up once stopped a production batcher for hours.

use alloy_primitives::B256;
use core::fmt;
use op_alloy_consensus::OpTxEnvelope;
use serde::{Deserialize, Serialize};

/// An L2 block: header and transactions, deposits first.
pub type L2Block = alloy_consensus::Block<OpTxEnvelope>;

macro_rules! block_number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl $name {
            /// The number after this one.
            #[must_use]
            pub const fn next(self) -> Self {
                Self(self.0 + 1)
            }

            /// The number `count` below this one, or zero.
            #[must_use]
            pub const fn saturating_sub(self, count: u64) -> Self {
                Self(self.0.saturating_sub(count))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

block_number! {
    /// Height of a block on L1.
    L1BlockNumber
}
block_number! {
    /// Height of a block on L2.
    L2BlockNumber
}

/// An L1 block by height and hash. Serialises as op-node's `{"hash", "number"}`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct L1BlockId {
    /// Keccak-256 of the RLP of the header.
    pub hash: B256,
    /// Height.
    pub number: L1BlockNumber,
}

/// An L2 block by height and hash. Serialises as op-node's `{"hash", "number"}`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct L2BlockId {
    /// Keccak-256 of the RLP of the header.
    pub hash: B256,
    /// Height.
    pub number: L2BlockNumber,
}

/// What derivation needs to know of an L1 block to link it to its neighbours. Serialises as op-node's `L1BlockRef`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct L1BlockRef {
    /// Hash of the block.
    pub hash: B256,
    /// Height.
    pub number: L1BlockNumber,
    /// Hash of the block before it.
    pub parent_hash: B256,
    /// Unix seconds.
    pub timestamp: u64,
}

/// An L2 block, and where on L1 it stands. Serialises as op-node's `L2BlockRef`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct L2BlockRef {
    /// Hash of the block.
    pub hash: B256,
    /// Height.
    pub number: L2BlockNumber,
    /// Hash of the block before it.
    pub parent_hash: B256,
    /// Unix seconds.
    pub timestamp: u64,
    /// The L1 block this block builds on: its L1 origin, which names its epoch.
    #[serde(rename = "l1origin")]
    pub l1_origin: L1BlockId,
    /// How many L2 blocks of the same epoch come before this one.
    pub sequence_number: u64,
}

impl L1BlockRef {
    /// Height and hash alone.
    #[must_use]
    pub const fn id(&self) -> L1BlockId {
        L1BlockId {
            hash: self.hash,
            number: self.number,
        }
    }
}

impl L2BlockRef {
    /// Height and hash alone.
    #[must_use]
    pub const fn id(&self) -> L2BlockId {
        L2BlockId {
            hash: self.hash,
            number: self.number,
        }
    }
}
