//! The `rollup` namespace: what this chain tells about itself beyond Ethereum's and OP's methods.

use super::{Rpc, args::Args, error::RpcError, eth::transactions::located};
use crate::journal::OrderEntry;
use alloy::primitives::{B256, U64};
use serde::Serialize;

/// Where a transaction came in line, and where it went.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OrderProof {
    #[serde(flatten)]
    place: InLine,
    /// `null` while it waits.
    block_number: Option<U64>,
    transaction_index: Option<U64>,
    /// What it stands behind and before in its block, if users sent those.
    before: Option<InLine>,
    after: Option<InLine>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InLine {
    transaction_hash: B256,
    /// Place in the journal, which is the order of the chain; `null` where the journal does not reach back any more.
    sequence: Option<U64>,
    /// When it came, microseconds since 1970.
    arrival_micros: Option<U64>,
}

impl InLine {
    fn new(transaction_hash: B256, entry: Option<OrderEntry>) -> Self {
        Self {
            transaction_hash,
            sequence: entry.map(|entry| U64::from(entry.sequence)),
            arrival_micros: entry.map(|entry| U64::from(entry.arrival_micros)),
        }
    }
}

/// `rollup_orderProof(hash)`; `null` if the journal does not know the transaction (any more).
pub(super) fn order_proof(rpc: &Rpc, mut args: Args) -> Result<Option<OrderProof>, RpcError> {
    let hash = args.required()?;
    args.end()?;
    let Some(journal) = rpc.pool().and_then(crate::pool::Pool::journal) else {
        return Ok(None);
    };
    let Some(entry) = journal.order(hash) else {
        return Ok(None);
    };
    let neighbours = match entry.place {
        Some(_) => neighbours(rpc, hash)?,
        None => [None, None],
    };
    let [before, after] = neighbours.map(|hash| hash.map(|hash| InLine::new(hash, journal.order(hash))));
    Ok(Some(OrderProof {
        place: InLine::new(hash, Some(entry)),
        block_number: entry.place.map(|(number, _)| U64::from(number.0)),
        transaction_index: entry.place.map(|(_, index)| U64::from(index)),
        before,
        after,
    }))
}

/// The users' transactions on both sides of one, in the block being built or in its block.
fn neighbours(rpc: &Rpc, hash: B256) -> Result<[Option<B256>; 2], RpcError> {
    let hashes: Vec<Option<B256>> = match rpc.chain().pending_blocks().transaction(hash) {
        Some((pending, _)) => {
            let transactions = pending.transactions_from(0);
            let users = transactions
                .iter()
                .map(|transaction| transaction.transaction.inner());
            users.map(|it| (!it.is_deposit()).then(|| it.tx_hash())).collect()
        }
        None => match located(rpc, hash)? {
            Some((block, _)) => {
                let users = block.block.body.transactions.iter();
                users.map(|it| (!it.is_deposit()).then(|| it.tx_hash())).collect()
            }
            None => return Ok([None, None]),
        },
    };
    let Some(index) = hashes.iter().position(|found| *found == Some(hash)) else {
        return Ok([None, None]);
    };
    let at = |index: Option<usize>| index.and_then(|index| hashes.get(index).copied().flatten());
    Ok([at(index.checked_sub(1)), at(index.checked_add(1))])
}
