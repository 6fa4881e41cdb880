//! Output roots of finalized blocks, proposed to the dispute game factory on L1.
//!
//! Only what the node has derived from L1 itself is proposed, nothing while the root stands still, and never the same root twice:
//! before each proposal the factory is asked whether the game exists already. Safe blocks that are not final may give way in an L1
//! reorg while the proposal stays, and a root of our own that is not derived any more halts every node that watches: they are proposed
//! only where the operator says so.

use crate::{
    l1::{Call, L1Error, Submitter},
    node::{NodeClient, NodeError, OutputAtBlock},
};
use alloy::{
    primitives::{Address, B256, Bytes, U256},
    providers::Provider,
    rpc::types::TransactionRequest,
    sol_types::{SolCall, SolValue},
};
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use tributary_protocol::{block::L2BlockRef, contracts::IDisputeGameFactory};

/// Pause after a failed round.
const RETRY_PAUSE: Duration = Duration::from_secs(2);

/// What the proposer needs to run.
#[derive(Clone, Copy, Debug)]
pub struct ProposerConfig {
    /// The dispute game factory.
    pub factory: Address,
    /// Game type of a proposal.
    pub game_type: u32,
    /// Time between two proposals.
    pub interval: Duration,
    /// True proposes the safe head, false the finalized one.
    pub allow_non_finalized: bool,
}

/// Why a round failed; every one is tried again.
#[derive(Debug, thiserror::Error)]
pub enum ProposerError {
    /// See [`NodeError`].
    #[error(transparent)]
    Node(#[from] NodeError),
    /// See [`L1Error`].
    #[error(transparent)]
    L1(#[from] L1Error),
    /// The factory does not answer as one.
    #[error("{factory} does not answer {call} as a dispute game factory: {reason}")]
    Factory {
        /// Address asked.
        factory: Address,
        /// Function called.
        call: &'static str,
        /// What was wrong.
        reason: String,
    },
}

/// What others may know of the proposer at any time.
#[derive(Clone, Debug, Default)]
pub struct ProposerStatus {
    /// Why nothing moves, if nothing does.
    pub problem: Option<String>,
    /// Last block proposed since the start.
    pub proposed: Option<L2BlockRef>,
}

/// The proposer.
pub struct Proposer {
    config: ProposerConfig,
    node: NodeClient,
    l1: Submitter,
    status: watch::Sender<ProposerStatus>,
}

impl Proposer {
    /// A proposer for the chain of `node`.
    #[must_use]
    pub fn new(config: ProposerConfig, node: NodeClient, l1: Submitter) -> Self {
        let (status, _) = watch::channel(ProposerStatus::default());
        Self {
            config,
            node,
            l1,
            status,
        }
    }

    /// Follows what the proposer is doing.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<ProposerStatus> {
        self.status.subscribe()
    }

    /// Runs until `shutdown`. Whatever goes wrong is told in the status and tried again.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut last = None;
        loop {
            let round = tokio::select! {
                () = shutdown.cancelled() => break,
                round = self.propose(last) => round,
            };
            let pause = match round {
                Ok(proposed) => {
                    last = proposed.map(|output| output.output_root).or(last);
                    self.status.send_modify(|status| {
                        status.problem = None;
                        status.proposed = proposed.map(|output| output.block_ref).or(status.proposed);
                    });
                    self.config.interval
                }
                Err(error) => {
                    warn!(%error, "no proposal");
                    metrics::counter!("tributary_proposer_failures_total").increment(1);
                    self.status
                        .send_modify(|status| status.problem = Some(error.to_string()));
                    RETRY_PAUSE.min(self.config.interval)
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => break,
                () = tokio::time::sleep(pause) => {}
            }
        }
        info!("stopped");
    }

    /// Proposes the output root of the finalized or safe head if it is new.
    async fn propose(&self, last: Option<B256>) -> Result<Option<OutputAtBlock>, ProposerError> {
        let sync = self.node.sync_status().await?;
        let head = if self.config.allow_non_finalized {
            sync.safe_l2
        } else {
            sync.finalized_l2
        };
        if head.number.0 == 0 {
            return Ok(None);
        }
        let output = self.node.output_at(head.number).await?;
        let extra_data = Bytes::from(U256::from(head.number.0).abi_encode());
        if last == Some(output.output_root) || self.exists(output.output_root, &extra_data).await? {
            return Ok(None);
        }
        let value = self.bond().await?;
        let create = IDisputeGameFactory::createCall {
            gameType: self.config.game_type,
            rootClaim: output.output_root,
            extraData: extra_data,
        };
        let call = Call {
            value,
            ..Call::new(self.config.factory, create.abi_encode().into())
        };
        let inclusion = self.l1.send(&call).await?;
        metrics::counter!("tributary_proposer_proposals_total").increment(1);
        info!(block = head.number.0, root = %output.output_root, l1_tx = %inclusion.hash, "proposed an output root");
        Ok(Some(output))
    }

    async fn exists(&self, root: B256, extra_data: &Bytes) -> Result<bool, ProposerError> {
        let call = IDisputeGameFactory::gamesCall {
            gameType: self.config.game_type,
            rootClaim: root,
            extraData: extra_data.clone(),
        };
        Ok(self.ask("games", &call).await?.proxy_ != Address::ZERO)
    }

    async fn bond(&self) -> Result<U256, ProposerError> {
        self.ask(
            "initBonds",
            &IDisputeGameFactory::initBondsCall {
                gameType: self.config.game_type,
            },
        )
        .await
    }

    async fn ask<C: SolCall>(&self, name: &'static str, call: &C) -> Result<C::Return, ProposerError> {
        let factory = self.config.factory;
        let request = TransactionRequest::default()
            .to(factory)
            .input(Bytes::from(call.abi_encode()).into());
        let wrong = |reason: String| ProposerError::Factory {
            factory,
            call: name,
            reason,
        };
        let answer = self
            .l1
            .provider()
            .call(request)
            .await
            .map_err(|source| L1Error::Rpc {
                what: "eth_call",
                source,
            })?;
        C::abi_decode_returns(&answer).map_err(|error| wrong(error.to_string()))
    }
}
