//! `eth_getLogs`: the log index says which blocks may match, and those are read. Bounded in the range, in blocks read and in logs; the
//! errors name the bound, so that indexers can halve their range.

use crate::{
    rpc::{Rpc, args::Args, convert::LogPlace, error::RpcError},
    store::{LogQuery, StoredBlock},
};
use alloy::{
    eips::BlockNumberOrTag,
    rpc::types::{Filter, FilterBlockOption, Log},
};
use tributary_protocol::block::L2BlockNumber;

pub(in crate::rpc) fn logs(rpc: &Rpc, mut args: Args) -> Result<Vec<Log>, RpcError> {
    let filter: Filter = args.required()?;
    args.end()?;
    matching(rpc, &filter)
}

/// Every log the filter asks for.
pub(in crate::rpc) fn matching(rpc: &Rpc, filter: &Filter) -> Result<Vec<Log>, RpcError> {
    check(rpc, filter)?;
    match &filter.block_option {
        FilterBlockOption::AtBlockHash(hash) => {
            let block = rpc
                .find_block((*hash).into())?
                .ok_or_else(|| RpcError::server("unknown block"))?;
            let mut found = Vec::new();
            collect(&block, filter, &mut found);
            Ok(found)
        }
        FilterBlockOption::Range { from_block, to_block } => {
            let from = number(rpc, from_block.unwrap_or(BlockNumberOrTag::Latest))?;
            let to = number(rpc, to_block.unwrap_or(BlockNumberOrTag::Latest))?;
            in_range(rpc, filter, from, to)
        }
    }
}

/// Errors if the filter is larger than any honest one.
pub(in crate::rpc) fn check(rpc: &Rpc, filter: &Filter) -> Result<(), RpcError> {
    let max = rpc.settings().filter_alternatives_max;
    let exceeds =
        |what: &str| RpcError::params(format!("exceed max {what}: rpc-filter-alternatives-max is {max}"));
    if filter.address.len() > max {
        return Err(exceeds("addresses"));
    }
    if filter.topics.iter().any(|topic| topic.len() > max) {
        return Err(exceeds("topics"));
    }
    Ok(())
}

fn number(rpc: &Rpc, tag: BlockNumberOrTag) -> Result<u64, RpcError> {
    let heads = rpc.chain().heads();
    Ok(match tag {
        BlockNumberOrTag::Number(number) => number,
        BlockNumberOrTag::Earliest => rpc.chain().config().genesis.l2.number.0,
        BlockNumberOrTag::Latest | BlockNumberOrTag::Pending => heads.unsafe_head.number.0,
        BlockNumberOrTag::Safe => heads.safe_head.number.0,
        BlockNumberOrTag::Finalized => heads.finalized_head.number.0,
    })
}

/// Logs of blocks `from` to `to`, both included; nothing above the unsafe head.
pub(in crate::rpc) fn in_range(rpc: &Rpc, filter: &Filter, from: u64, to: u64) -> Result<Vec<Log>, RpcError> {
    if from > to {
        return Err(RpcError::params("invalid block range params"));
    }
    let to = to.min(rpc.chain().heads().unsafe_head.number.0);
    let settings = rpc.settings();
    if to.saturating_sub(from) >= settings.logs_blocks_max {
        let limit = settings.logs_blocks_max;
        return Err(RpcError::params(format!(
            "query exceeds max block range {limit} (rpc-logs-blocks-max)"
        )));
    }
    let reader = rpc.chain().reader();
    let mut query = LogQuery::new(
        filter.address.iter(),
        filter.topics.iter().map(|topic| topic.iter()),
    );
    let (mut found, mut blocks_read, mut next) = (Vec::new(), 0, from);
    while let Some(number) = query.next(&**reader.snapshot(), L2BlockNumber(next), L2BlockNumber(to))? {
        let retry = || {
            let last = number.0.saturating_sub(1).max(from);
            format!("retry with the range {from}-{last}")
        };
        if blocks_read == settings.logs_blocks_read_max {
            let message = format!(
                "query exceeds max blocks read {blocks_read}, {} (rpc-logs-blocks-read-max)",
                retry()
            );
            return Err(RpcError::params(message));
        }
        let Some(block) = rpc.chain().block_by_number(number)? else {
            break;
        };
        blocks_read += 1;
        collect(&block, filter, &mut found);
        if found.len() > settings.logs_max && from < to {
            let limit = settings.logs_max;
            let message = format!("query exceeds max results {limit}, {} (rpc-logs-max)", retry());
            return Err(RpcError::params(message));
        }
        next = number.0 + 1;
    }
    Ok(found)
}

/// Adds the block's logs that match.
pub(in crate::rpc) fn collect(block: &StoredBlock, filter: &Filter, found: &mut Vec<Log>) {
    let header = &block.block.header;
    if !filter.matches_bloom(header.logs_bloom) {
        return;
    }
    let mut log_index = 0;
    for (index, (transaction, receipt)) in block
        .block
        .body
        .transactions
        .iter()
        .zip(&block.receipts)
        .enumerate()
    {
        let place = LogPlace {
            number: header.number,
            timestamp: header.timestamp,
            block_hash: block.hash,
            hash: transaction.tx_hash(),
            index: index as u64,
        };
        for log in receipt.logs() {
            if filter.matches(log) {
                found.push(place.log(log.clone(), log_index));
            }
            log_index += 1;
        }
    }
}
