//! What happened in worlds, counted and printed.

use super::kinds::{FaultKind, Forgery};
use alloy_primitives::{B256, keccak256};
use std::{collections::BTreeMap, fmt};
use tributary_derivation::discard::DiscardReason;

/// How often a fault kind or a discard reason must occur before many seeds count as a test of it.
pub const HITS_WANTED: u64 = 100;

/// What happened in one world, or in many.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Faults that were met.
    pub faults: BTreeMap<FaultKind, u64>,
    /// Forgeries that were mined.
    pub forgeries: BTreeMap<Forgery, u64>,
    /// What the follower threw away.
    pub discards: BTreeMap<DiscardReason, u64>,
    /// L1 blocks mined, on all forks.
    pub l1_blocks: u64,
    /// L2 blocks built.
    pub built: u64,
    /// Blocks of the final safe chain.
    pub safe: u64,
    /// Deposits and L2 transactions sent.
    pub transactions: u64,
    /// Moves made.
    pub moves: u64,
}

impl Counts {
    /// One more of a fault.
    pub fn fault(&mut self, kind: FaultKind) {
        *self.faults.entry(kind).or_default() += 1;
    }

    /// More of several faults.
    pub fn faults(&mut self, hits: BTreeMap<FaultKind, u64>) {
        add(&mut self.faults, &hits);
    }

    fn add(&mut self, other: &Self) {
        add(&mut self.faults, &other.faults);
        add(&mut self.forgeries, &other.forgeries);
        add(&mut self.discards, &other.discards);
        self.l1_blocks += other.l1_blocks;
        self.built += other.built;
        self.safe += other.safe;
        self.transactions += other.transactions;
        self.moves += other.moves;
    }
}

fn add<K: Ord + Copy>(to: &mut BTreeMap<K, u64>, from: &BTreeMap<K, u64>) {
    for (key, count) in from {
        *to.entry(*key).or_default() += count;
    }
}

/// A world that held.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// What happened.
    pub counts: Counts,
    /// Over everything that happened, in order: equal for two runs of a seed.
    pub digest: B256,
}

/// Hashes what happens, in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Digest(B256);

impl Digest {
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.0 = keccak256([self.0.as_slice(), bytes].concat());
    }

    pub(super) const fn value(&self) -> B256 {
        self.0
    }
}

/// Many worlds.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// Worlds that held.
    pub seeds: u64,
    /// Worlds that were run a second time and came out the same.
    pub repeated: u64,
    /// Worlds that broke.
    pub disagreements: u64,
    counts: Counts,
}

impl Totals {
    /// One more world.
    pub fn add(&mut self, outcome: &Outcome) {
        self.seeds += 1;
        self.counts.add(&outcome.counts);
    }

    /// Everything that can happen and did so too seldom to say that it is tested.
    #[must_use]
    pub fn seldom(&self) -> Vec<(&'static str, u64)> {
        let faults = FaultKind::ALL
            .iter()
            .map(|kind| (kind.label(), count(&self.counts.faults, kind)));
        let reasons = DiscardReason::ALL
            .iter()
            .map(|reason| (reason.label(), count(&self.counts.discards, reason)));
        let forgeries = Forgery::ALL
            .iter()
            .map(|kind| (kind.label(), count(&self.counts.forgeries, kind)));
        faults
            .chain(reasons)
            .chain(forgeries)
            .filter(|(_, count)| *count < HITS_WANTED)
            .collect()
    }
}

fn count<K: Ord>(counts: &BTreeMap<K, u64>, key: &K) -> u64 {
    counts.get(key).copied().unwrap_or_default()
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = &self.counts;
        writeln!(f, "dropped, by reason (at the follower)")?;
        for reason in DiscardReason::ALL {
            writeln!(
                f,
                "  {:<28}{:>12}",
                reason.label(),
                count(&counts.discards, reason)
            )?;
        }
        writeln!(f, "faults, by kind")?;
        for kind in FaultKind::ALL {
            writeln!(f, "  {:<28}{:>12}", kind.label(), count(&counts.faults, kind))?;
        }
        writeln!(f, "forgeries in the inbox, by kind")?;
        for kind in Forgery::ALL {
            writeln!(f, "  {:<28}{:>12}", kind.label(), count(&counts.forgeries, kind))?;
        }
        writeln!(
            f,
            "{} seeds ({} run twice with equal digests), {} L1 blocks, {} L2 blocks built, {} derived, {} transactions, {} moves",
            self.seeds,
            self.repeated,
            counts.l1_blocks,
            counts.built,
            counts.safe,
            counts.transactions,
            counts.moves
        )?;
        for (label, count) in self.seldom() {
            writeln!(f, "seldom: {label} {count}, {HITS_WANTED} wanted")?;
        }
        write!(f, "{} seeds, {} disagreements", self.seeds, self.disagreements)
    }
}
