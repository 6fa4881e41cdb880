//! Chain id, heads, and single values of the state.

use super::node::AccountSummary;
use crate::rpc::{Rpc, args::Args, error::RpcError};
use alloy::{
    eips::{BlockId, BlockNumberOrTag},
    primitives::{Address, B256, Bytes, U64, U256},
    serde::JsonStorageKey,
};
use revm::database_interface::DatabaseRef;
use std::collections::BTreeMap;

pub(in crate::rpc) fn chain_id(rpc: &Rpc, args: Args) -> Result<U64, RpcError> {
    args.end()?;
    Ok(U64::from(rpc.chain().config().l2_chain_id))
}

pub(in crate::rpc) fn block_number(rpc: &Rpc, args: Args) -> Result<U64, RpcError> {
    args.end()?;
    Ok(U64::from(rpc.chain().heads().unsafe_head.number.0))
}

/// Always `false`: there is no peer to be behind of. How far derivation is, `optimism_syncStatus` says.
pub(in crate::rpc) fn syncing(_: &Rpc, args: Args) -> Result<bool, RpcError> {
    args.end()?;
    Ok(false)
}

/// None: this node holds no users' keys.
pub(in crate::rpc) fn accounts(_: &Rpc, args: Args) -> Result<[Address; 0], RpcError> {
    args.end()?;
    Ok([])
}

pub(in crate::rpc) fn balance(rpc: &Rpc, mut args: Args) -> Result<U256, RpcError> {
    let (address, at) = (args.required()?, args.optional()?);
    args.end()?;
    let account = rpc.state(at)?.basic_ref(address)?;
    Ok(account.map_or(U256::ZERO, |account| account.balance))
}

pub(in crate::rpc) fn code(rpc: &Rpc, mut args: Args) -> Result<Bytes, RpcError> {
    let (address, at) = (args.required()?, args.optional()?);
    args.end()?;
    let state = rpc.state(at)?;
    match state.basic_ref(address)? {
        Some(account) if !account.is_empty_code_hash() => {
            Ok(state.code_by_hash_ref(account.code_hash)?.original_bytes())
        }
        _ => Ok(Bytes::new()),
    }
}

pub(in crate::rpc) fn storage_at(rpc: &Rpc, mut args: Args) -> Result<B256, RpcError> {
    let (address, slot): (_, JsonStorageKey) = (args.required()?, args.required()?);
    let at = args.optional()?;
    args.end()?;
    let value = rpc.state(at)?.storage_ref(address, slot.as_b256().into())?;
    Ok(value.into())
}

pub(in crate::rpc) fn transaction_count(rpc: &Rpc, mut args: Args) -> Result<U64, RpcError> {
    let (address, at): (_, Option<BlockId>) = (args.required()?, args.optional()?);
    args.end()?;
    let is_pending = at == Some(BlockId::Number(BlockNumberOrTag::Pending));
    if is_pending {
        return next_nonce(rpc, address).map(U64::from);
    }
    let account = rpc.state(at)?.basic_ref(address)?;
    Ok(U64::from(account.map_or(0, |account| account.nonce)))
}

/// The nonce the account's next transaction should have, after what waits and what is being built.
pub(super) fn next_nonce(rpc: &Rpc, address: Address) -> Result<u64, RpcError> {
    if let Some(nonce) = rpc.pool().and_then(|pool| pool.next_nonce(address)) {
        return Ok(nonce);
    }
    let pending = BlockId::Number(BlockNumberOrTag::Pending);
    let account = rpc.state(Some(pending))?.basic_ref(address)?;
    Ok(account.map_or(0, |account| account.nonce))
}

/// Many slots of many accounts, of one state.
pub(in crate::rpc) fn storage_values(
    rpc: &Rpc,
    mut args: Args,
) -> Result<BTreeMap<Address, Vec<B256>>, RpcError> {
    let requests: BTreeMap<Address, Vec<JsonStorageKey>> = args.required()?;
    let at = args.optional()?;
    args.end()?;
    let (count, max) = (
        requests.values().map(Vec::len).sum::<usize>(),
        rpc.settings().slots_max,
    );
    if count == 0 {
        return Err(RpcError::params("empty request"));
    }
    if count > max {
        return Err(RpcError::params(format!(
            "too many slots (max {max}), rpc-slots-max"
        )));
    }
    let state = rpc.state(at)?;
    let values = requests.into_iter().map(|(address, slots)| {
        let values = slots.iter().map(|slot| {
            let value = state.storage_ref(address, slot.as_b256().into())?;
            Ok(B256::from(value))
        });
        Ok((address, values.collect::<Result<_, RpcError>>()?))
    });
    values.collect()
}

/// Balance, nonce and code in one answer.
pub(in crate::rpc) fn account_info(rpc: &Rpc, mut args: Args) -> Result<AccountSummary, RpcError> {
    let (address, at) = (args.required()?, args.optional()?);
    args.end()?;
    let state = rpc.state(at)?;
    let account = state.basic_ref(address)?.unwrap_or_default();
    let code = match account.is_empty_code_hash() {
        true => Bytes::new(),
        false => state.code_by_hash_ref(account.code_hash)?.original_bytes(),
    };
    Ok(AccountSummary {
        balance: account.balance,
        nonce: U64::from(account.nonce),
        code,
    })
}
