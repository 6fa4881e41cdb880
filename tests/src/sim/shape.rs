//! What kind of world: the rules of its chain, and how much goes wrong in it.

use core::ops::RangeInclusive;
use rand::{Rng, rngs::StdRng};

/// What kind of world.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    pub(super) is_jovian: bool,
    pub(super) has_alt_da: bool,
    /// Seconds between L2 blocks.
    pub(super) block_time: u64,
    /// Seconds between L1 blocks.
    pub(super) l1_block_time: RangeInclusive<u64>,
    pub(super) seq_window_size: u64,
    /// Chance that L1 rests for longer than the sequencer may drift, for each L1 block.
    pub(super) gaps: f64,
    /// Chance of an L1 or DA fault at a node, for each L1 block.
    pub(super) faults: f64,
    /// Chance of a forgery in an L1 block.
    pub(super) forgeries: f64,
    /// Chance of a crash, for each L1 block.
    pub(super) crashes: f64,
    /// Chance of a reorg, for each L1 block.
    pub(super) reorgs: f64,
    /// Seconds a channel may stay open.
    pub(super) channel_secs: u64,
    /// Bytes of batch data in a channel.
    pub(super) channel_bytes: usize,
    /// Bytes of a frame.
    pub(super) frame_bytes: usize,
    /// L1 block at which the batcher goes away for longer than a channel may take.
    pub(super) away_at: Option<u64>,
    /// L1 block at which somebody posts a channel over the limit.
    pub(super) oversize_at: Option<u64>,
}

impl Shape {
    /// A world in which nothing goes wrong by itself.
    pub(super) fn calm(rng: &mut StdRng) -> Self {
        Self {
            has_alt_da: true,
            block_time: 10,
            l1_block_time: 10..=16,
            seq_window_size: 30,
            gaps: 0.0,
            faults: 0.0,
            forgeries: 0.0,
            crashes: 0.0,
            reorgs: 0.0,
            channel_secs: 20,
            away_at: None,
            oversize_at: None,
            ..Self::random(rng, 0)
        }
    }

    pub(super) fn random(rng: &mut StdRng, l1_blocks: u64) -> Self {
        let channel_bytes = rng.random_range(2_000..12_000);
        let base = Self {
            is_jovian: rng.random_bool(0.6),
            has_alt_da: rng.random_bool(0.85),
            // An epoch has at least one block, so a chain slower than L1 falls behind for good.
            block_time: rng.random_range(9..13),
            l1_block_time: 8..=18,
            seq_window_size: rng.random_range(30..60),
            faults: [0.0, 0.1, 0.3, 0.6][rng.random_range(0..4)],
            forgeries: [0.0, 0.1, 0.3, 0.6][rng.random_range(0..4)],
            crashes: [0.0, 0.01, 0.05][rng.random_range(0..3)],
            reorgs: [0.0, 0.01, 0.03][rng.random_range(0..3)],
            channel_secs: rng.random_range(0..40),
            channel_bytes,
            // A batcher that has one transaction on its way at a time keeps up if a channel takes only a few of them.
            frame_bytes: rng.random_range(channel_bytes / 10..channel_bytes),
            gaps: 0.0,
            away_at: (rng.random_bool(0.06) && l1_blocks > 100).then(|| rng.random_range(5..40)),
            // Each costs every node the copying of 100 MB.
            oversize_at: rng
                .random_bool(0.015)
                .then(|| rng.random_range(1..l1_blocks.max(2))),
        };
        match rng.random_range(0..8) {
            // The sequencer runs away from L1's time.
            0 => Self {
                block_time: rng.random_range(250..400),
                l1_block_time: 100..=700,
                gaps: 0.02,
                seq_window_size: rng.random_range(10..20),
                channel_secs: rng.random_range(0..600),
                frame_bytes: channel_bytes,
                ..base
            },
            // Windows expire.
            1 | 2 => Self {
                seq_window_size: rng.random_range(6..12),
                // A window this short leaves no time for many transactions.
                frame_bytes: channel_bytes,
                ..base
            },
            // Channels time out before windows expire.
            3 => Self {
                seq_window_size: rng.random_range(70..90),
                ..base
            },
            _ => base,
        }
    }
}
