//! What the EVM is told about the block it runs in, for execution here and for calls and estimates over RPC.

use super::header::{HeaderError, next_header};
use crate::{attributes::BlockAttributes, config::RollupConfig};
use alloy_consensus::{Header, Sealed};
use alloy_evm::EvmEnv;
use alloy_op_evm::evm_env_for_op_block;
use op_revm::OpSpecId;

/// Environment of the block with this header: for a call at that block, or for executing it again.
#[must_use]
pub fn evm_env(config: &RollupConfig, header: &Header) -> EvmEnv<OpSpecId> {
    evm_env_for_op_block(header, config, config.l2_chain_id)
}

/// Environment of the block these attributes would make on `parent`: for pending calls and estimates.
///
/// # Errors
/// If no such block exists.
pub fn next_evm_env(
    config: &RollupConfig,
    parent: &Sealed<Header>,
    attributes: &BlockAttributes,
) -> Result<EvmEnv<OpSpecId>, HeaderError> {
    Ok(evm_env(config, &next_header(config, parent, attributes)?))
}
