//! What to pay. Blocks with room take transactions in arrival order, so the suggested tip is one wei until blocks fill up; wallets that
//! copy `eth_gasPrice` into both fee fields then overpay by nothing.

use crate::{
    rpc::{Rpc, args::Args, error::RpcError},
    store::StoredBlock,
};
use alloy::{
    consensus::Transaction,
    eips::BlockNumberOrTag,
    primitives::{U64, U256},
    rpc::types::FeeHistory,
};
use std::sync::Arc;
use tributary_protocol::{block::L2BlockNumber, execute::next_base_fee};

/// Wei per gas that is enough while blocks have room. Not zero: some wallets take zero for "unknown".
const LEAST_TIP: u128 = 1;

/// A block with less than this part of its gas or footprint left, in percent, counts as full.
const FULL_PERCENT: u64 = 90;

/// Blocks one request may ask about; as geth.
const HISTORY_BLOCKS_MAX: u64 = 1024;

/// Percentiles one request may ask for; as geth.
const PERCENTILES_MAX: usize = 100;

fn head(rpc: &Rpc) -> Result<Arc<StoredBlock>, RpcError> {
    rpc.committed(&rpc.chain().heads().unsafe_head)
}

fn next_fee(rpc: &Rpc, block: &StoredBlock) -> Result<u64, RpcError> {
    next_base_fee(rpc.chain().config(), &block.block.header).map_err(RpcError::internal)
}

/// Gas the fee rule meters: whichever of gas and DA footprint is larger.
fn metered(block: &StoredBlock) -> u64 {
    let header = &block.block.header;
    header.gas_used.max(header.blob_gas_used.unwrap_or_default())
}

/// The tip that gets a transaction into the next block, most likely.
fn suggested_tip(block: &StoredBlock) -> u128 {
    let limit = block.block.header.gas_limit;
    if metered(block) < limit / 100 * FULL_PERCENT {
        return LEAST_TIP;
    }
    let mut tips: Vec<u128> = tips_and_gas(block).into_iter().map(|(tip, _)| tip).collect();
    tips.sort_unstable();
    tips.get(tips.len() / 2)
        .copied()
        .unwrap_or_default()
        .max(LEAST_TIP)
}

/// Effective tip and gas used of each transaction that users sent.
fn tips_and_gas(block: &StoredBlock) -> Vec<(u128, u64)> {
    let base_fee = block.block.header.base_fee_per_gas.unwrap_or_default();
    let mut before = 0;
    let transactions = block.block.body.transactions.iter().zip(&block.receipts);
    let pairs = transactions.map(|(transaction, receipt)| {
        let gas = receipt.cumulative_gas_used() - before;
        before = receipt.cumulative_gas_used();
        let tip = transaction.effective_tip_per_gas(base_fee).unwrap_or_default();
        (!transaction.is_deposit()).then_some((tip, gas))
    });
    pairs.flatten().collect()
}

/// Base fee of the next block, and the tip that gets a transaction into it; wei per gas.
pub(super) fn next_base_fee_and_tip(rpc: &Rpc) -> Result<(u64, u128), RpcError> {
    let head = head(rpc)?;
    Ok((next_fee(rpc, &head)?, suggested_tip(&head)))
}

pub(in crate::rpc) fn gas_price(rpc: &Rpc, args: Args) -> Result<U256, RpcError> {
    args.end()?;
    let head = head(rpc)?;
    let price = u128::from(next_fee(rpc, &head)?) + suggested_tip(&head);
    Ok(U256::from(price))
}

pub(in crate::rpc) fn max_priority_fee(rpc: &Rpc, args: Args) -> Result<U256, RpcError> {
    args.end()?;
    Ok(U256::from(suggested_tip(&*head(rpc)?)))
}

/// Of the next block.
pub(in crate::rpc) fn base_fee(rpc: &Rpc, args: Args) -> Result<U64, RpcError> {
    args.end()?;
    Ok(U64::from(next_fee(rpc, &*head(rpc)?)?))
}

/// One wei, the least there is: there are no blobs on this chain.
pub(in crate::rpc) fn blob_base_fee(_: &Rpc, args: Args) -> Result<U64, RpcError> {
    args.end()?;
    Ok(U64::ONE)
}

pub(in crate::rpc) fn history(rpc: &Rpc, mut args: Args) -> Result<FeeHistory, RpcError> {
    let (count, newest): (BlockCount, BlockNumberOrTag) = (args.required()?, args.required()?);
    let percentiles: Vec<f64> = args.optional()?.unwrap_or_default();
    args.end()?;
    check_percentiles(&percentiles)?;
    let newest = match newest {
        // Nothing is known of the rewards of a block that is still open.
        BlockNumberOrTag::Pending => BlockNumberOrTag::Latest,
        other => other,
    };
    let head = rpc.chain().heads().unsafe_head.number.0;
    let requested = match newest {
        BlockNumberOrTag::Number(number) => number,
        _ => head,
    };
    let beyond = || {
        RpcError::server(format!(
            "request beyond head block: requested {requested}, head {head}"
        ))
    };
    let newest = rpc.find_block(newest.into())?.ok_or_else(beyond)?;
    let last = newest.block.header.number;
    let count = count.0.min(HISTORY_BLOCKS_MAX).min(last + 1);
    let mut history = FeeHistory {
        oldest_block: last + 1 - count,
        ..FeeHistory::default()
    };
    if count == 0 {
        return Ok(history);
    }
    let mut rewards = Vec::new();
    for number in history.oldest_block..=last {
        let block = rpc
            .chain()
            .block_by_number(L2BlockNumber(number))?
            .ok_or_else(|| RpcError::server("header not found"))?;
        let header = &block.block.header;
        history
            .base_fee_per_gas
            .push(header.base_fee_per_gas.unwrap_or_default().into());
        history
            .gas_used_ratio
            .push(header.gas_used as f64 / header.gas_limit as f64);
        rewards.push(rewards_of(&block, &percentiles));
    }
    history.base_fee_per_gas.push(next_fee(rpc, &newest)?.into());
    history.reward = (!percentiles.is_empty()).then_some(rewards);
    Ok(history)
}

fn check_percentiles(percentiles: &[f64]) -> Result<(), RpcError> {
    if percentiles.len() > PERCENTILES_MAX {
        let message = format!("invalid reward percentile: over the query limit {PERCENTILES_MAX}");
        return Err(RpcError::server(message));
    }
    let mut previous = 0.0;
    for (index, &percentile) in percentiles.iter().enumerate() {
        if !(0.0..=100.0).contains(&percentile) {
            return Err(RpcError::server(format!(
                "invalid reward percentile: {percentile}"
            )));
        }
        if percentile < previous {
            let message = format!(
                "invalid reward percentile: #{}:{previous} >= #{index}:{percentile}",
                index - 1
            );
            return Err(RpcError::server(message));
        }
        previous = percentile;
    }
    Ok(())
}

/// For each percentile of the block's gas, the tip of the transaction that used it.
fn rewards_of(block: &StoredBlock, percentiles: &[f64]) -> Vec<u128> {
    let mut tips = tips_and_gas(block);
    tips.sort_unstable();
    let total: u64 = tips.iter().map(|(_, gas)| gas).sum();
    let reward = |percentile: &f64| {
        let threshold = total as f64 * percentile / 100.0;
        let mut seen = 0;
        let found = tips.iter().find(|(_, gas)| {
            seen += gas;
            seen as f64 >= threshold
        });
        found.or(tips.last()).map_or(0, |(tip, _)| *tip)
    };
    percentiles.iter().map(reward).collect()
}

/// A quantity or a plain number: tools send both.
#[derive(serde::Deserialize)]
#[serde(transparent)]
struct BlockCount(#[serde(with = "alloy::serde::quantity")] u64);
