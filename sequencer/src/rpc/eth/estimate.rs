//! `eth_estimateGas`, the way geth searches: the least gas limit with which the call succeeds, to within 1.5 %.
//!
//! The gas a call used is not enough in general, since a call gets at most 63/64 of what is left and refunds come at the end; so it is
//! tried with less and more until the bounds meet.

use crate::rpc::{
    Rpc,
    args::Args,
    error::RpcError,
    evm::{Outcome, Refused, Simulation, insufficient, output},
};
use alloy::{
    eips::{BlockId, BlockNumberOrTag},
    primitives::{U64, U256},
    rpc::types::{BlockOverrides, TransactionRequest, state::StateOverride},
};
use op_revm::OpHaltReason;
use revm::{
    context::TxEnv,
    context_interface::result::{ExecutionResult, HaltReason},
};

/// Gas of a transfer, the least any transaction uses.
const TRANSFER_GAS: u64 = 21_000;

/// Gas that comes with a call that sends value, on top of what the caller gives.
const CALL_STIPEND: u64 = 2_300;

/// The search ends when the bounds are this close: part of the upper one, in thousandths. As geth.
const TOLERANCE_PER_MILLE: u64 = 15;

pub(in crate::rpc) fn estimate(rpc: &Rpc, mut args: Args) -> Result<U64, RpcError> {
    let request: TransactionRequest = args.required()?;
    let id: Option<BlockId> = args.optional()?;
    let state: Option<StateOverride> = args.optional()?;
    let block: Option<BlockOverrides> = args.optional()?;
    args.end()?;
    // What is estimated will run after what is pending, so that is where it is tried.
    let id = id.unwrap_or(BlockId::Number(BlockNumberOrTag::Pending));
    gas_needed(rpc, request, id, state, block).map(U64::from)
}

/// The least gas limit with which the request succeeds, as near as the search goes.
pub(super) fn gas_needed(
    rpc: &Rpc,
    request: TransactionRequest,
    id: BlockId,
    state: Option<StateOverride>,
    block: Option<BlockOverrides>,
) -> Result<u64, RpcError> {
    let mut simulation = Simulation::new(rpc, Some(id), state, block)?;
    let cap = rpc.settings().call_gas_max.max(simulation.block_gas_limit());
    let gas_max = request
        .gas
        .filter(|gas| *gas >= TRANSFER_GAS)
        .unwrap_or(u64::MAX)
        .min(cap);
    let request = TransactionRequest { gas: None, ..request };
    let call = simulation.transaction(request, gas_max)?;
    let gas_max = affordable(&mut simulation, &call)?;
    let limit = if gas_max == cap { " (rpc-gas-cap)" } else { "" };
    search(&mut simulation, call, gas_max, limit)
}

/// The gas limit, cut to what the caller can pay for at the price it names.
fn affordable(simulation: &mut Simulation, call: &TxEnv) -> Result<u64, RpcError> {
    let price = U256::from(call.gas_price);
    if price.is_zero() {
        return Ok(call.gas_limit);
    }
    let balance = simulation.balance(call.caller)?;
    let left = balance
        .checked_sub(call.value)
        .ok_or_else(|| insufficient(call.caller, balance, call.value))?;
    Ok((left / price).saturating_to::<u64>().min(call.gas_limit))
}

/// `limit` names what makes `gas_max` what it is, if that is a limit of this server.
fn search(simulation: &mut Simulation, call: TxEnv, gas_max: u64, limit: &str) -> Result<u64, RpcError> {
    let is_transfer =
        call.data.is_empty() && call.authorization_list.is_empty() && call.access_list.is_empty();
    if let (true, Some(to)) = (is_transfer, call.kind.to())
        && gas_max >= TRANSFER_GAS
        && !simulation.has_code(*to)?
        && succeeds(simulation, &call, TRANSFER_GAS)?.is_some()
    {
        return Ok(TRANSFER_GAS);
    }

    let exceeds = || RpcError::server(format!("gas required exceeds allowance ({gas_max}){limit}"));
    let first = match run(simulation, &call, gas_max) {
        Ok(outcome) => outcome,
        Err(Refused::TooLittleGas) => return Err(exceeds()),
        Err(Refused::Other(error)) => return Err(error),
    };
    if is_out_of_gas(&first.result) {
        return Err(exceeds());
    }
    let gas = *first.result.gas();
    output(first.result)?;

    let mut enough = gas_max;
    let mut too_little = gas.tx_gas_used().saturating_sub(1).max(TRANSFER_GAS - 1);
    let with_forwarding = (gas.total_gas_spent() + CALL_STIPEND).saturating_mul(64) / 63;
    if with_forwarding < enough {
        match succeeds(simulation, &call, with_forwarding)? {
            Some(_) => enough = with_forwarding,
            None => too_little = with_forwarding.max(too_little),
        }
    }
    while too_little + 1 < enough {
        if (enough - too_little).saturating_mul(1_000) < enough.saturating_mul(TOLERANCE_PER_MILLE) {
            break;
        }
        // Most calls need little more than they use, so the search leans to the lower bound.
        let middle = (too_little + (enough - too_little) / 2).min(too_little.saturating_mul(2));
        match succeeds(simulation, &call, middle)? {
            Some(_) => enough = middle,
            None => too_little = middle,
        }
    }
    Ok(enough)
}

fn run(simulation: &mut Simulation, call: &TxEnv, gas_limit: u64) -> Result<Outcome, Refused> {
    let mut call = call.clone();
    call.gas_limit = gas_limit;
    simulation.run(call)
}

/// Whether the call succeeds with this gas limit; any other answer than yes or no is an error.
fn succeeds(simulation: &mut Simulation, call: &TxEnv, gas_limit: u64) -> Result<Option<()>, RpcError> {
    match run(simulation, call, gas_limit) {
        Ok(outcome) => Ok(outcome.result.is_success().then_some(())),
        Err(Refused::TooLittleGas) => Ok(None),
        Err(Refused::Other(error)) => Err(error),
    }
}

const fn is_out_of_gas(result: &ExecutionResult<OpHaltReason>) -> bool {
    matches!(
        result,
        ExecutionResult::Halt {
            reason: OpHaltReason::Base(HaltReason::OutOfGas(_)),
            ..
        }
    )
}
