//! `eth_getProof`: an account and some of its slots, with the trie nodes that prove them (EIP-1186).

use crate::rpc::{Rpc, args::Args, block_id::Named, error::RpcError};
use alloy::{
    eips::BlockId,
    primitives::{Address, KECCAK256_EMPTY, U256},
    rpc::types::{EIP1186AccountProofResponse, EIP1186StorageProof},
    serde::JsonStorageKey,
};
use alloy_trie::{EMPTY_ROOT_HASH, TrieAccount};

pub(in crate::rpc) fn proof(rpc: &Rpc, mut args: Args) -> Result<EIP1186AccountProofResponse, RpcError> {
    let (address, keys): (Address, Vec<JsonStorageKey>) = (args.required()?, args.required()?);
    let id: Option<BlockId> = args.optional()?;
    args.end()?;
    // Each is a walk down a trie.
    let max = rpc.settings().slots_max;
    if keys.len() > max {
        let count = keys.len();
        return Err(RpcError::params(format!(
            "too many keys: {count}, rpc-slots-max is {max}"
        )));
    }
    let reference = match rpc.find(id.unwrap_or_default())? {
        Some(Named::Committed(reference)) => reference,
        // A block has no root before it is sealed; the latest there is belongs to the head.
        Some(Named::Pending(_)) => rpc.chain().heads().unsafe_head,
        None => return Err(RpcError::server("header not found")),
    };
    let state = rpc.chain().state_at(reference.number)?;
    let trie = state.state_trie()?;
    let found = trie.account_proof(&state, address).map_err(RpcError::internal)?;
    let account = found.account.unwrap_or(TrieAccount {
        nonce: 0,
        balance: U256::ZERO,
        storage_root: EMPTY_ROOT_HASH,
        code_hash: KECCAK256_EMPTY,
    });
    let slots = keys.into_iter().map(|key| {
        let slot = trie
            .storage_proof(&state, address, key.as_b256().into())
            .map_err(RpcError::internal)?;
        Ok(EIP1186StorageProof::new(key, slot.value, slot.proof))
    });
    Ok(EIP1186AccountProofResponse {
        address,
        balance: account.balance,
        code_hash: account.code_hash,
        nonce: account.nonce,
        storage_hash: account.storage_root,
        storage_proof: slots.collect::<Result<_, RpcError>>()?,
        account_proof: found.proof,
    })
}
