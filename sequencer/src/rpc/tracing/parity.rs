//! Parity's traces: `trace_block`, `trace_transaction`, `trace_get`, `trace_filter`, `trace_call`, `trace_callMany`,
//! `trace_rawTransaction`, `trace_replayTransaction`, `trace_replayBlockTransactions`.
//!
//! There are no rewards on this chain, so there are none among the traces. As in other nodes of today, the index of `trace_get` counts
//! the traces of the transaction, from its root.

use super::{
    budget::{Budgeted, Steps},
    replay::{Replay, ReplayEvm},
};
use crate::{
    rpc::{
        Rpc,
        args::Args,
        error::RpcError,
        evm::{Outcome, Simulation},
    },
    store::StoredBlock,
};
use alloy::{
    consensus::{Transaction as _, transaction::TransactionInfo},
    eips::{BlockId, BlockNumberOrTag},
    primitives::{Address, B256, Bytes, U64, map::HashSet},
    rpc::types::{
        BlockOverrides, TransactionRequest,
        state::StateOverride,
        trace::{
            filter::{TraceFilter, TraceFilterMode},
            parity::{LocalizedTransactionTrace, TraceResults, TraceResultsWithTransactionHash, TraceType},
        },
    },
};
use alloy_evm::{Evm, FromRecoveredTx};
use alloy_op_evm::OpTx;
use op_alloy_consensus::OpTxType;
use revm::context::TxEnv;
use revm_inspectors::tracing::{TracingInspector, TracingInspectorConfig};
use serde::Deserialize;
use std::sync::Arc;
use tributary_protocol::{block::L2BlockNumber, execute::recover};

type Types = HashSet<TraceType>;

pub(in crate::rpc) fn block(
    rpc: &Rpc,
    mut args: Args,
) -> Result<Option<Vec<LocalizedTransactionTrace>>, RpcError> {
    let id: BlockId = args.required()?;
    args.end()?;
    let Some(block) = rpc.find_block(id)? else {
        return Ok(None);
    };
    traces_of(rpc, block).map(Some)
}

/// Every trace of a block; none of the first one, which has no transactions.
fn traces_of(rpc: &Rpc, block: Arc<StoredBlock>) -> Result<Vec<LocalizedTransactionTrace>, RpcError> {
    if block.block.body.transactions.is_empty() {
        return Ok(Vec::new());
    }
    let replay = Replay::new(rpc, block)?;
    let recorder = TracingInspector::new(TracingInspectorConfig::default_parity());
    let traces = replay.all(rpc, recorder, Steps::default(), |index, evm, _| {
        Ok(localized(evm, replay.place(index)))
    })?;
    Ok(traces.into_iter().flatten().collect())
}

fn localized(
    evm: &mut ReplayEvm<TracingInspector>,
    place: TransactionInfo,
) -> Vec<LocalizedTransactionTrace> {
    recorded(evm)
        .into_parity_builder()
        .into_localized_transaction_traces(place)
}

/// What was recorded; the inspector is left empty, for the next transaction.
fn recorded(evm: &mut ReplayEvm<TracingInspector>) -> TracingInspector {
    let recorder = evm.inspector_mut().inner();
    let fresh = TracingInspector::new(*recorder.config());
    core::mem::replace(recorder, fresh)
}

pub(in crate::rpc) fn transaction(
    rpc: &Rpc,
    mut args: Args,
) -> Result<Option<Vec<LocalizedTransactionTrace>>, RpcError> {
    let hash = args.required()?;
    args.end()?;
    traces_of_transaction(rpc, hash)
}

fn traces_of_transaction(rpc: &Rpc, hash: B256) -> Result<Option<Vec<LocalizedTransactionTrace>>, RpcError> {
    let Some((replay, index)) = Replay::of_transaction(rpc, hash)? else {
        return Ok(None);
    };
    let recorder = TracingInspector::new(TracingInspectorConfig::default_parity());
    let traces = replay.one(rpc, index, recorder, Steps::default(), |index, evm, _| {
        Ok(localized(evm, replay.place(index)))
    })?;
    Ok(Some(traces))
}

pub(in crate::rpc) fn get(rpc: &Rpc, mut args: Args) -> Result<Option<LocalizedTransactionTrace>, RpcError> {
    let (hash, indices): (B256, Vec<U64>) = (args.required()?, args.required()?);
    args.end()?;
    // Parity never answered more than one.
    let [index] = indices[..] else { return Ok(None) };
    let traces = traces_of_transaction(rpc, hash)?.unwrap_or_default();
    let index = usize::try_from(index.to::<u64>()).unwrap_or(usize::MAX);
    Ok(traces.into_iter().nth(index))
}

/// The filter as callers write it: blocks may be tags, and lists may be null.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct FilterRequest {
    from_block: Option<BlockNumberOrTag>,
    to_block: Option<BlockNumberOrTag>,
    from_address: Option<Vec<Address>>,
    to_address: Option<Vec<Address>>,
    mode: Option<TraceFilterMode>,
    after: Option<u64>,
    count: Option<u64>,
}

pub(in crate::rpc) fn filter(rpc: &Rpc, mut args: Args) -> Result<Vec<LocalizedTransactionTrace>, RpcError> {
    let request: FilterRequest = args.required()?;
    args.end()?;
    let heads = rpc.chain().heads();
    let number = |tag: Option<BlockNumberOrTag>| match tag.unwrap_or_default() {
        BlockNumberOrTag::Number(number) => number,
        BlockNumberOrTag::Earliest => rpc.chain().config().genesis.l2.number.0,
        BlockNumberOrTag::Latest | BlockNumberOrTag::Pending => heads.unsafe_head.number.0,
        BlockNumberOrTag::Safe => heads.safe_head.number.0,
        BlockNumberOrTag::Finalized => heads.finalized_head.number.0,
    };
    let (from, to) = (number(request.from_block), number(request.to_block));
    if from > to {
        return Err(RpcError::params("invalid block range params"));
    }
    let to = to.min(heads.unsafe_head.number.0);
    let limit = rpc.settings().trace_filter_blocks_max;
    if to.saturating_sub(from) >= limit {
        return Err(RpcError::params(format!(
            "query exceeds max block range {limit} (rpc-trace-filter-blocks-max)"
        )));
    }
    let (senders, receivers) = (
        request.from_address.unwrap_or_default(),
        request.to_address.unwrap_or_default(),
    );
    let max = rpc.settings().filter_alternatives_max;
    if senders.len().max(receivers.len()) > max {
        return Err(RpcError::params(format!(
            "exceed max addresses: rpc-filter-alternatives-max is {max}"
        )));
    }
    let filter = TraceFilter::default()
        .from_address(senders)
        .to_address(receivers)
        .mode(request.mode.unwrap_or_default());
    let (mut skip, wanted) = (
        request.after.unwrap_or_default(),
        request.count.unwrap_or(u64::MAX),
    );
    let matcher = filter.matcher();
    let mut found = Vec::new();
    for number in from..=to {
        let Some(block) = rpc.chain().block_by_number(L2BlockNumber(number))? else {
            break;
        };
        for trace in traces_of(rpc, block)? {
            if !matcher.matches(&trace.trace) {
                continue;
            }
            if skip > 0 {
                skip -= 1;
            } else if (found.len() as u64) < wanted {
                found.push(trace);
            }
        }
        if found.len() as u64 >= wanted {
            break;
        }
        let results_max = rpc.settings().trace_filter_results_max;
        if found.len() > results_max {
            return Err(RpcError::params(format!(
                "query exceeds max results {results_max}, retry with the range {from}-{} (rpc-trace-filter-results-max)",
                number.saturating_sub(1).max(from)
            )));
        }
    }
    Ok(found)
}

pub(in crate::rpc) fn replay_transaction(rpc: &Rpc, mut args: Args) -> Result<TraceResults, RpcError> {
    let (hash, types): (B256, Types) = (args.required()?, args.required()?);
    args.end()?;
    let (replay, index) =
        Replay::of_transaction(rpc, hash)?.ok_or_else(|| RpcError::server("transaction not found"))?;
    replay.one(rpc, index, recorder(&types), steps(&types), |_, evm, outcome| {
        results(evm, outcome, &types)
    })
}

pub(in crate::rpc) fn replay_block(
    rpc: &Rpc,
    mut args: Args,
) -> Result<Option<Vec<TraceResultsWithTransactionHash>>, RpcError> {
    let (id, types): (BlockId, Types) = (args.required()?, args.required()?);
    args.end()?;
    let Some(block) = rpc.find_block(id)? else {
        return Ok(None);
    };
    if block.block.body.transactions.is_empty() {
        return Ok(Some(Vec::new()));
    }
    let replay = Replay::new(rpc, block)?;
    let results = replay.all(rpc, recorder(&types), steps(&types), |index, evm, outcome| {
        Ok(TraceResultsWithTransactionHash {
            transaction_hash: replay.place(index).hash.unwrap_or_default(),
            full_trace: results(evm, outcome, &types)?,
        })
    })?;
    Ok(Some(results))
}

fn recorder(types: &Types) -> TracingInspector {
    TracingInspector::new(TracingInspectorConfig::from_parity_config(types))
}

fn steps(types: &Types) -> Steps {
    if types.contains(&TraceType::VmTrace) {
        Steps::ALL
    } else {
        Steps::default()
    }
}

fn results(
    evm: &mut ReplayEvm<TracingInspector>,
    outcome: &Outcome,
    types: &Types,
) -> Result<TraceResults, RpcError> {
    recorded(evm)
        .into_parity_builder()
        .into_trace_results_with_state(outcome, types, evm.db())
        .map_err(RpcError::internal)
}

pub(in crate::rpc) fn call(rpc: &Rpc, mut args: Args) -> Result<TraceResults, RpcError> {
    let (request, types): (TransactionRequest, Types) = (args.required()?, args.required()?);
    let id = args.optional()?;
    let state: Option<StateOverride> = args.optional()?;
    let block: Option<BlockOverrides> = args.optional()?;
    args.end()?;
    let mut simulation = Simulation::new(rpc, id, state, block)?;
    let call = simulation.transaction(request, rpc.settings().call_gas_max)?;
    Ok(run(rpc, &mut simulation, call, &types)?.0)
}

/// Calls one after the other, each on the state the one before it left; together they get the gas of one call.
pub(in crate::rpc) fn call_many(rpc: &Rpc, mut args: Args) -> Result<Vec<TraceResults>, RpcError> {
    let requests: Vec<(TransactionRequest, Types)> = args.required()?;
    let id = args.optional()?;
    args.end()?;
    let mut simulation = Simulation::new(rpc, id, None, None)?;
    let gas_max = rpc.settings().call_gas_max;
    let mut gas_left = gas_max;
    let mut answers = Vec::new();
    for (request, types) in requests {
        if gas_left == 0 {
            return Err(RpcError::server(format!(
                "calls exceed max gas {gas_max} of one request (rpc-gas-cap)"
            )));
        }
        let call = simulation.transaction(request, gas_left)?;
        let (answer, outcome) = run(rpc, &mut simulation, call, &types)?;
        gas_left = gas_left.saturating_sub(outcome.result.gas().total_gas_spent());
        simulation.commit(outcome);
        answers.push(answer);
    }
    Ok(answers)
}

/// A signed transaction as if it were sent now, in what is pending or where the caller says.
pub(in crate::rpc) fn raw_transaction(rpc: &Rpc, mut args: Args) -> Result<TraceResults, RpcError> {
    let (encoded, types): (Bytes, Types) = (args.required()?, args.required()?);
    let id: Option<BlockId> = args.optional()?;
    args.end()?;
    let transaction = recover(&encoded).map_err(|error| RpcError::server(error.to_string()))?;
    let transaction = transaction.1;
    if matches!(transaction.tx_type(), OpTxType::Deposit | OpTxType::PostExec) {
        return Err(RpcError::server("transaction type not supported"));
    }
    let id = id.unwrap_or(BlockId::Number(BlockNumberOrTag::Pending));
    let mut simulation = Simulation::new(rpc, Some(id), None, None)?;
    if transaction.gas_limit() > simulation.block_gas_limit() {
        return Err(RpcError::server("exceeds block gas limit"));
    }
    let call = OpTx::from_recovered_tx(transaction.inner(), transaction.signer())
        .0
        .base;
    Ok(run(rpc, &mut simulation, call, &types)?.0)
}

fn run(
    rpc: &Rpc,
    simulation: &mut Simulation,
    call: TxEnv,
    types: &Types,
) -> Result<(TraceResults, Outcome), RpcError> {
    let mut inspector = Budgeted::new(recorder(types), steps(types), rpc.settings());
    let outcome = simulation.inspect(call, &mut inspector)?;
    inspector.check()?;
    let results = inspector
        .into_inner()
        .into_parity_builder()
        .into_trace_results_with_state(&outcome, types, &*simulation.state())
        .map_err(RpcError::internal)?;
    Ok((results, outcome))
}
