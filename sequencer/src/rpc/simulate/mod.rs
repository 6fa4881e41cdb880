//! `eth_simulateV1`: blocks that never were, on top of one that is.
//!
//! ```text
//!  request --plan--> a block per number (gaps are filled, times counted on) --run--> calls on one state --seal--> header, receipts, JSON
//! ```
//! As geth: without `validation` a call needs neither nonce nor fee and the base fee is zero; with it, calls meet what transactions meet,
//! except that the sender may be a contract. All calls of a request share the gas of one `eth_call`. Blocks are as far apart as this
//! chain's are. They hold no deposits, and their transactions pay nothing for L1.

mod error;
mod plan;
mod run;
mod seal;

use crate::rpc::{
    Rpc,
    args::Args,
    block_id::{Named, ReadState},
    convert::RpcBlock,
    error::RpcError,
};
use alloy::{
    consensus::Sealed,
    eips::BlockId,
    rpc::types::simulate::{SimulatePayload, SimulatedBlock},
};
use error::{invalid, too_many_blocks};
use plan::plan;
use run::Run;

pub(super) fn simulate(rpc: &Rpc, mut args: Args) -> Result<Vec<SimulatedBlock<RpcBlock>>, RpcError> {
    let payload: SimulatePayload = args.required()?;
    let id: Option<BlockId> = args.optional()?;
    args.end()?;
    if payload.block_state_calls.is_empty() {
        return Err(invalid("empty input"));
    }
    let blocks_max = rpc.settings().simulate_blocks_max;
    if payload.block_state_calls.len() as u64 > blocks_max {
        return Err(too_many_blocks(blocks_max));
    }
    let id = id.unwrap_or_default();
    // What is pending has no header to build on; the head has.
    let reference = match rpc.find(id)? {
        Some(Named::Committed(reference)) => reference,
        Some(Named::Pending(_)) => rpc.chain().heads().unsafe_head,
        None => return Err(RpcError::server("header not found")),
    };
    let state = match rpc.state(Some(id))? {
        pending @ ReadState::Pending(_) => pending,
        ReadState::At(_) => ReadState::At(rpc.chain().state_at(reference.number)?),
    };
    let base = rpc.committed(&reference)?;
    let header = Sealed::new_unchecked(base.block.header.clone(), base.hash);
    let options = run::Options {
        validation: payload.validation,
        trace_transfers: payload.trace_transfers,
        full_transactions: payload.return_full_transactions,
    };
    let blocks = plan(
        payload.block_state_calls,
        &header,
        rpc.chain().config().block_time,
        blocks_max,
    )?;
    let mut run = Run::new(rpc, base, state, options);
    blocks.into_iter().map(|block| run.block(block)).collect()
}
