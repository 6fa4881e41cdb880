//! Keeps the database at the heads of both chains.
//!
//! ```text
//!  loop: where do database and endpoint part? -- below the tip --> take back to the common ancestor
//!                                             `- nowhere -------> fetch the next blocks, add those that link
//! ```
//! A loop never stops because somebody does not answer; it ends when the database fails or an endpoint is of another chain.

pub(crate) mod l1;
pub(crate) mod l2;
pub(crate) mod payloads;
#[cfg(test)]
mod tests;

use crate::{
    error::{ChainIdentity, IndexerError, Side},
    rpc::{Rpc, RpcBlock, RpcError},
    store::{BlockId, Store},
};
use alloy::primitives::B256;
use core::time::Duration;
use tokio_util::sync::CancellationToken;
use tributary_protocol::config::RollupConfig;

/// Most blocks fetched and committed at a time: enough to catch up at some thousand blocks per second, and what one transaction and
/// one answer's worth of memory hold of full blocks.
const BLOCKS_PER_TICK: u64 = 32;
/// Blocks fetched at once.
const FETCHES_AT_ONCE: usize = 8;

/// Why a tick did not finish.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FollowError {
    /// Ask again later.
    #[error(transparent)]
    Rpc(#[from] RpcError),
    /// The database failed: fatal.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    /// The endpoint is of another chain: fatal.
    #[error("the RPC endpoint is of {found}, rollup.json says {expected}")]
    OtherEndpoint {
        expected: ChainIdentity,
        found: ChainIdentity,
    },
}

impl FollowError {
    /// The error that ends the indexer; `None` if waiting may help.
    fn fatal(self, store: &Store) -> Option<IndexerError> {
        match self {
            Self::Rpc(_) => None,
            Self::Database(source) => Some(store.error(source)),
            Self::OtherEndpoint { expected, found } => Some(IndexerError::OtherEndpoint { expected, found }),
        }
    }
}

/// Whether there is more to do at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// Tick again now.
    Again,
    /// Nothing new; wait.
    Wait,
}

/// Waits out the poll interval; true if the indexer is to end.
async fn wait(shutdown: &CancellationToken, interval: Duration) -> bool {
    tokio::select! {
        () = shutdown.cancelled() => true,
        () = tokio::time::sleep(interval) => false,
    }
}

/// Checks that an endpoint is of the chain in the rollup configuration.
async fn check_identity(rpc: &Rpc, side: Side, rollup: &RollupConfig) -> Result<(), FollowError> {
    let expected = ChainIdentity::expected(side, rollup);
    let first = match side {
        Side::L1 => rollup.genesis.l1.number.0,
        Side::L2 => rollup.genesis.l2.number.0,
    };
    let found = ChainIdentity {
        side,
        chain_id: rpc.chain_id().await?,
        genesis: rpc.hash_at(first).await?.unwrap_or_default(),
    };
    if found == expected {
        Ok(())
    } else {
        Err(FollowError::OtherEndpoint { expected, found })
    }
}

/// The highest block that database and endpoint share, if it is not the tip: everything above it was abandoned. `head` is the number
/// of the endpoint's head; an endpoint that is merely behind has abandoned nothing.
async fn fork_below_tip(
    rpc: &Rpc,
    store: &Store,
    side: Side,
    tip: BlockId,
    head: u64,
) -> Result<Option<u64>, FollowError> {
    let height = tip.number.min(head);
    if height < store.genesis(side).number || agree(rpc, store, side, height).await? {
        return Ok(None);
    }
    common_ancestor(rpc, store, side, height).await.map(Some)
}

/// Searches below `differing`, first in growing steps, since most reorgs are shallow, then by halves.
async fn common_ancestor(rpc: &Rpc, store: &Store, side: Side, differing: u64) -> Result<u64, FollowError> {
    let genesis = store.genesis(side);
    let (mut differing, mut step) = (differing, 1);
    let mut shared = loop {
        let candidate = differing.saturating_sub(step).max(genesis.number);
        if agree(rpc, store, side, candidate).await? {
            break candidate;
        }
        if candidate == genesis.number {
            return Err(other_genesis(rpc, side, genesis).await?);
        }
        (differing, step) = (candidate, step * 2);
    };
    while differing - shared > 1 {
        let middle = shared + (differing - shared) / 2;
        if agree(rpc, store, side, middle).await? {
            shared = middle;
        } else {
            differing = middle;
        }
    }
    Ok(shared)
}

async fn other_genesis(rpc: &Rpc, side: Side, genesis: BlockId) -> Result<FollowError, FollowError> {
    let chain_id = rpc.chain_id().await?;
    let found = rpc.hash_at(genesis.number).await?.unwrap_or_default();
    let identity = |genesis| ChainIdentity {
        side,
        chain_id,
        genesis,
    };
    Ok(FollowError::OtherEndpoint {
        expected: identity(genesis.hash),
        found: identity(found),
    })
}

/// Whether database and endpoint have the same block at a height.
async fn agree(rpc: &Rpc, store: &Store, side: Side, number: u64) -> Result<bool, FollowError> {
    let remote = rpc.hash_at(number).await?;
    let local = store.hash_at(side, number).await?;
    Ok(remote.is_some() && remote == local)
}

/// As many of `blocks` as follow on `parent`, each the child of the one before. The rest belongs to a chain that changed while it
/// was being fetched.
fn linked<T>(parent: B256, blocks: Vec<T>, header: impl Fn(&T) -> &RpcBlock) -> Vec<T> {
    let mut expected = parent;
    let follows = |block: &T| {
        let header = header(block);
        let follows = header.parent_hash == expected;
        expected = header.hash;
        follows
    };
    blocks.into_iter().take_while(follows).collect()
}
