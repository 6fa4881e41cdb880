//! The engine as derivation sees it.

use super::{Engine, EngineError};
use crate::store::{Heads, SafeDerivation};
use alloy::{
    eips::eip2718::Encodable2718,
    primitives::{B256, Bytes},
};
use tributary_derivation::driver::{self, Applied, ApplyError, BoxFuture};
use tributary_protocol::{
    attributes::BlockAttributes,
    block::{L1BlockId, L1BlockNumber, L2BlockNumber, L2BlockRef},
    config::SystemConfig,
    output::output_root_of,
};

impl From<EngineError> for driver::EngineError {
    /// What was refused may be asked again once the chain has moved; the rest is the end of this engine.
    fn from(error: EngineError) -> Self {
        if error.is_refusal() {
            Self::Retry(Box::new(error))
        } else {
            Self::Halt(Box::new(error))
        }
    }
}

/// Reads do not go through the writer, so a failed one has not stopped it; but what cannot be read now will not be readable later.
fn failed_read(error: impl Into<EngineError>) -> driver::EngineError {
    error.into().into()
}

impl driver::Engine for Engine {
    fn heads(&self) -> BoxFuture<'_, Result<Heads, driver::EngineError>> {
        Box::pin(async { Ok(self.chain().heads()) })
    }

    fn apply(
        &self,
        attributes: BlockAttributes,
        parent: L2BlockRef,
    ) -> BoxFuture<'_, Result<Applied, ApplyError>> {
        Box::pin(async move {
            Self::apply(self, attributes, parent)
                .await
                .map_err(|error| match error {
                    EngineError::InvalidAttributes { source, .. } => ApplyError::InvalidPayload(source),
                    other => driver::EngineError::from(other).into(),
                })
        })
    }

    fn set_safe(
        &self,
        block: L2BlockRef,
        derived_from: L1BlockId,
    ) -> BoxFuture<'_, Result<(), driver::EngineError>> {
        Box::pin(async move { Ok(Self::set_safe(self, block, derived_from).await?) })
    }

    fn set_finalized(&self, block: L2BlockRef) -> BoxFuture<'_, Result<(), driver::EngineError>> {
        Box::pin(async move { Ok(Self::set_finalized(self, block).await?) })
    }

    fn reset_to(
        &self,
        unsafe_head: L2BlockRef,
        safe: SafeDerivation,
    ) -> BoxFuture<'_, Result<(), driver::EngineError>> {
        Box::pin(async move { Ok(Self::reset_to(self, unsafe_head, safe).await?) })
    }

    fn safe_head_at(
        &self,
        l1_block: L1BlockNumber,
    ) -> BoxFuture<'_, Result<Option<SafeDerivation>, driver::EngineError>> {
        Box::pin(async move { self.chain().safe_head_at(l1_block).map_err(failed_read) })
    }

    fn block_ref(
        &self,
        number: L2BlockNumber,
    ) -> BoxFuture<'_, Result<Option<L2BlockRef>, driver::EngineError>> {
        Box::pin(async move { self.chain().block_ref(number).map_err(failed_read) })
    }

    fn system_config(
        &self,
        number: L2BlockNumber,
    ) -> BoxFuture<'_, Result<Option<SystemConfig>, driver::EngineError>> {
        Box::pin(async move {
            let block = self.chain().block_by_number(number).map_err(failed_read)?;
            block
                .map(|block| SystemConfig::from_l2_block(self.chain().config(), &block.block))
                .transpose()
                .map_err(failed_read)
        })
    }

    fn output_root(&self, number: L2BlockNumber) -> BoxFuture<'_, Result<Option<B256>, driver::EngineError>> {
        Box::pin(async move {
            let block = self.chain().block_by_number(number).map_err(failed_read)?;
            Ok(block.and_then(|block| output_root_of(&block.block.header, block.hash)))
        })
    }

    fn transactions(
        &self,
        number: L2BlockNumber,
    ) -> BoxFuture<'_, Result<Option<Vec<Bytes>>, driver::EngineError>> {
        Box::pin(async move {
            let block = self.chain().block_by_number(number).map_err(failed_read)?;
            Ok(block.map(|block| {
                let transactions = block.block.body.transactions.iter();
                transactions
                    .map(|transaction| transaction.encoded_2718().into())
                    .collect()
            }))
        })
    }
}
