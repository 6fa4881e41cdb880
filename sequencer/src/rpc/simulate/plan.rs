//! Which blocks a simulation has: their numbers and times count on from the block before, gaps are filled with empty ones.

use super::error::{numbers_out_of_order, times_out_of_order, too_many_blocks};
use crate::rpc::error::RpcError;
use alloy::{
    consensus::{Header, Sealed},
    primitives::U256,
    rpc::types::simulate::SimBlock,
};

/// A block to simulate.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) number: u64,
    /// Unix seconds.
    pub(super) time: u64,
    pub(super) wanted: SimBlock,
}

/// Numbers and times of all blocks on top of `base`, in order.
pub(super) fn plan(
    blocks: Vec<SimBlock>,
    base: &Sealed<Header>,
    block_time_secs: u64,
    blocks_max: u64,
) -> Result<Vec<Planned>, RpcError> {
    let (mut number, mut time) = (base.number, base.timestamp);
    let last = number.saturating_add(blocks_max);
    let mut planned = Vec::new();
    for wanted in blocks {
        let overrides = wanted.block_overrides.as_ref();
        let next = overrides
            .and_then(|overrides| overrides.number)
            .unwrap_or(U256::from(number) + U256::ONE);
        if next <= U256::from(number) {
            return Err(numbers_out_of_order(next, number));
        }
        let next = u64::try_from(next)
            .ok()
            .filter(|next| *next <= last)
            .ok_or_else(|| too_many_blocks(blocks_max))?;
        while number + 1 < next {
            number += 1;
            time = time.saturating_add(block_time_secs);
            planned.push(Planned {
                number,
                time,
                wanted: SimBlock::default(),
            });
        }
        let own = overrides.and_then(|overrides| overrides.time);
        let own = own.unwrap_or(time.saturating_add(block_time_secs));
        if own <= time {
            return Err(times_out_of_order(own, time));
        }
        (number, time) = (next, own);
        planned.push(Planned { number, time, wanted });
    }
    Ok(planned)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCKS_MAX: u64 = 256;
    use alloy::rpc::types::BlockOverrides;
    use proptest::prelude::*;

    fn base() -> Sealed<Header> {
        let header = Header {
            number: 100,
            timestamp: 1_000,
            ..Header::default()
        };
        Sealed::new_unchecked(header, Default::default())
    }

    fn block(number: Option<u64>, time: Option<u64>) -> SimBlock {
        SimBlock::default().with_block_overrides(BlockOverrides {
            number: number.map(U256::from),
            time,
            ..BlockOverrides::default()
        })
    }

    #[test]
    fn gaps_are_filled_and_time_goes_on() {
        let blocks = vec![
            block(None, None),
            block(Some(104), Some(1_010)),
            block(None, None),
        ];
        let planned = plan(blocks, &base(), 2, BLOCKS_MAX).unwrap();
        let seen: Vec<_> = planned.iter().map(|block| (block.number, block.time)).collect();
        assert_eq!(
            seen,
            [
                (101, 1_002),
                (102, 1_004),
                (103, 1_006),
                (104, 1_010),
                (105, 1_012)
            ]
        );
    }

    #[test]
    fn what_goes_back_or_too_far_is_refused_with_geths_codes() {
        for (blocks, code, text) in [
            (
                vec![block(Some(100), None)],
                -38020,
                "block numbers must be in order: 100 <= 100",
            ),
            (
                vec![block(Some(102), None), block(Some(102), None)],
                -38020,
                "block numbers must be in order: 102 <= 102",
            ),
            (
                vec![block(None, Some(1_000))],
                -38021,
                "block timestamps must be in order: 1000 <= 1000",
            ),
            (
                vec![block(Some(102), Some(1_002))],
                -38021,
                "block timestamps must be in order: 1002 <= 1002",
            ),
            (
                vec![block(Some(357), None)],
                -38026,
                "too many blocks: rpc-simulate-blocks-max is 256",
            ),
            (
                vec![block(Some(u64::MAX), None)],
                -38026,
                "too many blocks: rpc-simulate-blocks-max is 256",
            ),
        ] {
            let error = plan(blocks, &base(), 2, BLOCKS_MAX).unwrap_err();
            assert_eq!((error.code, error.message.as_str()), (code, text));
        }
        assert_eq!(
            plan(vec![block(Some(356), None)], &base(), 2, BLOCKS_MAX)
                .unwrap()
                .len(),
            256
        );
    }

    proptest! {
        #[test]
        fn plans_are_gapless_ascending_and_bounded(
            blocks in prop::collection::vec((prop::option::of(90..400_u64), prop::option::of(990..2_000_u64)), 1..10),
        ) {
            let blocks = blocks.into_iter().map(|(number, time)| block(number, time)).collect();
            if let Ok(planned) = plan(blocks, &base(), 2, BLOCKS_MAX) {
                prop_assert!(planned.len() as u64 <= BLOCKS_MAX);
                let mut before = (100, 1_000);
                for block in planned {
                    prop_assert_eq!(block.number, before.0 + 1);
                    prop_assert!(block.time > before.1);
                    before = (block.number, block.time);
                }
            }
        }
    }
}
