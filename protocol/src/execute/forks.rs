//! Which rules are in force, in the form alloy's executor asks for them.
//!
//! Everything through Isthmus is active from genesis on every Tributary chain, so Jovian's activation time is the whole schedule.

use crate::config::RollupConfig;
use alloy_hardforks::{EthereumHardfork, EthereumHardforks, ForkCondition};
use alloy_op_hardforks::{OpHardfork, OpHardforks};

/// Fork times of one chain.
#[derive(Clone, Copy, Debug)]
pub(super) struct ForkSchedule {
    jovian_time: Option<u64>,
}

impl ForkSchedule {
    pub(super) const fn of(config: &RollupConfig) -> Self {
        Self {
            jovian_time: config.jovian_time,
        }
    }

    /// Whether Jovian's rules hold for a block with this timestamp.
    pub(super) fn jovian(self, timestamp: u64) -> bool {
        self.is_jovian_active_at_timestamp(timestamp)
    }
}

impl EthereumHardforks for ForkSchedule {
    fn ethereum_fork_activation(&self, fork: EthereumHardfork) -> ForkCondition {
        if fork <= EthereumHardfork::Paris {
            // Asked for by block number: were Paris given by time, each block would pay a mining reward.
            ForkCondition::Block(0)
        } else if fork <= EthereumHardfork::Prague {
            ForkCondition::Timestamp(0)
        } else {
            ForkCondition::Never
        }
    }
}

impl OpHardforks for ForkSchedule {
    fn op_fork_activation(&self, fork: OpHardfork) -> ForkCondition {
        match fork {
            OpHardfork::Bedrock => ForkCondition::Block(0),
            OpHardfork::Jovian => self
                .jovian_time
                .map_or(ForkCondition::Never, ForkCondition::Timestamp),
            fork if fork <= OpHardfork::Isthmus => ForkCondition::Timestamp(0),
            _ => ForkCondition::Never,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_through_isthmus_is_active_and_nothing_after_jovian() {
        let isthmus = ForkSchedule { jovian_time: None };
        let jovian = ForkSchedule { jovian_time: Some(5) };
        assert!(isthmus.is_isthmus_active_at_timestamp(0));
        assert!(isthmus.is_holocene_active_at_timestamp(0));
        assert!(isthmus.is_prague_active_at_timestamp(0));
        assert!(isthmus.is_paris_active_at_block(0));
        assert!(!isthmus.is_jovian_active_at_timestamp(u64::MAX));
        assert!(!jovian.jovian(4) && jovian.jovian(5));
        for forks in [isthmus, jovian] {
            assert!(!forks.is_karst_active_at_timestamp(u64::MAX));
            assert!(!forks.is_interop_active_at_timestamp(u64::MAX));
            assert!(!forks.is_osaka_active_at_timestamp(u64::MAX));
        }
    }
}
