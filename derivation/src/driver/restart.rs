//! Finds the point to restart from ([`crate::reset`] says which that is) by asking L1 and the engine.

use super::{Engine, EngineError, L1Error, L1Source, L1Tag};
use crate::{
    fork_choice::{Heads, SafeDerivation},
    reset::{ResetPoint, latest_l1_start},
};
use alloy_primitives::B256;
use tributary_protocol::{
    block::{L1BlockNumber, L2BlockNumber, L2BlockRef},
    config::{RollupConfig, SystemConfig},
};

/// Why there is no point to restart from.
#[derive(Debug, thiserror::Error)]
pub enum RestartError {
    /// L1 did not answer: ask again.
    #[error(transparent)]
    L1(#[from] L1Error),
    /// The engine did not answer, or has stopped.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The L1 server has not reached a block we have already read. It may be lagging, or L1 may be on its way to a longer fork: ask again.
    #[error("L1 is at block {head}, we have already read block {needed}")]
    L1Behind {
        /// Block we know of.
        needed: L1BlockNumber,
        /// The server's head.
        head: L1BlockNumber,
    },
    /// The engine lacks a block below its own heads: halt.
    #[error("the engine has no block {number} below its heads")]
    MissingBlock {
        /// Height.
        number: L2BlockNumber,
    },
    /// The chain's first L1 block is another one there: the L1 endpoint serves another chain. Halt.
    #[error("L1 block {number} is {found}, the chain was started after {expected}: this is another L1")]
    OtherL1 {
        /// Height of the chain's first L1 block.
        number: L1BlockNumber,
        /// Its hash in the configuration.
        expected: B256,
        /// The hash L1 has.
        found: B256,
    },
    /// L1 has reorganised deeper than what it had finalized: halt, nobody but the operator can say what holds now.
    #[error(
        "L1 has reorganised below finality: block {finalized} is finalized, but only up to {safe} is still derived from L1"
    )]
    FinalityBroken {
        /// Height of the finalized head.
        finalized: L2BlockNumber,
        /// Height of the last block whose L1 data is still on L1.
        safe: L2BlockNumber,
    },
}

/// Where to go on, and what the heads must become first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restart {
    /// For the pipeline.
    pub point: ResetPoint,
    /// Highest block whose L1 origin is on L1.
    pub unsafe_head: L2BlockRef,
    /// Highest block whose L1 data is on L1.
    pub safe: SafeDerivation,
    /// The heads as they are now.
    pub heads: Heads,
}

impl Restart {
    /// True if blocks must be abandoned first.
    #[must_use]
    pub fn abandons_blocks(&self) -> bool {
        self.heads.unsafe_head != self.unsafe_head || self.heads.safe_head != self.safe.safe_head
    }
}

/// Looks at both chains and decides where to go on. Changes nothing.
///
/// # Errors
/// See [`RestartError`]; each says whether to ask again or to halt.
pub async fn find_restart(
    config: &RollupConfig,
    l1: &dyn L1Source,
    engine: &dyn Engine,
) -> Result<Restart, RestartError> {
    let search = Search { config, l1, engine };
    search.check_l1().await?;
    let heads = engine.heads().await?;
    let safe = search.last_canonical_derivation().await?;
    if safe.safe_head.number < heads.finalized_head.number {
        return Err(RestartError::FinalityBroken {
            finalized: heads.finalized_head.number,
            safe: safe.safe_head.number,
        });
    }
    let unsafe_head = search
        .last_with_canonical_origin(heads.unsafe_head, safe.safe_head)
        .await?;
    let point = search.reset_point(&safe).await?;
    Ok(Restart {
        point,
        unsafe_head,
        safe,
        heads,
    })
}

struct Search<'a> {
    config: &'a RollupConfig,
    l1: &'a dyn L1Source,
    engine: &'a dyn Engine,
}

impl Search<'_> {
    async fn check_l1(&self) -> Result<(), RestartError> {
        let genesis = self.config.genesis.l1;
        let found = self.canonical_hash(genesis.number).await?;
        if found == genesis.hash {
            return Ok(());
        }
        Err(RestartError::OtherL1 {
            number: genesis.number,
            expected: genesis.hash,
            found,
        })
    }

    /// Hash of the L1 block at `number`, which exists for all we know.
    async fn canonical_hash(&self, number: L1BlockNumber) -> Result<B256, RestartError> {
        if let Some(block) = self.l1.block_ref(number).await? {
            return Ok(block.hash);
        }
        let head = self.l1.head(L1Tag::Latest).await?.unwrap_or_default().number;
        Err(RestartError::L1Behind { needed: number, head })
    }

    /// What was derived before anything was: the genesis block, from the L1 block the chain starts after.
    async fn genesis_derivation(&self) -> Result<SafeDerivation, RestartError> {
        Ok(SafeDerivation {
            l1: self.config.genesis.l1,
            safe_head: self.block_ref(self.config.genesis.l2.number).await?,
        })
    }

    async fn derivation_at(&self, number: L1BlockNumber) -> Result<SafeDerivation, RestartError> {
        match self.engine.safe_head_at(number).await? {
            Some(derivation) => Ok(derivation),
            None => self.genesis_derivation().await,
        }
    }

    async fn last_canonical_derivation(&self) -> Result<SafeDerivation, RestartError> {
        let genesis = self.config.genesis.l1.number;
        let mut derivation = self.derivation_at(L1BlockNumber(u64::MAX)).await?;
        while derivation.l1.number > genesis {
            if self.canonical_hash(derivation.l1.number).await? == derivation.l1.hash {
                return Ok(derivation);
            }
            derivation = self.derivation_at(derivation.l1.number.saturating_sub(1)).await?;
        }
        self.genesis_derivation().await
    }

    /// Goes back from `head`, epoch by epoch, to a block whose L1 origin is on L1 or not there yet; no further than `floor`.
    async fn last_with_canonical_origin(
        &self,
        head: L2BlockRef,
        floor: L2BlockRef,
    ) -> Result<L2BlockRef, RestartError> {
        let mut block = head;
        while block.number > floor.number {
            let origin = self.l1.block_ref(block.l1_origin.number).await?;
            if origin.is_none_or(|origin| origin.hash == block.l1_origin.hash) {
                return Ok(block);
            }
            block = self.last_of_epoch_before(&block).await?;
        }
        Ok(floor)
    }

    async fn reset_point(&self, safe: &SafeDerivation) -> Result<ResetPoint, RestartError> {
        let genesis = self.config.genesis.l1.number;
        let complete = if safe.l1.number > genesis {
            self.derivation_at(safe.l1.number.saturating_sub(1)).await?
        } else {
            *safe
        };
        let safe_head = complete.safe_head;
        let resume_at = safe.l1.number;
        let latest_start = latest_l1_start(&safe_head, resume_at, genesis);
        let mut block = safe_head;
        while block.l1_origin.number > latest_start && block.number > self.config.genesis.l2.number {
            block = self.last_of_epoch_before(&block).await?;
        }
        Ok(ResetPoint {
            safe_head,
            system_config: self.system_config(safe_head.number).await?,
            resume_at,
            l1_start: block.l1_origin,
            l1_system_config: self.system_config(block.number).await?,
        })
    }

    /// The last block of the epoch before that of `block`: every epoch has at least one.
    async fn last_of_epoch_before(&self, block: &L2BlockRef) -> Result<L2BlockRef, RestartError> {
        let number = block
            .number
            .saturating_sub(block.sequence_number.saturating_add(1))
            .max(self.config.genesis.l2.number);
        self.block_ref(number).await
    }

    async fn block_ref(&self, number: L2BlockNumber) -> Result<L2BlockRef, RestartError> {
        self.engine
            .block_ref(number)
            .await?
            .ok_or(RestartError::MissingBlock { number })
    }

    async fn system_config(&self, number: L2BlockNumber) -> Result<SystemConfig, RestartError> {
        if number == self.config.genesis.l2.number {
            return Ok(self.config.genesis.system_config);
        }
        self.engine
            .system_config(number)
            .await?
            .ok_or(RestartError::MissingBlock { number })
    }
}
