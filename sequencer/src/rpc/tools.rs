//! Small namespaces: `net`, `web3`, `rpc`.

use super::{Rpc, args::Args, error::RpcError, methods};
use alloy::primitives::{B256, Bytes, U64, keccak256};
use std::collections::BTreeMap;

/// Chain id in decimal, as geth.
pub(super) fn net_version(rpc: &Rpc, args: Args) -> Result<String, RpcError> {
    args.end()?;
    Ok(rpc.chain().config().l2_chain_id.to_string())
}

/// Geth says true whenever it runs, and tools take false for "broken".
pub(super) fn net_listening(_: &Rpc, args: Args) -> Result<bool, RpcError> {
    args.end()?;
    Ok(true)
}

/// There is no peer-to-peer network.
pub(super) fn net_peer_count(_: &Rpc, args: Args) -> Result<U64, RpcError> {
    args.end()?;
    Ok(U64::ZERO)
}

pub(super) fn client_version(rpc: &Rpc, args: Args) -> Result<String, RpcError> {
    args.end()?;
    Ok(rpc.settings().client_version.clone())
}

pub(super) fn sha3(_: &Rpc, mut args: Args) -> Result<B256, RpcError> {
    let input: Bytes = args.required()?;
    args.end()?;
    Ok(keccak256(input))
}

pub(super) fn modules(rpc: &Rpc, args: Args) -> Result<BTreeMap<&'static str, &'static str>, RpcError> {
    args.end()?;
    let served = &rpc.settings().namespaces;
    let names =
        methods::namespaces().filter(|name| served.is_empty() || served.iter().any(|one| one == name));
    Ok(names.map(|name| (name, "1.0")).collect())
}
