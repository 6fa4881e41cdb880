//! Blocks of both chains: their numbers, ids and references.
//!
//! L1 and L2 numbers are different types, because mixing them up once stopped a production batcher for hours.

use crate::{
    config::ChainGenesis,
    l1_info::{L1Info, L1InfoError},
};
use alloy_consensus::Header;
use alloy_primitives::B256;
use core::fmt;
use op_alloy_consensus::OpTxEnvelope;
use serde::{Deserialize, Serialize};

/// An L2 block: header and transactions, deposits first.
pub type L2Block = alloy_consensus::Block<OpTxEnvelope>;

/// Transactions of an L2 block, and the empty lists L1 blocks have.
pub type L2Body = alloy_consensus::BlockBody<OpTxEnvelope>;

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

/// Why a block does not say where on L1 it stands. A block of ours that gives this was not built by these rules.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlockRefError {
    /// The block at genesis height is a different one.
    #[error("block {number} has hash {found}, the rollup configuration says {expected}")]
    GenesisHash {
        /// Height of genesis.
        number: L2BlockNumber,
        /// Hash in the rollup configuration.
        expected: B256,
        /// Hash of the block.
        found: B256,
    },
    /// The first transaction is missing or not a deposit.
    #[error("block {number} does not start with an L1-attributes transaction")]
    NoL1Info {
        /// Height.
        number: L2BlockNumber,
    },
    /// The first transaction is a deposit with other content.
    #[error("L1 attributes of block {number}: {error}")]
    L1Info {
        /// Height.
        number: L2BlockNumber,
        /// What is wrong with it.
        error: L1InfoError,
    },
}

impl L1BlockRef {
    /// Reference to the block with this header. `hash` is the header's hash, which the caller has checked or computed.
    #[must_use]
    pub const fn from_header(header: &Header, hash: B256) -> Self {
        Self {
            hash,
            number: L1BlockNumber(header.number),
            parent_hash: header.parent_hash,
            timestamp: header.timestamp,
        }
    }

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
    /// Reference to a block, its L1 origin read from its L1-attributes transaction or, for the genesis block, from `genesis`.
    /// `hash` is the hash of the block's header, which the caller has checked or computed.
    pub fn from_block(block: &L2Block, hash: B256, genesis: &ChainGenesis) -> Result<Self, BlockRefError> {
        let number = L2BlockNumber(block.header.number);
        let (l1_origin, sequence_number) = if number == genesis.l2.number {
            if hash != genesis.l2.hash {
                return Err(BlockRefError::GenesisHash {
                    number,
                    expected: genesis.l2.hash,
                    found: hash,
                });
            }
            (genesis.l1, 0)
        } else {
            let info = l1_info(block)
                .ok_or(BlockRefError::NoL1Info { number })?
                .map_err(|error| BlockRefError::L1Info { number, error })?;
            (
                L1BlockId {
                    hash: info.block_hash,
                    number: L1BlockNumber(info.number),
                },
                info.sequence_number,
            )
        };
        Ok(Self {
            hash,
            number,
            parent_hash: block.header.parent_hash,
            timestamp: block.header.timestamp,
            l1_origin,
            sequence_number,
        })
    }

    /// Height and hash alone.
    #[must_use]
    pub const fn id(&self) -> L2BlockId {
        L2BlockId {
            hash: self.hash,
            number: self.number,
        }
    }
}

/// What the block's first transaction says of L1; `None` when there is none or it is not a deposit (as in the genesis block).
#[must_use]
pub fn l1_info(block: &L2Block) -> Option<Result<L1Info, L1InfoError>> {
    match block.body.transactions.first()? {
        OpTxEnvelope::Deposit(deposit) => Some(L1Info::decode(&deposit.inner().input)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::RollupConfig;
    use alloc::vec;
    use alloy_consensus::Sealable;
    use alloy_primitives::Bytes;
    use op_alloy_consensus::TxDeposit;

    fn genesis() -> ChainGenesis {
        RollupConfig::from_json(include_str!("../testdata/rollup.json"))
            .unwrap()
            .genesis
    }

    fn block(number: u64, first: Option<TxDeposit>) -> L2Block {
        let mut block = L2Block::default();
        block.header.number = number;
        block.header.timestamp = 100;
        block.header.parent_hash = B256::repeat_byte(4);
        block.body.transactions = first
            .map(|tx| OpTxEnvelope::Deposit(tx.seal_slow()))
            .into_iter()
            .collect();
        block
    }

    #[test]
    fn origin_comes_from_the_first_transaction() {
        let info = L1Info {
            number: 9,
            block_hash: B256::repeat_byte(9),
            sequence_number: 2,
            ..L1Info::default()
        };
        let hash = B256::repeat_byte(5);
        let found = L2BlockRef::from_block(&block(3, Some(info.to_deposit())), hash, &genesis()).unwrap();
        assert_eq!(
            found,
            L2BlockRef {
                hash,
                number: L2BlockNumber(3),
                parent_hash: B256::repeat_byte(4),
                timestamp: 100,
                l1_origin: L1BlockId {
                    hash: B256::repeat_byte(9),
                    number: L1BlockNumber(9)
                },
                sequence_number: 2,
            }
        );
    }

    #[test]
    fn genesis_stands_on_the_configured_l1_block() {
        let genesis = genesis();
        let found = L2BlockRef::from_block(&block(0, None), genesis.l2.hash, &genesis).unwrap();
        assert_eq!(
            (found.id(), found.l1_origin, found.sequence_number),
            (genesis.l2, genesis.l1, 0)
        );
        let found = L2BlockRef::from_block(&block(0, None), B256::ZERO, &genesis).unwrap_err();
        let (number, expected) = (L2BlockNumber(0), genesis.l2.hash);
        assert_eq!(
            found,
            BlockRefError::GenesisHash {
                number,
                expected,
                found: B256::ZERO
            }
        );
    }

    #[test]
    fn block_without_attributes_is_rejected() {
        let number = L2BlockNumber(1);
        let read = |block| L2BlockRef::from_block(&block, B256::ZERO, &genesis()).unwrap_err();
        assert_eq!(read(block(1, None)), BlockRefError::NoL1Info { number });
        let deposit = TxDeposit {
            input: Bytes::from(vec![1, 2]),
            ..TxDeposit::default()
        };
        let error = L1InfoError::NoSelector { found: 2 };
        assert_eq!(
            read(block(1, Some(deposit))),
            BlockRefError::L1Info { number, error }
        );
    }

    #[test]
    fn l1_reference_repeats_the_header() {
        let header = Header {
            number: 7,
            timestamp: 8,
            parent_hash: B256::repeat_byte(1),
            ..Header::default()
        };
        let found = L1BlockRef::from_header(&header, B256::repeat_byte(2));
        assert_eq!(
            found.id(),
            L1BlockId {
                hash: B256::repeat_byte(2),
                number: L1BlockNumber(7)
            }
        );
        assert_eq!((found.timestamp, found.parent_hash), (8, B256::repeat_byte(1)));
    }

    #[test]
    fn references_serialise_as_op_node_names_them() {
        let json = serde_json::to_string(&L2BlockRef::default()).unwrap();
        for key in [
            "hash",
            "number",
            "parentHash",
            "timestamp",
            "l1origin",
            "sequenceNumber",
        ] {
            assert!(json.contains(&alloc::format!("\"{key}\":")), "{key} in {json}");
        }
    }
}
