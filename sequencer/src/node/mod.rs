//! Puts a node together, and takes it apart again.
//!
//! ```text
//!  engine (thread) <-- derivation driver (task, always) <-- L1, DA
//!     ^   \--> verifier (thread, if sequencing)
//!     |
//!  builder (thread, if sequencing, once derivation has read L1 to its end) <-- L1 view (task), pool
//!  rpc (a runtime of its own) reads chain, pool, status, health
//! ```
//! What stops for good (a contradiction in derivation, a block that does not verify) halts the node: it builds and derives no more,
//! `readyz` says why, and reads are still answered. If the store fails nothing can be answered for, and the node ends.

mod admin;
mod derivation_metrics;
mod l1_check;
mod on_halt;
mod roles;

pub use admin::{AdminError, NodeAdmin};

use self::{l1_check::L1Check, roles::Roles};
use crate::{
    builder::{Builder, DaLimits},
    config::{NodeConfig, NodeParts},
    engine::{Chain, Engine, EngineError},
    health::{Check, Health},
    journal::{Journal, JournalError},
    l1_view::L1View,
    pool::Pool,
    preconfirmation::{Preconfirmations, Signing},
    rpc::{self, NodeStatus, Rpc, TransactionTarget},
    sequencing::{Sequencing, StateError},
    store::{ChainIdentity, Store, StoreError, import::stored_genesis},
    unsafe_feed::{EvidenceBook, SignerWatch, UnsafeFeed},
    verifier::Verifier,
};
use alloy::primitives::B256;
use std::{io, net::SocketAddr, sync::Arc};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tributary_derivation::driver::{DerivationStatus, Driver};
use tributary_protocol::{
    block::{L1BlockId, L2BlockRef},
    config::RollupConfig,
    genesis::{Genesis, GenesisBlock, GenesisMismatch},
};

/// Why a node did not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The genesis is not the one the rollup configuration speaks of.
    #[error(transparent)]
    Genesis(#[from] GenesisMismatch),
    /// The chain could not be opened, or has failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The journal could not be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// What the operator last asked of the sequencer cannot be read.
    #[error(transparent)]
    State(#[from] StateError),
    /// The chain could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// L1 is another chain.
    #[error("L1 has chain id {found}, rollup.json says {expected}")]
    L1ChainId {
        /// In the rollup configuration.
        expected: u64,
        /// What L1 says.
        found: u64,
    },
    /// L1 has the right chain id and another history.
    #[error(
        "L1 block {number} is {found:?}, rollup.json says {expected}: L1 was reset, or rollup.json is of another chain",
        number = expected.number,
        expected = expected.hash
    )]
    L1Genesis {
        /// In the rollup configuration.
        expected: L1BlockId,
        /// What L1 has at that number.
        found: Option<B256>,
    },
    /// The address for HTTP is taken or not ours.
    #[error("cannot serve HTTP at {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// What was kept of contradictions cannot be read.
    #[error("the folder of evidence cannot be read: {0}")]
    Evidence(#[source] io::Error),
    /// The operating system gave no thread.
    #[error("no thread for the {role}: {source}")]
    Thread {
        /// What it was for.
        role: &'static str,
        /// What the operating system said.
        source: io::Error,
    },
}

/// A running node.
#[derive(Debug)]
pub struct Node {
    engine: Engine,
    pool: Option<Pool>,
    admin: NodeAdmin,
    http_address: SocketAddr,
    health: Health,
    derivation: watch::Receiver<DerivationStatus>,
    verified: Option<watch::Receiver<L2BlockRef>>,
    stop: CancellationToken,
    roles: Roles,
}

impl Node {
    /// Starts a node. It ends when `stop` is cancelled.
    ///
    /// # Errors
    /// When configuration, store and L1 do not belong together. An L1 that does not answer is waited for, by the roles that need it.
    pub async fn start(
        config: NodeConfig,
        parts: NodeParts,
        stop: CancellationToken,
    ) -> Result<Self, NodeError> {
        let genesis = block_0(config.genesis.as_ref(), &config.rollup, &*parts.store)?;
        let rollup = Arc::new(config.rollup);
        let l1_chain = Arc::new(config.l1_chain);
        let engine = Engine::start(parts.store, rollup.clone(), &genesis, config.engine)?;
        let chain = engine.chain().clone();

        let listen = |source| NodeError::Listen {
            address: config.http_addr,
            source,
        };
        let listener = rpc::bind(config.http_addr).map_err(listen)?;
        let http_address = listener.local_addr().map_err(listen)?;

        let pool = config.sequencing.then(|| Pool::new(chain.clone(), config.pool));
        let sequencing = if config.sequencing {
            Sequencing::remembered_in(config.admin_state, config.sequencer_stopped)?
        } else {
            Sequencing::default()
        };
        let journal = match (&pool, parts.journal) {
            (Some(pool), Some(disk)) => {
                let identity = ChainIdentity {
                    chain_id: rollup.l2_chain_id,
                    genesis_hash: genesis.hash,
                };
                let (journal, recovered) = Journal::open(disk, identity, config.journal)?;
                Some((journal.clone(), pool.keep_promises(journal, recovered)?))
            }
            _ => None,
        };
        let quarantine = pool
            .as_ref()
            .map(|pool| pool.quarantine().clone())
            .unwrap_or_default();
        let health = Health::new(chain.clone())
            .with_quarantine(quarantine.clone())
            .with_sequencing(sequencing.clone());
        let l1_check = L1Check::new(parts.l1.clone(), rollup.clone());
        let l1_passed = match l1_check.probe(false).await {
            Ok(verdict) => verdict.map(|()| true)?,
            Err(error) => {
                tracing::warn!(target: "sequencer", %error, "L1 does not answer; waiting for it");
                false
            }
        };

        let mut roles = Roles::new(health.clone(), stop.clone(), config.on_halt);
        roles.end_with(engine.clone());
        let l1_checked = roles.probe_l1(l1_check, l1_passed);
        roles.probe_da(parts.da.clone());
        let mut driver = Driver::new(
            rollup.clone(),
            l1_chain.clone(),
            parts.l1.clone(),
            parts.da.clone(),
            Arc::new(engine.clone()),
            config.derivation,
        );
        if let Some(blobs) = parts.blobs {
            driver = driver.with_blobs(blobs);
        }
        if let Some(outputs) = config.outputs {
            driver = driver.with_outputs(outputs);
        }
        let derivation = driver.status();
        let reset = driver.reset_request();
        roles.show_stalls(derivation.clone());
        roles.derive(driver, l1_checked);

        let verifier = config
            .sequencing
            .then(|| Verifier::new(chain.clone()).with_quarantine(quarantine));
        let verified = verifier.as_ref().map(Verifier::verified_head);
        if let Some((journal, _)) = &journal {
            roles.journal(journal.clone());
        }
        let evidence = EvidenceBook::open(config.data_dir.join("evidence")).map_err(NodeError::Evidence)?;
        if let (false, Some(url)) = (config.sequencing, &config.sequencer_rpc) {
            let signer = SignerWatch::new(parts.l1.clone(), rollup.l1_system_config_address);
            let feed = UnsafeFeed::new(
                url.clone(),
                engine.clone(),
                signer.clone(),
                evidence.clone(),
                config.data_dir.clone(),
            );
            roles.listen(signer, feed);
        }
        let target = match (&pool, config.sequencer_rpc) {
            (Some(pool), _) => TransactionTarget::Pool(pool.clone()),
            (None, Some(url)) => TransactionTarget::sequencer(url),
            (None, None) => TransactionTarget::Nowhere,
        };
        let signing = config.signing.filter(|_| config.sequencing);
        tell_of_signing(config.sequencing, signing.as_ref());
        let preconfirmations = Preconfirmations::new(chain.clone(), signing, roles.work().clone());
        if preconfirmations.signing().is_some() {
            roles.preconfirm(preconfirmations.clone())?;
        }
        let rpc = Rpc::new(
            chain.clone(),
            target,
            health.clone(),
            node_status(derivation.clone(), verified.clone()),
            parts.metrics_text,
            config.rpc,
        )
        .with_preconfirmations(preconfirmations)
        .with_evidence(evidence);
        roles.serve(listener, rpc)?;
        if let Some(verifier) = verifier {
            roles.verify(verifier)?;
        }
        let da_limits = DaLimits::default();
        let admin = NodeAdmin {
            chain: chain.clone(),
            health: health.clone(),
            sequencer: pool.clone().map(|pool| (sequencing.clone(), pool)),
            da_limits: da_limits.clone(),
            derivation: derivation.clone(),
            reset: reset.clone(),
        };
        if let Some(pool) = &pool {
            pool.explain_with(da_limits.clone());
            pool.take_while(sequencing.clone());
            let view = L1View::new(rollup, parts.l1);
            roles.read_l1_ahead(view.clone(), chain.clone());
            let mut builder = Builder::new(
                engine.clone(),
                view,
                l1_chain,
                Arc::new(pool.clone()),
                parts.clock,
                config.builder,
                roles.work().clone(),
            )
            .with_da_limits(da_limits)
            .with_sequencing(sequencing)
            .on_lost_origin(move || reset.ask());
            if let Some((journal, interrupted)) = journal {
                builder = builder.with_journal(journal, interrupted);
            }
            roles.build(builder, derivation.clone())?;
        }
        let heads = engine.chain().heads();
        tracing::info!(
            target: "sequencer",
            sequencing = config.sequencing,
            chain_id = engine.chain().config().l2_chain_id,
            genesis = %engine.chain().config().genesis.l2.hash,
            unsafe_head = heads.unsafe_head.number.0,
            safe_head = heads.safe_head.number.0,
            http = %http_address,
            "node started"
        );
        Ok(Self {
            engine,
            pool,
            admin,
            http_address,
            health,
            derivation,
            verified,
            stop,
            roles,
        })
    }

    /// Blocks, state and heads.
    #[must_use]
    pub const fn chain(&self) -> &Chain {
        self.engine.chain()
    }

    /// Pending transactions; `None` on a follower, which takes none.
    #[must_use]
    pub const fn pool(&self) -> Option<&Pool> {
        self.pool.as_ref()
    }

    /// What its operator may ask of it.
    #[must_use]
    pub const fn admin(&self) -> &NodeAdmin {
        &self.admin
    }

    /// Where HTTP is served, with the port that was picked if the configuration left it open.
    #[must_use]
    pub const fn http_address(&self) -> SocketAddr {
        self.http_address
    }

    /// Facts for `readyz`.
    #[must_use]
    pub const fn health(&self) -> &Health {
        &self.health
    }

    /// Where derivation stands.
    #[must_use]
    pub const fn derivation(&self) -> &watch::Receiver<DerivationStatus> {
        &self.derivation
    }

    /// The newest block that a fresh executor confirmed; `None` on a follower, whose blocks are derived.
    #[must_use]
    pub const fn verified_head(&self) -> Option<&watch::Receiver<L2BlockRef>> {
        self.verified.as_ref()
    }

    /// Ends with the node; cancelling it ends the node.
    #[must_use]
    pub const fn stop_token(&self) -> &CancellationToken {
        &self.stop
    }

    /// Waits until everything has ended, which it does once the stop token is cancelled.
    ///
    /// # Errors
    /// When the node ended because its store failed.
    pub async fn join(mut self) -> Result<(), NodeError> {
        self.roles.join().await;
        if let Err(error) = self.engine.flush().await {
            tracing::warn!(target: "sequencer", %error, "state was not flushed; the next start works it out");
        }
        match self.health.report(0).store {
            Check::Failing(_) => Err(EngineError::Stopped.into()),
            _ => Ok(()),
        }
    }
}

/// Whoever relies on signatures should learn from the log that there are none.
fn tell_of_signing(sequencing: bool, signing: Option<&Signing>) {
    match signing {
        Some(signing) => tracing::info!(
            target: "sequencer",
            signer = %signing.address(),
            epoch = signing.epoch(),
            "signing preconfirmations and blocks"
        ),
        None if sequencing => tracing::warn!(
            target: "sequencer",
            "no --signer-key-file: preconfirmations and blocks are served unsigned"
        ),
        None => {}
    }
}

/// Block 0, whose hash `rollup` names: from its genesis, or from the chain that the store holds already.
fn block_0(
    genesis: Option<&Genesis>,
    rollup: &RollupConfig,
    store: &dyn Store,
) -> Result<GenesisBlock, NodeError> {
    let Some(genesis) = genesis else {
        let block = stored_genesis(store)?;
        if block.hash != rollup.genesis.l2.hash {
            return Err(NodeError::Genesis(GenesisMismatch {
                field: "genesis hash",
                rollup: rollup.genesis.l2.hash.to_string(),
                genesis: block.hash.to_string(),
            }));
        }
        return Ok(block);
    };
    let block = genesis.seal();
    genesis.check(rollup, &block)?;
    Ok(block)
}

/// What derivation knows of L1 and what is verified, for `optimism_syncStatus`.
fn node_status(
    derivation: watch::Receiver<DerivationStatus>,
    verified: Option<watch::Receiver<L2BlockRef>>,
) -> Arc<dyn Fn() -> NodeStatus + Send + Sync> {
    Arc::new(move || NodeStatus {
        verified_l2: verified.as_ref().map(|head| *head.borrow()),
        ..NodeStatus::from(&*derivation.borrow())
    })
}
