//! What kind of world: the rules of its chain, and how much goes wrong in it.

use super::script::Script;
use core::{ops::RangeInclusive, time::Duration};
use rand::{Rng, rngs::StdRng};
use tributary_batcher::dispersal::{DaChoice, L1Destination};

/// L1 blocks between L1's head and its finalized block where reorgs of two epochs must be possible.
const FINALITY_LAG_MAX: u64 = 70;

/// Bytes of calldata that the batcher puts into a transaction unless told otherwise.
const CALLDATA_SIZE_MAX: usize = 120_000;

/// How the batcher posts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Posting {
    pub(super) choice: DaChoice,
    /// Time after which a transaction is replaced.
    pub(super) replace_after: Duration,
    pub(super) in_flight_max: usize,
    /// Bytes of calldata in one transaction.
    pub(super) calldata_bytes: usize,
}

impl Posting {
    fn random(rng: &mut StdRng, has_alt_da: bool, channel_bytes: usize) -> Self {
        let destination = match rng.random_range(0..6) {
            0..4 => L1Destination::Calldata,
            4 => L1Destination::Blobs,
            _ => L1Destination::Cheaper,
        };
        Self {
            choice: if has_alt_da {
                DaChoice::Layer {
                    failover: Some(destination),
                }
            } else {
                DaChoice::L1(destination)
            },
            replace_after: Duration::from_secs(rng.random_range(12..60)),
            in_flight_max: rng.random_range(1..5),
            calldata_bytes: if rng.random_bool(0.5) {
                CALLDATA_SIZE_MAX
            } else {
                rng.random_range(channel_bytes / 12..channel_bytes / 2)
            },
        }
    }
}

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
    pub(super) posting: Posting,
    /// L1 blocks between L1's head and its finalized block.
    pub(super) finality_lag: u64,
    /// Chance that L1 gets dear or the batcher's account runs dry, for each L1 block.
    pub(super) tides: f64,
    /// L1 block at which the batcher goes away for longer than a channel may take.
    pub(super) away_at: Option<u64>,
    /// L1 block at which somebody posts a channel over the limit.
    pub(super) oversize_at: Option<u64>,
}

impl Shape {
    /// A world in which nothing goes wrong by itself.
    pub(super) fn calm(rng: &mut StdRng, script: &Script) -> Self {
        let random = Self::random(rng, 0);
        let usual = DaChoice::Layer {
            failover: Some(L1Destination::Calldata),
        };
        // A large channel is cut at what L1's pools take, as any real one is.
        let calldata_bytes = match script.channel_bytes {
            Some(_) => CALLDATA_SIZE_MAX,
            None => random.posting.calldata_bytes,
        };
        Self {
            has_alt_da: true,
            posting: Posting {
                choice: script.choice.unwrap_or(usual),
                calldata_bytes,
                ..random.posting
            },
            channel_bytes: script.channel_bytes.unwrap_or(random.channel_bytes),
            finality_lag: FINALITY_LAG_MAX,
            tides: 0.0,
            block_time: 10,
            l1_block_time: 10..=16,
            seq_window_size: script.seq_window_size.unwrap_or(30),
            gaps: 0.0,
            faults: 0.0,
            forgeries: 0.0,
            crashes: 0.0,
            reorgs: 0.0,
            channel_secs: 20,
            away_at: None,
            oversize_at: None,
            ..random
        }
    }

    pub(super) fn random(rng: &mut StdRng, l1_blocks: u64) -> Self {
        let channel_bytes = rng.random_range(2_000..12_000);
        let has_alt_da = rng.random_bool(0.75);
        let posting = Posting::random(rng, has_alt_da, channel_bytes);
        let base = Self {
            is_jovian: rng.random_bool(0.6),
            has_alt_da,
            posting,
            finality_lag: if rng.random_bool(0.3) {
                FINALITY_LAG_MAX
            } else {
                rng.random_range(10..40)
            },
            tides: [0.0, 0.0, 0.02][rng.random_range(0..3)],
            // An epoch has at least one block, so a chain slower than L1 falls behind for good.
            block_time: rng.random_range(10..13),
            l1_block_time: 8..=18,
            seq_window_size: rng.random_range(30..60),
            faults: [0.0, 0.1, 0.3, 0.6][rng.random_range(0..4)],
            forgeries: [0.0, 0.1, 0.3, 0.6][rng.random_range(0..4)],
            crashes: [0.0, 0.01, 0.05][rng.random_range(0..3)],
            reorgs: [0.0, 0.01, 0.03][rng.random_range(0..3)],
            channel_secs: rng.random_range(0..40),
            channel_bytes,
            gaps: 0.0,
            away_at: (rng.random_bool(0.08) && l1_blocks > 100).then(|| rng.random_range(5..40)),
            // Each costs every node the copying of 100 MB.
            oversize_at: rng
                .random_bool(0.02)
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
                ..base
            },
            // Windows expire.
            1 | 2 => Self {
                seq_window_size: rng.random_range(6..12),
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
