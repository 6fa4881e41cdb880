//! What a world found wrong with our code.

use super::report::Counts;
use alloy_primitives::B256;
use std::fmt;
use tributary_derivation::fork_choice::Heads;

/// Something that must hold and does not.
#[derive(Clone, Debug)]
pub enum Violation {
    /// A node stopped for good.
    Halted {
        /// Which.
        node: &'static str,
        /// Why.
        cause: String,
    },
    /// A node's heads are out of order.
    HeadOrder {
        /// Which.
        node: &'static str,
        /// Its heads.
        heads: Box<Heads>,
    },
    /// Two nodes have derived different blocks.
    Divergence {
        /// One.
        left: &'static str,
        /// The other.
        right: &'static str,
        /// Height of the first difference.
        number: u64,
        /// The one's block, if it has any.
        left_hash: Option<B256>,
        /// The other's.
        right_hash: Option<B256>,
    },
    /// With every fault gone the safe head does not get where it must.
    Stuck {
        /// What was waited for.
        what: &'static str,
        /// Height waited for.
        expected: u64,
        /// Height reached.
        found: u64,
        /// What the sequencer's derivation waits for, if anything.
        stall: Option<String>,
    },
    /// A block posted in quiet times did not become safe as it was built.
    Replaced {
        /// Its height.
        number: u64,
        /// Its hash.
        built: B256,
        /// What is safe there.
        safe: Option<B256>,
    },
    /// A node that has nothing left to do goes on all the same.
    Endless {
        /// Which.
        node: &'static str,
    },
    /// The builder stopped.
    Builder(String),
    /// A block does not execute to itself.
    Verifier(String),
    /// The batcher cannot make a channel of what the node built.
    Channel(String),
    /// The batcher stopped for a reason that is none of this world's.
    Batcher(String),
    /// The batcher used one nonce for two different things.
    TwoEffects {
        /// The nonce.
        nonce: u64,
    },
    /// A node started on its own store and could not.
    Restart(String),
    /// Two runs of a seed differ.
    Digest {
        /// First run.
        first: B256,
        /// Second run.
        second: B256,
    },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Halted { node, cause } => write!(f, "the {node} halted: {cause}"),
            Self::HeadOrder { node, heads } => write!(f, "the {node}'s heads are out of order: {heads:?}"),
            Self::Divergence {
                left,
                right,
                number,
                left_hash,
                right_hash,
            } => write!(
                f,
                "block {number} is {left_hash:?} at the {left} and {right_hash:?} at the {right}"
            ),
            Self::Stuck {
                what,
                expected,
                found,
                stall,
            } => write!(
                f,
                "{what}: {expected} expected, {found} reached, stall: {stall:?}"
            ),
            Self::Replaced { number, built, safe } => {
                write!(
                    f,
                    "block {number} was built as {built} in quiet times, and {safe:?} is safe"
                )
            }
            Self::Endless { node } => write!(f, "the {node} does not come to an end"),
            Self::Builder(cause) => write!(f, "the builder stopped: {cause}"),
            Self::Verifier(cause) => write!(f, "a sealed block is not what it executes to: {cause}"),
            Self::Channel(cause) => write!(f, "no channel could be made: {cause}"),
            Self::Batcher(cause) => write!(f, "the batcher stopped: {cause}"),
            Self::TwoEffects { nonce } => {
                write!(f, "the batcher used nonce {nonce} for two different things")
            }
            Self::Restart(cause) => write!(f, "a node does not start on its own store: {cause}"),
            Self::Digest { first, second } => write!(f, "two runs differ: {first} and {second}"),
        }
    }
}

/// A seed whose world broke.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// What does not hold.
    pub violation: Violation,
    /// The last moves before.
    pub moves: Vec<String>,
    /// What happened until then.
    pub counts: Box<Counts>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}: {}", self.seed, self.violation)?;
        writeln!(f, "the last moves:")?;
        for last in &self.moves {
            writeln!(f, "  {last}")?;
        }
        Ok(())
    }
}

impl core::error::Error for Failure {}
