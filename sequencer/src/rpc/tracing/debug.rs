//! geth's tracers: `debug_traceTransaction`, `debug_traceBlockByNumber`, `debug_traceBlockByHash`, `debug_traceCall`.
//!
//! Struct logs by default, and the built-in tracers by name. There are no tracers in JavaScript: they run a stranger's program inside the
//! node.

use super::{
    budget::{Budgeted, Steps},
    replay::{Replay, ReplayEvm},
};
use crate::rpc::{
    Rpc,
    args::Args,
    block_id::ReadState,
    error::RpcError,
    evm::{Outcome, Simulation},
};
use alloy::{
    eips::{BlockId, BlockNumberOrTag},
    primitives::{B256, U256},
    rpc::types::{
        TransactionRequest,
        trace::{
            common::TraceResult,
            geth::{
                CallFrame, GethDebugBuiltInTracerType, GethDebugTracerType, GethDebugTracingCallOptions,
                GethDebugTracingOptions, GethTrace,
            },
        },
    },
};
use alloy_evm::Evm;
use revm::context_interface::Transaction as _;
use revm_inspectors::tracing::{DebugInspector, DebugInspectorError, TransactionContext};

/// One transaction of a traced block.
type BlockTrace = TraceResult<GethTrace, String>;

pub(in crate::rpc) fn transaction(rpc: &Rpc, mut args: Args) -> Result<GethTrace, RpcError> {
    let hash: B256 = args.required()?;
    let options: Option<GethDebugTracingOptions> = args.optional()?;
    args.end()?;
    let (inspector, steps) = tracer(options.unwrap_or_default())?;
    let (replay, index) =
        Replay::of_transaction(rpc, hash)?.ok_or_else(|| RpcError::server("transaction not found"))?;
    replay.one(rpc, index, inspector, steps, |index, evm, outcome| {
        finish(&replay, index, evm, outcome)
    })
}

pub(in crate::rpc) fn block_by_number(rpc: &Rpc, mut args: Args) -> Result<Vec<BlockTrace>, RpcError> {
    let tag: BlockNumberOrTag = args.required()?;
    block(rpc, tag.into(), args)
}

pub(in crate::rpc) fn block_by_hash(rpc: &Rpc, mut args: Args) -> Result<Vec<BlockTrace>, RpcError> {
    let hash: B256 = args.required()?;
    block(rpc, hash.into(), args)
}

fn block(rpc: &Rpc, id: BlockId, mut args: Args) -> Result<Vec<BlockTrace>, RpcError> {
    let options: Option<GethDebugTracingOptions> = args.optional()?;
    args.end()?;
    let (inspector, steps) = tracer(options.unwrap_or_default())?;
    let block = rpc.find_block(id)?.ok_or_else(|| missing(id))?;
    let replay = Replay::new(rpc, block)?;
    replay.all(rpc, inspector, steps, |index, evm, outcome| {
        Ok(TraceResult::Success {
            tx_hash: replay.place(index).hash,
            result: finish(&replay, index, evm, outcome)?,
        })
    })
}

fn missing(id: BlockId) -> RpcError {
    RpcError::server(match id {
        BlockId::Hash(hash) => format!("block {} not found", hash.block_hash),
        BlockId::Number(BlockNumberOrTag::Number(number)) => format!("block #{number} not found"),
        BlockId::Number(tag) => format!("block {tag} not found"),
    })
}

/// Runs a call that changes nothing under a tracer: on the state after a block or, with `txIndex`, after the first so many transactions
/// of it.
pub(in crate::rpc) fn call(rpc: &Rpc, mut args: Args) -> Result<GethTrace, RpcError> {
    let request: TransactionRequest = args.required()?;
    let id: Option<BlockId> = args.optional()?;
    let options: Option<GethDebugTracingCallOptions> = args.optional()?;
    args.end()?;
    let options = options.unwrap_or_default();
    let (inspector, steps) = tracer(options.tracing_options)?;
    let mut simulation = match options.tx_index {
        None => Simulation::new(rpc, id, None, None)?,
        Some(index) => within(rpc, id.unwrap_or_default(), index)?,
    };
    simulation.apply(options.state_overrides, options.block_overrides)?;
    let call = simulation.transaction(request, rpc.settings().call_gas_max)?;
    let mut inspector = Budgeted::new(inspector, steps, rpc.settings());
    let outcome = simulation.inspect(call.clone(), &mut inspector)?;
    inspector.check()?;
    let env = simulation.block_env().clone();
    let mut trace = inspector
        .inner()
        .get_result(None, &call, &env, &outcome, simulation.state())
        .map_err(refused)?;
    as_geth_has_it(&mut trace, call.gas_limit, 0);
    Ok(trace)
}

/// The state after the first `count` transactions of a block.
fn within(rpc: &Rpc, id: BlockId, count: u64) -> Result<Simulation, RpcError> {
    let block = rpc.find_block(id)?.ok_or_else(|| missing(id))?;
    let transactions = block.block.body.transactions.len();
    let index = usize::try_from(count).ok().filter(|index| *index < transactions);
    let index = index.ok_or_else(|| {
        RpcError::server(format!(
            "transaction index {count} out of range for block with {transactions} transactions"
        ))
    })?;
    let header = block.block.header.clone();
    let replay = Replay::new(rpc, block)?;
    let parent = rpc.chain().state_at(replay.parent())?;
    let state = replay.state_within(rpc, ReadState::At(parent), index)?;
    Ok(Simulation::on(rpc, &header, state))
}

/// The tracer the options name, and what it records at each step.
fn tracer(options: GethDebugTracingOptions) -> Result<(DebugInspector, Steps), RpcError> {
    let steps = match &options.tracer {
        None => Steps::of_struct_logs(&options.config),
        Some(GethDebugTracerType::BuiltInTracer(GethDebugBuiltInTracerType::Erc7562Tracer)) => Steps::ALL,
        Some(_) => Steps::default(),
    };
    if let Some(GethDebugTracerType::JsTracer(name)) = &options.tracer {
        // Cut: it may be a whole program.
        let name: String = name.chars().take(40).collect();
        return Err(RpcError::server(format!(
            "tracer {name:?} is not available: there are callTracer, flatCallTracer, prestateTracer, 4byteTracer, muxTracer, \
             erc7562Tracer, noopTracer and the struct logger; tracers in JavaScript are not run"
        )));
    }
    let inspector = DebugInspector::new(options).map_err(|error| RpcError::params(error.to_string()))?;
    Ok((inspector, steps))
}

/// What the tracer has to say about the transaction that just ran; the tracer is ready for the next one.
fn finish(
    replay: &Replay,
    index: usize,
    evm: &mut ReplayEvm<DebugInspector>,
    outcome: &Outcome,
) -> Result<GethTrace, RpcError> {
    let place = replay.place(index);
    let context = TransactionContext {
        block_hash: place.block_hash,
        tx_hash: place.hash,
        tx_index: place.index.and_then(|index| usize::try_from(index).ok()),
    };
    let (transaction, block) = (evm.ctx().tx.clone(), evm.ctx().block.clone());
    let (state, inspector, _) = evm.components_mut();
    let inspector = inspector.inner();
    let mut trace = inspector
        .get_result(Some(context), &transaction, &block, outcome, state)
        .map_err(refused)?;
    inspector.fuse().map_err(refused)?;
    as_geth_has_it(&mut trace, transaction.gas_limit(), replay.logs_before(index));
    Ok(trace)
}

/// Takes away the logs of call frames that were undone and numbers the others from `first` on, as receipts do; the root frame has all
/// of the transaction's gas.
fn as_geth_has_it(trace: &mut GethTrace, gas_limit: u64, first: u64) {
    match trace {
        GethTrace::CallTracer(root) => {
            root.gas = U256::from(gas_limit);
            let mut kept = Vec::new();
            drop_undone_logs(root, false, &mut kept);
            kept.sort_unstable();
            number_logs(root, &kept, first);
        }
        GethTrace::MuxTracer(mux) => {
            for trace in mux.0.values_mut() {
                as_geth_has_it(trace, gas_limit, first);
            }
        }
        _ => {}
    }
}

fn drop_undone_logs(frame: &mut CallFrame, undone: bool, kept: &mut Vec<u64>) {
    let undone = undone || frame.error.is_some();
    if undone {
        frame.logs.clear();
    }
    kept.extend(frame.logs.iter().filter_map(|log| log.index));
    for call in &mut frame.calls {
        drop_undone_logs(call, undone, kept);
    }
}

fn number_logs(frame: &mut CallFrame, kept: &[u64], first: u64) {
    for log in &mut frame.logs {
        log.index = log
            .index
            .map(|index| first + kept.partition_point(|before| *before < index) as u64);
    }
    for call in &mut frame.calls {
        number_logs(call, kept, first);
    }
}

fn refused<E: core::fmt::Display>(error: DebugInspectorError<E>) -> RpcError {
    match error {
        DebugInspectorError::Database(error) => RpcError::internal(error),
        other => RpcError::params(other.to_string()),
    }
}
