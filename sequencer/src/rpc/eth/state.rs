//! Chain id, heads, and single values of the state.

use crate::rpc::{Rpc, args::Args, error::RpcError};
use alloy::{
    eips::{BlockId, BlockNumberOrTag},
    primitives::{Address, B256, Bytes, U64, U256},
    serde::JsonStorageKey,
};
use revm::database_interface::DatabaseRef;

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
    let pooled = rpc
        .pool()
        .filter(|_| is_pending)
        .and_then(|pool| pool.next_nonce(address));
    let nonce = match pooled {
        Some(nonce) => nonce,
        None => rpc
            .state(at)?
            .basic_ref(address)?
            .map_or(0, |account| account.nonce),
    };
    Ok(U64::from(nonce))
}
