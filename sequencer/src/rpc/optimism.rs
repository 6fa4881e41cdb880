//! The `optimism` namespace: what op-node tells batchers, proposers and bridges, in op-node's JSON.

use super::{Rpc, args::Args, error::RpcError};
use alloy::primitives::{B256, U64};
use serde::Serialize;
use std::sync::Arc;
use tributary_protocol::{
    block::{L1BlockId, L1BlockNumber, L1BlockRef, L2BlockId, L2BlockNumber, L2BlockRef},
    config::RollupConfig,
    output::output_root,
};

/// op-node's `eth.SyncStatus`.
#[derive(Serialize)]
pub(super) struct SyncStatus {
    current_l1: L1BlockRef,
    /// Deprecated at op-node, and equal to `finalized_l1` there.
    current_l1_finalized: L1BlockRef,
    head_l1: L1BlockRef,
    safe_l1: L1BlockRef,
    finalized_l1: L1BlockRef,
    unsafe_l2: L2BlockRef,
    safe_l2: L2BlockRef,
    finalized_l2: L2BlockRef,
    pending_safe_l2: L2BlockRef,
    /// Unsafe and checked: at op-node against other chains, here by executing it again.
    cross_unsafe_l2: L2BlockRef,
    local_safe_l2: L2BlockRef,
}

/// op-node's `eth.OutputResponse`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OutputAtBlock {
    version: B256,
    output_root: B256,
    block_ref: L2BlockRef,
    withdrawal_storage_root: B256,
    state_root: B256,
    sync_status: SyncStatus,
}

/// op-node's `eth.SafeHeadResponse`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SafeHead {
    l1_block: L1BlockId,
    safe_head: L2BlockId,
}

fn status(rpc: &Rpc) -> SyncStatus {
    let node = (rpc.shared.status)();
    let heads = rpc.chain().heads();
    SyncStatus {
        current_l1: node.current_l1,
        current_l1_finalized: node.finalized_l1,
        head_l1: node.head_l1,
        safe_l1: node.safe_l1,
        finalized_l1: node.finalized_l1,
        unsafe_l2: heads.unsafe_head,
        safe_l2: heads.safe_head,
        finalized_l2: heads.finalized_head,
        pending_safe_l2: heads.safe_head,
        cross_unsafe_l2: node.verified_l2.unwrap_or(heads.unsafe_head),
        local_safe_l2: heads.safe_head,
    }
}

pub(super) fn sync_status(rpc: &Rpc, args: Args) -> Result<SyncStatus, RpcError> {
    args.end()?;
    Ok(status(rpc))
}

pub(super) fn rollup_config(rpc: &Rpc, args: Args) -> Result<Arc<RollupConfig>, RpcError> {
    args.end()?;
    Ok(rpc.chain().config().clone())
}

pub(super) fn output_at_block(rpc: &Rpc, mut args: Args) -> Result<OutputAtBlock, RpcError> {
    let number: U64 = args.required()?;
    args.end()?;
    let number = L2BlockNumber(number.to());
    let missing = || {
        RpcError::server(format!(
            "failed to get L2 block ref with sync status: block {number} not found"
        ))
    };
    let block = rpc.chain().block_by_number(number)?.ok_or_else(missing)?;
    let header = &block.block.header;
    let withdrawal_storage_root = header
        .withdrawals_root
        .ok_or_else(|| RpcError::internal(format!("block {number} has no withdrawalsRoot")))?;
    Ok(OutputAtBlock {
        version: B256::ZERO,
        output_root: output_root(header.state_root, withdrawal_storage_root, block.hash),
        block_ref: block.reference,
        withdrawal_storage_root,
        state_root: header.state_root,
        sync_status: status(rpc),
    })
}

pub(super) fn safe_head_at_l1_block(rpc: &Rpc, mut args: Args) -> Result<SafeHead, RpcError> {
    let number: U64 = args.required()?;
    args.end()?;
    let found = rpc.chain().safe_head_at(L1BlockNumber(number.to()))?;
    let derivation = found.ok_or_else(|| RpcError::server("safe head at L1 block: not found"))?;
    Ok(SafeHead {
        l1_block: derivation.l1,
        safe_head: derivation.safe_head.id(),
    })
}

pub(super) fn version(rpc: &Rpc, args: Args) -> Result<String, RpcError> {
    args.end()?;
    Ok(rpc.settings().client_version.clone())
}
