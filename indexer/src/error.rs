//! Why an indexer does not start, or stops.

use alloy::primitives::B256;
use core::fmt;
use std::{io, net::SocketAddr, path::PathBuf};
use tributary_protocol::config::RollupConfig;

/// One of the two chains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The chain that is posted to.
    L1,
    /// The chain that is posted.
    L2,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::L1 => "L1",
            Self::L2 => "L2",
        })
    }
}

/// Which chain something belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainIdentity {
    /// Which of the two.
    pub side: Side,
    /// Chain id.
    pub chain_id: u64,
    /// Hash of its first block: L2's genesis, or on L1 the block derivation starts after. Zero if there is no such block.
    pub genesis: B256,
}

impl ChainIdentity {
    /// What the rules of the chain say.
    #[must_use]
    pub const fn expected(side: Side, rollup: &RollupConfig) -> Self {
        let (chain_id, genesis) = match side {
            Side::L1 => (rollup.l1_chain_id, rollup.genesis.l1.hash),
            Side::L2 => (rollup.l2_chain_id, rollup.genesis.l2.hash),
        };
        Self {
            side,
            chain_id,
            genesis,
        }
    }
}

impl fmt::Display for ChainIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} chain {} with genesis {}",
            self.side, self.chain_id, self.genesis
        )
    }
}

/// Why an indexer does not start, or stops. Nothing here gets better by waiting: what does is in `/readyz` meanwhile.
#[derive(Debug, thiserror::Error)]
pub enum IndexerError {
    /// The database could not be opened, read or written.
    #[error("database {path}: {source}")]
    Database {
        /// The file.
        path: PathBuf,
        /// SQLite's word.
        source: sqlx::Error,
    },
    /// The database has another schema.
    #[error("database {path}: {source}")]
    Migration {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        source: sqlx::migrate::MigrateError,
    },
    /// The database holds another chain.
    #[error(
        "database {path} is of {found}, rollup.json says {expected}: choose another file, or delete this one"
    )]
    OtherChain {
        /// The file.
        path: PathBuf,
        /// In the rollup configuration.
        expected: ChainIdentity,
        /// In the database.
        found: ChainIdentity,
    },
    /// The node or L1 is of another chain.
    #[error("the RPC endpoint is of {found}, rollup.json says {expected}")]
    OtherEndpoint {
        /// In the rollup configuration.
        expected: ChainIdentity,
        /// What the endpoint says.
        found: ChainIdentity,
    },
    /// The address is taken, or not ours to take.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's word.
        source: io::Error,
    },
    /// The HTTP server ended.
    #[error("the HTTP server ended: {0}")]
    Serve(io::Error),
    /// A task of the indexer panicked.
    #[error("a task of the indexer panicked: {0}")]
    Task(#[from] tokio::task::JoinError),
}
