//! `eth_call` and `eth_createAccessList`.

use crate::rpc::{
    Rpc,
    args::Args,
    error::RpcError,
    evm::{Simulation, output, touched_slots},
};
use alloy::{
    eips::eip2930::{AccessList, AccessListItem},
    primitives::{Address, Bytes, U256, address},
    rpc::types::{AccessListResult, BlockOverrides, TransactionRequest, state::StateOverride},
};
use tributary_protocol::attributes::SEQUENCER_FEE_VAULT;

/// Touched by the fee rules of every transaction, not by the call.
const FEE_RULE_ACCOUNTS: [Address; 5] = [
    SEQUENCER_FEE_VAULT,
    address!("4200000000000000000000000000000000000015"),
    address!("4200000000000000000000000000000000000019"),
    address!("420000000000000000000000000000000000001a"),
    address!("420000000000000000000000000000000000001b"),
];

/// Precompiles live below this address, except P256VERIFY.
const PRECOMPILES_END: u64 = 0x20;
const P256VERIFY: Address = address!("0000000000000000000000000000000000000100");

pub(in crate::rpc) fn call(rpc: &Rpc, mut args: Args) -> Result<Bytes, RpcError> {
    let request: TransactionRequest = args.required()?;
    let id = args.optional()?;
    let state: Option<StateOverride> = args.optional()?;
    let block: Option<BlockOverrides> = args.optional()?;
    args.end()?;
    let mut simulation = Simulation::new(rpc, id, state, block)?;
    let gas_max = rpc.settings().call_gas_max;
    let call = simulation.transaction(request, gas_max)?;
    let is_at_cap = call.gas_limit >= gas_max;
    output(simulation.run(call)?.result).map_err(|error| error.naming_gas_cap(is_at_cap))
}

/// Runs the call twice: once to see what it touches, once with that list, to say what it costs then.
pub(in crate::rpc) fn create_access_list(rpc: &Rpc, mut args: Args) -> Result<AccessListResult, RpcError> {
    let request: TransactionRequest = args.required()?;
    let id = args.optional()?;
    let state: Option<StateOverride> = args.optional()?;
    args.end()?;
    let mut simulation = Simulation::new(rpc, id, state, None)?;
    let gas_max = rpc.settings().call_gas_max;
    let call = simulation.transaction(request.clone(), gas_max)?;
    let first = simulation.run(call.clone())?;
    let target = call.kind.to().copied().or(first.result.created_address());
    let is_warm = |address: &Address| {
        *address == call.caller
            || Some(*address) == target
            || is_precompile(*address)
            || FEE_RULE_ACCOUNTS.contains(address)
    };
    let touched = touched_slots(&first).into_iter();
    let items =
        touched.filter(|(address, slots)| !is_warm(address) || (!slots.is_empty() && !is_fee_rule(address)));
    let access_list = AccessList(
        items
            .map(|(address, storage_keys)| AccessListItem {
                address,
                storage_keys,
            })
            .collect(),
    );
    let request = TransactionRequest {
        access_list: Some(access_list.clone()),
        ..request
    };
    let call = simulation.transaction(request, gas_max)?;
    let second = simulation.run(call)?;
    Ok(AccessListResult {
        access_list,
        gas_used: U256::from(second.result.tx_gas_used()),
        error: output(second.result).err().map(|error| error.message),
    })
}

fn is_fee_rule(address: &Address) -> bool {
    FEE_RULE_ACCOUNTS.contains(address)
}

/// True for what the machine computes by itself, at a price that says little about its time.
pub(in crate::rpc) fn is_precompile(address: Address) -> bool {
    U256::from_be_slice(address.as_slice()) < U256::from(PRECOMPILES_END) || address == P256VERIFY
}
