//! Finding the block in which something happened to an account.

use crate::{
    rpc::{Rpc, error::RpcError},
    store::{StoreError, StoredBlock},
};
use alloy::{consensus::Transaction as _, primitives::Address};
use std::sync::Arc;
use tributary_protocol::{block::L2BlockNumber, state::Account};

/// The block after whose execution `holds` is true of the account for the first time. What holds must go on to hold, as a nonce that is
/// used stays used. `None` if it does not hold at the head.
///
/// # Errors
/// That history is pruned, if it held already at the oldest state that is kept.
pub(super) fn first_state_where(
    rpc: &Rpc,
    address: Address,
    holds: impl Fn(Option<Account>) -> bool,
) -> Result<Option<Arc<StoredBlock>>, RpcError> {
    let reader = rpc.chain().reader();
    let holds_after = |number: u64| -> Result<bool, StoreError> {
        Ok(holds(reader.state_at(L2BlockNumber(number))?.account(address)?))
    };
    let (oldest, head) = (reader.history_from().0, reader.heads().unsafe_head.number.0);
    if !holds_after(head)? {
        return Ok(None);
    }
    if holds_after(oldest)? {
        if oldest == rpc.chain().config().genesis.l2.number.0 {
            return Ok(rpc.chain().block_by_number(L2BlockNumber(oldest))?);
        }
        // So it happened at that block or before it, where there is no state to look at.
        return Err(StoreError::StateUnavailable {
            requested: L2BlockNumber(oldest.saturating_sub(1)),
            oldest: L2BlockNumber(oldest),
            newest: L2BlockNumber(head),
        }
        .into());
    }
    let (mut before, mut after) = (oldest, head);
    while after - before > 1 {
        let middle = before + (after - before) / 2;
        if holds_after(middle)? {
            after = middle;
        } else {
            before = middle;
        }
    }
    Ok(rpc.chain().block_by_number(L2BlockNumber(after))?)
}

/// Blocks with transactions an address appears in, in the order searched, and their indices.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) hits: Vec<(Arc<StoredBlock>, Vec<usize>)>,
    /// All blocks were looked at.
    pub(super) is_exhausted: bool,
}

/// Looks for an address among senders, receivers, created contracts and emitters of logs, until a page is full; a block is taken as a
/// whole, so that the next page can go on at its number.
///
/// # Errors
/// When nothing was found in as many blocks as one request may look at.
pub(super) fn appearances(
    rpc: &Rpc,
    address: Address,
    blocks: impl IntoIterator<Item = u64>,
    page_size: usize,
) -> Result<Page, RpcError> {
    let limit = rpc.settings().search_blocks_max;
    let (mut hits, mut count, mut looked) = (Vec::new(), 0, 0);
    for number in blocks {
        if count >= page_size || looked == limit {
            if count == 0 {
                let message = format!(
                    "search exceeds max block range {limit} (rpc-search-blocks-max): nothing found before block {number}"
                );
                return Err(RpcError::server(message));
            }
            return Ok(Page {
                hits,
                is_exhausted: false,
            });
        }
        looked += 1;
        // Not kept in the chain's cache, which is for blocks that are asked for again.
        let Some(block) = rpc.chain().reader().block_by_number(L2BlockNumber(number))? else {
            continue;
        };
        let indices: Vec<usize> = (0..block.block.body.transactions.len())
            .filter(|index| appears(&block, *index, address))
            .collect();
        if !indices.is_empty() {
            count += indices.len();
            hits.push((Arc::new(block), indices));
        }
    }
    Ok(Page {
        hits,
        is_exhausted: true,
    })
}

fn appears(block: &StoredBlock, index: usize, address: Address) -> bool {
    let parts = (
        block.block.body.transactions.get(index),
        block.senders.get(index),
        block.receipts.get(index),
    );
    let (Some(transaction), Some(sender), Some(receipt)) = parts else {
        return false;
    };
    let creates = || {
        transaction.is_create() && nonce(block, index).is_some_and(|nonce| sender.create(nonce) == address)
    };
    *sender == address
        || transaction.to() == Some(address)
        || receipt.logs().iter().any(|log| log.address == address)
        || creates()
}

/// The nonce the sender of a transaction had. A deposit does not say; its receipt does.
pub(super) fn nonce(block: &StoredBlock, index: usize) -> Option<u64> {
    let transaction = block.block.body.transactions.get(index)?;
    let of_deposit = block.receipts.get(index)?.deposit_nonce();
    Some(of_deposit.unwrap_or_else(|| transaction.nonce()))
}
