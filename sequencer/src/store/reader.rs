//! Reading blocks, receipts and heads from one snapshot. Cheap to clone and to hand to a request.

use super::{
    BlockChanges, Snapshot, StateView, StoreError, Table,
    base::Base,
    codec::{self, DecodeError},
    layer::Layer,
};
use alloy::primitives::{Address, B256, Bytes};
use op_alloy_consensus::OpReceiptEnvelope;
use std::sync::Arc;
pub use tributary_derivation::fork_choice::{Heads, SafeDerivation};
use tributary_protocol::block::{L1BlockId, L1BlockNumber, L2Block, L2BlockNumber, L2BlockRef};

/// A block as it was committed.
#[derive(Clone, Debug)]
pub struct StoredBlock {
    /// The block's hash, number, parent, time, L1 origin and sequence number.
    pub reference: L2BlockRef,
    /// Header and transactions.
    pub block: L2Block,
    /// Hash of the header.
    pub hash: B256,
    /// Sender of each transaction, in order.
    pub senders: Vec<Address>,
    /// Receipt of each transaction, in order.
    pub receipts: Vec<OpReceiptEnvelope>,
}

/// Blocks, receipts, heads and state as of one committed write.
#[derive(Clone)]
pub struct ChainReader {
    snapshot: Arc<dyn Snapshot>,
    heads: Heads,
    history_from: L2BlockNumber,
    base: Arc<Base>,
    /// Of every block above the base, up to the unsafe head.
    layers: Arc<[Arc<Layer>]>,
}

impl core::fmt::Debug for ChainReader {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("ChainReader")
            .field("heads", &self.heads)
            .finish_non_exhaustive()
    }
}

impl ChainReader {
    pub(super) fn new(
        snapshot: Arc<dyn Snapshot>,
        heads: Heads,
        history_from: L2BlockNumber,
        base: Arc<Base>,
        layers: &[Arc<Layer>],
    ) -> Self {
        Self {
            snapshot,
            heads,
            history_from,
            base,
            layers: layers.into(),
        }
    }

    /// The heads of this snapshot.
    #[must_use]
    pub const fn heads(&self) -> Heads {
        self.heads
    }

    /// The oldest block whose state can be read.
    #[must_use]
    pub const fn history_from(&self) -> L2BlockNumber {
        self.history_from
    }

    /// The snapshot underneath.
    #[must_use]
    pub const fn snapshot(&self) -> &Arc<dyn Snapshot> {
        &self.snapshot
    }

    /// Hash, parent, origin and so on of the canonical block `number`; `None` above the unsafe head.
    ///
    /// # Errors
    /// When the read fails or the entry is corrupt.
    pub fn block_ref(&self, number: L2BlockNumber) -> Result<Option<L2BlockRef>, StoreError> {
        optional(
            &*self.snapshot,
            Table::Headers,
            &codec::number_key(number),
            codec::decode_header_reference,
        )
    }

    /// The canonical block `number` with its receipts; `None` above the unsafe head.
    ///
    /// # Errors
    /// When the read fails or an entry is corrupt.
    pub fn block_by_number(&self, number: L2BlockNumber) -> Result<Option<StoredBlock>, StoreError> {
        let key = codec::number_key(number);
        let Some((reference, header)) =
            optional(&*self.snapshot, Table::Headers, &key, codec::decode_header)?
        else {
            return Ok(None);
        };
        let (senders, body) = required(&*self.snapshot, Table::Bodies, &key, codec::decode_body)?;
        let receipts = required(&*self.snapshot, Table::Receipts, &key, codec::decode_receipts)?;
        if receipts.len() != body.transactions.len() {
            return Err(corrupt(
                Table::Receipts,
                &key,
                "receipts and transactions differ in number",
            ));
        }
        Ok(Some(StoredBlock {
            hash: reference.hash,
            reference,
            block: L2Block { header, body },
            senders,
            receipts,
        }))
    }

    /// Number of the canonical block with this hash.
    ///
    /// # Errors
    /// When the read fails or the entry is corrupt.
    pub fn block_number(&self, hash: B256) -> Result<Option<L2BlockNumber>, StoreError> {
        optional(
            &*self.snapshot,
            Table::BlockNumbers,
            hash.as_slice(),
            codec::decode_number,
        )
    }

    /// Where a transaction is: block number and index in it.
    ///
    /// # Errors
    /// When the read fails or the entry is corrupt.
    pub fn transaction(&self, hash: B256) -> Result<Option<(L2BlockNumber, u32)>, StoreError> {
        optional(
            &*self.snapshot,
            Table::Transactions,
            hash.as_slice(),
            codec::decode_position,
        )
    }

    /// The safe head as it was when derivation had read L1 up to `l1_block`; `None` before the first entry.
    ///
    /// # Errors
    /// When the read fails or the entry is corrupt.
    pub fn safe_head_at(&self, l1_block: L1BlockNumber) -> Result<Option<SafeDerivation>, StoreError> {
        let table = Table::SafeDerivations;
        let Some((key, value)) = self
            .snapshot
            .last_at_or_before(table, &l1_block.0.to_be_bytes())?
        else {
            return Ok(None);
        };
        let decoded = key_number(&key)
            .and_then(|number| codec::decode_safe_derivation(&value).map(|rest| (number, rest)));
        let (number, (hash, safe_head)) = decoded.map_err(|what| corrupt(table, &key, what))?;
        let l1 = L1BlockId {
            hash,
            number: L1BlockNumber(number),
        };
        Ok(Some(SafeDerivation { l1, safe_head }))
    }

    /// What block `number` changed in flat state; `None` above the unsafe head, for the genesis block, and where history is pruned.
    ///
    /// # Errors
    /// When the read fails or the entry is corrupt.
    pub fn block_changes(&self, number: L2BlockNumber) -> Result<Option<Arc<BlockChanges>>, StoreError> {
        let in_memory = self
            .layers
            .iter()
            .rev()
            .find(|layer| layer.block.number == number);
        if let Some(layer) = in_memory {
            return Ok(Some(layer.changes.clone()));
        }
        let key = codec::number_key(number);
        let read = optional(&*self.snapshot, Table::Changes, &key, codec::decode_changes)?;
        Ok(read.map(Arc::new))
    }

    /// State after block `number`.
    ///
    /// # Errors
    /// [`StoreError::StateUnavailable`] when the block is above the unsafe head or its state has been pruned.
    pub fn state_at(&self, number: L2BlockNumber) -> Result<StateView, StoreError> {
        let newest = self.heads.unsafe_head.number;
        if number < self.history_from || number > newest {
            return Err(StoreError::StateUnavailable {
                requested: number,
                oldest: self.history_from,
                newest,
            });
        }
        let (blocks, base) = (self.snapshot.clone(), self.base.clone());
        Ok(StateView::new(blocks, base, &self.layers, number))
    }
}

/// Reads and decodes an entry that may be absent.
pub(super) fn optional<T>(
    snapshot: &dyn Snapshot,
    table: Table,
    key: &[u8],
    decode: impl FnOnce(&[u8]) -> Result<T, DecodeError>,
) -> Result<Option<T>, StoreError> {
    snapshot
        .get(table, key)?
        .map(|value| decode(&value).map_err(|what| corrupt(table, key, what)))
        .transpose()
}

/// Reads and decodes an entry that must be there.
pub(super) fn required<T>(
    snapshot: &dyn Snapshot,
    table: Table,
    key: &[u8],
    decode: impl FnOnce(&[u8]) -> Result<T, DecodeError>,
) -> Result<T, StoreError> {
    optional(snapshot, table, key, decode)?.ok_or_else(|| corrupt(table, key, "entry is missing"))
}

pub(super) fn corrupt(table: Table, key: &[u8], what: DecodeError) -> StoreError {
    StoreError::Corrupt {
        table,
        key: Bytes::copy_from_slice(key),
        what,
    }
}

fn key_number(mut key: &[u8]) -> Result<u64, DecodeError> {
    let number = u64::from_be_bytes(codec::take(&mut key)?);
    codec::finish(key, number)
}

pub(super) fn encode_heads(heads: &Heads) -> Vec<u8> {
    let mut out = Vec::with_capacity(3 * codec::REFERENCE_BYTES);
    for head in [&heads.unsafe_head, &heads.safe_head, &heads.finalized_head] {
        codec::encode_reference(head, &mut out);
    }
    out
}

pub(super) fn decode_heads(mut value: &[u8]) -> Result<Heads, DecodeError> {
    let heads = Heads {
        unsafe_head: codec::decode_reference(&mut value)?,
        safe_head: codec::decode_reference(&mut value)?,
        finalized_head: codec::decode_reference(&mut value)?,
    };
    codec::finish(value, heads)
}
