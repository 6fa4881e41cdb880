//! Turns the next batch into the attributes of the next block, by adding what its epoch says.

use super::batch_stage::NextBatch;
use crate::{
    epoch::{Epoch, EpochError},
    l1_block::L1Block,
};
use alloc::{boxed::Box, sync::Arc};
use op_alloy_consensus::DEPOSIT_TX_TYPE_ID;
use tributary_protocol::{
    attributes::BlockAttributes,
    block::{L1BlockId, L1BlockRef, L2BlockRef},
    config::{L1ChainConfig, RollupConfig, SystemConfig},
};

/// Attributes of the next block, and where they come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DerivedAttributes {
    /// The block's inputs.
    pub attributes: BlockAttributes,
    /// The block it follows.
    pub parent: L2BlockRef,
    /// The last L1 block that was read to derive it.
    pub derived_from: L1BlockRef,
    /// True if nothing more comes from the same span batch.
    pub concluding: bool,
    /// True if these replace attributes that made no valid block: deposits are all that is left.
    pub deposits_only: bool,
}

/// What the queue has next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttributesOutput {
    /// Attributes, until they are confirmed or rejected.
    Attributes(Box<DerivedAttributes>),
    /// Nothing until this L1 block has been given.
    NeedEpoch(L1BlockId),
    /// Nothing: give it a batch.
    WantBatch,
}

#[derive(Clone, Debug)]
enum Held {
    Nothing,
    Batch(NextBatch, L1BlockRef),
    Offered(Box<DerivedAttributes>),
}

/// Builds attributes from batches.
#[derive(Clone, Debug)]
pub struct AttributesQueue {
    config: Arc<RollupConfig>,
    l1_config: Arc<L1ChainConfig>,
    /// The epoch used last. One is enough: blocks of an epoch follow each other.
    epoch: Option<Epoch>,
    held: Held,
}

impl AttributesQueue {
    /// Starts without a batch.
    #[must_use]
    pub const fn new(config: Arc<RollupConfig>, l1_config: Arc<L1ChainConfig>) -> Self {
        Self {
            config,
            l1_config,
            epoch: None,
            held: Held::Nothing,
        }
    }

    /// What L1's forks are taken to be.
    #[must_use]
    pub const fn l1_config(&self) -> &Arc<L1ChainConfig> {
        &self.l1_config
    }

    /// Gives the queue the next batch; it has asked for one.
    pub fn load(&mut self, batch: NextBatch, derived_from: L1BlockRef) {
        self.held = Held::Batch(batch, derived_from);
    }

    /// Gives the queue an epoch. If it is not the one asked for, the queue asks again.
    ///
    /// # Errors
    /// When the block holds a deposit that does not decode.
    pub fn provide_epoch(&mut self, block: &L1Block) -> Result<(), EpochError> {
        self.epoch = Some(Epoch::of(block, &self.config)?);
        Ok(())
    }

    /// The attributes of the block after `parent`, in which `system_config` is in force.
    pub fn pull(&mut self, parent: &L2BlockRef, system_config: &SystemConfig) -> AttributesOutput {
        let (next, derived_from) = match &self.held {
            Held::Nothing => return AttributesOutput::WantBatch,
            Held::Offered(offered) => return AttributesOutput::Attributes(offered.clone()),
            Held::Batch(next, derived_from) => (next, *derived_from),
        };
        let id = L1BlockId {
            hash: next.batch.epoch_hash,
            number: next.batch.epoch_number,
        };
        let Some(epoch) = self.epoch.as_ref().filter(|epoch| epoch.id() == id) else {
            return AttributesOutput::NeedEpoch(id);
        };
        let offered = Box::new(DerivedAttributes {
            attributes: self.build(next, epoch, parent, system_config),
            parent: *parent,
            derived_from,
            concluding: next.concluding,
            deposits_only: false,
        });
        self.held = Held::Offered(offered.clone());
        AttributesOutput::Attributes(offered)
    }

    fn build(
        &self,
        next: &NextBatch,
        epoch: &Epoch,
        parent: &L2BlockRef,
        system_config: &SystemConfig,
    ) -> BlockAttributes {
        let mut attributes = epoch.attributes(&self.config, &self.l1_config, parent, system_config);
        attributes
            .transactions
            .extend(next.batch.transactions.iter().cloned());
        attributes
    }

    /// True while attributes wait to be confirmed or rejected.
    #[must_use]
    pub const fn is_waiting(&self) -> bool {
        matches!(self.held, Held::Offered(_))
    }

    /// The attributes have become a block.
    pub fn confirm(&mut self) {
        self.held = Held::Nothing;
    }

    /// The attributes make no valid block: offers them again with the deposits alone. False if there is nothing left to leave out.
    pub fn reject(&mut self) -> bool {
        match &mut self.held {
            Held::Offered(offered) if !offered.deposits_only => {
                offered.deposits_only = true;
                offered.concluding = true;
                offered
                    .attributes
                    .transactions
                    .retain(|tx| tx.first() == Some(&DEPOSIT_TX_TYPE_ID));
                true
            }
            _ => false,
        }
    }
}
